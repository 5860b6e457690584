//! The client's stream: captured segments, put in order and cut into turns.

use std::time::Duration;

use common_core::time::{Stamp, Time};
use common_core::wire::{Flags, Segment, Seq};

use crate::ledger::{DropReason, LedgerWriter};
use crate::session::assembler::Assembler;
use crate::session::outcome::Outcome;
use crate::session::turn_cutter::TurnCutter;
use crate::session::turn_queue::{End, EndKind, TurnQueue};

/// How long missing bytes may still come: a client's retransmission takes a few round trips, or its RTO.
const GAP_WAIT: Duration = Duration::from_millis(1500);

/// Largest distance of a segment of this connection from the expected sequence number, in bytes.
const PLAUSIBLE: i32 = 64 << 20;

/// After this many implausible segments in a row the stream itself has jumped: more was lost than is plausible. Or it
/// never jumped, and a forged segment far ahead made us believe so.
const IMPLAUSIBLE_LIMIT: u8 = 16;

/// No client retransmits missing bytes this far before the next one, in bytes, after they were given up.
const LATE: u32 = 1 << 20;

/// Segments parked ahead of gaps: a window of 64 KB full of single bytes.
const PARKED_MAX: usize = 65_536;

/// The surroundings of one call: the times, where the bytes go, and where they are counted.
pub(super) struct StreamCx<'a> {
    pub(super) now: Time,
    pub(super) stamp: Stamp,
    pub(super) turn_queue: &'a mut TurnQueue,
    pub(super) ledger: &'a mut LedgerWriter,
}

/// Where and how the client ended its stream.
#[derive(Debug, Clone, Copy)]
struct StreamEnd {
    offset: u64,
    kind: EndKind,
    /// The acknowledgement number there; a reset may have none.
    ack: Option<Seq>,
}

/// What a reset of the online server says about a client's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The online server has accepted nothing of it.
    Rejected,
    /// The online server has ended the connection.
    Ended,
}

#[derive(Debug)]
pub(super) struct ClientStream {
    /// The initial sequence number, if the SYN was captured.
    isn: Option<Seq>,
    assembler: Assembler,
    turns: TurnCutter,
    end: Option<StreamEnd>,
    /// Since when the bytes of the first gap have been missing.
    gap_since: Time,
    /// Implausible segments in a row.
    implausible: u8,
    /// Data of the SYN (RFC 7413), until it is known whether the service accepted it.
    on_syn: Box<[u8]>,
    /// Captured bytes ahead of the stream that were dropped: they will be in a gap.
    unused: u32,
    /// The first loss of this stream before its turns.
    outcome: Outcome,
    /// The acknowledgement numbers of the client's first and last plausible segment, SYNs excepted.
    acks: Option<(Seq, Seq)>,
}

impl ClientStream {
    /// A stream seen from its SYN on.
    pub(super) fn from_syn(isn: Seq) -> Self {
        Self::new(Some(isn), isn + 1, TurnCutter::Following(None))
    }

    /// A stream joined at `segment`; `mid_turn` if that is likely to continue a turn.
    pub(super) fn joined(segment: &Segment<'_>, mid_turn: bool) -> Self {
        let turns = if mid_turn {
            TurnCutter::Skipping { ack: segment.ack, reason: DropReason::JoinedMidTurn }
        } else {
            TurnCutter::Following(None)
        };
        Self::new(None, segment.seq, turns)
    }

    fn new(isn: Option<Seq>, next: Seq, turns: TurnCutter) -> Self {
        Self {
            isn,
            assembler: Assembler::new(next),
            turns,
            end: None,
            gap_since: Time::NEVER,
            implausible: 0,
            on_syn: Box::default(),
            unused: 0,
            outcome: Outcome::default(),
            acks: None,
        }
    }

    /// The SYN with this sequence number began the stream.
    pub(super) fn began_with(&self, isn: Seq) -> bool {
        self.isn == Some(isn)
    }

    /// A SYN-ACK with this acknowledgement number accepts the SYN that began the stream.
    pub(super) fn is_accepted_with(&self, ack: Seq) -> bool {
        self.isn.is_some_and(|isn| {
            let taken = ack.distance(isn + 1);
            taken >= 0 && taken.unsigned_abs() as usize <= self.on_syn.len()
        })
    }

