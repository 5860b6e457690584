//! Memory shared with the kernel (mmap(2)).
#![allow(unsafe_code, reason = "memory shared with the kernel")]

use std::ffi::c_int;
use std::io;
use std::ptr::{self, NonNull};

use nix::libc;

/// Memory that the kernel also reads or writes. It is unmapped when it is dropped.
pub(super) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: on this side the mapping belongs to its owner alone.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `length` bytes of `file` from `offset` on, or anonymous memory, as `flags` say.
    pub(super) fn new(length: usize, flags: c_int, file: c_int, offset: libc::off_t) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel chooses an unused part of our address space.
        let start = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, file, offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }

    /// A simulated mapping, for tests. Its owner must not be dropped.
    #[cfg(test)]
    pub(super) fn simulated(start: NonNull<u8>, length: usize) -> Self {
        Self { start, length }
    }

    /// Its address.
    pub(super) fn address(&self) -> u64 {
        self.start.as_ptr() as u64
    }

    /// Its length in bytes.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The byte at `offset`, which must be below the length.
    pub(super) fn place(&self, offset: usize) -> NonNull<u8> {
        assert!(offset < self.length);
        // SAFETY: the offset is within the mapping.
        unsafe { self.start.add(offset) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length, and nothing refers to it any more. It cannot fail.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
