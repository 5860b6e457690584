//! Adds the route of a network to an interface, through rtnetlink(7). The route vanishes with the interface.

use std::io::{self, Read};

use common_core::network::Network;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc::{AF_NETLINK, NETLINK_ROUTE};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::IpAddr;

/// Adds a route of the main table.
///
/// # Errors
/// The kernel's error: [`io::ErrorKind::AlreadyExists`] if there is another route of this network.
pub(super) fn add(network: Network, interface: u32) -> io::Result<()> {
    let mut route = RouteMessage::default();
    route.header.address_family =
        if network.address().is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    route.header.destination_prefix_length = network.prefix();
    route.header.table = RouteHeader::RT_TABLE_MAIN;
    route.header.protocol = RouteProtocol::Static;
    route.header.scope = if network.address().is_ipv4() { RouteScope::Link } else { RouteScope::Universe };
    route.header.kind = RouteType::Unicast;
    route.attributes.push(RouteAttribute::Destination(match network.address() {
        IpAddr::V4(ip) => RouteAddress::Inet(ip),
        IpAddr::V6(ip) => RouteAddress::Inet6(ip),
    }));
    route.attributes.push(RouteAttribute::Oif(interface));
    request(RouteNetlinkMessage::NewRoute(route))
}

/// Sends a request that has no reply but its success.
fn request(request: RouteNetlinkMessage) -> io::Result<()> {
    let mut socket = Socket::new(Domain::from(AF_NETLINK), Type::RAW, Some(Protocol::from(NETLINK_ROUTE)))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    header.sequence_number = 1;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes)?;
    // An acknowledgement repeats the request after a header and the error.
    let mut reply = [0; 4096];
    let length = socket.read(&mut reply)?;
    let reply =
        NetlinkMessage::<RouteNetlinkMessage>::deserialize(&reply[..length]).map_err(io::Error::other)?;
    match reply.payload {
        NetlinkPayload::Error(error) => error.code.map_or(Ok(()), |_| Err(error.to_io())),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
