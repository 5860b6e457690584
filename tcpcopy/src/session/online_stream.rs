//! Segments of the online server's answers that a protocol module asked for, each delivered before the turn that its
//! client sent after it.
//!
//! The capture passes only segments that begin in certain ways, so the stream is not reassembled: each segment is a
//! piece of its own, and the bytes between two pieces are reported as skipped.

use std::collections::BTreeMap;
use std::time::Duration;

use common_core::payload_prefix::PayloadPrefix;
use common_core::time::Time;
use common_core::wire::Seq;

use crate::session::stream_offset::StreamOffset;
use crate::session::turn_cutter::read_between;

/// Memory for the pieces of one session, in bytes. Pieces wait while the copy lags.
const KEPT_MAX: usize = 4 << 20;

/// Bytes kept of one piece: the beginning of an answer tells whether and how a command was answered.
const HEAD: usize = 4 << 10;

/// How long a piece that does not go on where the last one ended waits for pieces that it may have overtaken, where the
/// capture has several queues or is behind a mirror port. Most often the bytes between are such that nobody asked for.
const OVERTAKEN_WAIT: Duration = Duration::from_millis(10);

/// Memory of a kept piece beside its payload, roughly, in bytes.
const PIECE_BYTES: usize = 80;

/// Largest distance of a segment of this connection from the expected sequence number, in bytes.
const PLAUSIBLE: u32 = 64 << 20;

/// The pieces of one session. Offsets count the bytes of the online server's stream from its first known byte.
#[derive(Debug, Default)]
pub(super) struct OnlineStream {
    /// All before this place was delivered or skipped; `None` before the first sequence number is known.
    next: Option<StreamOffset>,
    /// What the client of the last captured turn had read: pieces near it are plausible even if the copy lags far.
    newest: Option<StreamOffset>,
    /// Pieces that wait for their turn, or for pieces that they have overtaken, by offset.
    kept: BTreeMap<u64, Piece>,
    kept_bytes: usize,
    /// The pieces that begin before this offset wait for no turn.
    due: u64,
    /// Highest acknowledgement number among the kept pieces.
    answered: Option<Seq>,
    /// Bytes skipped before the piece that was taken last.
    skipped: u64,
    /// Bytes of the piece that was taken last which the capture cut off.
    cut_off: u64,
}

#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    /// Its length in the stream.
    length: u64,
    captured: Time,
}

/// A segment of the online server.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnlineSegment<'a> {
    pub(super) seq: Seq,
    /// The captured bytes.
    pub(super) payload: &'a [u8],
    /// Its length in the stream.
    pub(super) length: u32,
    pub(super) captured: Time,
}

impl OnlineStream {
    /// An empty stream; `None` if the module wants no answers.
    pub(super) fn new(wanted: &[PayloadPrefix]) -> Option<Self> {
        (!wanted.is_empty()).then(Self::default)
    }

    /// The stream goes on at `seq`. The first call counts.
    pub(super) fn begin(&mut self, seq: Seq) {
        if self.next.is_none() {
            self.next = Some(StreamOffset::start(seq));
            self.newest = self.next;
        }
    }

    /// A turn was captured whose client had read the answers up to `ack`.
    pub(super) fn turn_captured(&mut self, ack: Seq) {
        if let Some(newest) = &mut self.newest
            && let Some(read) = read_between(newest.seq(), ack)
        {
            newest.advance(read.into());
        }
    }

