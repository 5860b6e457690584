//! The station that the kernel would send a packet to next, as it tells through rtnetlink(7).
//!
//! Only what can be sent past the kernel without a difference is a next hop here: plain unicast routes over an
//! Ethernet, to a neighbour that is known. Everything else is the kernel's business. None of the questions needs
//! a privilege.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc::{AF_NETLINK, NETLINK_ROUTE};
use nix::libc::{RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE, RTMGRP_LINK, RTMGRP_NEIGH};
use nix::net::if_::if_indextoname;
use nix::sys::socket::{NetlinkAddr, bind};
use socket2::{Domain, Protocol, Socket, Type};

use super::sys;

/// Longer than any answer to the questions asked here, in bytes.
const ANSWER: usize = 8192;

/// News read at a time; what is left is found the next time.
const NEWS: usize = 64;

/// A station on an Ethernet of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NextHop {
    /// Index of the interface that leads there.
    pub(super) interface: u32,
    /// The interface's own address.
    pub(super) source: [u8; 6],
    /// The station's address.
    pub(super) mac: [u8; 6],
    /// Largest IP packet on the way, in bytes.
    pub(super) mtu: u32,
}

/// Asks the kernel.
pub(super) struct Resolver {
    questions: Socket,
    news: Socket,
    asked: u32,
}

impl Resolver {
    /// Opens its sockets.
    pub(super) fn open() -> io::Result<Self> {
        let news = netlink()?;
        let groups = RTMGRP_NEIGH | RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
        bind(news.as_raw_fd(), &NetlinkAddr::new(0, groups.cast_unsigned()))?;
        Ok(Self { questions: netlink()?, news, asked: 0 })
    }

    /// Where a packet to `destination` goes next; `None` leaves it to the kernel.
    pub(super) fn resolve(&mut self, destination: IpAddr) -> Option<NextHop> {
        let (interface, gateway) = self.route(destination)?;
        let (source, mtu) = self.plain(destination, interface)?;
        let mac = self.neighbour(interface, gateway.unwrap_or(destination))?;
        Some(NextHop { interface, source, mac, mtu })
    }

    /// Whether routes, neighbours or interfaces may have changed since this was asked last.
    pub(super) fn has_news(&mut self) -> bool {
        let mut buffer = [0; 16];
        for read in 0..NEWS {
            match self.news.read(&mut buffer) {
                // Cut off, but what it says does not matter.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return read > 0,
                // ENOBUFS: more than there was room for.
                Err(_) => return true,
            }
        }
        true
    }

    /// The interface and, unless the destination is on its network, the gateway.
    fn route(&mut self, destination: IpAddr) -> Option<(u32, Option<IpAddr>)> {
        let mut request = RouteMessage::default();
        request.header.address_family = family(destination);
        request.header.destination_prefix_length = if destination.is_ipv4() { 32 } else { 128 };
        request.attributes.push(RouteAttribute::Destination(destination.into()));
        let RouteNetlinkMessage::NewRoute(route) = self.ask(RouteNetlinkMessage::GetRoute(request))? else {
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

    /// The interface's address and MTU, if it is an Ethernet, and nothing on the way but its MTU limits a packet: a route with an MTU of its
    /// own, a narrower path that was discovered, and IPsec all show by their smaller MTU.
    fn plain(&self, destination: IpAddr, interface: u32) -> Option<([u8; 6], u32)> {
        let name = if_indextoname(interface).ok()?;
        let name = name.to_str().ok()?;
        let source = sys::interface_mac(self.questions.as_fd(), name).ok()??;
        let width = sys::interface_mtu(self.questions.as_fd(), name).ok()?;
        let any = if destination.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            IpAddr::from(Ipv6Addr::UNSPECIFIED)
        };
        // Sends nothing: the kernel looks for the way when a socket is connected, and IPsec's rules are part of it.
        let probe = UdpSocket::bind((any, 0)).ok()?;
        probe.connect((destination, 9)).ok()?;
        let mtu = sys::path_mtu(probe.as_fd(), destination.is_ipv4()).ok()?;
        (mtu == width).then_some((source, mtu))
    }

    fn neighbour(&mut self, interface: u32, ip: IpAddr) -> Option<[u8; 6]> {
        let mut request = NeighbourMessage::default();
        request.header.family = family(ip);
        request.header.ifindex = interface;
        request.attributes.push(NeighbourAttribute::Destination(ip.into()));
        let request = RouteNetlinkMessage::GetNeighbour(request);
        let RouteNetlinkMessage::NewNeighbour(neighbour) = self.ask(request)? else { return None };
        // While the kernel asks a neighbour whether it is still there, it goes on sending to it.
        let known = matches!(
            neighbour.header.state,
            NeighbourState::Reachable
                | NeighbourState::Stale
                | NeighbourState::Delay
                | NeighbourState::Probe
                | NeighbourState::Permanent
        );
        neighbour.attributes.into_iter().filter(|_| known).find_map(|attribute| match attribute {
            NeighbourAttribute::LinkLayerAddress(address) => address.try_into().ok(),
            _ => None,
        })
    }

    /// Puts one question that has one answer; the kernel has answered when the question is sent.
    fn ask(&mut self, question: RouteNetlinkMessage) -> Option<RouteNetlinkMessage> {
        self.asked = self.asked.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST;
        header.sequence_number = self.asked;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(question));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.questions.send(&bytes).ok()?;

        let mut answer = [0; ANSWER];
        loop {
            let length = self.questions.read(&mut answer).ok()?;
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer[..length]).ok()?;
            match message.payload {
                // An answer to a question that was given up.
                _ if message.header.sequence_number != self.asked => {}
                NetlinkPayload::InnerMessage(answer) => return Some(answer),
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
