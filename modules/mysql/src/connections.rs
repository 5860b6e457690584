//! Which connection of the test server copies which of the online server: what a KILL must be turned on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use common::flow::Endpoint;

/// The live sessions whose ids both servers have told. Touched when a session logs in or ends, and by KILL.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    /// By test server and online id.
    ids: Mutex<HashMap<(Endpoint, u32), u32>>,
}

impl Connections {
    pub(crate) fn insert(&self, server: Endpoint, online: u32, test: u32) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert((server, online), test);
    }

    /// Forgets the pair, unless the online id has gone to another since.
    pub(crate) fn remove(&self, server: Endpoint, online: u32, test: u32) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.get(&(server, online)) == Some(&test) {
            ids.remove(&(server, online));
        }
    }

    pub(crate) fn test_id(&self, server: Endpoint, online: u32) -> Option<u32> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).get(&(server, online)).copied()
    }
}
