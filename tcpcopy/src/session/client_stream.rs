//! What the client said: captured segments, put in order and cut into turns.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use common_core::time::Time;
use common_core::wire::{Flags, Segment, Seq};

use crate::ledger::{DropReason, LedgerWriter};
use crate::session::holes::Holes;
use crate::session::turn_queue::{End, EndKind, TurnQueue};

/// How long missing bytes may still come: a client's retransmission takes a few round trips, or its RTO.
const GAP_WAIT: Duration = Duration::from_millis(1500);

/// Bytes around the expected one that a segment may stand off and still be of this connection.
const PLAUSIBLE: i32 = 64 << 20;

/// After so many implausible segments in a row the stream itself has jumped: more was lost than is plausible. Or it never did,
/// and a forged segment far ahead had said so.
const IMPLAUSIBLE_LIMIT: u8 = 16;

/// So far behind the stream, in bytes, and after it was given up, no client sends again what was missing.
const LATE: u32 = 1 << 20;

/// What a parked segment takes beside its payload, roughly, in bytes.
pub(crate) const PARKED_BYTES: u64 = 96;

/// Segments kept ahead of gaps: a window of 64 KB full of single bytes.
const PARKED_MAX: usize = 65_536;

/// A segment ahead of a gap.
#[derive(Debug)]
struct Parked {
    since: Time,
    bytes: Vec<u8>,
    ack: Seq,
}

/// Where the stream stands with its turns.
#[derive(Debug, Clone, Copy)]
enum Progress {
    /// In order. The acknowledgement number of the last data segment, if there was one (or the online server's first).
    Following(Option<Seq>),
    /// Behind a gap, or joined in the middle of a turn: nothing can be used until a segment acknowledges more than this.
    Skipping { ack: Seq, reason: DropReason },
}

/// Reassembly of one client's stream.
#[derive(Debug)]
pub(super) struct ClientStream {
    /// The initial sequence number, if the SYN was captured.
    isn: Option<Seq>,
    /// The next byte in order.
    next: Seq,
    progress: Progress,
    /// Segments ahead of a gap, by distance from `origin`.
    parked: BTreeMap<u64, Parked>,
    parked_bytes: u64,
    /// Bytes up to `next`, skipped ones included.
    position: u64,
    /// Where the stream ends, once a FIN or RST has said so, and the acknowledgement number there.
    end: Option<(u64, EndKind, Option<Seq>)>,
    gap_since: Time,
    /// What was missing when it was given up, and is so still.
    holes: Option<Box<Holes>>,
    /// Segments in a row that are not where the stream is.
    implausible: u8,
    /// What the SYN carried (RFC 7413), until it is known whether the service took it.
    on_syn: Box<[u8]>,
    /// Bytes that were dropped where a hole is, or will be.
    unused: u32,
    /// The first reason for which bytes of the stream were dropped here.
    first_drop: Option<DropReason>,
}

impl ClientStream {
    /// A stream seen from its SYN on.
    pub(super) fn from_syn(isn: Seq) -> Self {
        Self::new(Some(isn), isn + 1, Progress::Following(None))
    }

    /// A stream joined at `segment`; `mid_turn` if that is likely to continue a turn.
    pub(super) fn joined(segment: &Segment<'_>, mid_turn: bool) -> Self {
        let progress = if mid_turn {
            Progress::Skipping { ack: segment.ack, reason: DropReason::JoinedMidTurn }
        } else {
            Progress::Following(None)
        };
        Self::new(None, segment.seq, progress)
    }

    fn new(isn: Option<Seq>, next: Seq, progress: Progress) -> Self {
        Self {
            isn,
            next,
            progress,
            parked: BTreeMap::new(),
            parked_bytes: 0,
            position: 0,
            end: None,
            gap_since: Time::NEVER,
            holes: None,
            implausible: 0,
            on_syn: Box::default(),
            unused: 0,
            first_drop: None,
        }
    }

    /// The SYN with this sequence number is the one that began the stream.
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

    /// The client has not said a word.
    pub(super) fn is_silent(&self) -> bool {
        self.position == 0 && self.parked.is_empty()
    }

