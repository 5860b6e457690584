//! Setting up a connection: requests of the module whose answers decide whether the client may go on.

use std::collections::VecDeque;

use crate::actions::Actions;

/// Requests that are answered in their order, each with a tag that tells what its answer means. They are the module's own,
/// or requests of the client whose answers matter.
#[derive(Debug)]
pub struct Setup<T> {
    awaited: VecDeque<T>,
    own: Vec<u8>,
}

impl<T> Default for Setup<T> {
    fn default() -> Self {
        Self { awaited: VecDeque::new(), own: Vec::new() }
    }
}

impl<T> Setup<T> {
    /// Adds a request of the module, which `write` writes.
    pub fn request(&mut self, tag: T, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.own);
        self.awaited.push_back(tag);
    }

    /// Adds something to send that is not answered.
    pub fn unanswered(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.own);
    }

    /// Sends what was added since.
    pub fn send(&mut self, actions: &mut Actions) {
        if !self.own.is_empty() {
            actions.send(&self.own);
            // There may be passwords in it, and it is not needed often.
            zeroize::Zeroize::zeroize(&mut self.own);
            self.own = Vec::new();
        }
    }

    /// The client's own request was passed, and is answered after those before it.
    pub fn expect(&mut self, tag: T) {
        self.awaited.push_back(tag);
    }

    /// The next answer is complete: the tag of its request, if one is awaited.
    pub fn answered(&mut self) -> Option<T> {
        self.awaited.pop_front()
    }

    /// The tags of the requests whose answers are awaited.
    pub fn awaited(&self) -> impl Iterator<Item = &T> {
        self.awaited.iter()
    }

    /// Whether every request is answered.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.awaited.is_empty()
    }

    /// The connection is lost, or its answers do not matter any more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// What is allocated, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.own.capacity() + self.awaited.capacity() * size_of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_their_requests() {
        let mut setup = Setup::default();
        setup.request("login", |out| out.extend_from_slice(b"AUTH"));
        setup.unanswered(|out| out.extend_from_slice(b"; "));
        setup.request("database", |out| out.extend_from_slice(b"USE"));
        setup.expect("the client's");
        let mut actions = Actions::new();
        setup.send(&mut actions);
        setup.send(&mut actions);
        assert_eq!((actions.own_bytes(), actions.list().len()), (&b"AUTH; USE"[..], 1));
        assert!(!setup.is_done());
        let tags: Vec<_> = std::iter::from_fn(|| setup.answered()).collect();
        assert_eq!(tags, ["login", "database", "the client's"]);
        assert!(setup.is_done());
    }
}
