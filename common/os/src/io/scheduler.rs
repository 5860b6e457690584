//! The scheduling policy of the calling thread (sched(7)).
#![allow(unsafe_code, reason = "no crate in use wraps these two system calls")]

use std::io;

use nix::libc;

/// The policy: `SCHED_*` of `linux/sched.h`.
pub(crate) fn policy() -> io::Result<i32> {
    // SAFETY: it takes no memory of ours; 0 stands for the calling thread.
    let policy = unsafe { libc::sched_getscheduler(0) };
    if policy < 0 { Err(io::Error::last_os_error()) } else { Ok(policy) }
}

/// Sets a policy that has no priority of its own: `SCHED_OTHER` or `SCHED_BATCH`.
pub(crate) fn set_policy(policy: i32) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the kernel reads one sched_param; 0 stands for the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
