//! Marks in the test server's answers: where, on a connection in use, the answers to the next requests begin.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes marks: texts that are in no answer by chance. A request that the server answers with a text of its client (Redis
/// PING, SQL SELECT) carries one.
#[derive(Debug)]
pub struct Marks {
    seed: u64,
    count: AtomicU64,
}

impl Default for Marks {
    fn default() -> Self {
        Self { seed: RandomState::new().hash_one(0), count: AtomicU64::new(0) }
    }
}

impl Marks {
    /// A new mark.
    pub fn next(&self) -> String {
        format!("tcpcopy:{:016x}:{:x}", self.seed, self.count.fetch_add(1, Ordering::Relaxed))
    }
}

/// Waits for bytes in the answers.
#[derive(Debug)]
pub struct Awaited {
    bytes: Vec<u8>,
    /// The last bytes of the answers so far.
    tail: Vec<u8>,
}

impl Awaited {
    /// Waits for `bytes`: a mark, with what the server puts around it.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, tail: Vec::new() }
    }

    /// The next bytes of the answers, in order. If the awaited ones end among them: how many that are, up to the end.
    pub fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.bytes.is_empty() {
            return Some(0);
        }
        let kept = self.tail.len();
        self.tail.extend_from_slice(bytes);
        let found = self.tail.windows(self.bytes.len()).position(|window| window == &self.bytes[..]);
        let used = found.map(|at| at + self.bytes.len() - kept);
        if used.is_none() {
            let old = (self.tail.len() + 1).saturating_sub(self.bytes.len());
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
            let mark = marks.next();
            let mut awaited = Awaited::new(format!("\n{mark}\r\n").into_bytes());
            let answers = format!("+OK\r\n$3\r\nabc\r\n${}\r\n{mark}\r\n", mark.len());
            let all = format!("{answers}+OK\r\n").into_bytes();
            let mut at = 0;
            let found = all.chunks(piece).find_map(|bytes| {
                let used = awaited.find(bytes).map(|used| at + used);
                at += bytes.len();
                used
            });
            assert_eq!(found, Some(answers.len()), "{piece}");
            assert!(awaited.tail.len() <= all.len());
        }
    }
}
