//! What the online server answered, for a protocol module that wants to know: put in order, bounded, gaps told.

use std::collections::BTreeMap;

use common_core::payload_prefix::PayloadPrefix;
use common_core::wire::Seq;

/// Kept of one session at most, in bytes, until the turns before have been said to the test server, or a segment that
/// is missing has come.
const KEPT_MAX: usize = 4 << 20;

/// Of that, of the answer to one turn: where the copy lags, large results are not worth their memory. It is the start
/// that tells whether and how a command was answered.
const HEAD: u64 = 4 << 10;

/// A run of segments is put together up to about so many bytes.
const RUN_MAX: usize = 4 << 10;

/// What a kept segment takes beside its payload, roughly, in bytes.
const RUN_BYTES: usize = 72;

/// Bytes around the expected one that a segment may stand off and still be of this connection.
const PLAUSIBLE: i32 = 64 << 20;

/// Reassembly of the online server's stream. Positions count its bytes from where it was first known.
#[derive(Debug, Default)]
pub(super) struct OnlineStream {
    /// Only segments that begin in certain ways are captured: what is between them is never waited for, and each is
    /// handed over by itself.
    picked: bool,
    /// What comes next in the order of handing over; none before the connection's place is known.
    next: Option<Seq>,
    /// The position of `next`.
    position: u64,
    /// Where the answer to the last turn of the client begins that was captured.
    answer: u64,
    /// The same as a sequence number.
    newest: Seq,
    /// Segments that cannot be handed over yet, by position.
    kept: BTreeMap<u64, Kept>,
    kept_bytes: usize,
    /// So much of the client the online server had heard when it said what is kept.
    answered: Option<Seq>,
    /// Bytes passed over before the last that were taken out to be handed over, and behind them.
    skipped: u64,
    behind: u64,
}

/// A run of the stream, of which the beginning is kept.
#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    /// Its length in the stream.
    length: u64,
}

impl OnlineStream {
    /// Nothing so far; none if nothing is `wanted`.
    pub(super) fn new(wanted: &[PayloadPrefix]) -> Option<Self> {
        (!wanted.is_empty()).then(|| Self { picked: true, ..Self::default() })
    }

    /// The stream goes on at `seq`, unless that is known already.
    pub(super) fn begin(&mut self, seq: Seq) {
        if self.next.is_none() {
            (self.next, self.newest) = (Some(seq), seq);
        }
    }

    /// The client has begun a turn, having seen all up to `ack`: what comes now is its answer.
    pub(super) fn turn_captured(&mut self, ack: Seq) {
        if let Some(next) = self.next {
            self.answer = self.position.saturating_add_signed(ack.distance(next).into());
            self.newest = ack;
        }
    }