    /// Segments that wait ahead of a gap.
    pub(super) fn parked(&self) -> u64 {
        self.parked.len() as u64
    }

    /// Memory that is kept here for what the SYN carries, in bytes: no byte of the account, as long as it is not known
    /// whether the service took it.
    pub(super) fn syn_memory(&self) -> u64 {
        self.on_syn.len() as u64
    }

    /// What the SYN carries is not kept any longer. If the service took it, it will be missing.
    pub(super) fn forget_data_of_syn(&mut self) {
        self.on_syn = Box::default();
    }

    /// Client bytes kept here, out of order.
    pub(super) fn parked_bytes(&self) -> u64 {
        self.parked_bytes
    }

    /// The segment is near enough to what is expected to be of this stream.
    pub(super) fn is_plausible(&self, segment: &Segment<'_>) -> bool {
        let near = |distance: i32| distance.unsigned_abs() <= PLAUSIBLE.unsigned_abs();
        // First data that acknowledges what the online server cannot have said is forged, or of another connection.
        // Later the acknowledgement may be anywhere: an answer can be longer than the sequence space.
        let acknowledges = match self.progress {
            Progress::Following(Some(ack)) if self.position == 0 && segment.flags.has(Flags::ACK) => {
                near(segment.ack.distance(ack))
            }
            _ => true,
        };
        near(segment.seq.distance(self.next)) && acknowledges
    }

    /// A segment of the online server that acknowledges so much can be an answer to this stream.
    pub(super) fn is_answered_by(&self, ack: Seq) -> bool {
        ack.distance(self.next).unsigned_abs() <= PLAUSIBLE.unsigned_abs()
    }

    /// All that the client had said when it was heard up to `ack` has gone to the turn queue.
    pub(super) fn has_delivered(&self, ack: Seq) -> bool {
        matches!(self.progress, Progress::Following(_)) && !ack.after(self.next)
    }

    /// The segment stands before the first byte of this stream: it is of an earlier one.
    pub(super) fn is_before(&self, segment: &Segment<'_>) -> bool {
        self.isn.is_some() && self.reaches_back(segment.seq.distance(self.next))
    }

    /// `distance` from the next byte leads to a place before the first.
    fn reaches_back(&self, distance: i32) -> bool {
        // A keep-alive probe stands one byte before the next.
        distance < 0 && u64::from(distance.unsigned_abs()) > self.position + 1
    }

    /// The online server's SYN-ACK: its answer bytes are counted from here. Known before the first data segment, it
    /// tells how much the server said first.
    pub(super) fn online_syn_ack(&mut self, segment: &Segment<'_>) {
        if matches!(self.progress, Progress::Following(None)) && self.position == 0 {
            self.progress = Progress::Following(Some(segment.seq + 1));
        }
    }

    /// The SYN carries data (RFC 7413): the service takes it, or its client says it again.
    pub(super) fn keep_data_of_syn(&mut self, payload: &[u8]) {
        // Behind the SYN-ACK it comes again, and is known already.
        let unanswered = matches!(self.progress, Progress::Following(None));
        if self.isn.is_some() && self.position == 0 && self.on_syn.is_empty() && unanswered {
            self.on_syn = payload.into();
        }
    }

    /// It is not known yet whether the service took what the SYN carried.
    pub(super) fn awaits_syn_ack(&self) -> bool {
        !self.on_syn.is_empty()
    }

    /// The online server has acknowledged up to `ack`, and what it says begins at `base`: so much of the SYN's data it took.
    pub(super) fn syn_acknowledged(
        &mut self,
        now: Time,
        ack: Seq,
        base: Seq,
        turn_queue: &mut TurnQueue,
        ledger: &mut LedgerWriter,
    ) {
        let taken = ack.distance(self.next).max(0).unsigned_abs() as usize;
        self.take_data_of_syn(now, taken, base, turn_queue, ledger);
    }

