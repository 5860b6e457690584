//! The network interfaces of this host.

use std::net::IpAddr;

use pnet::datalink;

/// The names of all interfaces, also of those that are down.
#[must_use]
pub fn names() -> Vec<String> {
    datalink::interfaces().into_iter().map(|interface| interface.name).collect()
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
    }
}
