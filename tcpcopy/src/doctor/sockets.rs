//! The TCP sockets of this host, from the files of proc(5).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common_core::flow::Endpoint;

/// `TCP_LISTEN` of the kernel's `net/tcp_states.h`.
const LISTEN: &str = "0A";

/// The sockets of both address families.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sockets {
    pub(super) listening: Vec<Endpoint>,
    /// Connections: this host's end, and the other one.
    pub(super) connected: Vec<(Endpoint, Endpoint)>,
}

impl Sockets {
    /// Reads them; `None` if the kernel shows none.
    pub(super) fn read() -> Option<Self> {
        let v4 = fs::read_to_string("/proc/net/tcp").ok()?;
        let v6 = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
        let mut sockets = Self::default();
        v4.lines().chain(v6.lines()).for_each(|line| sockets.add(line));
        Some(sockets)
    }

    /// Adds the socket of a line. The heading, and lines that cannot be read, are none.
    fn add(&mut self, line: &str) {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let ends = (fields.next().and_then(endpoint), fields.next().and_then(endpoint));
        let ((Some(local), Some(remote)), Some(state)) = (ends, fields.next()) else { return };
        if state == LISTEN {
            self.listening.push(local);
        } else {
            self.connected.push((local, remote));
        }
    }

    /// Somebody listens on the port, at the address if there is one.
    pub(super) fn listens(&self, ip: Option<IpAddr>, port: u16) -> bool {
        self.listening.iter().any(|socket| {
            let fits = ip.is_none_or(|ip| socket.ip.is_unspecified() || socket.ip == ip);
            socket.port == port && fits
        })
    }

    /// The clients of the service.
    pub(super) fn clients(&self, ip: Option<IpAddr>, port: u16) -> impl Iterator<Item = Endpoint> + '_ {
        let fits = move |local: &Endpoint| local.port == port && ip.is_none_or(|ip| local.ip == ip);
        self.connected.iter().filter(move |(local, _)| fits(local)).map(|(_, remote)| *remote)
    }
}

/// Reads `0100007F:1F90`. Each four bytes of the address are a number in this host's byte order.
fn endpoint(text: &str) -> Option<Endpoint> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |text: &str| u32::from_str_radix(text, 16).map(u32::to_ne_bytes).ok();
    let ip = match address.len() {
        8 => Ipv4Addr::from(word(address)?).into(),
        32 => {
            let mut bytes = [0; 16];
            for (index, place) in bytes.chunks_exact_mut(4).enumerate() {
                place.copy_from_slice(&word(address.get(8 * index..8 * (index + 1))?)?);
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(Endpoint::new(ip, port))
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    const FILE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 1000000A:0050 0B00140A:C350 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: 00000000000000000000000000000000:0051 00000000000000000000000000000000:0000 0A 0:0
   3: 0000000000000000FFFF00001000000A:0051 0000000000000000FFFF00000B00140A:C351 01 0:0
   4: 1000000A:0050 nonsense 01
   5: é000000A:0050";

    #[test]
    fn sockets_are_read_and_nonsense_is_none() {
        let mut sockets = Sockets::default();
        FILE.lines().for_each(|line| sockets.add(line));
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        assert!(sockets.listens(None, 8080) && sockets.listens(ip("127.0.0.1"), 8080));
        assert!(!sockets.listens(ip("10.0.0.16"), 8080) && !sockets.listens(None, 80));
        assert!(sockets.listens(ip("10.0.0.16"), 81), "an IPv6 socket takes IPv4, too");
        let clients = |port| sockets.clients(None, port).map(|client| client.to_string()).collect::<Vec<_>>();
        assert_eq!(clients(80), ["10.20.0.11:50000"]);
        assert_eq!(clients(81), ["10.20.0.11:50001"]);
    }
}
