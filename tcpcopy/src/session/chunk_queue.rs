//! A queue of bytes that takes little more memory than it contains.

use std::collections::VecDeque;

/// Bytes of a piece before the next one is begun: more than is ever sent at once, so that a send takes two pieces at
/// most.
const PIECE: usize = 64 << 10;

/// Excess memory that is worth a move, in bytes.
pub(super) const SLACK: usize = 256;

/// A growing ring would take up to twice the memory of its bytes, and use all of it; here memory comes and goes by the
/// piece. Short content is in one piece, which needs no other allocation.
#[derive(Debug, Default)]
pub(super) struct ChunkQueue {
    first: Vec<u8>,
    /// Bytes of the first piece that were taken out.
    taken: usize,
    /// The other pieces: all but the last are full.
    more: VecDeque<Vec<u8>>,
    length: usize,
}

impl ChunkQueue {
    /// An empty queue.
    pub(super) const fn new() -> Self {
        Self { first: Vec::new(), taken: 0, more: VecDeque::new(), length: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len();
        while !bytes.is_empty() {
            let last = self.more.back_mut().unwrap_or(&mut self.first);
            let room = PIECE.saturating_sub(last.len()).min(bytes.len());
            if room == 0 {
                self.more.push_back(Vec::with_capacity(PIECE));
                continue;
            }
            let (now, later) = bytes.split_at(room);
            last.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Puts `bytes` in front.
    pub(super) fn prepend(&mut self, bytes: &[u8]) {
        let all: Vec<u8> = (0..self.length)
            .step_by(PIECE)
            .flat_map(|from| {
                let (first, second) = self.slice(from, PIECE);
                [first, second].concat()
            })
            .collect();
        *self = Self::default();
        self.push(bytes);
        self.push(&all);
    }

    /// Moves all of `bytes` here, without a copy if the queue is empty.
    pub(super) fn append(&mut self, bytes: &mut Vec<u8>) {
        if self.is_empty() {
            self.length = bytes.len();
            std::mem::swap(&mut self.first, bytes);
        } else {
            self.push(bytes);
        }
        bytes.clear();
    }

    /// At most `length` bytes from place `from` on, in two parts, together 64 KB at most.
    pub(super) fn slice(&self, from: usize, length: usize) -> (&[u8], &[u8]) {
        let length = length.min(self.length.saturating_sub(from)).min(PIECE);
        let at = self.taken + from;
        let (piece, start) = match at.checked_sub(self.first.len()) {
            None => (0, at),
            Some(behind) => (1 + behind / PIECE, behind % PIECE),
        };
        let first = self.piece(piece).get(start..).unwrap_or_default();
        let first = &first[..first.len().min(length)];
        (first, self.piece(piece + 1).get(..length - first.len()).unwrap_or_default())
    }

    fn piece(&self, index: usize) -> &[u8] {
        match index.checked_sub(1) {
            None => &self.first,
            Some(index) => self.more.get(index).map_or(&[], Vec::as_slice),
        }
    }

    /// Takes out the first `amount` bytes.
    pub(super) fn consume(&mut self, amount: usize) {
        let amount = amount.min(self.length);
        self.length -= amount;
        self.taken += amount;
        while self.taken > 0 && self.taken >= self.first.len() {
            self.taken -= self.first.len();
            match self.more.pop_front() {
                Some(next) => self.first = next,
                None => self.first.clear(),
            }
        }
    }

    /// Gives unused memory back.
    pub(super) fn trim(&mut self) {
        // The rest of a long piece is moved once half of the piece is free, not each time.
        if self.taken > self.first.len() / 2 || self.first.len() <= PIECE {
            self.first.drain(..self.taken);
            self.taken = 0;
        }
        trim(&mut self.first);
        if let Some(last) = self.more.back_mut() {
            trim(last);
        }
        trim_list(&mut self.more);
    }

    /// If the queue is empty, gives memory above `keep` bytes back.
    pub(super) fn release(&mut self, keep: usize) {
        if self.is_empty() {
            self.first.shrink_to(keep);
            self.more = VecDeque::new();
        }
    }
}

/// Gives unused memory back.
pub(super) fn trim(bytes: &mut Vec<u8>) {
    if bytes.is_empty() || bytes.capacity() - bytes.len() > SLACK {
        bytes.shrink_to_fit();
    }
}

/// The same for a list.
pub(super) fn trim_list<T>(list: &mut VecDeque<T>) {
    if list.is_empty() || (list.capacity() - list.len()) * size_of::<T>() > SLACK {
        list.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize),
        Append(usize),
        Prepend(usize),
        Consume(usize),
        Release,
        Trim,
    }

    fn step() -> impl Strategy<Value = Step> {
        let sizes = || prop_oneof![0..100_usize, 0..3 * PIECE];
        prop_oneof![
            sizes().prop_map(Step::Push),
            sizes().prop_map(Step::Append),
            sizes().prop_map(Step::Prepend),
            sizes().prop_map(Step::Consume),
            Just(Step::Release),
            Just(Step::Trim),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_queue(steps in prop::collection::vec(step(), 1..40), at in 0..3 * PIECE, length in 0..PIECE) {
            let (mut queue, mut model) = (ChunkQueue::default(), VecDeque::new());
            let mut next = 0_u8;
            for step in steps {
                match step {
                    Step::Push(count) | Step::Append(count) => {
                        let mut bytes: Vec<u8> = (0..count).map(|_| { next = next.wrapping_add(7); next }).collect();
                        model.extend(&bytes);
                        if matches!(step, Step::Push(_)) { queue.push(&bytes) } else { queue.append(&mut bytes) }
                    }
                    Step::Prepend(count) => {
                        let bytes = vec![next; count];
                        queue.prepend(&bytes);
                        bytes.iter().for_each(|byte| model.push_front(*byte));
                    }
                    Step::Consume(count) => {
                        model.drain(..count.min(model.len()));
                        queue.consume(count);
                    }
                    Step::Release => queue.release(0),
                    Step::Trim => queue.trim(),
                }
                prop_assert_eq!(queue.len(), model.len());
                let at = at.min(model.len());
                let (first, second) = queue.slice(at, length);
                let expected: Vec<u8> = model.iter().skip(at).take(length).copied().collect();
                prop_assert_eq!([first, second].concat(), expected);
            }
        }
    }

    #[test]
    fn a_queue_takes_no_more_than_a_piece_beside_what_it_holds() {
        let mut queue = ChunkQueue::default();
        for _ in 0..10_000 {
            queue.push(&[0; 1448]);
        }
        queue.consume(9_000 * 1448);
        let held: usize = queue.first.capacity() + queue.more.iter().map(Vec::capacity).sum::<usize>();
        assert!(held < queue.len() + 2 * PIECE, "{held} bytes for {}", queue.len());
    }

    #[test]
    fn what_is_left_of_a_long_piece_takes_no_more_than_it_is() {
        let mut queue = ChunkQueue::default();
        queue.append(&mut vec![1; PIECE]);
        queue.push(&[2; 10]);
        for left in [10, 1] {
            queue.consume(queue.len() - left);
            queue.trim();
            let held: usize = queue.first.capacity() + queue.more.iter().map(Vec::capacity).sum::<usize>();
            assert!(held < left + SLACK, "{held} bytes for {left}");
            assert_eq!(queue.slice(0, 99).0, &[2; 10][..left]);
        }
    }
}
