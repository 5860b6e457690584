//! Live capture with a packet socket (packet(7)): short packets through a ring shared with the kernel, long ones through
//! the socket's queue.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::libc::{AF_PACKET, ETH_P_ALL};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

use super::bpf::{Program, nothing};
use super::fanout;
use super::open::OpenError;
use super::ring::{self, Ring};
use super::sys;
use super::vlan;
use super::{Capture, CaptureCounters, Captured};

/// Default limit of the captured bytes of a packet: BIG TCP segments fit.
pub const DEFAULT_SNAP: usize = 256 * 1024;

/// Bytes of a frame that the kernel uses itself.
pub const FRAME_OVERHEAD: usize = ring::OVERHEAD;

/// `PACKET_OUTGOING` of `linux/if_packet.h`.
const PACKET_OUTGOING: u8 = 4;

/// Room of a capture for packets that have not been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes of a frame of the ring, a multiple of 16 from 160 to 65536. A packet that fits with [`FRAME_OVERHEAD`] is read
    /// without a system call, a longer one with one.
    pub frame: usize,
    /// Number of frames. It is rounded up so that all frames take a multiple of 64 KB, which is allocated at once.
    pub packets: usize,
    /// Limit of the queue of long packets in bytes, including the kernel's bookkeeping; allocated as needed.
    pub queue: usize,
    /// Limit of the captured bytes of a long packet.
    pub snap: usize,
}

/// A packet socket. It captures the incoming and outgoing packets of one interface or of all that pass its filter.
///
/// Register it for readability with [`mio::unix::SourceFd`]. It can still be read after an interface went down
/// (`ENETDOWN`): the kernel resumes the capture when the interface comes up again.
pub struct AfPacket {
    ring: Ring,
    socket: Socket,
    long: Box<[u8]>,
    counters: CaptureCounters,
}

impl AfPacket {
    /// Opens a capture of `interface`, of all interfaces for `None`.
    ///
    /// # Errors
    /// [`OpenError`] is one line for the user.
    pub fn open(interface: Option<&str>, program: &Program, room: Room) -> Result<Self, OpenError> {
        let index = match interface {
            Some(name) => if_nametoindex(name).map_err(|_| OpenError::not_an_interface(name))?,
            None => 0,
        };
        let fail = |source| OpenError::new("capture packets", source);
        // Protocol 0 receives nothing, so every packet received after the bind has passed the filter.
        let socket = Socket::new(Domain::from(AF_PACKET), Type::DGRAM, None).map_err(fail)?;
        socket.set_nonblocking(true).map_err(fail)?;
        let attached = socket.attach_filter(&program.to_sock_filters());
        attached.map_err(attach_failed)?;
        set_receive_buffer(&socket, room.queue).map_err(fail)?;
        let ring = Ring::new(socket.as_fd(), room.frame, room.packets)
            .map_err(|source| OpenError::new("share memory with the kernel for captured packets", source))?;
        sys::bind_packet(socket.as_fd(), index, ETH_P_ALL as u16).map_err(fail)?;
        let long = vec![0; room.snap].into_boxed_slice();
        Ok(Self { ring, socket, long, counters: CaptureCounters::default() })
    }

    /// Opens `count` captures that share the packets of `interface`, or of all interfaces for `None`. The packets of a client go
    /// to the capture with the index [`worker_of`](super::bpf::worker_of) its port. No capture gets a packet before all are
    /// open.
    ///
    /// # Errors
    /// [`OpenError`] is one line for the user.
    pub fn open_shared(
        interface: Option<&str>,
        program: &Program,
        room: Room,
        count: u16,
    ) -> Result<Vec<Self>, OpenError> {
        if count <= 1 {
            return Ok(vec![Self::open(interface, program, room)?]);
        }
        let open = |_| Self::open(interface, &nothing(), room);
        let captures: Vec<Self> = (0..count).map(open).collect::<Result<_, _>>()?;
        fanout::join(captures.iter().map(|capture| capture.socket.as_fd())).map_err(OpenError::Shard)?;
        for capture in &captures {
            capture.set_program(program).map_err(attach_failed)?;
        }
        Ok(captures)
    }

    /// Captures also what `interface` receives for other stations. It ends when the socket is closed.
    ///
    /// # Errors
    /// [`OpenError`] is one line for the user.
    pub fn receive_all(&self, interface: &str) -> Result<(), OpenError> {
        let index = if_nametoindex(interface).map_err(|_| OpenError::not_an_interface(interface))?;
        sys::promiscuous(self.socket.as_fd(), index)
            .map_err(|source| OpenError::new("receive what is sent to other stations", source))
    }

    /// Replaces the filter. Packets that are already queued have passed the old one.
    ///
    /// # Errors
    /// The operating system's error; the old filter stays.
    pub fn set_program(&self, program: &Program) -> io::Result<()> {
        self.socket.attach_filter(&program.to_sock_filters())
    }
}

impl Capture for AfPacket {
    fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(Captured<'_>)) -> io::Result<usize> {
        for taken in 0..budget {
            let Some(frame) = self.ring.front() else {
                // There is no packet, so an error may have woken the caller.
                let error = if taken == 0 { self.socket.take_error()? } else { None };
                return error.map_or(Ok(taken), Err);
            };
            let kept = &frame.bytes[..frame.bytes.len().min(self.long.len())];
            let queued = if frame.queued { read_queued(&self.socket, &mut self.long) } else { None };
            // A frame is completely full only if the packet is too long for it. If the packet is not queued either, the queue
            // was full.
            let full = frame.bytes.len() == self.ring.capacity() && frame.bytes.len() < frame.wire_length;
            let bytes = queued.unwrap_or(kept);
            if queued.is_none() && full {
                self.counters.dropped += 1;
            } else {
                let packet = vlan::strip(bytes, frame.wire_length);
                sink(Captured { packet, outgoing: frame.packet_type == PACKET_OUTGOING, stamp: frame.stamp });
            }
            self.ring.pop();
        }
        Ok(budget)
    }

    fn counters(&mut self) -> io::Result<CaptureCounters> {
        let since_last = sys::packet_statistics(self.socket.as_fd())?;
        self.counters.received += u64::from(since_last.packets);
        self.counters.dropped += u64::from(since_last.drops);
        Ok(self.counters)
    }
}

impl AsRawFd for AfPacket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn attach_failed(source: io::Error) -> OpenError {
    OpenError::new("attach the capture filter (net.core.optmem_max limits it)", source)
}

/// The next packet of the queue, which its frame has announced.
fn read_queued<'a>(mut socket: &Socket, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    // The first failure may be a pending error of the interface.
    let length = socket.read(buffer).or_else(|_| socket.read(buffer)).ok()?;
    Some(&buffer[..length])
}

/// Sets the receive buffer. Without privilege `net.core.rmem_max` limits it; then the process gets that much and a warning.
fn set_receive_buffer(socket: &Socket, bytes: usize) -> io::Result<()> {
    if setsockopt(socket, sockopt::RcvBufForce, &bytes).is_ok() {
        return Ok(());
    }
    socket.set_recv_buffer_size(bytes)?;
    // The kernel doubles the requested size and reports the doubled one.
    let granted = socket.recv_buffer_size()? / 2;
    if granted < bytes {
        log::warn!(
            "the capture buffer is {granted} bytes instead of {bytes}: packets may be lost under load; \
             raise net.core.rmem_max or grant cap_net_admin"
        );
    }
    Ok(())
}
