//! Counts the packets of one interface, or of all except loopback, that pass a filter, and reads none of them.

use std::io;
use std::os::fd::AsFd;

use nix::libc::{AF_PACKET, ETH_P_ALL};
use nix::net::if_::if_nametoindex;
use socket2::{Domain, Socket, Type};

use super::bpf::{Program, nothing};
use super::open::OpenError;
use super::sys;

/// `ETH_P_802_EX1` of `linux/if_ether.h`, for local experiments. A socket that is bound to it costs other packets nothing.
const UNUSED: u16 = 0x88b5;

/// A packet socket whose packets the kernel counts and drops. It shows what a capture with another filter, or on other
/// interfaces, would have captured. A packet that passes several interfaces counts once for each.
///
/// It can be opened before privileges are dropped and used afterwards. While it does not count, it costs nothing.
pub struct Witness {
    socket: Socket,
    /// Index of the only interface; zero for all.
    interface: u32,
    counting: bool,
    counted: u64,
}

impl Witness {
    /// Opens the socket. It does not count yet.
    ///
    /// # Errors
    /// [`OpenError`] is one line for the user.
    pub fn open() -> Result<Self, OpenError> {
        let fail = |source| OpenError::new("count packets", source);
        let socket = Socket::new(Domain::from(AF_PACKET), Type::DGRAM, None).map_err(fail)?;
        socket.set_nonblocking(true).map_err(fail)?;
        socket.attach_filter(&nothing().to_sock_filters()).map_err(fail)?;
        // The kernel counts a packet before it drops it for lack of room.
        socket.set_recv_buffer_size(1).map_err(fail)?;
        Ok(Self { socket, interface: 0, counting: false, counted: 0 })
    }

    /// As [`Self::open`], but it counts the packets of the interface of this name only.
    ///
    /// # Errors
    /// As [`Self::open`]; or the interface does not exist.
    pub fn open_on(name: &str) -> Result<Self, OpenError> {
        let interface = if_nametoindex(name).map_err(|_| OpenError::not_an_interface(name))?;
        Ok(Self { interface, ..Self::open()? })
    }

    /// Counts the packets that pass `program` from now on, or none.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn count(&mut self, program: Option<&Program>) -> io::Result<()> {
        let Some(program) = program else {
            if self.counting {
                self.socket.attach_filter(&nothing().to_sock_filters())?;
                sys::bind_packet(self.socket.as_fd(), 0, UNUSED)?;
                self.counting = false;
            }
            return Ok(());
        };
        self.socket.attach_filter(&program.clone().without_loopback().to_sock_filters())?;
        if !self.counting {
            sys::bind_packet(self.socket.as_fd(), self.interface, ETH_P_ALL as u16)?;
            self.counting = true;
        }
        Ok(())
    }

    /// Whether it counts.
    #[must_use]
    pub fn is_counting(&self) -> bool {
        self.counting
    }

    /// The packets counted since it was opened.
    pub fn counted(&mut self) -> u64 {
        // This cannot fail on a packet socket.
        self.counted +=
            sys::packet_statistics(self.socket.as_fd()).map_or(0, |count| u64::from(count.packets));
        self.counted
    }
}
