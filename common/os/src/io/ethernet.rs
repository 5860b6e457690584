//! Sends IP packets in Ethernet frames to a known station (packet(7)). They bypass the routing, firewall and IPsec of the
//! kernel.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use nix::libc::{
    AF_PACKET, EBUSY, EMSGSIZE, ETH_P_IP, ETH_P_IPV6, MSG_DONTWAIT, PACKET_QDISC_BYPASS, PACKET_VNET_HDR,
};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

use super::Lost;
use super::next_hop::NextHop;
use super::raw_ip::SEND_BUFFER;
use super::sys;
use super::virtio;
use super::xdp::{self, Xdp};
use common_core::wire::LongPacket;

/// Largest payload of a long packet in bytes; with the longest headers it still is a valid IP packet.
pub(super) const LONG: usize = 64_000;

const ETHERNET_HEADER: usize = 14;

/// The protocol of a packet socket that receives nothing.
const NOTHING: u16 = 0;

/// Sockets that receive nothing.
pub(super) struct Ethernet {
    /// Sends whole packets, many at a time, on the interface to which it is bound. It is absent if the kernel has no such
    /// sockets, or if another process has one on that interface.
    many: Option<Xdp>,
    /// The index of that interface; zero for none.
    many_on: u32,
    /// Sends whole packets one by one. It is bound to an interface, so that the kernel need not copy and look up an address for
    /// each frame.
    short: Socket,
    /// The index of that interface; zero for none.
    bound: u32,
    /// The frame to send; kept for its memory.
    frame: Vec<u8>,
    /// Sends long packets, which the interface, or the kernel for it, cuts into segments.
    long: Socket,
    /// Queued packets lost since the last [`Self::flush`].
    lost: Option<Lost>,
}

impl Ethernet {
    /// Opens the sockets.
    pub(super) fn open() -> io::Result<Self> {
        let short = open()?;
        // Without a queueing discipline a full device queue is an error, and captures on this host, also our own, do not see
        // the packet. That saves a seventh of its cost.
        sys::set_packet_option(short.as_fd(), PACKET_QDISC_BYPASS, &1_i32)?;
        let long = open()?;
        sys::set_packet_option(long.as_fd(), PACKET_VNET_HDR, &1_i32)?;
        let many = Xdp::open().inspect_err(|error| log::debug!("no AF_XDP socket: {error}")).ok();
        Ok(Self { many, many_on: 0, short, bound: 0, frame: Vec::new(), long, lost: None })
    }

    /// Sends an IP packet without waiting, at the latest with the next [`Self::flush`]. A packet larger than the MTU of the
    /// interface fails with `EMSGSIZE`.
    pub(super) fn send(&mut self, hop: &NextHop, packet: &[u8]) -> io::Result<()> {
        if self.queue(hop, packet) {
            return Ok(());
        }
        // Packets must not overtake one another.
        self.send_queued();
        if self.bound != hop.interface {
            sys::bind_packet(self.short.as_fd(), hop.interface, NOTHING)?;
            self.bound = hop.interface;
        }
        self.frame.clear();
        self.frame.extend_from_slice(&header(hop, packet));
        self.frame.extend_from_slice(packet);
        let sent = self.short.send_with_flags(&self.frame, MSG_DONTWAIT);
        // The next attempt must bind again: the interface may have been replaced.
        sent.map(|_| ()).inspect_err(|_| self.bound = 0)
    }

    /// Queues a packet to be sent with others; false if it must be sent alone.
    fn queue(&mut self, hop: &NextHop, packet: &[u8]) -> bool {
        let Some(many) = &mut self.many else { return false };
        if self.many_on == 0 {
            if let Err(error) = many.bind(hop.interface) {
                log::debug!("no AF_XDP on interface {}: {error}", hop.interface);
                self.many = None;
                return false;
            }
            self.many_on = hop.interface;
        }
        if self.many_on != hop.interface
            || packet.len() > hop.mtu as usize
            || !many.queue(&header(hop, packet), packet)
        {
            return false;
        }
        if many.waiting() >= xdp::BATCH {
            self.send_queued();
        }
        true
    }

    /// Sends queued packets.
    ///
    /// # Errors
    /// Queued packets that were lost since the last call.
    pub(super) fn flush(&mut self) -> Result<(), Lost> {
        self.send_queued();
        self.lost.take().map_or(Ok(()), Err)
    }

    /// Queued packets that wait for room in the device.
    pub(super) fn unsent(&self) -> u64 {
        self.many.as_ref().map_or(0, |many| u64::from(many.waiting()))
    }

    /// Sends queued packets; [`Self::flush`] reports those that are lost.
    pub(super) fn send_queued(&mut self) {
        let Some(many) = &mut self.many else { return };
        if let Err(lost) = many.flush() {
            if lost.error.raw_os_error() != Some(EBUSY) {
                // The interface is down or gone, and this socket cannot be bound to another one.
                self.many = None;
            }
            xdp::add(&mut self.lost, lost.packets, lost.error);
        }
    }

    /// Sends a long packet as TCP segments with `segment` bytes of payload. Its checksum field contains the sum of the
    /// pseudo-header.
    pub(super) fn send_long(
        &mut self,
        hop: &NextHop,
        packet: &LongPacket<'_>,
        segment: u16,
    ) -> io::Result<()> {
        let LongPacket { headers, payload } = packet;
        let Some(virtio) = virtio::header(ETHERNET_HEADER, headers, segment) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if headers.len() + usize::from(segment) > hop.mtu as usize {
            return Err(io::Error::from_raw_os_error(EMSGSIZE));
        }
        let mut start = [0; virtio::HEADER + ETHERNET_HEADER];
        start[..virtio::HEADER].copy_from_slice(&virtio);
        start[virtio::HEADER..].copy_from_slice(&header(hop, headers));
        self.send_queued();
        let mut station = sys::station(hop.interface, hop.mac, protocol(headers));
        let mut parts = [&start, *headers, payload.0, payload.1].map(IoSlice::new);
        sys::send_frame(self.long.as_fd(), &mut parts, &mut station)
    }
}

fn open() -> io::Result<Socket> {
    let socket = Socket::new(Domain::from(AF_PACKET), Type::RAW, None)?;
    if setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
        socket.set_send_buffer_size(SEND_BUFFER)?;
    }
    Ok(socket)
}

/// The Ethernet header of an IP packet.
pub(super) fn header(hop: &NextHop, packet: &[u8]) -> [u8; ETHERNET_HEADER] {
    let mut header = [0; ETHERNET_HEADER];
    header[..6].copy_from_slice(&hop.mac);
    header[6..12].copy_from_slice(&hop.source);
    header[12..].copy_from_slice(&protocol(packet).to_be_bytes());
    header
}

fn protocol(packet: &[u8]) -> u16 {
    let v6 = packet.first().is_some_and(|byte| byte >> 4 == 6);
    if v6 { ETH_P_IPV6 as u16 } else { ETH_P_IP as u16 }
}
