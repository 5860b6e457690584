//! The network interfaces of this host.

use std::net::IpAddr;
use std::os::fd::AsFd;

use pnet::datalink;
use socket2::{Domain, Socket, Type};

use super::sys;

/// The names of all interfaces, also of those that are down.
#[must_use]
pub fn names() -> Vec<String> {
    datalink::interfaces().into_iter().map(|interface| interface.name).collect()
}

/// The state of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// It is up, and its link has a carrier.
    pub is_up: bool,
    /// Its MTU in bytes, if the kernel tells it.
    pub mtu: Option<u32>,
}

/// The state of the interface of this name; `None` if there is none.
#[must_use]
pub fn state(name: &str) -> Option<State> {
    let interface = datalink::interfaces().into_iter().find(|interface| interface.name == name)?;
    // Any socket does for the question.
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None);
    let mtu = socket.ok().and_then(|socket| sys::interface_mtu(socket.as_fd(), name).ok());
    Some(State { is_up: interface.is_up() && interface.is_running(), mtu })
}

/// All addresses of this host.
#[must_use]
pub fn local_addresses() -> Vec<IpAddr> {
    datalink::interfaces().iter().flat_map(|interface| &interface.ips).map(|network| network.ip()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_exists() {
        assert!(names().contains(&"lo".into()));
        assert!(state("lo").unwrap().mtu.unwrap() > 0);
        assert_eq!(state("no such"), None);
    }
}
