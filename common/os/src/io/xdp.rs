//! Sends frames through a ring shared with the kernel (`AF_XDP`, the kernel's Documentation/networking/af_xdp.rst): many
//! with one system call.
//!
//! Only the transmitting half is used, in copy mode: no program is attached to the interface, nothing is received, and the
//! driver is not involved. The kernel makes packets of the frames as for a packet socket, but with less work for each.
#![allow(
    unsafe_code,
    reason = "memory shared with the kernel, and a socket family that no crate in use knows"
)]

use std::ffi::c_int;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::libc;

use super::Lost;
use super::mapping::Mapping;
use super::sys;

/// Room for a frame of an ordinary Ethernet, in bytes.
const FRAME: usize = 2048;

/// Limit of the frames in flight. The rings have as many places, so they are never full.
const FRAMES: u32 = 256;

/// Frames that the kernel accepts in one call.
pub(super) const BATCH: u32 = 32;

/// An `AF_XDP` socket.
pub(super) struct Xdp {
    socket: OwnedFd,
    memory: Mapping,
    transmit: Ring,
    completed: Ring,
    /// Places of frames that are not in flight.
    free: Vec<u64>,
    /// Frames queued so far.
    queued: u32,
}

impl Xdp {
    /// Opens a socket, which is not bound yet.
    pub(super) fn open() -> io::Result<Self> {
        // SAFETY: no memory is passed.
        let socket = check(unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
        // SAFETY: the descriptor was just made, and is nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        let memory = Mapping::new(FRAMES as usize * FRAME, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)?;
        // SAFETY: all-zero bytes are a valid xdp_umem_reg: plain integers.
        let mut frames: libc::xdp_umem_reg = unsafe { std::mem::zeroed() };
        frames.addr = memory.address();
        frames.len = memory.length() as u64;
        frames.chunk_size = FRAME as u32;
        set_option(&socket, libc::XDP_UMEM_REG, &frames)?;
        // The kernel requires a fill ring, although nothing is received.
        for ring in [libc::XDP_UMEM_FILL_RING, libc::XDP_UMEM_COMPLETION_RING, libc::XDP_TX_RING] {
            set_option(&socket, ring, &FRAMES)?;
        }
        let offsets = offsets(&socket)?;
        let (transmit_at, completed_at) =
            (libc::XDP_PGOFF_TX_RING, libc::XDP_UMEM_PGOFF_COMPLETION_RING.cast_signed());
        let transmit = Ring::map(&socket, &offsets.tx, size_of::<libc::xdp_desc>(), transmit_at)?;
        let completed = Ring::map(&socket, &offsets.cr, size_of::<u64>(), completed_at)?;
        let free = (0..u64::from(FRAMES)).map(|place| place * FRAME as u64).collect();
        Ok(Self { socket, memory, transmit, completed, free, queued: 0 })
    }

    /// Binds it to the interface of this index for good. `EBUSY` if another such socket is bound to it.
    pub(super) fn bind(&mut self, interface: u32) -> io::Result<()> {
        // SAFETY: all-zero bytes are a valid sockaddr_xdp: plain integers.
        let mut address: libc::sockaddr_xdp = unsafe { std::mem::zeroed() };
        address.sxdp_family = libc::AF_XDP as u16;
        address.sxdp_flags = libc::XDP_COPY;
        address.sxdp_ifindex = interface;
        // SAFETY: `address` is a complete sockaddr_xdp and its size is given.
        check(unsafe {
            libc::bind(
                self.socket.as_raw_fd(),
                ptr::from_ref(&address).cast(),
                size_of::<libc::sockaddr_xdp>() as libc::socklen_t,
            )
        })?;
        Ok(())
    }

    /// Queues the frame of `header` and `packet` for [`Self::flush`]. False if it is too long, or if too many frames are in
    /// flight: then it must be sent in another way.
    pub(super) fn queue(&mut self, header: &[u8], packet: &[u8]) -> bool {
        let length = header.len() + packet.len();
        if self.free.is_empty() {
            self.collect();
        }
        if length > FRAME {
            return false;
        }
        let Some(place) = self.free.pop() else { return false };
        let frame = self.memory.place(place as usize);
        // SAFETY: the frame is within the mapping and has room for both. The kernel owns it only from its entry into the
        // transmit ring below until it comes back through the completion ring.
        unsafe {
            ptr::copy_nonoverlapping(header.as_ptr(), frame.as_ptr(), header.len());
            ptr::copy_nonoverlapping(packet.as_ptr(), frame.add(header.len()).as_ptr(), packet.len());
        }
        let frame = libc::xdp_desc { addr: place, len: length as u32, options: 0 };
        self.transmit.put(self.queued, frame);
        self.queued = self.queued.wrapping_add(1);
        true
    }

    /// Sends queued frames, as far as the device and the kernel's memory have room; the others stay queued.
    ///
    /// # Errors
    /// Frames that were lost: `EBUSY` for those dropped by a full device. After all other errors the queue is empty, and the
    /// socket cannot be used any more.
    pub(super) fn flush(&mut self) -> Result<(), Lost> {
        let mut lost = None;
        // One call more than is needed if the kernel accepts full batches.
        for _ in 0..=FRAMES / BATCH {
            if self.waiting() == 0 {
                break;
            }
            self.transmit.producer().store(self.queued, Ordering::Release);
            // SAFETY: no memory is passed.
            let sent = unsafe {
                libc::sendto(self.socket.as_raw_fd(), ptr::null(), 0, libc::MSG_DONTWAIT, ptr::null(), 0)
            };
            if sent < 0 {
                let error = io::Error::last_os_error();
                match error.raw_os_error() {
                    // EAGAIN: more frames than one call accepts. ENOBUFS: the device accepts none at the moment.
                    Some(libc::EAGAIN) => {}
                    Some(libc::ENOBUFS) => break,
                    Some(libc::EBUSY) => add(&mut lost, 1, error),
                    _ => {
                        add(&mut lost, u64::from(self.waiting()), error);
                        break;
                    }
                }
            }
        }
        if self.free.len() < FRAMES as usize / 2 {
            self.collect();
        }
        lost.map_or(Ok(()), Err)
    }

    /// Frames that the kernel has not accepted yet.
    pub(super) fn waiting(&self) -> u32 {
        self.queued.wrapping_sub(self.transmit.consumer().load(Ordering::Acquire))
    }

    /// Takes back frames that were sent.
    fn collect(&mut self) {
        let mut next = self.completed.consumer().load(Ordering::Relaxed);
        let end = self.completed.producer().load(Ordering::Acquire);
        while next != end {
            self.free.push(self.completed.get(next));
            next = next.wrapping_add(1);
        }
        self.completed.consumer().store(next, Ordering::Release);
    }
}

/// Adds lost packets.
pub(super) fn add(lost: &mut Option<Lost>, packets: u64, error: io::Error) {
    let before = lost.take().map_or(0, |lost| lost.packets);
    *lost = Some(Lost { packets: before + packets, error });
}

/// A ring of `FRAMES` places. The producer counts the entries it has written, the consumer those it has read.
struct Ring {
    memory: Mapping,
    producer: usize,
    consumer: usize,
    places: usize,
}

impl Ring {
    fn map(
        socket: &OwnedFd,
        offsets: &libc::xdp_ring_offset,
        place: usize,
        at: libc::off_t,
    ) -> io::Result<Self> {
        let places = offsets.desc as usize;
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        let memory = Mapping::new(places + FRAMES as usize * place, flags, socket.as_raw_fd(), at)?;
        let (producer, consumer) = (offsets.producer as usize, offsets.consumer as usize);
        Ok(Self { memory, producer, consumer, places })
    }

