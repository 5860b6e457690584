//! The network interfaces of this host.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;

use pnet::datalink;
use socket2::{Domain, Socket, Type};

use super::sys;

/// The names of all interfaces, those that are down included.
#[must_use]
pub fn names() -> Vec<String> {
    datalink::interfaces().into_iter().map(|interface| interface.name).collect()
}

/// All addresses of this host.
#[must_use]
pub fn local_addresses() -> Vec<IpAddr> {
    datalink::interfaces().iter().flat_map(|interface| &interface.ips).map(|network| network.ip()).collect()
}

/// The largest IP packet that the interface takes, in bytes.
///
/// # Errors
/// The operating system's error; the interface may not exist.
pub fn mtu(name: &str) -> io::Result<u32> {
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    sys::interface_mtu(socket.as_fd(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there() {
        assert!(names().contains(&"lo".into()));
        assert!(mtu("lo").unwrap() >= 1500);
    }

    #[test]
    fn an_interface_that_is_not_there_has_no_mtu() {
        for name in ["", "io-none", "a-name-longer-than-the-kernel-has"] {
            assert!(mtu(name).is_err(), "{name}");
        }
    }
}
