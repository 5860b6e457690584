//! Puts a seccomp filter in force (seccomp(2)).
#![allow(unsafe_code, reason = "seccompiler sets no flag that leaves speculation as it is")]

use std::io;

use nix::libc;
use seccompiler::{BpfProgramRef, sock_filter};

/// `struct sock_fprog` of `linux/filter.h`.
#[repr(C)]
struct Program {
    instructions: libc::c_ushort,
    first: *const sock_filter,
}

/// Puts `program` in force for all threads. `no_new_privs` must be set.
///
/// Linux before 5.16 slows down every process with a filter, because such processes are expected to run code of others
/// (spec_store_bypass_disable in the kernel's documentation). This one does not, so it asks for the usual speed.
///
/// # Errors
/// The operating system's error, or that another thread has a filter that this thread does not have.
pub(crate) fn apply_to_all_threads(program: BpfProgramRef<'_>) -> io::Result<()> {
    let instructions = program.len().try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = Program { instructions, first: program.as_ptr() };
    let flags = libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    // SAFETY: the kernel reads a sock_fprog and as many instructions as it states. Both are borrowed for the call.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, std::ptr::from_ref(&program))
    };
    match result {
        0 => Ok(()),
        thread if thread > 0 => Err(io::Error::other(format!("thread {thread} has a filter of its own"))),
        _ => Err(io::Error::last_os_error()),
    }
}
