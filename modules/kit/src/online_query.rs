//! Queries to the online server about connections that are older than the copy.
//!
//! A protocol defines the query and stores the answer ([`OnlineQuery`]); a thread of the driver owns the connection; the
//! protocol's modules request an answer ([`Questions::want`]). Questions have numbers, from 1 on: a module to which an
//! answer is reported ([`OnlineObserver::queried`](crate::OnlineObserver::queried)) compares the number with that of its
//! request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common_core::flow::Endpoint;

/// The query to one online server.
pub trait OnlineQuery: Send + Sync {
    /// The address of the server.
    fn address(&self) -> Endpoint;

    /// The time limit for one question, connection setup included.
    fn time_limit(&self) -> Duration;

    /// The questions, by number.
    fn questions(&self) -> &Questions;

    /// Begins the question of this number, on a connection that is open.
    fn begin(&self, question: u64) -> Box<dyn Conversation>;
}

/// One question on a connection of its own: bytes in, bytes out.
pub trait Conversation {
    /// The bytes to send now; empty if it is the server's turn.
    fn to_send(&mut self) -> Vec<u8>;

    /// The server sent `bytes`, which are untrusted. True once the answer is complete, and stored for the modules.
    ///
    /// # Errors
    ///
    /// Why there is no answer: one line with the cure.
    fn receive(&mut self, bytes: &[u8]) -> Result<bool, String>;
}

/// The questions to one online server: the last that was begun, the last that was answered, and whether another is wanted.
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
    /// Requests an answer that is newer than this call. Returns the number of its question.
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

/// The answer of the online server, by the client's end of each connection.
#[derive(Debug)]
pub struct Connections<T>(Mutex<List<T>>);

#[derive(Debug)]
struct List<T> {
    question: u64,
    entries: HashMap<Endpoint, T>,
}

/// What the answer to a question has for one connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// This.
    Entry(T),
    /// Nothing.
    Nothing,
    /// There is the answer to a later question, which was not reported to the module yet.
    Newer,
}

impl<T> Default for Connections<T> {
    fn default() -> Self {
        Self(Mutex::new(List { question: 0, entries: HashMap::new() }))
    }
}

impl<T> Connections<T> {
    /// Stores the answer to `question` in place of the one before.
    pub fn set(&self, question: u64, entries: HashMap<Endpoint, T>) {
        let old = std::mem::replace(&mut *self.lock(), List { question, entries });
        // Without the lock: a long list takes its time.
        drop(old);
    }

    /// Takes the entry of a connection out of the answer to `question`: it is void once the client has sent more.
    pub fn take(&self, question: u64, client: &Endpoint) -> Found<T> {
        let mut list = self.lock();
        if list.question > question {
            return Found::Newer;
        }
        list.entries.remove(client).map_or(Found::Nothing, Found::Entry)
    }

    /// Removes the entry of a connection.
    pub fn forget(&self, client: &Endpoint) {
        self.lock().entries.remove(client);
    }

    fn lock(&self) -> MutexGuard<'_, List<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_is_found_once_and_not_in_an_older_answer() {
        let end = |port| Endpoint::new(std::net::Ipv4Addr::LOCALHOST.into(), port);
        let list = Connections::default();
        list.set(2, HashMap::from([(end(1), "one"), (end(2), "two")]));
        assert_eq!(list.take(1, &end(1)), Found::Newer);
        assert_eq!(list.take(2, &end(1)), Found::Entry("one"));
        assert_eq!(list.take(3, &end(1)), Found::Nothing);
        list.forget(&end(2));
        assert_eq!(list.take(2, &end(2)), Found::Nothing);
    }

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
