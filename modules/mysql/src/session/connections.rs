//! Which connection of the test server copies which connection of the online server, and how far the copy has come: a KILL
//! must find it where its victim was.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use module_kit::interrupts::{Execution, Victim};
use module_kit::progress::Progress;
use module_kit::{Moment, Time};

/// The live sessions of one online service whose online ids are known, by these. Touched when a session logs in or ends, and
/// by KILL.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<HashMap<u32, Arc<Copied>>>);

impl Connections {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Arc<Copied>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session, as other sessions see it.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// The test server's id of its connection; 0 if there is none.
    test: AtomicU32,
    victim: Arc<Victim>,
    user: Mutex<Vec<u8>>,
}

impl Copied {
    /// The test server's id of the connection, if there is one.
    pub(super) fn test_id(&self) -> Option<u32> {
        Some(self.test.load(Ordering::Acquire)).filter(|id| *id != 0)
    }

    /// What it executes, as a KILL sees it.
    pub(super) fn victim(&self) -> &Arc<Victim> {
        &self.victim
    }

    fn is_user(&self, name: &[u8]) -> bool {
        self.user.lock().unwrap_or_else(PoisonError::into_inner)[..] == *name
    }
}

/// The session's place among the others. Once its online id is known, a KILL finds it.
#[derive(Debug)]
pub(super) struct ConnectionIds {
    connections: Arc<Connections>,
    online: Option<u32>,
    copied: Arc<Copied>,
    execution: Execution,
}

impl ConnectionIds {
    pub(super) fn new(connections: Arc<Connections>) -> Self {
        let execution = Execution::default();
        let copied = Copied { victim: Arc::clone(execution.victim()), ..Copied::default() };
        Self { connections, online: None, copied: Arc::new(copied), execution }
    }

    /// Where the engine writes how far the session has come.
    pub(super) fn progress(&self) -> Arc<Progress> {
        self.copied.victim.progress()
    }

    /// The memory that is allocated for it, in bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Copied>() + self.execution.memory()
    }

    pub(super) fn set_online(&mut self, id: u32) {
        self.leave();
        self.online = Some(id);
        self.connections.lock().insert(id, Arc::clone(&self.copied));
    }

    /// Where the session is no longer one of the online connection `id`, nobody finds it there.
    fn leave(&mut self) {
        if let Some(online) = self.online.take() {
            let mut connections = self.connections.lock();
            // The online id may belong to another session by now.
            if connections.get(&online).is_some_and(|it| Arc::ptr_eq(it, &self.copied)) {
                connections.remove(&online);
            }
        }
    }

    pub(super) fn set_test(&mut self, id: u32) {
        self.copied.test.store(id, Ordering::Release);
    }

    /// The connection to the test server is gone.
    pub(super) fn forget_test(&mut self) {
        self.set_test(0);
    }

    /// The client is this user.
    pub(super) fn set_user(&mut self, name: &[u8]) {
        name.clone_into(&mut self.copied.user.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// How many commands the test server has not answered; `None` if that is not known. To be called after each event of the
    /// session.
    pub(super) fn set_unanswered(&mut self, commands: Option<u64>, moment: Moment) {
        self.execution.set_unanswered(commands, moment);
    }

    /// The online server says that it has interrupted a statement of this session.
    pub(super) fn set_interrupted(&mut self, now: Time) {
        self.copied.victim.set_told(now);
    }

    /// A KILL of this session is on its way to the test server.
    pub(super) fn is_being_killed(&self) -> bool {
        self.copied.victim.is_being_interrupted()
    }

    /// Whether a session is this one.
    pub(super) fn is_own(&self, copied: &Arc<Copied>) -> bool {
        Arc::ptr_eq(copied, &self.copied)
    }

    /// The session of the online server's connection.
    pub(super) fn copy_of(&self, online: u32) -> Option<Arc<Copied>> {
        self.connections.lock().get(&online).cloned()
    }

    /// All sessions of a user, this one last.
    pub(super) fn copies_of_user(&self, name: &[u8]) -> Vec<Arc<Copied>> {
        let mut copies: Vec<_> =
            self.connections.lock().values().filter(|copied| copied.is_user(name)).cloned().collect();
        copies.sort_by_key(|copied| (Arc::ptr_eq(copied, &self.copied), copied.test_id()));
        copies
    }
}

impl Drop for ConnectionIds {
    fn drop(&mut self) {
        self.leave();
    }
}
