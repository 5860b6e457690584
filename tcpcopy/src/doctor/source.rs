//! The source of a probe: an address that copies have, with a port that no client has.

use std::net::IpAddr;

use common_core::flow::{Endpoint, Flow};

/// Ports that no kernel chooses for a client and tcpcopy chooses for no copy, so that a probe is no client's connection.
const PORTS: std::ops::Range<u16> = 600..1024;

/// Whose address a probe has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// That of a client that uses the service now.
    Client(IpAddr),
    /// One of `-c`.
    Pool(IpAddr),
    /// This host's own, because no client is known.
    Own(IpAddr),
}

impl Source {
    pub(super) fn ip(self) -> IpAddr {
        match self {
            Self::Client(ip) | Self::Pool(ip) | Self::Own(ip) => ip,
        }
    }
}

/// The connection of a probe. `taken` are the clients' ends of the connections of this host's services.
pub(super) fn flow(source: IpAddr, server: Endpoint, taken: &[Endpoint], random: u64) -> Option<Flow> {
    let count = u64::from(PORTS.end - PORTS.start);
    let ports = (0..count).map(|step| PORTS.start + ((random % count + step) % count) as u16);
    let is_free = |client: &Endpoint| !taken.contains(client);
    let client = ports.map(|port| Endpoint::new(source, port)).find(is_free)?;
    Some(Flow { client, server })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_has_no_clients_port() {
        let (client, server) = (IpAddr::from([10, 1, 0, 1]), Endpoint::new([10, 0, 0, 17].into(), 80));
        let port =
            |taken: &[Endpoint], random| flow(client, server, taken, random).map(|flow| flow.client.port);
        for random in [0, 1, 423, 424, u64::MAX] {
            assert!(PORTS.contains(&port(&[], random).unwrap()), "{random}");
        }
        let mut taken = vec![Endpoint::new(client, 600)];
        assert_eq!((port(&[], 0), port(&taken, 0)), (Some(600), Some(601)));
        taken.extend(PORTS.map(|port| Endpoint::new(client, port)));
        assert_eq!(port(&taken, 7), None, "all of them are taken");
    }
}
