//! Puts the segments of one stream in order, and remembers the gaps that were given up.

use std::collections::BTreeMap;

use common_core::time::Time;
use common_core::wire::Seq;

use crate::session::range_set::RangeSet;
use crate::session::stream_offset::StreamOffset;

/// Gaps that are kept apart. Beyond that the oldest two become one, with the bytes between them: then duplicates may be
/// taken for late bytes, which does less harm than late bytes taken for duplicates.
const GAPS_MAX: usize = 32;

/// Memory of a parked segment beside its payload, roughly, in bytes.
pub(crate) const PARKED_BYTES: u64 = 96;

/// A segment ahead of a gap.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) since: Time,
    pub(super) bytes: Vec<u8>,
    pub(super) ack: Seq,
}

#[derive(Debug)]
pub(super) struct Assembler {
    /// The next byte in order.
    next: StreamOffset,
    /// Segments ahead of a gap, by offset.
    parked: BTreeMap<u64, Parked>,
    parked_bytes: u64,
    /// Bytes before `next` that were missing when they were given up, and still are.
    missing: RangeSet,
}

impl Assembler {
    pub(super) fn new(next: Seq) -> Self {
        Self {
            next: StreamOffset::start(next),
            parked: BTreeMap::new(),
            parked_bytes: 0,
            missing: RangeSet::default(),
        }
    }

    /// The next byte in order.
    pub(super) fn next(&self) -> StreamOffset {
        self.next
    }

    /// Parked segments.
    pub(super) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// Payload bytes of the parked segments.
    pub(super) fn parked_bytes(&self) -> u64 {
        self.parked_bytes
    }

    /// The first parked segment, and its sequence number.
    pub(super) fn first_parked(&self) -> Option<(Seq, &Parked)> {
        self.parked.first_key_value().map(|(at, parked)| (self.seq_of(*at), parked))
    }

    /// The sequence number of an offset ahead of the next byte.
    pub(super) fn seq_of(&self, offset: u64) -> Seq {
        self.next.seq() + u32::try_from(offset.saturating_sub(self.next.bytes())).unwrap_or(u32::MAX)
    }

    /// Parks a segment that is ahead of a gap. Of two with the same offset the longer one stays; returns the bytes of the
    /// other.
    pub(super) fn park(&mut self, now: Time, at: u64, ack: Seq, payload: &[u8]) -> u64 {
        if self.parked.get(&at).is_some_and(|old| old.bytes.len() >= payload.len()) {
            return payload.len() as u64;
        }
        self.parked_bytes += payload.len() as u64;
        let old = self.parked.insert(at, Parked { since: now, bytes: payload.to_vec(), ack });
        let duplicate = old.map_or(0, |old| old.bytes.len() as u64);
        self.parked_bytes -= duplicate;
        duplicate
    }

    /// Takes out the first parked segment, if no gap is before it any more, and how many of its bytes are known.
    pub(super) fn unpark(&mut self) -> Option<(Parked, usize)> {
        let first = self.parked.first_entry().filter(|first| *first.key() <= self.next.bytes())?;
        let (at, parked) = first.remove_entry();
        self.parked_bytes -= parked.bytes.len() as u64;
        let known = usize::try_from(self.next.bytes() - at).unwrap_or(usize::MAX).min(parked.bytes.len());
        Some((parked, known))
    }

    /// Discards all parked segments; returns their bytes.
    pub(super) fn discard_parked(&mut self) -> u64 {
        self.parked.clear();
        std::mem::take(&mut self.parked_bytes)
    }

    /// The next bytes in order were delivered.
    pub(super) fn advance(&mut self, bytes: u64) {
        self.next.advance(bytes);
    }

    /// Gives up the bytes before `seq`. If `seq` is before the next byte, the stream has gone back to `seq`: returns how
    /// many of the bytes between the two had been given up by mistake.
    pub(super) fn give_up_to(&mut self, seq: Seq) -> u64 {
        let (from, back) = (self.next.bytes(), self.next.distance_to(seq).min(0));
        let refilled = self.fill(back.unsigned_abs().into(), back.unsigned_abs().into());
        self.next.jump_to(seq);
        self.missing.insert(from..self.next.bytes());
        self.missing.join_first(GAPS_MAX);
        refilled
    }

    /// Forgets which bytes were given up.
    pub(super) fn forget_missing(&mut self) {
        self.missing = RangeSet::default();
    }

    /// `bytes` bytes were captured, which begin `behind` bytes before the next byte. They are known from now on. Returns
    /// how many of them had been given up.
    pub(super) fn fill(&mut self, behind: u64, bytes: u64) -> u64 {
        let range = self.before(behind)..self.before(behind.saturating_sub(bytes));
        let filled = self.missing.remove(range);
        self.missing.join_first(GAPS_MAX);
        filled
    }

    /// The byte that is `behind` bytes before the next was given up.
    pub(super) fn is_missing(&self, behind: u64) -> bool {
        self.missing.contains(self.before(behind))
    }

    /// The offset that is `bytes` bytes before the next; at least the first.
    fn before(&self, bytes: u64) -> u64 {
        self.next.bytes().saturating_sub(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Seq = Seq(u32::MAX - 4);

    fn park(assembler: &mut Assembler, at: u64, payload: &[u8]) -> u64 {
        assembler.park(Time::ZERO, at, Seq(0), payload)
    }

    #[test]
    fn segments_wait_until_no_gap_is_before_them() {
        let mut assembler = Assembler::new(START);
        assert_eq!(park(&mut assembler, 10, b"world"), 0);
        assert_eq!(assembler.first_parked().map(|(seq, _)| seq), Some(START + 10));
        assert!(assembler.unpark().is_none());
        assembler.advance(12);
        let (parked, known) = assembler.unpark().unwrap();
        assert_eq!(
            (&parked.bytes[known..], assembler.parked(), assembler.parked_bytes()),
            (&b"rld"[..], 0, 0)
        );
    }

    #[test]
    fn the_longer_of_two_segments_stays() {
        let mut assembler = Assembler::new(START);
        park(&mut assembler, 10, b"abc");
        assert_eq!((park(&mut assembler, 10, b"ab"), assembler.parked_bytes()), (2, 3));
        assert_eq!((park(&mut assembler, 10, b"abcd"), assembler.parked_bytes()), (3, 4));
        assert_eq!((assembler.discard_parked(), assembler.parked_bytes()), (4, 0));
    }

    #[test]
    fn bytes_that_were_given_up_are_late_once() {
        let mut assembler = Assembler::new(START);
        assembler.advance(10);
        assert_eq!(assembler.give_up_to(START + 30), 0);
        assert!(assembler.is_missing(20) && !assembler.is_missing(21));
        assert_eq!((assembler.fill(25, 10), assembler.fill(25, 10)), (5, 0));
        assert_eq!(assembler.give_up_to(START + 5), 15, "the stream went back");
        assert_eq!((assembler.next().seq(), assembler.next().bytes()), (START + 5, 30));
    }
}
