//! Which connection of the test server copies which connection of the online server: a KILL must find it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The test server's ids of the live connections of one online service, by online id. Touched when a session logs in or
/// ends, and by KILL.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<HashMap<u32, u32>>);

impl Connections {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ids that the two servers give the connection of one session. While both are known, a KILL finds it.
#[derive(Debug)]
pub(super) struct ConnectionIds {
    connections: Arc<Connections>,
    online: Option<u32>,
    test: Option<u32>,
}

impl ConnectionIds {
    pub(super) fn new(connections: Arc<Connections>) -> Self {
        Self { connections, online: None, test: None }
    }

    pub(super) fn set_online(&mut self, id: u32) {
        self.online = Some(id);
        self.insert();
    }

    pub(super) fn set_test(&mut self, id: u32) {
        self.test = Some(id);
        self.insert();
    }

    fn insert(&self) {
        if let (Some(online), Some(test)) = (self.online, self.test) {
            self.connections.lock().insert(online, test);
        }
    }

    /// The connection to the test server is gone.
    pub(super) fn forget_test(&mut self) {
        if let (Some(online), Some(test)) = (self.online, self.test.take()) {
            let mut ids = self.connections.lock();
            // The online id may belong to another connection by now.
            if ids.get(&online) == Some(&test) {
                ids.remove(&online);
            }
        }
    }

    /// The connection of the test server that copies the online server's `online`.
    pub(super) fn copy_of(&self, online: u32) -> Option<u32> {
        self.connections.lock().get(&online).copied()
    }
}

impl Drop for ConnectionIds {
    fn drop(&mut self) {
        self.forget_test();
    }
}