    /// Memory that is taken for what cannot be handed over yet, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.kept_bytes + self.kept.len() * RUN_BYTES
    }

    /// A segment with this sequence number can be of this stream.
    pub(super) fn is_plausible(&self, seq: Seq) -> bool {
        let near = |place: Seq| seq.distance(place).unsigned_abs() <= PLAUSIBLE.unsigned_abs();
        self.next.is_some_and(|next| near(next) || near(self.newest))
    }

    /// How much of the client must be known before what is kept can be handed over outside of its turn.
    pub(super) fn answered(&self) -> Option<Seq> {
        self.answered.filter(|_| !self.kept.is_empty())
    }

    /// The part of a segment that was not handed over before, if it is the next, and how many bytes were passed over before
    /// it; else it is kept, as far as there is room. On the wire the segment has `length` bytes.
    pub(super) fn place<'a>(
        &mut self,
        seq: Seq,
        payload: &'a [u8],
        length: u32,
        at_once: bool,
    ) -> Option<(u64, &'a [u8])> {
        let distance = seq.distance(self.next?);
        let known = if distance < 0 { distance.unsigned_abs() } else { 0 };
        if known >= length || self.picked && known > 0 {
            return None;
        }
        let fresh = payload.get(known as usize..).unwrap_or_default();
        let length = u64::from(length - known);
        let at = self.position + u64::from(distance.max(0).unsigned_abs());
        if at_once && (at == self.position || self.picked) {
            self.take(at, fresh.len() as u64, length);
            return Some((self.take_skipped(), fresh));
        }
        self.keep(at, fresh, length);
        None
    }

    /// When the online server said what is kept, it had heard the client up to `ack`.
    pub(super) fn kept_answers(&mut self, ack: Seq) {
        if self.answered().is_none_or(|before| ack.after(before)) {
            self.answered = Some(ack);
        }
    }

    /// Keeps what is to be kept of a run.
    fn keep(&mut self, at: u64, bytes: &[u8], length: u64) {
        let end = if at < self.answer { at + HEAD } else { self.answer + HEAD };
        let room = if self.picked { HEAD } else { end.saturating_sub(at) };
        let bytes = &bytes[..bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
        if bytes.is_empty() || self.memory() + bytes.len() + RUN_BYTES > KEPT_MAX {
            return;
        }
        if let Some(mut last) = self.kept.last_entry()
            && last.key() + last.get().bytes.len() as u64 == at
            && last.get().bytes.len() < RUN_MAX
            && !self.picked
        {
            let last = last.get_mut();
            last.bytes.extend_from_slice(bytes);
            last.length = last.bytes.len() as u64 + length - bytes.len() as u64;
            self.kept_bytes += bytes.len();
            return;
        }
        self.put(at, Kept { bytes: bytes.to_vec(), length });
    }

    fn put(&mut self, at: u64, run: Kept) {
        let known = self.kept.get(&at).map_or(0, |known| known.bytes.len());
        if run.bytes.len() > known {
            self.kept_bytes += run.bytes.len() - known;
            self.kept.insert(at, run);
        }
    }

    /// What was kept and is next.
    pub(super) fn next_in_order(&mut self) -> Option<Vec<u8>> {
        self.next_kept(if self.picked { u64::MAX } else { self.position })
    }

    /// What is next of all before `ack`; between two calls bytes may have been passed over. None once `ack` is reached.
    pub(super) fn next_before(&mut self, ack: Seq) -> Option<Vec<u8>> {
        let distance = ack.distance(self.next?);
        if distance < -PLAUSIBLE {
            // More was passed over than sequence numbers can tell.
            self.kept.clear();
            self.kept_bytes = 0;
            self.next = Some(ack);
        }
        let ahead = u64::from(distance.max(0).unsigned_abs());
        if ahead == 0 {
            return None;
        }
        let end = self.position + ahead;
        if let Some(mut bytes) = self.next_kept(end - 1) {
            let over = self.position.saturating_sub(end);
            let unseen = over.min(self.behind);
            self.behind -= unseen;
            self.go_back(unseen);
            // A piece by itself is not cut.
            if over > unseen && !self.picked {
                let cut = over - unseen;
                let rest =
                    bytes.split_off(bytes.len().saturating_sub(usize::try_from(cut).unwrap_or(usize::MAX)));
                self.go_back(cut);
                self.put(end, Kept { bytes: rest, length: over });
            }
            return Some(bytes);
        }
        self.pass_over(end);
        None
    }

    /// Takes out the first kept run, if it begins at `last` or before.
    fn next_kept(&mut self, last: u64) -> Option<Vec<u8>> {
        while let Some(first) = self.kept.first_entry()
            && *first.key() <= last
        {
            let (at, Kept { mut bytes, length }) = first.remove_entry();
            self.kept_bytes -= bytes.len();
            let known = usize::try_from(self.position.saturating_sub(at)).unwrap_or(usize::MAX);
            if known < bytes.len() && !(self.picked && known > 0) {
                bytes.drain(..known);
                self.take(at + known as u64, bytes.len() as u64, length - known as u64);
                return Some(bytes);
            }
        }
        None
    }

    /// What is at position `at` is handed over: of `length` bytes the first `seen`.
    fn take(&mut self, at: u64, seen: u64, length: u64) {
        self.pass_over(at);
        self.behind = length.saturating_sub(seen);
        self.advance(seen + self.behind);
    }

    /// Gives up what is missing before position `to`.
    fn pass_over(&mut self, to: u64) {
        let missing = to.saturating_sub(self.position);
        self.skipped += missing;
        self.advance(missing);
    }

    fn advance(&mut self, bytes: u64) {
        self.position += bytes;
        // Sequence numbers wrap.
        self.next = self.next.map(|next| next + bytes as u32);
    }

    fn go_back(&mut self, bytes: u64) {
        self.position -= bytes;
        self.next = self.next.map(|next| next - bytes as u32);
    }

    /// Bytes passed over between what was taken out last and what was taken out before.
    pub(super) fn take_skipped(&mut self) -> u64 {
        let behind = std::mem::take(&mut self.behind);
        std::mem::replace(&mut self.skipped, behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Seq = Seq(u32::MAX - 4);

    fn online() -> OnlineStream {
        let mut online = OnlineStream::default();
        online.begin(BASE);
        online
    }

    fn place<'a>(online: &mut OnlineStream, seq: Seq, payload: &'a [u8]) -> Option<(u64, &'a [u8])> {
        online.place(seq, payload, payload.len() as u32, true)
    }

    fn keep(online: &mut OnlineStream, seq: Seq, payload: &[u8]) {
        assert_eq!(online.place(seq, payload, payload.len() as u32, false), None);
    }

    /// All that comes before `ack`, gaps as dots.
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
    fn in_order_is_handed_over_at_once() {
        let mut online = online();
        assert_eq!(place(&mut online, BASE, b"hello"), Some((0, &b"hello"[..])));
        assert_eq!(place(&mut online, BASE + 3, b"lo again"), Some((0, &b" again"[..])));
        assert_eq!(place(&mut online, BASE, b"hello"), None);
        assert_eq!(online.memory(), 0);
    }

    #[test]
    fn what_was_cut_off_a_segment_is_missing_at_once() {
        let mut online = online();
        assert_eq!(online.place(BASE, b"hello", 1000, true), Some((0, &b"hello"[..])));
        assert_eq!(place(&mut online, BASE + 1000, b"world"), Some((995, &b"world"[..])));
        assert_eq!((online.memory(), online.take_skipped()), (0, 0));
    }

    #[test]
    fn what_overtakes_is_kept_until_it_is_next() {
        let mut online = online();
        assert_eq!(place(&mut online, BASE + 5, b" world"), None);
        assert_eq!(online.next_in_order(), None);
        assert_eq!(place(&mut online, BASE, b"hello"), Some((0, &b"hello"[..])));
        assert_eq!(online.next_in_order().as_deref(), Some(&b" world"[..]));
        assert_eq!((online.memory(), online.take_skipped()), (0, 0));
    }

    #[test]
    fn a_turn_gets_what_its_client_had_seen_and_gaps_are_told() {
        let mut online = online();
        keep(&mut online, BASE + 2, b"one");
        keep(&mut online, BASE + 8, b"twothree");
        assert_eq!(before(&mut online, BASE + 11), "..one...two");
        assert_eq!(before(&mut online, BASE + 11), "");
        assert_eq!(before(&mut online, BASE + 20), "three....");
        assert_eq!(online.memory(), 0);
    }

    #[test]
    fn overlaps_are_handed_over_once() {
        let mut online = online();
        keep(&mut online, BASE, b"abc");
        keep(&mut online, BASE, b"abcdef");
        keep(&mut online, BASE + 2, b"cd");
        keep(&mut online, BASE + 4, b"efgh");
        assert_eq!(before(&mut online, BASE + 8), "abcdefgh");
        assert_eq!(online.memory(), 0);
    }

    #[test]
    fn of_each_answer_the_start_is_kept() {
        let mut online = online();
        let (mut at, segment) = (BASE, [b'x'; 3000]);
        for _ in 0..100 {
            online.turn_captured(at);
            for _ in 0..4 {
                keep(&mut online, at, &segment);
                at = at + 3000;
            }
        }
        let text = before(&mut online, at);
        let answer = "x".repeat(4096) + &".".repeat(12_000 - 4096);
        assert_eq!(text, answer.repeat(100));
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
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

    fn picked() -> OnlineStream {
        let mut online = OnlineStream::new(&[&[]]).unwrap();
        online.begin(BASE);
        online
    }

    #[test]
    fn what_is_picked_out_of_the_stream_does_not_wait_for_what_is_not() {
        let mut online = picked();
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
    fn what_is_picked_is_handed_over_piece_by_piece_each_before_its_turn() {
        let mut online = picked();
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
    fn a_turn_that_has_seen_a_part_of_a_piece_gets_it_all() {
        let mut online = picked();
        assert_eq!(online.place(BASE + 5, b"head", 1000, false), None);
        assert_eq!(online.next_before(BASE + 500).as_deref(), Some(&b"head"[..]));
        assert_eq!(online.take_skipped(), 5);
        assert_eq!(before(&mut online, BASE + 500), ".".repeat(491));
        assert_eq!(before(&mut online, BASE + 1010), ".".repeat(510));
    }

    #[test]
    fn a_long_lag_does_not_make_pieces_implausible() {
        let mut online = picked();
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
