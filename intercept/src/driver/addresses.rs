//! The host's addresses, read while the worker goes on: the kernel has whoever asks wait as long as it sets up or removes
//! interfaces.

use std::net::IpAddr;

use common_os::io::interfaces;
use common_os::process::background::Task;

/// The addresses of this host as they were a moment ago.
#[derive(Default)]
pub(super) struct Addresses(Option<Task<Vec<IpAddr>>>);

impl Addresses {
    /// Has them read, unless that is being done.
    pub(super) fn ask(&mut self) {
        if self.0.is_none() {
            match Task::start("addresses", interfaces::local_addresses) {
                Ok(task) => self.0 = Some(task),
                Err(error) => log::debug!("cannot start a thread to read the host's addresses: {error}"),
            }
        }
    }

    /// What was read since they were asked for, once.
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
    fn they_are_there_a_while_after_they_were_asked_for() {
        let mut addresses = Addresses::default();
        assert_eq!(addresses.take(), None);
        for _ in 0..2 {
            addresses.ask();
            let read = loop {
                if let Some(read) = addresses.take() {
                    break read;
                }
                std::thread::yield_now();
            };
            assert!(read.iter().any(IpAddr::is_loopback), "{read:?}");
            assert_eq!(addresses.take(), None);
        }
    }
}
