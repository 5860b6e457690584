//! Sends IP packets in Ethernet frames to a known station, past the kernel's routing, firewall and IPsec
//! (packet(7)).

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use nix::libc::{AF_PACKET, EMSGSIZE, ETH_P_IP, ETH_P_IPV6, PACKET_QDISC_BYPASS, PACKET_VNET_HDR};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

use super::next_hop::NextHop;
use super::raw_ip::SEND_BUFFER;
use super::sys;

/// Payload of a long packet at most, in bytes: with the longest headers it still is an IP packet.
pub(super) const LONG: usize = 64_000;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`, `VIRTIO_NET_HDR_GSO_TCPV4` and `_TCPV6` of `linux/virtio_net.h`.
const NEEDS_CHECKSUM: u8 = 1;
const TCP_V4: u8 = 1;
const TCP_V6: u8 = 4;

/// `struct virtio_net_hdr` and the Ethernet header.
const VIRTIO_HEADER: usize = 10;
const ETHERNET_HEADER: usize = 14;

/// Packet sockets that receive nothing.
pub(super) struct Ethernet {
    /// For packets that go as they are.
    short: Socket,
    /// For packets that the interface, or the kernel in its place, cuts into segments.
    long: Socket,
}

impl Ethernet {
    /// Opens them.
    pub(super) fn open() -> io::Result<Self> {
        // The kernel writes the frame's header: with the source address that the interface has at that moment.
        let short = open(Type::DGRAM)?;
        // Without queueing discipline: a full device queue is an error, and captures on this host do not see what is
        // sent, our own among them. That saves a seventh.
        sys::set_packet_option(short.as_fd(), PACKET_QDISC_BYPASS, &1_i32)?;
        let long = open(Type::RAW)?;
        sys::set_packet_option(long.as_fd(), PACKET_VNET_HDR, &1_i32)?;
        Ok(Self { short, long })
    }

    /// Sends one IP packet without waiting. One that is larger than the interface's MTU fails with `EMSGSIZE`.
    pub(super) fn send(&self, hop: &NextHop, packet: &[u8]) -> io::Result<()> {
        let station = sys::station(hop.interface, hop.mac, protocol(packet));
        sys::send_packet(self.short.as_fd(), packet, &station)
    }

    /// Sends an IP packet of ours as TCP segments with `segment` bytes of payload; its checksum field has the sum of
    /// the pseudo-header.
    pub(super) fn send_long(&self, hop: &NextHop, packet: &[u8], segment: u16) -> io::Result<()> {
        let v6 = protocol(packet) == ETH_P_IPV6 as u16;
        // There are no IPv6 extension headers in what we build.
        let ip = if v6 { 40 } else { packet.first().map_or(0, |byte| usize::from(byte & 15) * 4) };
        let tcp = packet.get(ip + 12).ok_or(io::ErrorKind::InvalidInput)? >> 4;
        let headers = ip + usize::from(tcp) * 4;
        if headers + usize::from(segment) > hop.mtu as usize {
            return Err(io::Error::from_raw_os_error(EMSGSIZE));
        }
        let mut start = [0; VIRTIO_HEADER + ETHERNET_HEADER];
        start[0] = NEEDS_CHECKSUM;
        start[1] = if v6 { TCP_V6 } else { TCP_V4 };
        start[2..4].copy_from_slice(&((ETHERNET_HEADER + headers) as u16).to_ne_bytes());
        start[4..6].copy_from_slice(&segment.to_ne_bytes());
        start[6..8].copy_from_slice(&((ETHERNET_HEADER + ip) as u16).to_ne_bytes());
        // Where the checksum stands in a TCP header.
        start[8..10].copy_from_slice(&16_u16.to_ne_bytes());
        start[10..16].copy_from_slice(&hop.mac);
        start[16..22].copy_from_slice(&hop.source);
        start[22..24].copy_from_slice(&protocol(packet).to_be_bytes());
        let mut station = sys::station(hop.interface, hop.mac, protocol(packet));
        let mut parts = [IoSlice::new(&start), IoSlice::new(packet)];
        sys::send_frame(self.long.as_fd(), &mut parts, &mut station)
    }
}

fn open(kind: Type) -> io::Result<Socket> {
    // Protocol 0 receives nothing.
    let socket = Socket::new(Domain::from(AF_PACKET), kind, None)?;
    if setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
        socket.set_send_buffer_size(SEND_BUFFER)?;
    }
    Ok(socket)
}

fn protocol(packet: &[u8]) -> u16 {
    let v6 = packet.first().is_some_and(|byte| byte >> 4 == 6);
    if v6 { ETH_P_IPV6 as u16 } else { ETH_P_IP as u16 }
}
