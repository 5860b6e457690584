//! Memory that no other process can read.

use std::io;

use nix::sys::prctl::set_dumpable;
use thiserror::Error;

/// Why the memory cannot be kept to this process.
#[derive(Debug, Error)]
#[error(
    "cannot keep memory out of core files (PR_SET_DUMPABLE): {0}; allow prctl in the sandbox this runs in"
)]
pub struct MemoryError(#[from] io::Error);

/// Keeps the memory of this process, with passwords and payload, out of core files and from other processes of its user.
/// Call it before anything is read.
///
/// # Errors
/// [`MemoryError`] is one line for the user.
pub fn keep_memory_private() -> Result<(), MemoryError> {
    set_dumpable(false).map_err(|errno| MemoryError(errno.into()))
}
