//! Whose statement a CancelRequest means. The secrets of the connections are kept as hashes only.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

/// The open sessions by the keys that the server gave them.
#[derive(Debug, Default)]
pub(super) struct Cancels(HashMap<[u8; 32], u64>);

impl Cancels {
    /// The server has given the session this key.
    pub(super) fn add(&mut self, key: [u8; 32], session: u64) {
        self.0.insert(key, session);
    }

    pub(super) fn session(&self, key: &[u8; 32]) -> Option<u64> {
        self.0.get(key).copied()
    }

    pub(super) fn remove(&mut self, key: &[u8; 32]) {
        self.0.remove(key);
    }
}

/// What stands for the key of a connection.
pub(super) fn hash(pid: u32, key: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(pid.to_be_bytes());
    hash.update(key);
    hash.finalize().into()
}