    /// Joined in mid-stream: the SYN was not captured.
    pub(super) fn is_joined(&self) -> bool {
        self.isn.is_none()
    }

    /// The client's FIN or RST was captured.
    pub(super) fn knows_end(&self) -> bool {
        self.end.is_some()
    }

    /// The client has not sent any data.
    pub(super) fn is_silent(&self) -> bool {
        self.position() == 0 && self.assembler.parked() == 0
    }

    /// Bytes in order so far, skipped ones included.
    fn position(&self) -> u64 {
        self.assembler.next().bytes()
    }

    fn next_seq(&self) -> Seq {
        self.assembler.next().seq()
    }

    /// Segments that wait ahead of a gap.
    pub(super) fn parked(&self) -> u64 {
        self.assembler.parked() as u64
    }

    /// Client bytes that wait ahead of a gap.
    pub(super) fn parked_bytes(&self) -> u64 {
        self.assembler.parked_bytes()
    }

    /// Memory of the SYN's data, in bytes: the ledger does not count these bytes before the service accepts them.
    pub(super) fn syn_memory(&self) -> u64 {
        self.on_syn.len() as u64
    }

    /// Forgets the SYN's data. If the service accepted it, it will be missing.
    pub(super) fn forget_data_of_syn(&mut self) {
        self.on_syn = Box::default();
    }

    /// The segment is near enough to the expected one to belong to this stream.
    pub(super) fn is_plausible(&self, segment: &Segment<'_>) -> bool {
        let near = |distance: i32| distance.unsigned_abs() <= PLAUSIBLE.unsigned_abs();
        // First data that acknowledges more than the online server can have sent is forged, or of another connection.
        // Later the acknowledgement may be anywhere: an answer can be longer than the sequence space.
        let acknowledges = match self.turns.base() {
            Some(ack) if self.position() == 0 && segment.flags.has(Flags::ACK) => {
                (0..=PLAUSIBLE).contains(&segment.ack.distance(ack))
            }
            _ => true,
        };
        near(segment.seq.distance(self.next_seq())) && acknowledges
    }

    /// The segment acknowledges more than the online server's SYN-ACK. That number alone is one that a stranger does not know.
    pub(super) fn acknowledges_more_than_syn_ack(&self, segment: &Segment<'_>) -> bool {
        self.turns.base().is_some_and(|base| base != segment.ack)
    }

    /// A SYN-ACK with this acknowledgement number accepts data of the SYN.
    pub(super) fn accepts_data_of_syn(&self, ack: Seq) -> bool {
        self.isn.is_some_and(|isn| ack.distance(isn + 1) > 0)
    }

    /// A segment of the online server with this acknowledgement number can be an answer to this stream.
    pub(super) fn is_answered_by(&self, ack: Seq) -> bool {
        ack.distance(self.next_seq()).unsigned_abs() <= PLAUSIBLE.unsigned_abs()
    }

    /// All that the client sent before `ack` has gone to the turn queue.
    pub(super) fn has_delivered(&self, ack: Seq) -> bool {
        self.turns.is_following() && !ack.after(self.next_seq())
    }

    /// The segment is before the first byte of this stream: it belongs to an earlier one.
    pub(super) fn is_before(&self, segment: &Segment<'_>) -> bool {
        self.isn.is_some() && self.reaches_back(segment.seq.distance(self.next_seq()))
    }

    /// `distance` from the next byte leads to a place before the first.
    fn reaches_back(&self, distance: i32) -> bool {
        // A keep-alive probe is one byte before the next.
        distance < 0 && u64::from(distance.unsigned_abs()) > self.position() + 1
    }

    /// The online server's SYN-ACK: its answer bytes are counted from here. If it comes before the first data segment, it
    /// tells how much the server sent first.
    pub(super) fn online_syn_ack(&mut self, segment: &Segment<'_>) {
        if matches!(self.turns, TurnCutter::Following(None)) && self.position() == 0 {
            self.turns = TurnCutter::Following(Some(segment.seq + 1));
        }
    }

