//! Looks up the next hop of a destination in the kernel, through rtnetlink(7).
//!
//! A next hop is returned only where direct sending has the same result as the kernel's routing: for a plain unicast route
//! over an Ethernet to a known neighbour. No request needs a privilege.

use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc::{AF_NETLINK, NETLINK_ROUTE};
use nix::libc::{RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE, RTMGRP_LINK, RTMGRP_NEIGH};
use nix::net::if_::{if_indextoname, if_nametoindex};
use nix::sys::socket::{NetlinkAddr, bind};
use socket2::{Domain, Protocol, Socket, Type};

use super::interfaces;
use super::open::OpenError;
use super::output::Link;
use super::sys;
use super::way::path_mtu;

/// Size of the reply buffer in bytes; every reply to the requests made here fits.
const REPLY: usize = 8192;

/// Notifications read at a time; the next call reads the others.
const NOTIFICATIONS: usize = 64;

/// A station on an Ethernet of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NextHop {
    /// Index of the outgoing interface.
    pub(super) interface: u32,
    /// MAC address of the interface.
    pub(super) source: [u8; 6],
    /// MAC address of the station.
    pub(super) mac: [u8; 6],
    /// MTU of the way in bytes.
    pub(super) mtu: u32,
}

/// A station, as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Neighbour {
    /// Its MAC address.
    Known([u8; 6]),
    /// It has been asked for its MAC address, and has not answered.
    Silent,
}

/// Requests and notifications of the kernel.
pub(super) struct Resolver {
    requests: Socket,
    notifications: Socket,
    sequence: u32,
    /// Routes by this interface only; zero for all.
    interface: u32,
}

impl Resolver {
    /// Opens its sockets.
    pub(super) fn open() -> io::Result<Self> {
        let notifications = netlink()?;
        let groups = RTMGRP_NEIGH | RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
        bind(notifications.as_raw_fd(), &NetlinkAddr::new(0, groups.cast_unsigned()))?;
        Ok(Self { requests: netlink()?, notifications, sequence: 0, interface: 0 })
    }

    /// Looks up routes by this interface only.
    pub(super) fn use_interface(&mut self, name: &str) -> Result<(), OpenError> {
        self.interface = if_nametoindex(name).map_err(|_| OpenError::not_an_interface(name))?;
        Ok(())
    }

    /// The station that the user has named for a destination: on `interface`, or on the one with the source address.
    pub(super) fn fixed(&self, link: &Link, interface: Option<&str>) -> Result<NextHop, OpenError> {
        let names = match interface {
            Some(name) => vec![name.to_owned()],
            None => interfaces::names(),
        };
        let mac = |name: &String| sys::interface_mac(self.requests.as_fd(), name).ok().flatten();
        // A given interface may send with the address of another station.
        let fits = |name: &String| interface.is_some() || link.source.map(|source| source.0) == mac(name);
        let found = names.iter().find_map(|name| Some((name, mac(name).filter(|_| fits(name))?)));
        let (name, own) = found.ok_or_else(|| OpenError::NoLink {
            interface: interface.map(str::to_owned),
            source_mac: link.source,
        })?;
        let failed = |error| OpenError::new("read the properties of the output interface", error);
        Ok(NextHop {
            interface: if_nametoindex(name.as_str()).map_err(|_| OpenError::not_an_interface(name))?,
            source: link.source.map_or(own, |source| source.0),
            mac: link.next_hop.0,
            mtu: sys::interface_mtu(self.requests.as_fd(), name).map_err(failed)?,
        })
    }

    /// The next hop of a packet to `destination`; `None` if it must go through the kernel's routing.
    pub(super) fn resolve(&mut self, destination: IpAddr) -> Option<NextHop> {
        let (interface, gateway) = self.route(destination)?;
        let (source, mtu) = self.plain_interface(destination, interface)?;
        let mac = self.neighbour(interface, gateway.unwrap_or(destination))?;
        Some(NextHop { interface, source, mac, mtu })
    }

    /// Whether routes, neighbours or interfaces may have changed since the last call.
    pub(super) fn has_changes(&mut self) -> bool {
        let mut buffer = [0; 16];
        for read in 0..NOTIFICATIONS {
            match self.notifications.read(&mut buffer) {
                // The notification is truncated, but its contents do not matter.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return read > 0,
                // ENOBUFS: notifications were lost.
                Err(_) => return true,
            }
        }
        true
    }