    /// Memory of the kept pieces, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.kept_bytes + self.kept.len() * PIECE_BYTES
    }

    /// A segment with this sequence number can belong to this stream.
    pub(super) fn is_plausible(&self, seq: Seq) -> bool {
        self.offset_of(seq).is_some()
    }

    /// The offset of a plausible segment.
    fn offset_of(&self, seq: Seq) -> Option<u64> {
        let near = |place: &StreamOffset| place.distance_to(seq).unsigned_abs() <= PLAUSIBLE;
        [self.newest, self.next].into_iter().flatten().find(near).map(|place| place.offset_of(seq))
    }

    /// Up to where the client's stream must have been delivered before the kept pieces may be.
    pub(super) fn answered(&self) -> Option<Seq> {
        self.answered.filter(|_| !self.kept.is_empty())
    }

    /// Places a segment, which belongs before the next turn if it is `due`. Returns the bytes skipped before it and the piece
    /// if it is to be delivered at once; else the piece is kept, if there is `room`.
    pub(super) fn place<'a>(
        &mut self,
        segment: OnlineSegment<'a>,
        due: bool,
        room: bool,
    ) -> Option<(u64, &'a [u8])> {
        let OnlineSegment { seq, payload, length, .. } = segment;
        let next = self.next?.bytes();
        let at = self.offset_of(seq).filter(|at| length > 0 && *at >= next)?;
        if due && (at == next || !room) {
            self.take(at, payload.len() as u64, length.into());
            return Some((self.take_skipped(), payload));
        }
        if room {
            self.keep(at, segment);
        }
        if due {
            self.due = self.due.max(at + 1);
        }
        None
    }

    /// A kept piece carries the acknowledgement number `ack`.
    pub(super) fn kept_answers(&mut self, ack: Seq) {
        if self.answered().is_none_or(|before| ack.after(before)) {
            self.answered = Some(ack);
        }
    }

    fn keep(&mut self, at: u64, segment: OnlineSegment<'_>) {
        let bytes = &segment.payload[..segment.payload.len().min(HEAD)];
        let known = self.kept.get(&at).map_or(0, |known| known.bytes.len());
        if bytes.len() > known && self.memory() + bytes.len() + PIECE_BYTES <= KEPT_MAX {
            self.kept_bytes += bytes.len() - known;
            let (length, captured) = (segment.length.into(), segment.captured);
            self.kept.insert(at, Piece { bytes: bytes.to_vec(), length, captured });
        }
    }

    /// Until when the first kept piece waits for pieces that it may have overtaken.
    pub(super) fn waits_until(&self) -> Option<Time> {
        let (at, first) = self.kept.first_key_value()?;
        let follows = self.next.is_some_and(|next| *at <= next.bytes());
        Some(if follows { Time::ZERO } else { first.captured + OVERTAKEN_WAIT })
    }

    /// Takes out the first kept piece, unless it waits for one before it.
    pub(super) fn next_in_order(&mut self, now: Time) -> Option<Vec<u8>> {
        while self.waits_until().is_some_and(|until| until <= now) {
            let (at, _) = self.kept.first_key_value()?;
            if let Some(bytes) = self.take_kept(at + 1) {
                return Some(bytes);
            }
        }
        None
    }

    /// Takes out the first kept piece that waits for no turn.
    pub(super) fn next_due(&mut self) -> Option<Vec<u8>> {
        self.take_kept(self.due)
    }

    /// Takes out the first kept piece that begins before `ack`. `None` once all before `ack` was taken or skipped.
    pub(super) fn next_before(&mut self, ack: Seq) -> Option<Vec<u8>> {
        let next = self.next?;
        let end = next.bytes() + u64::from(read_between(next.seq(), ack)?);
        let Some(bytes) = self.take_kept(end) else {
            self.skip_to(end);
            return None;
        };
        if let Some(next) = &mut self.next {
            // The client had not read all of this piece. The cut-off bytes that it read later belong to a later turn.
            let unread = next.bytes().saturating_sub(end).min(self.cut_off);
            next.go_back(unread);
            self.cut_off -= unread;
        }
        Some(bytes)
    }

    /// Takes out the first kept piece that begins before offset `end`.
    fn take_kept(&mut self, end: u64) -> Option<Vec<u8>> {
        while let Some(first) = self.kept.first_entry()
            && *first.key() < end
        {
            let (at, Piece { bytes, length, .. }) = first.remove_entry();
            self.kept_bytes -= bytes.len();
            // A piece that overlaps with one before it was sent again.
            if self.next.is_some_and(|next| at >= next.bytes()) {
                self.take(at, bytes.len() as u64, length);
                return Some(bytes);
            }
        }
        None
    }

    /// The piece at offset `at` is delivered; `captured` of its `length` bytes are there.
    fn take(&mut self, at: u64, captured: u64, length: u64) {
        self.skip_to(at);
        self.cut_off = length.saturating_sub(captured);
        self.advance(captured + self.cut_off);
    }

    fn skip_to(&mut self, offset: u64) {
        let missing = offset.saturating_sub(self.next.map_or(0, StreamOffset::bytes));
        self.skipped += missing;
        self.advance(missing);
    }

    fn advance(&mut self, bytes: u64) {
        if let Some(next) = &mut self.next {
            next.advance(bytes);
        }
    }

    /// Bytes skipped between the piece that was taken last and the one before it.
    pub(super) fn take_skipped(&mut self) -> u64 {
        let cut_off = std::mem::take(&mut self.cut_off);
        std::mem::replace(&mut self.skipped, cut_off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Seq = Seq(u32::MAX - 4);

    fn online() -> OnlineStream {
        let mut online = OnlineStream::new(&[&[]]).unwrap();
        online.begin(BASE);
        online
    }

    /// A segment of `length` bytes.
    fn cut(seq: Seq, payload: &[u8], length: u32) -> OnlineSegment<'_> {
        OnlineSegment { seq, payload, length, captured: Time::ZERO }
    }

    fn whole(seq: Seq, payload: &[u8]) -> OnlineSegment<'_> {
        cut(seq, payload, payload.len() as u32)
    }

    /// All that waits no longer when its time is over.
    fn in_order(online: &mut OnlineStream) -> Option<(u64, Vec<u8>)> {
        assert_eq!(online.next_in_order(Time::ZERO), None, "it may have overtaken something");
        let bytes = online.next_in_order(Time::ZERO + OVERTAKEN_WAIT)?;
        Some((online.take_skipped(), bytes))
    }

    fn place(online: &mut OnlineStream, segment: OnlineSegment<'_>) -> Option<(u64, Vec<u8>)> {
        let placed = online.place(segment, true, true).map(|(skipped, bytes)| (skipped, bytes.to_vec()));
        placed.or_else(|| in_order(online))
    }

    fn keep(online: &mut OnlineStream, segment: OnlineSegment<'_>) {
        assert_eq!(online.place(segment, false, true), None);
    }

    /// All before `ack`, skipped bytes as dots.
    fn before(online: &mut OnlineStream, ack: Seq) -> String {
        let mut text = String::new();
        loop {
            let bytes = online.next_before(ack);
            text.push_str(&".".repeat(usize::try_from(online.take_skipped()).unwrap()));
            match bytes {
                Some(bytes) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
                None => return text,
            }
        }
    }

    #[test]
    fn a_piece_does_not_wait_for_the_bytes_before_it() {
        let mut online = online();
        assert_eq!(place(&mut online, cut(BASE + 100, b"one", 1000)), Some((100, b"one".to_vec())));
        assert_eq!(online.memory(), 0);
        // Sent again, whole or in part.
        assert_eq!(place(&mut online, cut(BASE + 100, b"one", 1000)), None);
        assert_eq!(place(&mut online, cut(BASE + 50, b"two", 2000)), None);
        assert_eq!(place(&mut online, whole(BASE + 2000, b"two")), Some((1897, b"two".to_vec())));
        assert_eq!(before(&mut online, BASE + 2003), "");
        assert_eq!(before(&mut online, BASE + 2010), ".......");
    }

    #[test]
    fn overtaken_pieces_are_delivered_first() {
        let mut online = online();
        let mut at_once = |segment| online.place(segment, true, true).is_some();
        assert!(!at_once(whole(BASE + 6, b"two")) && !at_once(whole(BASE + 3, b"one")));
        assert!(at_once(whole(BASE, b"xxx")));
        let rest: Vec<_> = std::iter::from_fn(|| online.next_in_order(Time::ZERO)).collect();
        assert_eq!((rest, online.take_skipped()), (vec![b"one".to_vec(), b"two".to_vec()], 0));
    }

    #[test]
    fn a_piece_that_waits_for_overtaken_ones_comes_before_the_next_turn() {
        let mut online = online();
        assert_eq!(online.place(whole(BASE + 6, b"two"), true, true), None);
        keep(&mut online, whole(BASE + 9, b"later"));
        assert_eq!((online.next_due(), online.take_skipped()), (Some(b"two".to_vec()), 6));
        assert_eq!((online.next_due(), before(&mut online, BASE + 6)), (None, String::new()));
        assert_eq!(online.place(whole(BASE + 20, b"more"), true, false), Some((11, &b"more"[..])), "no room");
    }

    #[test]
    fn the_bytes_that_the_capture_cut_off_are_skipped() {
        let mut online = online();
        assert_eq!(place(&mut online, cut(BASE, b"hello", 1000)), Some((0, b"hello".to_vec())));
        assert_eq!(place(&mut online, whole(BASE + 1000, b"world")), Some((995, b"world".to_vec())));
        assert_eq!((online.memory(), online.take_skipped()), (0, 0));
    }

    #[test]
    fn pieces_are_delivered_one_by_one_each_before_its_turn() {
        let mut online = online();
        for (at, piece) in [(5, b"aaa"), (8, b"bbb"), (20, b"ccc"), (8, b"bbb")] {
            keep(&mut online, whole(BASE + at, piece));
        }
        online.kept_answers(BASE);
        assert_eq!(online.next_before(BASE + 11).as_deref(), Some(&b"aaa"[..]));
        assert_eq!(online.take_skipped(), 5);
        assert_eq!(before(&mut online, BASE + 11), "bbb");
        assert_eq!(online.answered(), Some(BASE));
        assert_eq!(in_order(&mut online), Some((9, b"ccc".to_vec())));
        assert_eq!((online.memory(), online.answered()), (0, None));
    }

    #[test]
    fn a_turn_whose_client_read_a_part_of_a_piece_gets_the_whole_piece() {
        let mut online = online();
        assert_eq!(online.place(cut(BASE + 5, b"head", 1000), false, true), None);
        assert_eq!(online.next_before(BASE + 500).as_deref(), Some(&b"head"[..]));
        assert_eq!(online.take_skipped(), 5);
        assert_eq!(before(&mut online, BASE + 500), ".".repeat(491));
        assert_eq!(before(&mut online, BASE + 1010), ".".repeat(510));
    }

    #[test]
    fn overlapping_pieces_are_delivered_once() {
        let mut online = online();
        keep(&mut online, whole(BASE, b"abc"));
        keep(&mut online, whole(BASE, b"abcdef"));
        keep(&mut online, whole(BASE + 2, b"cd"));
        keep(&mut online, whole(BASE + 6, b"gh"));
        assert_eq!(before(&mut online, BASE + 8), "abcdefgh");
        assert_eq!(online.memory(), 0);
    }

    #[test]
    fn the_beginning_of_a_long_piece_is_kept() {
        let mut online = online();
        keep(&mut online, whole(BASE, &[b'x'; 3 * HEAD]));
        let text = "x".repeat(HEAD) + &".".repeat(2 * HEAD);
        assert_eq!(before(&mut online, BASE + 3 * HEAD as u32), text);
    }

    #[test]
    fn memory_is_bounded() {
        let mut online = online();
        let (mut at, segment) = (BASE, [b'x'; 1000]);
        for _ in 0..10_000 {
            online.turn_captured(at);
            keep(&mut online, whole(at, &segment));
            at = at + 1000;
        }
        assert!(online.memory() <= KEPT_MAX);
        let text = before(&mut online, at);
        assert_eq!(text.len(), 10_000_000);
        assert!(text.starts_with(&"x".repeat(KEPT_MAX / 2)) && text.ends_with(&".".repeat(KEPT_MAX)));
    }

    #[test]
    fn pieces_of_a_copy_that_lags_far_are_plausible() {
        let mut online = online();
        online.turn_captured(BASE + (100 << 20));
        assert!(online.is_plausible(BASE + (100 << 20)));
        assert!(online.is_plausible(BASE));
        assert!(!online.is_plausible(BASE + (200 << 20)));
    }

    #[test]
    fn answers_may_be_nearly_as_long_as_the_sequence_space() {
        let mut online = online();
        let mut ack = BASE;
        // The copy lags by all of them.
        for _ in 0..3 {
            ack = ack + (3 << 30);
            online.turn_captured(ack);
            keep(&mut online, whole(ack - 4, b"tail"));
        }
        for number in 1..=3_u32 {
            let ack = BASE + number.wrapping_mul(3 << 30);
            let bytes = online.next_before(ack);
            assert_eq!((online.take_skipped(), bytes), ((3 << 30) - 4, Some(b"tail".to_vec())));
            assert_eq!((online.next_before(ack), online.take_skipped()), (None, 0));
        }
        assert_eq!(online.memory(), 0);
    }

    #[test]
    fn a_stream_is_unknown_before_its_beginning() {
        let mut online = OnlineStream::default();
        assert!(!online.is_plausible(BASE));
        assert_eq!(place(&mut online, whole(BASE, b"hello")), None);
        assert_eq!(online.next_before(BASE + 5), None);
        assert_eq!(online.memory(), 0);
    }
}
