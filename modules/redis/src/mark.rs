//! Marks in the test server's answers: where on a connection that is in use what is said next will be answered.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::known::command;

/// Where marks come from: none of them is in any value.
#[derive(Debug)]
pub(crate) struct Marks {
    seed: u64,
    count: AtomicU64,
}

impl Default for Marks {
    fn default() -> Self {
        Self { seed: RandomState::new().hash_one(0), count: AtomicU64::new(0) }
    }
}

/// A mark that was said, whose answer is waited for.
#[derive(Debug)]
pub(crate) struct Mark {
    /// What the answer to it ends with.
    end: Vec<u8>,
    /// The last bytes of the answers so far.
    tail: Vec<u8>,
}

impl Marks {
    /// Says a mark.
    pub(crate) fn say(&self, out: &mut Vec<u8>) -> Mark {
        let text = format!("tcpcopy:{:016x}:{:x}", self.seed, self.count.fetch_add(1, Ordering::Relaxed));
        command(&[b"PING", text.as_bytes()], out);
        Mark { end: format!("\n{text}\r\n").into_bytes(), tail: Vec::new() }
    }
}

impl Mark {
    /// Bytes of the answers, in order; if the mark ends in them, how many of them belong to what was said up to it.
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let kept = self.tail.len();
        self.tail.extend_from_slice(bytes);
        let found = self.tail.windows(self.end.len()).position(|window| window == &self.end[..]);
        let used = found.map(|at| at + self.end.len() - kept);
        if used.is_none() {
            let old = (self.tail.len() + 1).saturating_sub(self.end.len());
            self.tail.drain(..old);
        }
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_however_the_answers_are_cut() {
        let marks = Marks::default();
        for piece in 1..60 {
            let mut said = Vec::new();
            let mut mark = marks.say(&mut said);
            // The server says the same words.
            let answers = [b"+OK\r\n$3\r\nabc\r\n", &said[b"*2\r\n$4\r\nPING\r\n".len()..]].concat();
            let all = [&answers[..], b"+OK\r\n"].concat();
            let mut at = 0;
            let found = all.chunks(piece).find_map(|bytes| {
                let used = mark.find(bytes).map(|used| at + used);
                at += bytes.len();
                used
            });
            assert_eq!(found, Some(answers.len()), "{piece}");
            assert!(mark.tail.len() <= all.len());
        }
    }
}
