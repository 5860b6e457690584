//! Packet input and output: the traits, and their backends.

pub mod af_packet;
pub mod bpf;
pub(crate) mod capabilities;
pub mod control_conn;
mod ethernet;
mod fanout;
pub(crate) mod fork;
pub mod injector;
pub mod interfaces;
mod next_hop;
mod open;
pub mod raw_ip;
mod ring;
pub(crate) mod scheduler;
mod sys;
mod vlan;
pub mod wake_timer;
mod xdp;

use std::io;
use std::net::IpAddr;

pub use open::OpenError;

use common_core::time::Time;
use common_core::wire::LongPacket;

/// One captured packet.
#[derive(Debug, Clone, Copy)]
pub struct Captured<'a> {
    /// The bytes captured, from the IP header on.
    pub packet: &'a [u8],
    /// It left this host; everything else was received by it.
    pub outgoing: bool,
}

/// Kernel-side counters of a capture since it was opened, in packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaptureCounters {
    /// Passed the filter.
    pub received: u64,
    /// Passed the filter and were dropped for want of buffer space.
    pub dropped: u64,
}

/// A source of captured packets.
pub trait Capture {
    /// Hands over what has been captured, at most `budget` packets, without waiting; returns how many there were.
    /// Fewer than `budget` means that nothing is left for now.
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

/// Packets that were put off, and could not be sent.
#[derive(Debug)]
pub struct Lost {
    /// How many.
    pub packets: u64,
    /// Why: the operating system's error, the last of several.
    pub error: io::Error,
}

/// A way to put packets on the wire.
pub trait Inject {
    /// Sends one complete IP packet without waiting, at the latest with the next [`Self::flush`].
    ///
    /// # Errors
    /// The operating system's error; the packet was not sent.
    fn send(&mut self, packet: &[u8]) -> io::Result<()>;

    /// Payload bytes that [`Self::send_long`] takes at once to `destination`: zero where the way there does not cut packets
    /// into segments.
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

    /// Sends what was put off; to be called after each batch of packets.
    ///
    /// # Errors
    /// What was lost of all that was put off since the last call.
    fn flush(&mut self) -> Result<(), Lost> {
        Ok(())
    }

    /// Packets put off that still wait, for want of room: [`Self::flush`] is to be called again soon.
    fn unsent(&self) -> u64 {
        0
    }

    /// Time has passed; to be called before each batch of packets, and as often as it likes.
    fn handle_time(&mut self, now: Time) {
        let _ = now;
    }
}
