//! The packets of a network interface.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use common_os::io::af_packet::{AfPacket, DEFAULT_SNAP, Room};
use common_os::io::bpf::{FilterError, Program};
use common_os::io::{Capture, OpenError};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use thiserror::Error;

/// Room for packets that were not read yet: 32 MB for short ones, 64 MB for long ones. Statements and short answers need no
/// system call each.
const ROOM: Room = Room { frame: 1024, packets: 32 << 10, queue: 64 << 20, snap: DEFAULT_SNAP };

/// The interface on which each packet is seen twice: when it leaves and when it arrives.
const LOOPBACK: &str = "lo";

/// Packets that are read at once.
const BUDGET: usize = 1024;

/// Why nothing can be captured: one line with the cure.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The interface.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Waiting for packets.
    #[error("cannot wait for packets: {0}")]
    Wait(#[from] io::Error),
}

/// An interface on which the packets of a port are captured.
pub struct Live {
    socket: AfPacket,
    poll: Poll,
    events: Events,
    has_more: bool,
    is_loopback: bool,
}

impl Live {
    /// Opens it; `any` stands for all interfaces. From now on packets are kept.
    ///
    /// # Errors
    ///
    /// If it is none, or the right is missing.
    pub fn open(interface: &str, port: u16) -> Result<Self, CaptureError> {
        let program = Program::from_expression(&format!("tcp port {port}"))?;
        let is_loopback = interface == LOOPBACK;
        let interface = (interface != "any").then_some(interface);
        let socket = AfPacket::open(interface, &program, ROOM)?;
        let poll = Poll::new()?;
        poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), Token(0), Interest::READABLE)?;
        Ok(Self { socket, poll, events: Events::with_capacity(1), has_more: true, is_loopback })
    }

    /// Waits for packets, no longer than `patience`, and hands some over: their times in nanoseconds since 1970, and their bytes
    /// from the IP header on. Returns whether there may be more at once.
    ///
    /// # Errors
    ///
    /// The operating system's error; it may be tried again.
    pub fn packets(&mut self, patience: Duration, mut sink: impl FnMut(u64, &[u8])) -> io::Result<bool> {
        if !self.has_more {
            match self.poll.poll(&mut self.events, Some(patience)) {
                Err(problem) if problem.kind() != io::ErrorKind::Interrupted => return Err(problem),
                _ => {}
            }
        }
        let received = self.socket.receive(BUDGET, &mut |it| {
            if !(self.is_loopback && it.outgoing) {
                sink(it.stamp.as_nanos(), it.packet);
            }
        });
        self.has_more = matches!(received, Ok(BUDGET));
        received.map(|_| self.has_more)
    }

    /// Packets that the kernel has dropped, because they were not read in time.
    pub fn dropped(&mut self) -> u64 {
        self.socket.counters().map_or(0, |counters| counters.dropped)
    }
}
