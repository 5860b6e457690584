//! Reads the host's addresses in a thread: the kernel answers only once it has finished setting up or removing interfaces.

use std::net::IpAddr;

use common_os::io::interfaces;
use common_os::process::background::Task;

/// The addresses of this host, read in the background.
#[derive(Default)]
pub(super) struct Addresses(Option<Task<Vec<IpAddr>>>);

impl Addresses {
    /// Starts to read them, unless a thread already does.
    pub(super) fn read(&mut self) {
        if self.0.is_none() {
            match Task::start("addresses", interfaces::local_addresses) {
                Ok(task) => self.0 = Some(task),
                Err(error) => log::debug!("cannot start a thread to read the host's addresses: {error}"),
            }
        }
    }

    /// The addresses, once for each [`Self::read`], when they have been read.
    pub(super) fn take(&mut self) -> Option<Vec<IpAddr>> {
        let result = self.0.as_ref()?.result()?;
        self.0 = None;
        result.inspect_err(|error| log::debug!("cannot read the host's addresses: {error}")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_returned_once_after_they_were_read() {
        let mut addresses = Addresses::default();
        assert_eq!(addresses.take(), None);
        for _ in 0..2 {
            addresses.read();
            let found = loop {
                if let Some(found) = addresses.take() {
                    break found;
                }
                std::thread::yield_now();
            };
            assert!(found.iter().any(IpAddr::is_loopback), "{found:?}");
            assert_eq!(addresses.take(), None);
        }
    }
}
