//! Asking the online server what clients said before they were copied.
//!
//! A protocol says how to ask and keeps what it learns ([`OnlineQuery`]); a thread of the driver has the connection; the
//! protocol's modules say when an answer is wanted ([`Questions::want`]). Questions have numbers, from 1 on: a module that
//! is told of an answer by its number ([`Module::online_queried`](crate::module::Module::online_queried)) can tell whether
//! that is newer than what it wants to know.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common_core::flow::Endpoint;

/// How to ask one online server.
pub trait OnlineQuery: Send + Sync {
    /// The server to be asked.
    fn address(&self) -> Endpoint;

    /// How long one question may take, connection included.
    fn time_limit(&self) -> Duration;

    /// The questions, by number.
    fn questions(&self) -> &Questions;

    /// Begins to ask the question of this number, on a connection that stands.
    fn begin(&self, question: u64) -> Box<dyn Conversation>;
}

/// One question on a connection of its own: bytes in, bytes out.
pub trait Conversation {
    /// What is to be sent now; empty if it is the server's turn.
    fn to_send(&mut self) -> Vec<u8>;

    /// The server said `bytes`, which are untrusted. True once the answer is complete, and kept where the modules find it.
    ///
    /// # Errors
    ///
    /// Why there is no answer: one line with the cure.
    fn receive(&mut self, bytes: &[u8]) -> Result<bool, String>;
}

/// The questions to one online server, by number: which was begun, which was answered, and whether another is wanted.
#[derive(Debug, Default)]
pub struct Questions {
    state: Mutex<State>,
    wanted: Condvar,
    answered: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    begun: u64,
    is_wanted: bool,
}

impl Questions {
    /// A module wants an answer that is newer than this call. Returns the number of the question that will bring it.
    pub fn want(&self) -> u64 {
        let mut state = self.lock();
        state.is_wanted = true;
        self.wanted.notify_one();
        state.begun + 1
    }

    /// Waits until an answer is wanted.
    pub fn await_wanted(&self) {
        let state = self.lock();
        let waited = self.wanted.wait_while(state, |state| !state.is_wanted);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Begins the next question; returns its number.
    pub fn begin(&self) -> u64 {
        let mut state = self.lock();
        state.begun += 1;
        state.is_wanted = false;
        state.begun
    }

    /// The question has been answered.
    pub fn set_answered(&self, question: u64) {
        self.answered.fetch_max(question, Ordering::Release);
    }

    /// The last question that was answered; 0 if none was.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_newer_than_what_was_begun() {
        let questions = Questions::default();
        assert_eq!(questions.begin(), 1);
        assert_eq!(questions.want(), 2, "the first was begun before");
        questions.set_answered(1);
        assert_eq!(questions.answered(), 1);
        questions.await_wanted();
        assert_eq!(questions.begin(), 2);
        questions.set_answered(2);
        questions.set_answered(1);
        assert_eq!(questions.answered(), 2);
    }
}