    /// The service took the first `taken` bytes of what the SYN carried.
    fn take_data_of_syn(
        &mut self,
        now: Time,
        taken: usize,
        ack: Seq,
        turn_queue: &mut TurnQueue,
        ledger: &mut LedgerWriter,
    ) {
        let bytes = std::mem::take(&mut self.on_syn);
        if self.position > 0 {
            return;
        }
        let bytes = &bytes[..taken.min(bytes.len())];
        ledger.capture(bytes.len() as u64);
        if !bytes.is_empty() {
            self.place(now, self.next, ack, bytes, turn_queue, ledger);
        }
    }

    /// What a client says next tells whether the service took what its SYN carried, where the SYN-ACK was not captured.
    fn infer_data_of_syn(
        &mut self,
        now: Time,
        segment: &Segment<'_>,
        turn_queue: &mut TurnQueue,
        ledger: &mut LedgerWriter,
    ) {
        // What is behind the next byte of its client was heard; it may have been said again, and not been captured.
        let ahead = segment.seq.distance(self.next).max(0);
        let taken = self.on_syn.len().min(ahead.unsigned_abs() as usize);
        let base = match self.progress {
            Progress::Following(Some(base)) => base,
            _ => segment.ack,
        };
        self.take_data_of_syn(now, taken, base, turn_queue, ledger);
    }

    /// A segment of the client, SYNs excepted.
    pub(super) fn push(
        &mut self,
        now: Time,
        segment: &Segment<'_>,
        turn_queue: &mut TurnQueue,
        ledger: &mut LedgerWriter,
    ) {
        let length = segment.payload.len() as u64;
        ledger.capture(length);
        let plausible = self.is_plausible(segment);
        if plausible && self.awaits_syn_ack() {
            self.infer_data_of_syn(now, segment, turn_queue, ledger);
        }
        if plausible && !self.is_late(segment) {
            self.implausible = 0;
        } else {
            self.implausible = self.implausible.saturating_add(1);
            if self.implausible > IMPLAUSIBLE_LIMIT {
                self.implausible = 0;
                self.discard_parked(DropReason::CaptureGap, ledger);
                self.give_up_gap(segment.seq, segment.ack, turn_queue, ledger);
                self.holes = None;
                self.unused = 0;
            } else if !plausible {
                self.count_unused(length);
                return self.drop(DropReason::CaptureGap, length, ledger);
            }
        }
        self.note_end(segment);
        if segment.payload.len() as u64 != u64::from(segment.payload_len) {
            // What the snap length cut off is missing: without it the rest is of no use.
            self.count_unused(length);
            self.drop(DropReason::Truncated, length, ledger);
        } else if length > 0 {
            self.place(now, segment.seq, segment.ack, segment.payload, turn_queue, ledger);
        }
        self.finish_if_complete(now, turn_queue, ledger);
    }

    /// When the wait for missing bytes is over.
    pub(super) fn next_timeout(&self) -> Time {
        if self.gap_since == Time::NEVER { Time::NEVER } else { self.gap_since + GAP_WAIT }
    }

    /// Stops waiting for bytes that are missing too long.
    pub(super) fn handle_timeout(
        &mut self,
        now: Time,
        turn_queue: &mut TurnQueue,
        ledger: &mut LedgerWriter,
    ) {
        if self.next_timeout() <= now {
            self.pass_gap(now, turn_queue, ledger);
        }
    }

    /// Nothing more will come: gives up all gaps and ends the stream as `kind` unless it has ended itself.
    pub(super) fn finish(
        &mut self,
        kind: EndKind,
        now: Time,
        turn_queue: &mut TurnQueue,
        ledger: &mut LedgerWriter,
    ) {
        while self.gap_since != Time::NEVER {
            self.pass_gap(now, turn_queue, ledger);
        }
        turn_queue.finish(End { kind, need: 0, captured: now });
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
        let distance = (segment.seq + segment.payload_len).distance(self.next);
        if distance < 0 && (kind == EndKind::Fin || self.reaches_back(distance)) {
            // Late, of an earlier connection.
            return;
        }
        // A reset may name a byte that has gone already: it ends the stream where it stands.
        let at = self.position.saturating_add_signed(i64::from(distance)).max(self.position);
        match self.end {
            // A reset after a FIN changes how the stream ends, not where.
            Some((end, EndKind::Fin, _)) if kind == EndKind::Reset => self.end = Some((end, kind, ack)),
            Some(_) => {}
            None => self.end = Some((at, kind, ack)),
        }
    }

