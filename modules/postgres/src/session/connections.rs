//! Which connection of the test server copies which connection of the online server, and how far the copy has come: a
//! CancelRequest must find it where its victim was.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use module_kit::progress::Progress;
use module_kit::{Moment, Stamp, Time};

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
    progress: Arc<Progress>,
    /// The test server's key, while there is a connection that takes messages.
    test: Mutex<Option<BackendKey>>,
    executing: Mutex<Executing>,
    /// When the online server last said that a statement was cancelled.
    cancelled: AtomicU64,
    /// CancelRequests on their way to the test server.
    cancels: AtomicU32,
}

impl Copied {
    /// The first turn that has not gone to the test server, and what that executes.
    pub(super) fn state(&self) -> (Stamp, Executing) {
        let waiting_since = self.progress.reached().waiting_since;
        // The newer of both: a message shows as executed before it shows as taken.
        (waiting_since, *self.executing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// When the online server last said that a statement was cancelled.
    pub(super) fn cancelled(&self) -> Time {
        Time::from_micros(self.cancelled.load(Ordering::Relaxed))
    }

    /// The test server's key, if there is a connection.
    pub(super) fn test(&self) -> Option<BackendKey> {
        self.test.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the test server executes, or has executed last. A turn may go to it before the one before is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Executing {
    /// The client's turn.
    pub(super) turn: Stamp,
    /// When the server began with it.
    pub(super) begun: Time,
    /// When it had answered; [`Time::NEVER`] if it has not.
    pub(super) ended: Time,
    /// The next turn that it has got; [`Stamp::NEVER`] if there is none, [`Stamp::FIRST`] if that is not known.
    pub(super) next: Stamp,
}

impl Default for Executing {
    fn default() -> Self {
        Self { turn: Stamp::FIRST, begun: Time::ZERO, ended: Time::ZERO, next: Stamp::NEVER }
    }
}

/// Turns that are not answered, and are kept.
const TURNS_MAX: usize = 1024;

/// A CancelRequest on its way to the test server: its victim begins nothing else as long as this lives.
#[derive(Debug)]
pub(super) struct Cancelling(Arc<Copied>);

impl Cancelling {
    pub(super) fn new(victim: Arc<Copied>) -> Self {
        victim.cancels.fetch_add(1, Ordering::AcqRel);
        Self(victim)
    }
}

impl Drop for Cancelling {
    fn drop(&mut self) {
        self.0.cancels.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The session's place among the others. Once its online key is known, a CancelRequest finds it.
#[derive(Debug)]
pub(super) struct Identity {
    connections: Arc<Connections>,
    online: Option<BackendKey>,
    copied: Arc<Copied>,
    /// The turns that the test server has not answered, one for each cycle.
    turns: VecDeque<Stamp>,
    executing: Executing,
}

impl Identity {
    pub(super) fn new(connections: Arc<Connections>) -> Self {
        Self {
            connections,
            online: None,
            copied: Arc::default(),
            turns: VecDeque::new(),
            executing: Executing::default(),
        }
    }

    /// The sessions of the same online service.
    pub(super) fn others(&self) -> &Connections {
        &self.connections
    }

    /// Where the engine writes how far the session has come.
    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.copied.progress)
    }

    /// The memory that is allocated for it, in bytes.
    pub(super) fn memory(&self) -> usize {
        let keys = self.online.as_ref().map_or(0, |online| online.key.capacity());
        size_of::<Copied>() + size_of::<Progress>() + 2 * keys + self.turns.capacity() * size_of::<Stamp>()
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
        let count = usize::try_from(cycles).unwrap_or(usize::MAX);
        let (is_known, was_idle) = (count <= TURNS_MAX, self.turns.is_empty());
        let answered = self.turns.len().saturating_sub(count);
        self.turns.drain(..answered);
        self.turns.resize(count.min(TURNS_MAX), moment.stamp);
        let mut executing = self.executing;
        match (self.turns.front(), self.turns.get(1)) {
            (None, _) if was_idle => return,
            (None, _) => (executing.ended, executing.next) = (moment.now, Stamp::NEVER),
            (Some(turn), next) => {
                if was_idle || answered > 0 {
                    (executing.turn, executing.begun, executing.ended) = (*turn, moment.now, Time::NEVER);
                }
                executing.next = if is_known { next.copied().unwrap_or(Stamp::NEVER) } else { Stamp::FIRST };
            }
        }
        if executing != self.executing {
            self.executing = executing;
            *self.copied.executing.lock().unwrap_or_else(PoisonError::into_inner) = executing;
        }
    }

    /// The online server says that a statement of this session was cancelled.
    pub(super) fn set_cancelled(&mut self, now: Time) {
        self.copied.cancelled.store(now.as_micros(), Ordering::Relaxed);
    }

    /// Whether a CancelRequest for this session is on its way to the test server.
    pub(super) fn is_being_cancelled(&self) -> bool {
        self.copied.cancels.load(Ordering::Acquire) > 0
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.leave();
    }
}