    /// The SYN carries data (RFC 7413): the service accepts it, or its client sends it again.
    pub(super) fn keep_data_of_syn(&mut self, payload: &[u8]) {
        // A SYN that is repeated after the SYN-ACK is known already.
        let unanswered = matches!(self.turns, TurnCutter::Following(None));
        if self.isn.is_some() && self.position() == 0 && self.on_syn.is_empty() && unanswered {
            self.on_syn = payload.into();
        }
    }

    /// It is not known yet whether the service accepted the SYN's data.
    pub(super) fn awaits_syn_ack(&self) -> bool {
        !self.on_syn.is_empty()
    }

    /// The online server has acknowledged the SYN and its data up to `ack`. Its own stream begins at `base`.
    pub(super) fn syn_acknowledged(&mut self, cx: &mut StreamCx<'_>, ack: Seq, base: Seq) {
        let taken = ack.distance(self.next_seq()).max(0).unsigned_abs() as usize;
        self.take_data_of_syn(cx, taken, base);
    }

    /// The service accepted the first `taken` bytes of the SYN's data.
    fn take_data_of_syn(&mut self, cx: &mut StreamCx<'_>, taken: usize, ack: Seq) {
        let bytes = std::mem::take(&mut self.on_syn);
        let bytes = &bytes[..taken.min(bytes.len())];
        if self.position() == 0 && !bytes.is_empty() {
            cx.ledger.capture(bytes.len() as u64);
            self.place(cx, self.next_seq(), ack, bytes);
        }
    }

    /// Without the SYN-ACK, the client's next segment tells whether the service accepted the SYN's data.
    fn infer_data_of_syn(&mut self, cx: &mut StreamCx<'_>, segment: &Segment<'_>) {
        // The service has received all before this segment. The client may also have sent it again without our capturing
        // it.
        let ahead = segment.seq.distance(self.next_seq()).max(0);
        let taken = self.on_syn.len().min(ahead.unsigned_abs() as usize);
        self.take_data_of_syn(cx, taken, self.turns.base().unwrap_or(segment.ack));
    }

    /// A segment of the client, SYNs excepted.
    pub(super) fn push(&mut self, cx: &mut StreamCx<'_>, segment: &Segment<'_>) {
        let length = segment.payload.len() as u64;
        cx.ledger.capture(length);
        let plausible = self.is_plausible(segment);
        if plausible && segment.flags.has(Flags::ACK) {
            self.acks = Some((self.acks.map_or(segment.ack, |(first, _)| first), segment.ack));
        }
        if plausible && self.awaits_syn_ack() {
            self.infer_data_of_syn(cx, segment);
        }
        if plausible && !self.is_late(segment) {
            self.implausible = 0;
        } else {
            self.implausible = self.implausible.saturating_add(1);
            if self.implausible > IMPLAUSIBLE_LIMIT {
                self.implausible = 0;
                self.discard_parked(DropReason::CaptureGap, cx.ledger);
                self.give_up_gap(cx, segment.seq, segment.ack);
                self.assembler.forget_missing();
                self.unused = 0;
            } else if !plausible {
                self.count_unused(length);
                return self.drop(DropReason::CaptureGap, length, cx.ledger);
            }
        }
        self.note_end(segment);
        if segment.payload.len() as u64 != u64::from(segment.payload_len) {
            // The snap length truncated it: without the rest these bytes are of no use.
            self.count_unused(length);
            self.drop(DropReason::Truncated, length, cx.ledger);
        } else if length > 0 {
            self.place(cx, segment.seq, segment.ack, segment.payload);
        }
        self.finish_if_complete(cx);
    }

    /// When the wait for missing bytes is over.
    pub(super) fn next_timeout(&self) -> Time {
        if self.gap_since == Time::NEVER { Time::NEVER } else { self.gap_since + GAP_WAIT }
    }

    /// Stops waiting for bytes that have been missing too long.
    pub(super) fn handle_timeout(&mut self, cx: &mut StreamCx<'_>) {
        if self.next_timeout() <= cx.now {
            self.pass_gap(cx);
        }
    }