    fn finish_if_complete(&mut self, now: Time, turn_queue: &mut TurnQueue, ledger: &mut LedgerWriter) {
        match self.end {
            Some((at, kind, ack)) if self.position >= at => {
                let need = match (self.progress, ack) {
                    (Progress::Following(Some(last)), Some(ack)) => need(last, ack),
                    // A reset without acknowledgement does not tell what its sender had seen: all, most likely.
                    (Progress::Following(Some(_)), None) => u32::MAX,
                    _ => 0,
                };
                self.discard_parked(DropReason::CaptureGap, ledger);
                self.gap_since = Time::NEVER;
                turn_queue.finish(End { kind, need, captured: now });
            }
            Some(_) if self.gap_since == Time::NEVER => self.gap_since = now,
            _ => {}
        }
    }

    fn place(
        &mut self,
        now: Time,
        seq: Seq,
        ack: Seq,
        payload: &[u8],
        turn_queue: &mut TurnQueue,
        ledger: &mut LedgerWriter,
    ) {
        let ahead = seq.distance(self.next);
        if ahead > 0 {
            let at = self.position + u64::from(ahead.unsigned_abs());
            self.park(now, at, ack, payload, ledger);
            if self.parked.len() > PARKED_MAX {
                self.pass_gap(now, turn_queue, ledger);
            }
            return;
        }
        let known = (ahead.unsigned_abs() as usize).min(payload.len());
        self.account_known(ahead.unsigned_abs().into(), known as u64, DropReason::CaptureGap, ledger);
        if known == payload.len() {
            return;
        }
        self.deliver(now, ack, &payload[known..], turn_queue, ledger);
        self.unpark(now, turn_queue, ledger);
    }

    /// The next bytes in order.
    fn deliver(
        &mut self,
        now: Time,
        ack: Seq,
        bytes: &[u8],
        turn_queue: &mut TurnQueue,
        ledger: &mut LedgerWriter,
    ) {
        let length = bytes.len() as u64;
        self.next = self.next + bytes.len() as u32;
        self.position += length;
        match self.progress {
            Progress::Skipping { ack: before, reason } => {
                if !ack.after(before) {
                    return self.drop(reason, length, ledger);
                }
                ledger.turn_begins(now);
                turn_queue.begin_turn(0, ack, now, reason == DropReason::CaptureGap);
            }
            Progress::Following(None) => {
                ledger.turn_begins(now);
                turn_queue.begin_turn(0, ack, now, false);
            }
            Progress::Following(Some(last)) => {
                if turn_queue.end_offset() == 0 || ack.after(last) {
                    ledger.turn_begins(now);
                    turn_queue.begin_turn(need(last, ack), ack, now, false);
                } else {
                    // The same turn goes on; a late copy of an old segment must not set the mark back.
                    if turn_queue.push(bytes)
                        && let Some(turn) = turn_queue.last_turn()
                    {
                        ledger.turn_begins(turn.captured);
                    }
                    return;
                }
            }
        }
        self.progress = Progress::Following(Some(ack));
        turn_queue.push(bytes);
    }

    fn park(&mut self, now: Time, at: u64, ack: Seq, payload: &[u8], ledger: &mut LedgerWriter) {
        let length = payload.len() as u64;
        if self.parked.get(&at).is_some_and(|old| old.bytes.len() >= payload.len()) {
            ledger.duplicate(length);
            return;
        }
        if self.gap_since == Time::NEVER {
            self.gap_since = now;
        }
        self.parked_bytes += length;
        if let Some(old) = self.parked.insert(at, Parked { since: now, bytes: payload.to_vec(), ack }) {
            self.parked_bytes -= old.bytes.len() as u64;
            ledger.duplicate(old.bytes.len() as u64);
        }
    }

