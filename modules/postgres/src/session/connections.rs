//! Which connection of the test server copies which connection of the online server, and how far the copy has come: a
//! CancelRequest must find it where its victim was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use module_kit::interrupts::{Execution, Victim};
use module_kit::progress::Progress;
use module_kit::{Moment, Time};

/// By this a CancelRequest names a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct BackendKey {
    pub(super) pid: u32,
    /// 4 to 256 bytes.
    pub(super) key: Vec<u8>,
}

/// The live sessions of one online service whose online keys are known. Touched when a session logs in or ends, and by
/// CancelRequests.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<HashMap<BackendKey, Arc<Copied>>>);

impl Connections {
    fn lock(&self) -> MutexGuard<'_, HashMap<BackendKey, Arc<Copied>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of the online server's connection.
    pub(super) fn copy_of(&self, online: &BackendKey) -> Option<Arc<Copied>> {
        self.lock().get(online).cloned()
    }
}

/// A session, as other sessions see it.
#[derive(Debug, Default)]
pub(super) struct Copied {
    victim: Arc<Victim>,
    /// The test server's key, while there is a connection that takes messages.
    test: Mutex<Option<BackendKey>>,
}

impl Copied {
    /// What it executes, as a CancelRequest sees it.
    pub(super) fn victim(&self) -> &Arc<Victim> {
        &self.victim
    }

    /// The test server's key, if there is a connection.
    pub(super) fn test(&self) -> Option<BackendKey> {
        self.test.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The session's place among the others. Once its online key is known, a CancelRequest finds it.
#[derive(Debug)]
pub(super) struct Identity {
    connections: Arc<Connections>,
    online: Option<BackendKey>,
    copied: Arc<Copied>,
    execution: Execution,
}

impl Identity {
    pub(super) fn new(connections: Arc<Connections>) -> Self {
        let execution = Execution::default();
        let copied = Copied { victim: Arc::clone(execution.victim()), ..Copied::default() };
        Self { connections, online: None, copied: Arc::new(copied), execution }
    }

    /// The sessions of the same online service.
    pub(super) fn others(&self) -> &Connections {
        &self.connections
    }

    /// Where the engine writes how far the session has come.
    pub(super) fn progress(&self) -> Arc<Progress> {
        self.copied.victim.progress()
    }

    /// The memory that is allocated for it, in bytes.
    pub(super) fn memory(&self) -> usize {
        let keys = self.online.as_ref().map_or(0, |online| online.key.capacity());
        size_of::<Copied>() + self.execution.memory() + 2 * keys
    }

    /// The online server has given the session's connection this key.
    pub(super) fn set_online(&mut self, online: BackendKey) {
        self.leave();
        self.connections.lock().insert(online.clone(), Arc::clone(&self.copied));
        self.online = Some(online);
    }

    /// Nobody finds the session any more.
    fn leave(&mut self) {
        if let Some(online) = self.online.take() {
            let mut connections = self.connections.lock();
            // The key may belong to another session by now.
            if connections.get(&online).is_some_and(|it| Arc::ptr_eq(it, &self.copied)) {
                connections.remove(&online);
            }
        }
    }

    /// The test server's connection has this key, or is gone.
    pub(super) fn set_test(&mut self, key: Option<BackendKey>) {
        *self.copied.test.lock().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// How many cycles the test server has not answered. To be called after each event of the session.
    pub(super) fn set_unanswered(&mut self, cycles: u64, moment: Moment) {
        self.execution.set_unanswered(Some(cycles), moment);
    }

    /// The online server says that a statement of this session was cancelled.
    pub(super) fn set_cancelled(&mut self, now: Time) {
        self.copied.victim.set_told(now);
    }

    /// Whether a CancelRequest for this session is on its way to the test server.
    pub(super) fn is_being_cancelled(&self) -> bool {
        self.copied.victim.is_being_interrupted()
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.leave();
    }
}