    /// The outgoing interface, and the gateway unless the destination is on the network of the interface.
    pub(super) fn route(&mut self, destination: IpAddr) -> Option<(u32, Option<IpAddr>)> {
        let mut request = RouteMessage::default();
        request.header.address_family = family(destination);
        request.header.destination_prefix_length = if destination.is_ipv4() { 32 } else { 128 };
        request.attributes.push(RouteAttribute::Destination(destination.into()));
        if self.interface > 0 {
            request.attributes.push(RouteAttribute::Oif(self.interface));
        }
        let RouteNetlinkMessage::NewRoute(route) = self.request(RouteNetlinkMessage::GetRoute(request))?
        else {
            return None;
        };
        if route.header.kind != RouteType::Unicast {
            return None;
        }
        let (mut interface, mut gateway) = (None, None);
        for attribute in route.attributes {
            match attribute {
                RouteAttribute::Oif(index) => interface = Some(index),
                RouteAttribute::Gateway(RouteAddress::Inet(ip)) | RouteAttribute::Via(RouteVia::Inet(ip)) => {
                    gateway = Some(ip.into());
                }
                RouteAttribute::Gateway(RouteAddress::Inet6(ip))
                | RouteAttribute::Via(RouteVia::Inet6(ip)) => gateway = Some(ip.into()),
                // A gateway of a kind unknown here, or a tunnel.
                RouteAttribute::Gateway(_)
                | RouteAttribute::Via(_)
                | RouteAttribute::Encap(_)
                | RouteAttribute::EncapType(_) => return None,
                _ => {}
            }
        }
        Some((interface?, gateway))
    }

    /// The MAC address and the MTU of the interface. `None` if it is no Ethernet, or if the path MTU to `destination` differs
    /// from its MTU: a route with an MTU of its own, path MTU discovery and IPsec all make the path MTU smaller.
    fn plain_interface(&self, destination: IpAddr, interface: u32) -> Option<([u8; 6], u32)> {
        let name = if_indextoname(interface).ok()?;
        let name = name.to_str().ok()?;
        let source = sys::interface_mac(self.requests.as_fd(), name).ok()??;
        let width = sys::interface_mtu(self.requests.as_fd(), name).ok()?;
        let mtu = path_mtu(destination).ok()?;
        (mtu == width).then_some((source, mtu))
    }

    fn neighbour(&mut self, interface: u32, ip: IpAddr) -> Option<[u8; 6]> {
        match self.neighbour_of(interface, ip)? {
            Neighbour::Known(mac) => Some(mac),
            Neighbour::Silent => None,
        }
    }

    /// What the kernel knows of the station with this address; `None` if nothing, or if it has no MAC address.
    pub(super) fn neighbour_of(&mut self, interface: u32, ip: IpAddr) -> Option<Neighbour> {
        let mut request = NeighbourMessage::default();
        request.header.family = family(ip);
        request.header.ifindex = interface;
        request.attributes.push(NeighbourAttribute::Destination(ip.into()));
        let request = RouteNetlinkMessage::GetNeighbour(request);
        let RouteNetlinkMessage::NewNeighbour(neighbour) = self.request(request)? else { return None };
        match neighbour.header.state {
            NeighbourState::Incomplete | NeighbourState::Failed => return Some(Neighbour::Silent),
            // While the kernel probes a neighbour, it still sends to it.
            NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent => {}
            _ => return None,
        }
        neighbour.attributes.into_iter().find_map(|attribute| match attribute {
            NeighbourAttribute::LinkLayerAddress(address) => address.try_into().ok().map(Neighbour::Known),
            _ => None,
        })
    }

    /// Sends a request that has one reply. The kernel has replied when the call that sends the request returns.
    fn request(&mut self, request: RouteNetlinkMessage) -> Option<RouteNetlinkMessage> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.requests.send(&bytes).ok()?;

        let mut reply = [0; REPLY];
        loop {
            let length = self.requests.read(&mut reply).ok()?;
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&reply[..length]).ok()?;
            match message.payload {
                // The reply to an earlier request that failed.
                _ if message.header.sequence_number != self.sequence => {}
                NetlinkPayload::InnerMessage(reply) => return Some(reply),
                _ => return None,
            }
        }
    }
}

fn netlink() -> io::Result<Socket> {
    let socket = Socket::new(Domain::from(AF_NETLINK), Type::RAW, Some(Protocol::from(NETLINK_ROUTE)))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}