    /// Delivers what is no longer ahead of a gap.
    fn unpark(&mut self, now: Time, turn_queue: &mut TurnQueue, ledger: &mut LedgerWriter) {
        while let Some(entry) = self.parked.first_entry()
            && *entry.key() <= self.position
        {
            let (at, parked) = entry.remove_entry();
            self.parked_bytes -= parked.bytes.len() as u64;
            let known = usize::try_from(self.position - at).unwrap_or(usize::MAX).min(parked.bytes.len());
            ledger.duplicate(known as u64);
            if known < parked.bytes.len() {
                self.deliver(now, parked.ack, &parked.bytes[known..], turn_queue, ledger);
            }
        }
        if !self.parked.is_empty() || self.end.is_none() {
            self.gap_since = self.first_parked();
        }
    }

    /// The bytes missing next will not come: goes on behind them.
    fn pass_gap(&mut self, now: Time, turn_queue: &mut TurnQueue, ledger: &mut LedgerWriter) {
        if let Some((&at, parked)) = self.parked.first_key_value() {
            let seq = self.next + u32::try_from(at.saturating_sub(self.position)).unwrap_or(u32::MAX);
            let ack = parked.ack;
            self.give_up_gap(seq, ack, turn_queue, ledger);
            self.unpark(now, turn_queue, ledger);
        } else if let Some((at, ..)) = self.end {
            let seq = self.next + u32::try_from(at.saturating_sub(self.position)).unwrap_or(u32::MAX);
            self.give_up_gap(seq, seq, turn_queue, ledger);
        } else {
            self.gap_since = Time::NEVER;
        }
        self.finish_if_complete(now, turn_queue, ledger);
    }

    /// Moves on to `seq`. The turn that the gap is in cannot be completed, and the segment behind the gap may be in
    /// the middle of another: the next whole turn begins where `ack` is exceeded.
    fn give_up_gap(&mut self, seq: Seq, ack: Seq, turn_queue: &mut TurnQueue, ledger: &mut LedgerWriter) {
        let missing = seq.distance(self.next);
        let given_up = self.position;
        ledger.gap();
        self.count_gap(missing, ledger);
        // Behind a first gap the last turn of the turn queue is whole.
        if matches!(self.progress, Progress::Following(_))
            && let Some(turn) = turn_queue.last_turn()
            && let Some(dropped) = turn_queue.drop_last_turn()
        {
            ledger.turn_dropped(turn.captured);
            self.drop(DropReason::CaptureGap, dropped, ledger);
        }
        self.first_drop.get_or_insert(DropReason::CaptureGap);
        self.next = seq;
        self.position = self.position.saturating_add_signed(i64::from(missing)).max(self.position);
        self.note_hole(given_up..self.position);
        let reason = match self.progress {
            Progress::Skipping { reason, .. } => reason,
            Progress::Following(_) => DropReason::CaptureGap,
        };
        self.progress = Progress::Skipping { ack, reason };
        self.gap_since = self.first_parked();
    }

    /// Counts a hole of `missing` bytes; where the stream goes back by so many, those that it goes back behind were none.
    fn count_gap(&mut self, missing: i32, ledger: &mut LedgerWriter) {
        let bytes = u64::from(missing.unsigned_abs());
        if missing < 0 {
            let none = self.fill(self.before(bytes)..self.position);
            ledger.not_missing(none);
            return;
        }
        let unused = u64::from(self.unused).min(bytes);
        self.unused -= unused as u32;
        ledger.missing(bytes, unused);
    }

