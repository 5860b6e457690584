//! As fast as possible, but in an order that makes sense: a session begins when those have ended that had ended before it
//! began in the recording. So tables are there before they are used, and no more connections are open than were.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// The sessions that have ended in the recording have numbers, from 0, in the order of their ends.
#[derive(Debug)]
pub(super) struct Order {
    ended: Mutex<BTreeSet<u64>>,
    /// All with lower numbers have ended in the replay.
    until: watch::Sender<u64>,
}

impl Default for Order {
    fn default() -> Self {
        Self { ended: Mutex::default(), until: watch::Sender::new(0) }
    }
}

impl Order {
    /// The session whose end has this number has ended in the replay.
    pub(super) fn has_ended(&self, number: u64) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.insert(number);
        self.until.send_modify(|until| {
            while ended.remove(until) {
                *until += 1;
            }
        });
    }

    /// Waits for all sessions with lower numbers.
    pub(super) async fn wait_for(&self, number: u64) {
        // The sender lives as long as this does.
        let _ = self.until.subscribe().wait_for(|until| *until >= number).await;
    }
}
