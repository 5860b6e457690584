//! The names of connections: endpoints and four-tuples.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

/// An address and a TCP port: [`SocketAddr`] without IPv6 scope and flow label, which are no part of a copy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// IPv4 or IPv6 address.
    pub ip: IpAddr,
    /// TCP port, host byte order.
    pub port: u16,
}

impl Endpoint {
    /// The endpoint `ip:port`.
    #[must_use]
    pub const fn new(ip: IpAddr, port: u16) -> Self {
        Self { ip, port }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::new(address.ip(), address.port())
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(endpoint.ip, endpoint.port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A connection as its client names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// The end that opened the connection.
    pub client: Endpoint,
    /// The end that accepted it.
    pub server: Endpoint,
}

/// Hashes all fields in one write: tables are searched for every packet.
impl Hash for Flow {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ports = u32::from(self.client.port) << 16 | u32::from(self.server.port);
        match (self.client.ip, self.server.ip) {
            (IpAddr::V4(client), IpAddr::V4(server)) => {
                let addresses = u64::from(client.to_bits()) << 32 | u64::from(server.to_bits());
                state.write_u128(u128::from(addresses) << 32 | u128::from(ports));
            }
            _ => (self.client.ip, self.server.ip, ports).hash(state),
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}", self.client, self.server)
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
