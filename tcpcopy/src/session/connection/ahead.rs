//! Segments of the test server's answers that wait for the bytes before them.

use std::collections::BTreeMap;

use common_core::wire::Seq;

/// Memory of a kept segment beside its payload, roughly, in bytes.
pub(super) const SEGMENT_BYTES: usize = 96;

/// A segment, or several in a row without payload.
#[derive(Debug)]
pub(super) struct Kept {
    /// Bytes in the stream; `payload` has the first of them, as many as intercept sent.
    pub(super) length: u64,
    /// The last acknowledgement number.
    pub(super) ack: Seq,
    pub(super) payload: Box<[u8]>,
    /// The last of them, if intercept sent these and they are not among `payload`.
    pub(super) tail: Box<[u8]>,
}

/// The kept segments of a connection, by offset. Those of different offsets may overlap.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    segments: BTreeMap<u64, Kept>,
    memory: usize,
}

impl Ahead {
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Memory of the kept segments, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// Keeps a segment. What needs more than `room` bytes of memory is forgotten from the end of the stream
    /// on: the first segments are needed first.
    pub(super) fn keep(&mut self, at: u64, segment: Kept, room: usize) {
        if let Some(known) = self.segments.get(&at)
            && (known.payload.len(), known.length) >= (segment.payload.len(), segment.length)
        {
            return;
        }
        let (at, kept) = if segment.payload.is_empty() { self.join(at, segment) } else { (at, segment) };
        self.memory += kept.memory();
        if let Some(before) = self.segments.insert(at, kept) {
            self.memory -= before.memory();
        }
        while self.memory > room
            && let Some((_, last)) = self.segments.pop_last()
        {
            self.memory -= last.memory();
        }
    }

    /// Takes out the runs without payload that touch `run`; returns the run of all of them.
    fn join(&mut self, mut at: u64, mut run: Kept) -> (u64, Kept) {
        while let Some((&near, kept)) = self.segments.range(..=at + run.length).next_back()
            && kept.payload.is_empty()
            && near + kept.length >= at
        {
            let end = (at + run.length).max(near + kept.length);
            at = at.min(near);
            run.length = end - at;
            run.tail = Box::default();
            run.ack = if kept.ack.after(run.ack) { kept.ack } else { run.ack };
            self.memory -= kept.memory();
            self.segments.remove(&near);
        }
        (at, run)
    }

    /// Takes out the first segment, if it begins at `offset` or before; with its own offset.
    pub(super) fn take_up_to(&mut self, offset: u64) -> Option<(u64, Kept)> {
        let first = self.segments.first_entry().filter(|first| *first.key() <= offset)?;
        let (at, kept) = first.remove_entry();
        self.memory -= kept.memory();
        Some((at, kept))
    }

    /// Forgets the segments that lack any of their bytes.
    pub(super) fn forget_cut(&mut self) {
        self.segments.retain(|_, kept| kept.payload.len() as u64 >= kept.length);
        self.memory = self.segments.values().map(Kept::memory).sum();
    }
}

impl Kept {
    fn memory(&self) -> usize {
        SEGMENT_BYTES + self.payload.len() + self.tail.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 1 << 20;

    fn kept(length: u64, ack: u32, payload: &[u8]) -> Kept {
        Kept { length, ack: Seq(ack), payload: payload.into(), tail: Box::default() }
    }

    fn taken(ahead: &mut Ahead, next: u64) -> Vec<(u64, u64, Vec<u8>)> {
        let mut all = Vec::new();
        while let Some((at, kept)) = ahead.take_up_to(next) {
            all.push((at, kept.length, kept.payload.into_vec()));
        }
        all
    }

    #[test]
    fn runs_without_payload_become_one() {
        let mut ahead = Ahead::default();
        for (at, length) in [(30, 10), (10, 10), (20, 10), (12, 3), (60, 5), (15, 50)] {
            ahead.keep(at, kept(length, 1, b""), ROOM);
        }
        assert_eq!(ahead.memory(), SEGMENT_BYTES);
        assert_eq!(taken(&mut ahead, 9), []);
        assert_eq!(taken(&mut ahead, 10), [(10, 55, vec![])]);
        assert_eq!((ahead.memory(), ahead.is_empty()), (0, true));
    }

    #[test]
    fn segments_with_payload_stay_apart_and_the_fuller_of_two_stays() {
        let mut ahead = Ahead::default();
        ahead.keep(10, kept(5, 1, b"abcde"), ROOM);
        ahead.keep(10, kept(5, 2, b""), ROOM);
        ahead.keep(15, kept(100, 1, b""), ROOM);
        ahead.keep(15, kept(3, 1, b"fgh"), ROOM);
        ahead.keep(18, kept(3, 1, b""), ROOM);
        assert_eq!(ahead.memory(), 3 * SEGMENT_BYTES + 8);
        ahead.forget_cut();
        assert_eq!(ahead.memory(), 2 * SEGMENT_BYTES + 8);
        assert_eq!(taken(&mut ahead, 20), [(10, 5, b"abcde".to_vec()), (15, 3, b"fgh".to_vec())]);
        assert_eq!(ahead.memory(), 0);
    }

    #[test]
    fn the_first_segments_are_kept_if_there_is_no_room_for_all() {
        let mut ahead = Ahead::default();
        for at in [40, 10, 30, 20] {
            ahead.keep(at, kept(5, 1, b"12345"), 2 * (SEGMENT_BYTES + 5));
        }
        let starts: Vec<u64> = taken(&mut ahead, 100).into_iter().map(|(at, ..)| at).collect();
        assert_eq!(starts, [10, 20]);
        ahead.keep(10, kept(5, 1, b"12345"), SEGMENT_BYTES);
        assert!(ahead.is_empty() && ahead.memory() == 0);
    }
}
