//! Privileges, which are dropped once all sockets are open, and memory that no other process can read.

use std::io;
use std::path::Path;

use nix::fcntl::AT_FDCWD;
use nix::fcntl::AtFlags;
use nix::sys::prctl::{set_dumpable, set_no_new_privs};
use nix::unistd::{AccessFlags, faccessat};
use thiserror::Error;

use crate::io::capabilities::{self, Sets};

/// `CAP_DAC_OVERRIDE` (capabilities(7)): the privilege of root to write any file.
const WRITE_ANY_FILE: u64 = 1 << 1;

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

/// What [`drop_privileges`] has kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// No privilege.
    Nothing,
    /// `CAP_DAC_OVERRIDE`: root's privilege to write any file.
    WriteAnyFile,
}

/// Drops all capabilities and the possibility to gain any again. Open sockets stay open and work.
///
/// Files will still be created in `directories`, or removed from them (the PID file, statistics). If root may write to
/// one of them only by privilege, as in the home directory of another user, that privilege is kept. An empty path stands
/// for the working directory.
///
/// This affects the calling thread and those that it starts later.
///
/// # Errors
/// The operating system's error.
pub fn drop_privileges(directories: &[&Path]) -> io::Result<Kept> {
    let held = capabilities::get()?;
    // With empty effective capabilities the kernel itself tells which directories are writable without privilege.
    capabilities::set(Sets { effective: 0, ..held })?;
    let needed = if directories.iter().all(|directory| is_writable(directory)) { 0 } else { WRITE_ANY_FILE };
    let kept = held.permitted & needed;
    capabilities::set(Sets { effective: kept, permitted: kept, inheritable: 0 })?;
    set_no_new_privs()?;
    Ok(if kept == 0 { Kept::Nothing } else { Kept::WriteAnyFile })
}

fn is_writable(directory: &Path) -> bool {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let create_in = AccessFlags::W_OK | AccessFlags::X_OK;
    faccessat(AT_FDCWD, directory, create_in, AtFlags::AT_EACCESS).is_ok()
}
