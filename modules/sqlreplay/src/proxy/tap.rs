//! What a session's connection tells the recorder.

use std::sync::Arc;

use super::Shared;
use super::queue::{Event, What};
use crate::recording::Micros;
use crate::recording::record::EndedBy;

/// A session that is being carried. Dropped, it says that the session is over.
#[derive(Debug)]
pub(super) struct Tap {
    shared: Arc<Shared>,
    session: u64,
    is_lost: bool,
    by: EndedBy,
}

impl Tap {
    /// A session of this client has begun.
    pub(super) fn new(shared: Arc<Shared>, at: Micros, client: String) -> Self {
        let session = shared.sessions_before + shared.counters.begin();
        shared.queue.put(Event { session, at, what: What::Begun(client.into()) });
        Self { shared, session, is_lost: false, by: EndedBy::Recorder }
    }

    /// The client has sent bytes.
    pub(super) fn client(&mut self, at: Micros, bytes: &[u8]) {
        self.said(at, What::Client, bytes);
    }

    /// The server has sent bytes.
    pub(super) fn server(&mut self, at: Micros, bytes: &[u8]) {
        self.said(at, What::Server, bytes);
    }

    fn said(&mut self, at: Micros, what: fn(u32) -> What, bytes: &[u8]) {
        if self.is_lost || self.shared.queue.put_bytes(self.session, at, what, bytes) {
            return;
        }
        self.is_lost = true;
        self.shared.counters.lost();
        self.shared.queue.put(Event { session: self.session, at, what: What::Lost });
    }

    /// The session has ended; without it, the recorder has ended it.
    pub(super) fn end(mut self, by: EndedBy) {
        self.by = by;
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let at = self.shared.clock.now();
        self.shared.queue.put(Event { session: self.session, at, what: What::Ended(self.by) });
        self.shared.counters.end();
    }
}