    /// Nothing more will come: gives up all gaps, and ends the stream as `kind` unless its client has ended it.
    pub(super) fn finish(&mut self, cx: &mut StreamCx<'_>, kind: EndKind) {
        while self.gap_since != Time::NEVER {
            self.pass_gap(cx);
        }
        cx.turn_queue.finish(End { kind, acked_bytes: 0, captured: cx.now });
    }

    fn note_end(&mut self, segment: &Segment<'_>) {
        let kind = if segment.flags.has(Flags::RST) {
            EndKind::Reset
        } else if segment.flags.has(Flags::FIN) {
            EndKind::Fin
        } else {
            return;
        };
        let ack = segment.flags.has(Flags::ACK).then_some(segment.ack);
        let seq = segment.seq + segment.payload_len;
        let distance = seq.distance(self.next_seq());
        if distance < 0 && (kind == EndKind::Fin || self.reaches_back(distance)) {
            // Late, of an earlier connection.
            return;
        }
        // A reset may name a byte before the next: it ends the stream here.
        let offset = self.assembler.next().offset_of(seq).max(self.position());
        match &mut self.end {
            // A reset after a FIN changes how the stream ends, not where.
            Some(end) if end.kind == EndKind::Fin && kind == EndKind::Reset => {
                (end.kind, end.ack) = (kind, ack);
            }
            Some(_) => {}
            None => self.end = Some(StreamEnd { offset, kind, ack }),
        }
    }

    /// What the online server's reset says about the stream; `None` if it is not of this connection.
    pub(super) fn verdict(&self, reset: &Segment<'_>) -> Option<Verdict> {
        let (first, last) = self.acks.unzip();
        if !reset.flags.has(Flags::ACK) {
            // The answer to a segment for which there is no connection (RFC 9293 section 3.10.7.1).
            return (last == Some(reset.seq))
                .then(|| if first == last { Verdict::Rejected } else { Verdict::Ended });
        }
        if self.position() == 0 && self.assembler.parked() == 0 && self.is_accepted_with(reset.ack) {
            // The SYN, or a connection without a word.
            return Some(if reset.seq == Seq(0) { Verdict::Rejected } else { Verdict::Ended });
        }
        self.is_answered_by(reset.ack).then_some(Verdict::Ended)
    }

    /// The online server has reset the connection: the stream ends with what has come.
    pub(super) fn end_by_reset(&mut self, cx: &mut StreamCx<'_>, reset: &Segment<'_>) {
        if self.end.is_some() {
            return;
        }
        let (offset, ack) = if reset.flags.has(Flags::ACK) {
            // What the server has received may still be captured.
            (self.assembler.next().offset_of(reset.ack).max(self.position()), reset.seq)
        } else if self.assembler.parked() > 0 {
            return;
        } else {
            (self.position(), reset.seq)
        };
        self.end = Some(StreamEnd { offset, kind: EndKind::Reset, ack: Some(ack) });
        self.finish_if_complete(cx);
    }

    fn finish_if_complete(&mut self, cx: &mut StreamCx<'_>) {
        match self.end {
            Some(StreamEnd { offset, kind, ack }) if self.position() >= offset => {
                self.discard_parked(DropReason::CaptureGap, cx.ledger);
                self.gap_since = Time::NEVER;
                let acked_bytes = self.turns.acked_bytes_at_end(ack);
                cx.turn_queue.finish(End { kind, acked_bytes, captured: cx.now });
            }
            Some(_) if self.gap_since == Time::NEVER => self.gap_since = cx.now,
            _ => {}
        }
    }

    fn place(&mut self, cx: &mut StreamCx<'_>, seq: Seq, ack: Seq, payload: &[u8]) {
        let next = self.assembler.next();
        let ahead = next.distance_to(seq);
        if ahead > 0 {
            if self.gap_since == Time::NEVER {
                self.gap_since = cx.now;
            }
            let duplicate = self.assembler.park(cx.now, next.offset_of(seq), ack, payload);
            cx.ledger.duplicate(duplicate);
            if self.assembler.parked() > PARKED_MAX {
                self.pass_gap(cx);
            }
            return;
        }
        let behind = ahead.unsigned_abs();
        let known = (behind as usize).min(payload.len());
        self.account_known(behind.into(), known as u64, DropReason::CaptureGap, cx.ledger);
        if known < payload.len() {
            self.deliver(cx, ack, &payload[known..]);
            self.unpark(cx);
        }
    }

