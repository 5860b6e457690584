//! The way to a destination, as the kernel would choose it.

use std::io;
use std::net::IpAddr;

use nix::net::if_::if_indextoname;

use super::next_hop::{Neighbour, Resolver};

/// The way to a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Name of the outgoing interface.
    pub interface: String,
    /// The next hop: a gateway, or the destination itself.
    pub hop: IpAddr,
    /// The next hop is a gateway.
    pub is_gateway: bool,
    /// The station with the address of the next hop.
    pub station: Station,
}

/// A station on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Station {
    /// Its MAC address.
    Known([u8; 6]),
    /// The kernel has not asked for its MAC address yet, or the link has none.
    Unknown,
    /// It does not answer the kernel.
    Silent,
}

/// Looks ways up in the kernel, through rtnetlink(7). No request needs a privilege.
pub struct Ways(Resolver);

impl Ways {
    /// Opens its sockets.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn open() -> io::Result<Self> {
        Resolver::open().map(Self)
    }

    /// The way to `destination`; `None` if there is none, or if it is no plain route to another host.
    pub fn find(&mut self, destination: IpAddr) -> Option<Way> {
        let (index, gateway) = self.0.route(destination)?;
        let interface = if_indextoname(index).ok()?.to_str().ok()?.to_owned();
        let hop = gateway.unwrap_or(destination);
        let station = match self.0.neighbour_of(index, hop) {
            Some(Neighbour::Known(mac)) => Station::Known(mac),
            Some(Neighbour::Silent) => Station::Silent,
            None => Station::Unknown,
        };
        Some(Way { interface, hop, is_gateway: gateway.is_some(), station })
    }
}
