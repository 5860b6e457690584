//! Privileges, which are dropped once all sockets are open, and memory that no other process can read.

use std::io;
use std::path::Path;

use nix::fcntl::AT_FDCWD;
use nix::fcntl::AtFlags;
use nix::sys::prctl::{set_dumpable, set_no_new_privs};
use nix::unistd::{AccessFlags, faccessat};
use thiserror::Error;

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

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

/// The privileges that [`drop_privileges`] has kept.
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
    let held = capabilities(None)?;
    // With empty effective capabilities the kernel itself tells which directories are writable without privilege.
    set_capabilities(None, CapabilitySets { effective: CapabilitySet::empty(), ..held })?;
    let kept = if directories.iter().all(|directory| is_writable(directory)) {
        CapabilitySet::empty()
    } else {
        held.permitted & CapabilitySet::DAC_OVERRIDE
    };
    let (effective, permitted, inheritable) = (kept, kept, CapabilitySet::empty());
    set_capabilities(None, CapabilitySets { effective, permitted, inheritable })?;
    set_no_new_privs()?;
    Ok(if kept.is_empty() { Kept::Nothing } else { Kept::WriteAnyFile })
}

fn is_writable(directory: &Path) -> bool {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let create_in = AccessFlags::W_OK | AccessFlags::X_OK;
    faccessat(AT_FDCWD, directory, create_in, AtFlags::AT_EACCESS).is_ok()
}
