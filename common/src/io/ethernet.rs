//! Sends IP packets in Ethernet frames to a known station, past the kernel's routing, firewall and IPsec
//! (packet(7)).

use std::io;
use std::os::fd::AsFd;

use nix::libc::{AF_PACKET, ETH_P_IP, ETH_P_IPV6, PACKET_QDISC_BYPASS};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

use super::next_hop::NextHop;
use super::raw_ip::SEND_BUFFER;
use super::sys;

/// A packet socket that receives nothing.
pub(super) struct Ethernet {
    socket: Socket,
}

impl Ethernet {
    /// Opens it.
    pub(super) fn open() -> io::Result<Self> {
        // The kernel writes the frame's header: with the source address that the interface has at that moment, and
        // the tag of a VLAN interface. Protocol 0 receives nothing.
        let socket = Socket::new(Domain::from(AF_PACKET), Type::DGRAM, None)?;
        if setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
            socket.set_send_buffer_size(SEND_BUFFER)?;
        }
        // Without queueing discipline: a full device queue is an error, and captures on this host do not see what is
        // sent, our own among them. That saves a seventh.
        sys::set_packet_option(socket.as_fd(), PACKET_QDISC_BYPASS, &1_i32)?;
        Ok(Self { socket })
    }

    /// Sends one IP packet without waiting. One that is larger than the interface's MTU fails with `EMSGSIZE`.
    pub(super) fn send(&self, hop: &NextHop, packet: &[u8]) -> io::Result<()> {
        let v6 = packet.first().is_some_and(|byte| byte >> 4 == 6);
        let protocol = if v6 { ETH_P_IPV6 } else { ETH_P_IP } as u16;
        sys::send_packet(self.socket.as_fd(), packet, &sys::station(hop.interface, hop.mac, protocol))
    }
}
