//! Which connection of the test server copies which of the online server: what a KILL must be turned on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The live sessions of one online service whose ids both servers have told. Touched when a session logs in or ends, and by
/// KILL.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    /// By online id.
    ids: Mutex<HashMap<u32, u32>>,
}

impl Connections {
    pub(crate) fn insert(&self, online: u32, test: u32) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(online, test);
    }

    /// Forgets the pair, unless the online id has gone to another since.
    pub(crate) fn remove(&self, online: u32, test: u32) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.get(&online) == Some(&test) {
            ids.remove(&online);
        }
    }

    pub(crate) fn test_id(&self, online: u32) -> Option<u32> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).get(&online).copied()
    }
}
