//! The capability sets of the calling thread (capget(2), capset(2)).
#![allow(unsafe_code, reason = "no crate in use wraps these two system calls")]

use std::io;

use nix::libc;

/// Capability sets: bit n stands for capability n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sets {
    pub(crate) effective: u64,
    pub(crate) permitted: u64,
    pub(crate) inheritable: u64,
}

/// `_LINUX_CAPABILITY_VERSION_3`: sets of 64 bits, in two words each.
const VERSION: u32 = 0x2008_0522;

/// `struct __user_cap_header_struct`.
#[repr(C)]
struct Header {
    version: u32,
    thread: i32,
}

/// `struct __user_cap_data_struct`: the lower words of the sets come first, then the upper ones.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Words {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The sets as they are.
pub(crate) fn get() -> io::Result<Sets> {
    let mut header = Header { version: VERSION, thread: 0 };
    let mut words = [Words::default(); 2];
    // SAFETY: header and words have the kernel's layout; version 3 writes exactly two `Words`.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let join = |each: fn(&Words) -> u32| u64::from(each(&words[0])) | u64::from(each(&words[1])) << 32;
    Ok(Sets {
        effective: join(|words| words.effective),
        permitted: join(|words| words.permitted),
        inheritable: join(|words| words.inheritable),
    })
}

/// Changes the sets.
pub(crate) fn set(sets: Sets) -> io::Result<()> {
    let mut header = Header { version: VERSION, thread: 0 };
    let words = [0, 32].map(|shift| Words {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    });
    // SAFETY: header and words have the kernel's layout; version 3 reads exactly two `Words`.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