    /// The next bytes in order.
    fn deliver(&mut self, cx: &mut StreamCx<'_>, ack: Seq, bytes: &[u8]) {
        let length = bytes.len() as u64;
        self.assembler.advance(length);
        if let Err(reason) = self.turns.deliver(cx, ack, bytes) {
            self.drop(reason, length, cx.ledger);
        }
    }

    /// Delivers the parked segments that are no longer ahead of a gap.
    fn unpark(&mut self, cx: &mut StreamCx<'_>) {
        while let Some((parked, known)) = self.assembler.unpark() {
            cx.ledger.duplicate(known as u64);
            if known < parked.bytes.len() {
                self.deliver(cx, parked.ack, &parked.bytes[known..]);
            }
        }
        if self.assembler.parked() > 0 || self.end.is_none() {
            self.gap_since = self.first_parked_since();
        }
    }

    /// The bytes of the first gap will not come: goes on after them.
    fn pass_gap(&mut self, cx: &mut StreamCx<'_>) {
        if let Some((seq, parked)) = self.assembler.first_parked() {
            let ack = parked.ack;
            self.give_up_gap(cx, seq, ack);
            self.unpark(cx);
        } else if let Some(end) = self.end {
            let seq = self.assembler.seq_of(end.offset);
            self.give_up_gap(cx, seq, seq);
        } else {
            self.gap_since = Time::NEVER;
        }
        self.finish_if_complete(cx);
    }

    /// Moves on to `seq`. The turn with the gap cannot be completed, and the segment after the gap may be in the middle of
    /// another turn: the next whole turn begins where a segment acknowledges more than `ack`.
    fn give_up_gap(&mut self, cx: &mut StreamCx<'_>, seq: Seq, ack: Seq) {
        cx.ledger.gap();
        self.give_up_to(seq, cx.ledger);
        // While turns are skipped, the last turn of the queue is whole.
        if self.turns.is_following()
            && let Some(turn) = cx.turn_queue.last_turn()
            && let Some(dropped) = cx.turn_queue.drop_last_turn()
        {
            cx.ledger.turn_dropped(turn.captured);
            self.drop(DropReason::CaptureGap, dropped, cx.ledger);
        }
        self.outcome.lost(DropReason::CaptureGap);
        self.turns.skip(ack);
        self.gap_since = self.first_parked_since();
    }

    /// The bytes before `seq` are missing.
    fn give_up_to(&mut self, seq: Seq, ledger: &mut LedgerWriter) {
        let missing = u64::try_from(self.assembler.next().distance_to(seq)).unwrap_or_default();
        let refilled = self.assembler.give_up_to(seq);
        ledger.not_missing(refilled);
        let unused = u64::from(self.unused).min(missing);
        self.unused -= unused as u32;
        ledger.missing(missing, unused);
    }

