//! Segments of the online server's answers that a protocol module asked for, each delivered before the turn that its
//! client sent after it.
//!
//! The capture passes only segments that begin in certain ways, so the stream is not reassembled: each segment is a
//! piece of its own, and the bytes between two pieces are reported as skipped.

use std::collections::BTreeMap;

use common_core::payload_prefix::PayloadPrefix;
use common_core::wire::Seq;

use crate::session::stream_offset::StreamOffset;

/// Memory for the pieces of one session, in bytes. Pieces wait while the copy lags.
const KEPT_MAX: usize = 4 << 20;

/// Bytes kept of one piece: the beginning of an answer tells whether and how a command was answered.
const HEAD: usize = 4 << 10;

/// Memory of a kept piece beside its payload, roughly, in bytes.
const PIECE_BYTES: usize = 72;

/// Largest distance of a segment of this connection from the expected sequence number, in bytes.
const PLAUSIBLE: i32 = 64 << 20;

/// The pieces of one session. Offsets count the bytes of the online server's stream from its first known byte.
#[derive(Debug, Default)]
pub(super) struct OnlineStream {
    /// All before this place was delivered or skipped; `None` before the first sequence number is known.
    next: Option<StreamOffset>,
    /// Acknowledgement number of the last captured turn: pieces near it are plausible even if the copy lags far.
    newest: Seq,
    /// Pieces that wait for their turn, by offset.
    kept: BTreeMap<u64, Piece>,
    kept_bytes: usize,
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
            self.newest = seq;
        }
    }

    /// A turn was captured whose client had read the answers up to `ack`.
    pub(super) fn turn_captured(&mut self, ack: Seq) {
        self.newest = ack;
    }

    /// Memory of the kept pieces, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.kept_bytes + self.kept.len() * PIECE_BYTES
    }

    /// A segment with this sequence number can belong to this stream.
    pub(super) fn is_plausible(&self, seq: Seq) -> bool {
        let near = |place: Seq| seq.distance(place).unsigned_abs() <= PLAUSIBLE.unsigned_abs();
        self.next.is_some_and(|next| near(next.seq()) || near(self.newest))
    }

    /// Up to where the client's stream must have been delivered before the kept pieces may be.
    pub(super) fn answered(&self) -> Option<Seq> {
        self.answered.filter(|_| !self.kept.is_empty())
    }

    /// A segment of `length` bytes, of which `payload` was captured. Returns the bytes skipped before it and the piece
    /// if it is to be delivered `at_once`; else the piece is kept, if there is room.
    pub(super) fn place<'a>(
        &mut self,
        seq: Seq,
        payload: &'a [u8],
        length: u32,
        at_once: bool,
    ) -> Option<(u64, &'a [u8])> {
        let next = self.next?;
        if length == 0 || next.distance_to(seq) < 0 {
            return None;
        }
        let at = next.offset_of(seq);
        if at_once {
            self.take(at, payload.len() as u64, length.into());
            return Some((self.take_skipped(), payload));
        }
        self.keep(at, payload, length.into());
        None
    }

    /// A kept piece carries the acknowledgement number `ack`.
    pub(super) fn kept_answers(&mut self, ack: Seq) {
        if self.answered().is_none_or(|before| ack.after(before)) {
            self.answered = Some(ack);
        }
    }

    fn keep(&mut self, at: u64, payload: &[u8], length: u64) {
        let bytes = &payload[..payload.len().min(HEAD)];
        let known = self.kept.get(&at).map_or(0, |known| known.bytes.len());
        if bytes.len() > known && self.memory() + bytes.len() + PIECE_BYTES <= KEPT_MAX {
            self.kept_bytes += bytes.len() - known;
            self.kept.insert(at, Piece { bytes: bytes.to_vec(), length });
        }
    }

    /// Takes out the first kept piece.
    pub(super) fn next_in_order(&mut self) -> Option<Vec<u8>> {
        self.take_kept(u64::MAX)
    }

    /// Takes out the first kept piece that begins before `ack`. `None` once all before `ack` was taken or skipped.
    pub(super) fn next_before(&mut self, ack: Seq) -> Option<Vec<u8>> {
        let next = self.next?;
        let distance = next.distance_to(ack);
        if distance < -PLAUSIBLE {
            // More was skipped than sequence numbers can tell.
            self.kept.clear();
            self.kept_bytes = 0;
            self.next = Some(StreamOffset::start(ack));
        }
        if distance <= 0 {
            return None;
        }
        let end = next.offset_of(ack);
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
            let (at, Piece { bytes, length }) = first.remove_entry();
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

    fn place<'a>(online: &mut OnlineStream, seq: Seq, payload: &'a [u8]) -> Option<(u64, &'a [u8])> {
        online.place(seq, payload, payload.len() as u32, true)
    }

    fn keep(online: &mut OnlineStream, seq: Seq, payload: &[u8]) {
        assert_eq!(online.place(seq, payload, payload.len() as u32, false), None);
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
        assert_eq!(online.place(BASE + 100, b"one", 1000, true), Some((100, &b"one"[..])));
        assert_eq!(online.memory(), 0);
        // Sent again, whole or in part.
        assert_eq!(online.place(BASE + 100, b"one", 1000, true), None);
        assert_eq!(online.place(BASE + 50, b"two", 2000, true), None);
        assert_eq!(place(&mut online, BASE + 2000, b"two"), Some((1897, &b"two"[..])));
        assert_eq!(before(&mut online, BASE + 2003), "");
        assert_eq!(before(&mut online, BASE + 2010), ".......");
    }

    #[test]
    fn the_bytes_that_the_capture_cut_off_are_skipped() {
        let mut online = online();
        assert_eq!(online.place(BASE, b"hello", 1000, true), Some((0, &b"hello"[..])));
        assert_eq!(place(&mut online, BASE + 1000, b"world"), Some((995, &b"world"[..])));
        assert_eq!((online.memory(), online.take_skipped()), (0, 0));
    }

    #[test]
    fn pieces_are_delivered_one_by_one_each_before_its_turn() {
        let mut online = online();
        for (at, piece) in [(5, b"aaa"), (8, b"bbb"), (20, b"ccc"), (8, b"bbb")] {
            keep(&mut online, BASE + at, piece);
        }
        online.kept_answers(BASE);
        assert_eq!(online.next_before(BASE + 11).as_deref(), Some(&b"aaa"[..]));
        assert_eq!(online.take_skipped(), 5);
        assert_eq!(before(&mut online, BASE + 11), "bbb");
        assert_eq!(online.answered(), Some(BASE));
        assert_eq!(online.next_in_order().as_deref(), Some(&b"ccc"[..]));
        assert_eq!((online.take_skipped(), online.memory(), online.answered()), (9, 0, None));
    }

    #[test]
    fn a_turn_whose_client_read_a_part_of_a_piece_gets_the_whole_piece() {
        let mut online = online();
        assert_eq!(online.place(BASE + 5, b"head", 1000, false), None);
        assert_eq!(online.next_before(BASE + 500).as_deref(), Some(&b"head"[..]));
        assert_eq!(online.take_skipped(), 5);
        assert_eq!(before(&mut online, BASE + 500), ".".repeat(491));
        assert_eq!(before(&mut online, BASE + 1010), ".".repeat(510));
    }

    #[test]
    fn overlapping_pieces_are_delivered_once() {
        let mut online = online();
        keep(&mut online, BASE, b"abc");
        keep(&mut online, BASE, b"abcdef");
        keep(&mut online, BASE + 2, b"cd");
        keep(&mut online, BASE + 6, b"gh");
        assert_eq!(before(&mut online, BASE + 8), "abcdefgh");
        assert_eq!(online.memory(), 0);
    }

    #[test]
    fn the_beginning_of_a_long_piece_is_kept() {
        let mut online = online();
        keep(&mut online, BASE, &[b'x'; 3 * HEAD]);
        let text = "x".repeat(HEAD) + &".".repeat(2 * HEAD);
        assert_eq!(before(&mut online, BASE + 3 * HEAD as u32), text);
    }

    #[test]
    fn memory_is_bounded() {
        let mut online = online();
        let (mut at, segment) = (BASE, [b'x'; 1000]);
        for _ in 0..10_000 {
            online.turn_captured(at);
            keep(&mut online, at, &segment);
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
    fn a_stream_is_unknown_before_its_beginning() {
        let mut online = OnlineStream::default();
        assert!(!online.is_plausible(BASE));
        assert_eq!(place(&mut online, BASE, b"hello"), None);
        assert_eq!(online.next_before(BASE + 5), None);
        assert_eq!(online.memory(), 0);
    }
}
