//! A safe fork(2).
#![allow(unsafe_code, reason = "fork is unsafe in a process with threads; here it is refused there")]

use std::fs;
use std::io;

use nix::unistd::{ForkResult, fork};

/// Forks the process.
///
/// # Errors
/// The operating system's error; [`io::ErrorKind::Unsupported`] if the process has more than one thread: the child
/// would have only one of them, but the locks of all.
pub(crate) fn fork_single_threaded() -> io::Result<ForkResult> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: this is the only thread, and only it could start another: the child is a complete copy.
    Ok(unsafe { fork() }?)
}
