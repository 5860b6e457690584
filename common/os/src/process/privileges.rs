//! Privileges: opened with them, run without; and memory that is nobody else's.

use std::io;
use std::path::Path;

use nix::fcntl::AT_FDCWD;
use nix::fcntl::AtFlags;
use nix::sys::prctl::{set_dumpable, set_no_new_privs};
use nix::unistd::{AccessFlags, faccessat};
use thiserror::Error;

use crate::io::capabilities::{self, Sets};

/// A capability (capabilities(7)) that may be worth keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// `CAP_DAC_OVERRIDE`: root's right to write any file.
    WriteAnyFile = 1,
    /// `CAP_NET_RAW`: to open packet and raw sockets.
    OpenRawSockets = 13,
}

/// Why the memory cannot be kept to this process.
#[derive(Debug, Error)]
#[error(
    "cannot keep memory out of core files (PR_SET_DUMPABLE): {0}; allow prctl in the sandbox this runs in"
)]
pub struct MemoryError(#[from] io::Error);

/// Keeps what this process knows, passwords and what clients say, out of core files, and from other processes of its user.
/// Call it before anything is read.
///
/// # Errors
/// [`MemoryError`] is one line for the user.
pub fn keep_memory_private() -> Result<(), MemoryError> {
    set_dumpable(false).map_err(|errno| MemoryError(errno.into()))
}

/// Gives all capabilities up but those in `keep`, and the right to ever gain one: open sockets stay open and work.
///
/// `directories` are those that files will still be created in or removed from (the PID file, statistics). If root may write
/// to one of them only by privilege, as in an ordinary user's home, [`Capability::WriteAnyFile`] is kept too;
/// an empty path stands for the working directory.
///
/// This goes for the calling thread and those that it starts: call it before any is started. Returns what was kept.
///
/// # Errors
/// The operating system's error.
pub fn drop_all_but(keep: &[Capability], directories: &[&Path]) -> io::Result<Vec<Capability>> {
    let mut keep = keep.to_vec();
    let held = capabilities::get()?;
    // With empty effective capabilities the kernel itself says what can be written without.
    capabilities::set(Sets { effective: 0, ..held })?;
    if !directories.iter().all(|directory| writable(directory)) {
        keep.push(Capability::WriteAnyFile);
    }
    keep.retain(|capability| held.permitted & bit(*capability) != 0);
    keep.dedup();
    let kept = keep.iter().fold(0, |set, capability| set | bit(*capability));
    capabilities::set(Sets { effective: kept, permitted: kept, inheritable: 0 })?;
    set_no_new_privs()?;
    Ok(keep)
}

fn bit(capability: Capability) -> u64 {
    1 << capability as u64
}

fn writable(directory: &Path) -> bool {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let create_in = AccessFlags::W_OK | AccessFlags::X_OK;
    faccessat(AT_FDCWD, directory, create_in, AtFlags::AT_EACCESS).is_ok()
}