    /// Captured bytes ahead of the next are dropped: they will be in a gap.
    fn count_unused(&mut self, bytes: u64) {
        self.unused = self.unused.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Since when the bytes of the first gap have been missing. Several gaps wait at the same time.
    fn first_parked_since(&self) -> Time {
        self.assembler.first_parked().map_or(Time::NEVER, |(_, parked)| parked.since)
    }

    /// A segment of a session that is over, or given up: its new bytes are dropped for `reason`.
    pub(super) fn account_late(
        &mut self,
        segment: &Segment<'_>,
        reason: DropReason,
        ledger: &mut LedgerWriter,
    ) {
        let length = segment.payload.len() as u64;
        let distance = segment.seq.distance(self.next_seq());
        let behind = u64::from(distance.min(0).unsigned_abs());
        let known = behind.min(length);
        let new = length - known;
        ledger.capture(length);
        self.account_known(behind, known, reason, ledger);
        self.drop(reason, new, ledger);
        if new > 0 && self.is_plausible(segment) {
            if distance > 0 {
                self.give_up_to(segment.seq, ledger);
            }
            self.assembler.advance(new);
        }
    }

    /// The segment brings bytes that were given up as missing, far before the next one.
    fn is_late(&self, segment: &Segment<'_>) -> bool {
        let behind = segment.seq.distance(self.next_seq()).min(0).unsigned_abs();
        behind > LATE && !segment.payload.is_empty() && self.assembler.is_missing(behind.into())
    }

    /// Accounts for bytes before the next one; the first of them is `behind` bytes before it. They are duplicates, or were
    /// given up as missing and are dropped for `reason` now.
    fn account_known(&mut self, behind: u64, bytes: u64, reason: DropReason, ledger: &mut LedgerWriter) {
        let late = self.assembler.fill(behind, bytes);
        ledger.not_missing(late);
        self.drop(reason, late, ledger);
        // The bytes before the place where the stream was joined are new.
        let new = if self.is_joined() { behind.saturating_sub(self.position()).min(bytes) } else { 0 };
        self.drop(DropReason::JoinedMidTurn, new, ledger);
        ledger.duplicate(bytes - late - new);
    }

    /// Drops all parked segments, for `reason`.
    pub(super) fn discard_parked(&mut self, reason: DropReason, ledger: &mut LedgerWriter) {
        let bytes = self.assembler.discard_parked();
        self.count_unused(bytes);
        self.drop(reason, bytes, ledger);
    }

    /// The first reason for which bytes of the stream were dropped here.
    pub(super) fn first_drop(&self) -> Option<DropReason> {
        self.outcome.reason()
    }

    fn drop(&mut self, reason: DropReason, bytes: u64, ledger: &mut LedgerWriter) {
        if bytes > 0 {
            self.outcome.lost(reason);
            ledger.drop_bytes(reason, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use common_core::flow::Endpoint;
    use common_core::wire::Options;

    use super::*;

    const ISN: Seq = Seq(1000);
    const ONLINE_ISN: Seq = Seq(5000);

    fn segment(seq: Seq, ack: Seq, flags: Flags, payload: &[u8]) -> Segment<'_> {
        let endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
        Segment {
            source: endpoint,
            destination: endpoint,
            seq,
            ack,
            flags: flags | Flags::ACK,
            window: 1,
            options: Options::default(),
            payload,
            payload_len: payload.len() as u32,
        }
    }

    fn accepted() -> ClientStream {
        let mut client_stream = ClientStream::from_syn(ISN);
        client_stream.online_syn_ack(&segment(ONLINE_ISN, ISN + 1, Flags::SYN, &[]));
        client_stream
    }

    #[test]
    fn first_data_must_acknowledge_what_the_online_server_can_have_said() {
        let client_stream = accepted();
        assert!(client_stream.is_plausible(&segment(ISN + 1, ONLINE_ISN + 1, Flags::PSH, b"hello")));
        assert!(client_stream.is_plausible(&segment(ISN + 1, ONLINE_ISN + 90, Flags::PSH, b"hello")));
        assert!(!client_stream.is_plausible(&segment(
            ISN + 1,
            ONLINE_ISN + 0x7000_0000,
            Flags::PSH,
            b"forged"
        )));
    }

    #[test]
    fn an_answer_of_any_length_may_lie_between_two_turns() {
        let (mut client_stream, mut turn_queue, mut ledger) =
            (accepted(), TurnQueue::default(), LedgerWriter::default());
        let mut cx = StreamCx {
            now: Time::ZERO,
            stamp: Stamp::FIRST,
            turn_queue: &mut turn_queue,
            ledger: &mut ledger,
        };
        client_stream.push(&mut cx, &segment(ISN + 1, ONLINE_ISN + 1, Flags::PSH, b"first"));
        for seen in [100 << 20, 1 << 31, u32::MAX] {
            let next = segment(ISN + 6, ONLINE_ISN + 1 + seen, Flags::PSH, b"next");
            assert!(client_stream.is_plausible(&next));
        }
        let next = segment(ISN + 6, ONLINE_ISN + 1 + (100 << 20), Flags::PSH, b"next");
        client_stream.push(&mut cx, &next);
        assert_eq!(ledger.turns.seen, 2);
        assert_eq!(ledger.bytes.pending, 9);
        turn_queue.pop_turn();
        assert_eq!(turn_queue.next_turn().map(|turn| turn.acked_bytes), Some(100 << 20));
    }
}
