//! Packet input and output: the traits, and their backends.

pub mod af_packet;
pub mod bpf;
pub mod control_conn;
mod ethernet;
mod fanout;
pub(crate) mod fork;
mod frames;
pub mod injector;
pub mod interfaces;
mod mapping;
mod next_hop;
mod open;
pub mod output;
pub mod pcap_live;
mod pcap_send;
pub mod raw_ip;
mod ring;
pub(crate) mod scheduler;
pub(crate) mod seccomp;
mod sys;
pub mod tun;
mod virtio;
mod vlan;
pub mod wake_timer;
pub mod way;
pub mod witness;
mod xdp;

use std::io;
use std::net::IpAddr;

pub use open::OpenError;

use common_core::time::{Stamp, Time};
use common_core::wire::LongPacket;

/// One captured packet.
#[derive(Debug, Clone, Copy)]
pub struct Captured<'a> {
    /// The bytes captured, from the IP header on.
    pub packet: &'a [u8],
    /// The host sent it; otherwise the host received it.
    pub outgoing: bool,
    /// When, for the order of packets.
    pub stamp: Stamp,
}

/// Kernel-side counters of a capture since it was opened, in packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaptureCounters {
    /// Packets that passed the filter.
    pub received: u64,
    /// Packets that passed the filter and were dropped because the buffer was full.
    pub dropped: u64,
}

/// A source of captured packets.
pub trait Capture {
    /// Passes at most `budget` captured packets to `sink`, without waiting; returns how many there were. Fewer than `budget`
    /// means that none is left for now.
    ///
    /// # Errors
    /// The operating system's error; the capture may be read again.
    fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(Captured<'_>)) -> io::Result<usize>;

    /// The kernel's counters.
    ///
    /// # Errors
    /// The operating system's error.
    fn counters(&mut self) -> io::Result<CaptureCounters>;
}

/// Queued packets that could not be sent.
#[derive(Debug)]
pub struct Lost {
    /// How many.
    pub packets: u64,
    /// The operating system's error, the last of several.
    pub error: io::Error,
}

/// A way to put packets on the wire.
pub trait Inject {
    /// Sends one complete IP packet without waiting, at the latest with the next [`Self::flush`].
    ///
    /// # Errors
    /// The operating system's error; the packet was not sent.
    fn send(&mut self, packet: &[u8]) -> io::Result<()>;

    /// Payload bytes that one [`Self::send_long`] to `destination` accepts; zero if packets on this way are not cut into
    /// segments.
    fn long_payload(&self, destination: IpAddr) -> usize {
        let _ = destination;
        0
    }

    /// Sends a packet of [`common_core::wire::PacketBuilder::build_long`] as TCP segments of `segment` payload bytes each and
    /// one of the rest, without waiting.
    ///
    /// # Errors
    /// The operating system's error, and [`io::ErrorKind::Unsupported`]; nothing was sent.
    fn send_long(&mut self, packet: &LongPacket<'_>, segment: u16) -> io::Result<()> {
        let _ = (packet, segment);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Sends queued packets. Call it after each batch.
    ///
    /// # Errors
    /// The queued packets that were lost since the last call.
    fn flush(&mut self) -> Result<(), Lost> {
        Ok(())
    }

    /// Queued packets for which there was no room: call [`Self::flush`] again soon.
    fn unsent(&self) -> u64 {
        0
    }

    /// Sets the time. Call it before each batch of packets, or more often.
    fn handle_time(&mut self, now: Time) {
        let _ = now;
    }
}
