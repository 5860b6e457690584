//! Whose statement a CancelRequest means. The secrets of the connections are kept as hashes only.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

/// The open sessions by the keys that the server gave them.
#[derive(Debug, Default)]
pub(super) struct Cancels(Mutex<HashMap<[u8; 32], u64>>);

impl Cancels {
    /// The server has given the session this key. Returns what [`Cancels::remove`] wants.
    pub(super) fn add(&self, pid: u32, key: &[u8], session: u64) -> [u8; 32] {
        let hash = hash(pid, key);
        self.lock().insert(hash, session);
        hash
    }

    pub(super) fn session(&self, pid: u32, key: &[u8]) -> Option<u64> {
        self.lock().get(&hash(pid, key)).copied()
    }

    pub(super) fn remove(&self, hash: &[u8; 32]) {
        self.lock().remove(hash);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(pid: u32, key: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(pid.to_be_bytes());
    hash.update(key);
    hash.finalize().into()
}