    /// Bytes that were captured ahead of the next are dropped: they will be in a hole.
    fn count_unused(&mut self, bytes: u64) {
        self.unused = self.unused.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Since when bytes have been missing: what lies behind the gap is as old as that. Several gaps wait at the same time.
    fn first_parked(&self) -> Time {
        self.parked.first_key_value().map_or(Time::NEVER, |(_, parked)| parked.since)
    }

    /// A segment of a session that is over, or given up: what of it is new counts as dropped for `reason`.
    pub(super) fn account_late(
        &mut self,
        segment: &Segment<'_>,
        reason: DropReason,
        ledger: &mut LedgerWriter,
    ) {
        let length = segment.payload.len() as u64;
        let distance = segment.seq.distance(self.next);
        let (behind, ahead) = (u64::from(distance.min(0).unsigned_abs()), distance.max(0));
        let known = behind.min(length);
        let new = length - known;
        ledger.capture(length);
        self.account_known(behind, known, reason, ledger);
        self.drop(reason, new, ledger);
        if new > 0 && self.is_plausible(segment) {
            let at = self.position + u64::from(ahead.unsigned_abs());
            self.note_hole(self.position..at);
            self.count_gap(ahead, ledger);
            self.next = segment.seq + segment.payload.len() as u32;
            self.position = at + new;
        }
    }

    /// The segment brings what was given up as missing, far behind where the stream seems to be.
    fn is_late(&self, segment: &Segment<'_>) -> bool {
        let distance = segment.seq.distance(self.next);
        let behind = distance.min(0).unsigned_abs();
        behind > LATE
            && !segment.payload.is_empty()
            && self.holes.as_ref().is_some_and(|holes| holes.contain(self.before(behind.into())))
    }

    /// Accounts for bytes that stand before the next one, the first of them so far `behind` it: they were seen before, or
    /// given up as missing, and are dropped for `reason` now.
    fn account_known(&mut self, behind: u64, bytes: u64, reason: DropReason, ledger: &mut LedgerWriter) {
        let late = self.fill(self.before(behind)..self.before(behind.saturating_sub(bytes)));
        ledger.not_missing(late);
        self.drop(reason, late, ledger);
        // Where the stream was joined, what came before that is new.
        let new = if self.is_joined() { behind.saturating_sub(self.position).min(bytes) } else { 0 };
        self.drop(DropReason::JoinedMidTurn, new, ledger);
        ledger.duplicate(bytes - late - new);
    }

    /// All in `range` is given up as missing.
    fn note_hole(&mut self, range: Range<u64>) {
        if !range.is_empty() {
            self.holes.get_or_insert_default().add(range);
        }
    }

    /// What is in `range` has come: how much of it had been given up.
    fn fill(&mut self, range: Range<u64>) -> u64 {
        self.holes.as_mut().map_or(0, |holes| holes.fill(range))
    }

    /// The position so many bytes before the next; the first if there is none.
    fn before(&self, bytes: u64) -> u64 {
        self.position.saturating_sub(bytes)
    }

    /// Drops all that is parked, for `reason`.
    pub(super) fn discard_parked(&mut self, reason: DropReason, ledger: &mut LedgerWriter) {
        let bytes = std::mem::take(&mut self.parked_bytes);
        self.count_unused(bytes);
        self.parked.clear();
        self.drop(reason, bytes, ledger);
    }

    /// The first reason for which anything of the stream was dropped here.
    pub(super) fn first_drop(&self) -> Option<DropReason> {
        self.first_drop
    }

    fn drop(&mut self, reason: DropReason, bytes: u64, ledger: &mut LedgerWriter) {
        if bytes > 0 {
            self.first_drop.get_or_insert(reason);
            ledger.drop_bytes(reason, bytes);
        }
    }
}

/// Answer bytes that a client saw between two of its segments.
fn need(last: Seq, ack: Seq) -> u32 {
    ack.distance(last).max(0).unsigned_abs()
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
        client_stream.push(
            Time::ZERO,
            &segment(ISN + 1, ONLINE_ISN + 1, Flags::PSH, b"first"),
            &mut turn_queue,
            &mut ledger,
        );
        for seen in [100 << 20, 1 << 31, u32::MAX] {
            let next = segment(ISN + 6, ONLINE_ISN + 1 + seen, Flags::PSH, b"next");
            assert!(client_stream.is_plausible(&next));
        }
        let next = segment(ISN + 6, ONLINE_ISN + 1 + (100 << 20), Flags::PSH, b"next");
        client_stream.push(Time::ZERO, &next, &mut turn_queue, &mut ledger);
        assert_eq!(ledger.turns.seen, 2);
        assert_eq!(ledger.bytes.pending, 9);
        turn_queue.pop_turn();
        assert_eq!(turn_queue.next_turn().map(|turn| turn.need), Some(100 << 20));
    }
}
