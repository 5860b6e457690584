//! A receive ring shared with the kernel (packet(7), `TPACKET_V2`): packets are read without a system call.
//!
//! This is the second version of the ring. The third one returns blocks of packets, and a block that is not full only after
//! a millisecond or more.
#![allow(unsafe_code, reason = "memory shared with the kernel")]

use std::ffi::c_int;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use common_core::time::Stamp;
use nix::libc;

use super::mapping::Mapping;
use super::sys;

/// Unit of the kernel's allocations, in bytes.
const BLOCK: usize = 64 * 1024;

/// Offset of a packet's address in its frame: after `struct tpacket2_hdr`.
const ADDRESS: usize = size_of::<libc::tpacket2_hdr>().next_multiple_of(libc::TPACKET_ALIGNMENT);

/// Bytes of a frame that the kernel uses itself, on a socket without link-layer headers.
pub(super) const OVERHEAD: usize = libc::TPACKET2_HDRLEN.next_multiple_of(libc::TPACKET_ALIGNMENT) + 16;

/// A packet in the ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    /// The bytes in the frame.
    pub(super) bytes: &'a [u8],
    /// Its length on the wire.
    pub(super) wire_length: usize,
    /// When the kernel captured it.
    pub(super) stamp: Stamp,
    /// `PACKET_*` of `linux/if_packet.h`.
    pub(super) packet_type: u8,
    /// The packet did not fit: it is the next one in the socket's queue, as far as the filter passes it.
    pub(super) queued: bool,
}

/// The ring of one socket.
pub(super) struct Ring {
    /// Blocks, each of which holds as many whole frames as fit.
    memory: Mapping,
    frame: usize,
    /// Offset of the next frame.
    next: usize,
}

impl Ring {
    /// Gives a packet socket a ring of at least `frames` frames of `frame` bytes, a multiple of 16 up to 64 KB each.
    pub(super) fn new(socket: BorrowedFd<'_>, frame: usize, frames: usize) -> io::Result<Self> {
        if !frame.is_multiple_of(libc::TPACKET_ALIGNMENT) || !(2 * OVERHEAD..=BLOCK).contains(&frame) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let blocks = frames.div_ceil(BLOCK / frame).max(1);
        let length = blocks * BLOCK;
        let number = |value: usize| u32::try_from(value).map_err(|_| io::ErrorKind::InvalidInput);
        let request = libc::tpacket_req {
            tp_block_size: number(BLOCK)?,
            tp_block_nr: number(blocks)?,
            tp_frame_size: number(frame)?,
            tp_frame_nr: number(blocks * (BLOCK / frame))?,
        };
        sys::set_packet_option(socket, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V2 as c_int))?;
        // Any value but zero makes the kernel also queue packets that do not fit in a frame.
        sys::set_packet_option(socket, libc::PACKET_COPY_THRESH, &1_i32)?;
        sys::set_packet_option(socket, libc::PACKET_RX_RING, &request)?;
        let memory = Mapping::new(length, libc::MAP_SHARED, socket.as_raw_fd(), 0)?;
        Ok(Self { memory, frame, next: 0 })
    }

    /// Bytes of a packet that fit in a frame.
    pub(super) fn capacity(&self) -> usize {
        self.frame - OVERHEAD
    }

    /// The oldest packet, if there is one. It stays until [`Self::pop`].
    pub(super) fn front(&self) -> Option<Frame<'_>> {
        let status = self.status().load(Ordering::Acquire);
        if status & libc::TP_STATUS_USER == 0 {
            return None;
        }
        let base = self.base();
        // SAFETY: the kernel has filled the frame and does not change it until its status changes, which requires
        // `&mut self`; header and address are plain integers at offsets that the kernel aligns.
        let (header, address) = unsafe {
            (
                *base.cast::<libc::tpacket2_hdr>().as_ptr(),
                *base.add(ADDRESS).cast::<libc::sockaddr_ll>().as_ptr(),
            )
        };
        let start = usize::from(header.tp_net).min(self.frame);
        let length = (header.tp_snaplen as usize).min(self.frame - start);
        // SAFETY: start and end are within the frame, which is ours as above.
        let bytes = unsafe { std::slice::from_raw_parts(base.as_ptr().add(start), length) };
        Some(Frame {
            bytes,
            wire_length: header.tp_len as usize,
            stamp: Stamp::from_nanos(u64::from(header.tp_sec) * 1_000_000_000 + u64::from(header.tp_nsec)),
            packet_type: address.sll_pkttype,
            queued: status & libc::TP_STATUS_COPY != 0,
        })
    }

    /// Returns the frame of the oldest packet to the kernel. Call it only after [`Self::front`] has returned one.
    pub(super) fn pop(&mut self) {
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next += self.frame;
        if self.next % BLOCK + self.frame > BLOCK {
            self.next = self.next.next_multiple_of(BLOCK);
        }
        if self.next >= self.memory.length() {
            self.next = 0;
        }
    }

    /// The start of the next frame, all of which is within the mapping.
    fn base(&self) -> NonNull<u8> {
        self.memory.place(self.next)
    }

    fn status(&self) -> &AtomicU32 {
        // SAFETY: a frame starts with its status, four bytes aligned as the frame is; both sides access it atomically.
        unsafe { AtomicU32::from_ptr(self.base().cast().as_ptr()) }
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