    fn producer(&self) -> &AtomicU32 {
        self.counter(self.producer)
    }

    fn consumer(&self) -> &AtomicU32 {
        self.counter(self.consumer)
    }

    fn counter(&self, at: usize) -> &AtomicU32 {
        // SAFETY: by the kernel's offsets there is an aligned counter of four bytes, which both sides access atomically.
        unsafe { AtomicU32::from_ptr(self.memory.place(at).cast().as_ptr()) }
    }

    fn put<T: Copy>(&mut self, number: u32, value: T) {
        // SAFETY: the place is within the ring, whose places have the size of a `T`; the kernel reads it only once the
        // producer's counter has passed it.
        unsafe { self.place::<T>(number).write(value) };
    }

    fn get<T: Copy>(&self, number: u32) -> T {
        // SAFETY: as above; the kernel has written it and does not change it until the consumer's counter has passed it.
        unsafe { self.place::<T>(number).read() }
    }

    fn place<T>(&self, number: u32) -> NonNull<T> {
        self.memory.place(self.places + (number % FRAMES) as usize * size_of::<T>()).cast()
    }
}

/// The kernel's offsets of counters and places in the rings.
fn offsets(socket: &OwnedFd) -> io::Result<libc::xdp_mmap_offsets> {
    sys::get_option(socket.as_fd(), libc::SOL_XDP, libc::XDP_MMAP_OFFSETS)
}

fn set_option<T: Copy>(socket: &OwnedFd, option: c_int, value: &T) -> io::Result<()> {
    sys::set_option(socket.as_fd(), libc::SOL_XDP, option, value)
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
