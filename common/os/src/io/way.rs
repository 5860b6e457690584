//! The way to a destination, as the kernel would choose it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsFd;

use nix::net::if_::if_indextoname;

use super::next_hop::{Neighbour, Resolver};
use super::sys;

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

/// The MTU of the way to `destination` in bytes. Nothing is sent: the kernel finds the way when a socket is connected, and
/// applies the rules of IPsec.
///
/// # Errors
/// The operating system's error, as for a destination without a route.
pub fn path_mtu(destination: IpAddr) -> io::Result<u32> {
    let any = match destination {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((destination, 9))?;
    sys::path_mtu(socket.as_fd(), destination.is_ipv4())
}
