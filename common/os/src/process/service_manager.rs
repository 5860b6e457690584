//! Reports to the service manager that has started the process (sd_notify(3)).
//!
//! The socket is opened at the start and stays open, because later the process may not reach its name any more.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
    watches: bool,
}

impl ServiceManager {
    /// The one that the environment names (`NOTIFY_SOCKET`), and whether it watches this process (`WATCHDOG_USEC`).
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn find() -> io::Result<Self> {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else { return Ok(Self::default()) };
        let address = match name.as_encoded_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(&name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect_addr(&address)?;
        let watched = env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        Ok(Self { socket: Some(socket), watches: watched && env::var_os("WATCHDOG_USEC").is_some() })
    }

    /// The start has succeeded.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The process works. Call it once a second from the loop that does the work: a manager that does not hear of it for the
    /// time of `WatchdogSec` ends the process and starts another one.
    pub fn alive(&self) {
        if self.watches {
            self.tell("WATCHDOG=1");
        }
    }

    /// The orderly end has begun.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            log::debug!("the service manager does not take {state}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_is_told_of_the_states() {
        let name = format!("service-manager-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        socket.connect_addr(&manager.local_addr().unwrap()).unwrap();
        let told = ServiceManager { socket: Some(socket), watches: true };
        told.ready();
        told.alive();
        told.stopping();
        for state in ["READY=1", "WATCHDOG=1", "STOPPING=1"] {
            let mut buffer = [0; 64];
            let length = manager.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], state.as_bytes());
        }
        let unwatched = ServiceManager { watches: false, ..told };
        unwatched.alive();
        unwatched.ready();
        let mut buffer = [0; 64];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
    }
}
