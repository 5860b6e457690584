//! Live capture with a packet socket (packet(7)), many packets a system call.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::libc::AF_PACKET;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

use super::bpf::Program;
use super::open::OpenError;
use super::sys::{self, Batch};
use super::vlan;
use super::{Capture, CaptureCounters, Captured};

/// Bytes kept of a packet unless the user wants fewer: BIG TCP segments fit in.
pub const DEFAULT_SNAP: usize = 256 * 1024;

/// Packets fetched in one system call.
const SLOTS: usize = 64;

/// `PACKET_OUTGOING` of `linux/if_packet.h`.
const PACKET_OUTGOING: u8 = 4;

/// A packet socket. It sees what its filter passes of one interface or of all, leaving and arriving.
///
/// Register it for readability with [`mio::unix::SourceFd`]. After an interface went down (`ENETDOWN`) it can be read
/// on: the kernel resumes the capture when the interface comes up again.
pub struct AfPacket {
    socket: Socket,
    batch: Batch,
    counters: CaptureCounters,
}

impl AfPacket {
    /// Opens a capture of `interface`, of all interfaces for `None`.
    ///
    /// `buffer_bytes` is the kernel's receive buffer, bookkeeping included (a packet takes some 700 bytes more than its
    /// length); `snap` the bytes kept of a packet.
    ///
    /// # Errors
    /// [`OpenError`] is one line for the user.
    pub fn open(
        interface: Option<&str>,
        program: &Program,
        buffer_bytes: usize,
        snap: usize,
    ) -> Result<Self, OpenError> {
        let index = match interface {
            Some(name) => if_nametoindex(name).map_err(|_| OpenError::no_such_interface(name))?,
            None => 0,
        };
        let fail = |source| OpenError::new("capture packets", source);
        // Protocol 0 receives nothing: what is queued after the bind has passed the filter.
        let socket = Socket::new(Domain::from(AF_PACKET), Type::DGRAM, None).map_err(fail)?;
        socket.set_nonblocking(true).map_err(fail)?;
        let attached = socket.attach_filter(&program.to_sock_filters());
        attached.map_err(|source| {
            OpenError::new("attach the capture filter (net.core.optmem_max limits it)", source)
        })?;
        set_receive_buffer(&socket, buffer_bytes).map_err(fail)?;
        sys::bind_packet(socket.as_fd(), index).map_err(fail)?;
        Ok(Self { socket, batch: Batch::new(SLOTS, snap), counters: CaptureCounters::default() })
    }

    /// Replaces the filter. What is queued already has passed the old one.
    ///
    /// # Errors
    /// The operating system's error; the old filter stays.
    pub fn set_program(&self, program: &Program) -> io::Result<()> {
        self.socket.attach_filter(&program.to_sock_filters())
    }
}

impl Capture for AfPacket {
    fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(Captured<'_>)) -> io::Result<usize> {
        let mut total = 0;
        while total < budget {
            let wanted = SLOTS.min(budget - total);
            let received = match self.batch.receive(self.socket.as_fd(), wanted) {
                Ok(received) => received,
                // Reported by the next call again if it lasts; what came before it counts.
                Err(_) if total > 0 => break,
                Err(error) => return Err(error),
            };
            for slot in 0..received {
                let received = self.batch.packet(slot);
                let packet = vlan::strip(received.bytes, received.wire_length);
                sink(Captured { packet, outgoing: received.packet_type == PACKET_OUTGOING });
            }
            total += received;
            if received < wanted {
                break;
            }
        }
        Ok(total)
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

/// `net.core.rmem_max` limits what an ordinary process gets: then the most there is, and a warning.
fn set_receive_buffer(socket: &Socket, bytes: usize) -> io::Result<()> {
    if setsockopt(socket, sockopt::RcvBufForce, &bytes).is_ok() {
        return Ok(());
    }
    socket.set_recv_buffer_size(bytes)?;
    // The kernel doubles what it is asked for, and says so.
    let granted = socket.recv_buffer_size()? / 2;
    if granted < bytes {
        log::warn!(
            "the capture buffer is {granted} bytes instead of {bytes}: packets may be lost under load; \
             raise net.core.rmem_max or grant cap_net_admin"
        );
    }
    Ok(())
}
