//! Capabilities of the calling thread (capabilities(7)).

use std::io;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Removes all capabilities from the bounding set; false if the right to do so (`CAP_SETPCAP`) is missing.
///
/// # Errors
/// The operating system's error.
pub(super) fn empty_bounding_set() -> io::Result<bool> {
    let allowed = capabilities(None)?.effective.contains(CapabilitySet::SETPCAP);
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match capability_is_in_bounding_set(capability) {
            // The kernel knows no more of them.
            Err(Errno::INVAL) => return Ok(true),
            Ok(false) => {}
            Ok(true) if !allowed => return Ok(false),
            Ok(true) => remove_capability_from_bounding_set(capability)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// Empties the ambient, inheritable, permitted and effective set.
///
/// # Errors
/// The operating system's error.
pub(super) fn drop_all() -> io::Result<()> {
    match clear_ambient_capability_set() {
        // Linux before 4.3 has none.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    let none = CapabilitySet::empty();
    Ok(set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?)
}
