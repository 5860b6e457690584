//! The only way to change a ledger.

use std::ops::{AddAssign, Deref};
use std::time::Duration;

use common_core::time::Time;

use super::{DropReason, Ledger, ReleaseReason, Tcp};

/// A turn that is released later than this after its capture is late.
const LATE: Duration = Duration::from_secs(1);

/// The class of a captured packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PacketKind {
    Client,
    OnlineSynAck,
    OnlineReset,
    OnlineAnswer,
    Own,
    Unrelated,
    Unreadable,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it was replayed.
    Whole,
    /// There was nothing to replay: neither side said a word.
    WithoutData,
    /// The first reason why a part of it was not replayed.
    Incomplete(DropReason),
}

/// Memory of sessions beside their pending bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Overhead {
    /// Segments that wait ahead of a gap.
    pub(crate) parked: u64,
    /// Turns, and runs of bytes not acknowledged yet, in bytes.
    pub(crate) turns: u64,
    /// Protocol modules, in bytes.
    pub(crate) modules: u64,
}

impl AddAssign for Overhead {
    fn add_assign(&mut self, other: Self) {
        self.parked += other.parked;
        self.turns += other.turns;
        self.modules += other.modules;
    }
}

/// Writes a ledger. Each method keeps the sums of [`Ledger::balances`].
#[derive(Debug, Default)]
pub(crate) struct LedgerWriter(Ledger);

impl Deref for LedgerWriter {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.0
    }
}

impl LedgerWriter {
    /// A packet was captured.
    pub(crate) fn packet(&mut self, kind: PacketKind) {
        let packets = &mut self.0.packets;
        packets.captured += 1;
        *match kind {
            PacketKind::Client => &mut packets.client,
            PacketKind::OnlineSynAck => &mut packets.online_syn_ack,
            PacketKind::OnlineReset => &mut packets.online_resets,
            PacketKind::OnlineAnswer => &mut packets.online_answers,
            PacketKind::Own => &mut packets.own,
            PacketKind::Unrelated => &mut packets.unrelated,
            PacketKind::Unreadable => &mut packets.unreadable,
        } += 1;
    }

    /// The client's packet came from a loopback address, and its target is elsewhere.
    pub(crate) fn loopback_packet(&mut self) {
        self.0.packets.loopback += 1;
    }

    /// The packet is one of a copy that another tcpcopy sends.
    pub(crate) fn copy_of_another(&mut self) {
        self.0.packets.copy_of_another += 1;
    }

    /// The client's packet has no session.
    pub(crate) fn stray_packet(&mut self) {
        self.0.packets.stray += 1;
    }

    /// A session begins; it is active.
    pub(crate) fn session_begins(&mut self) {
        self.0.sessions.seen += 1;
        self.0.sessions.active += 1;
    }

    /// The session that begins was joined in mid-stream.
    pub(crate) fn session_joined(&mut self) {
        self.0.sessions.joined += 1;
    }

    /// An active session ends.
    pub(crate) fn session_ends(&mut self, outcome: Outcome) {
        let sessions = &mut self.0.sessions;
        sessions.active -= 1;
        match outcome {
            Outcome::Whole => sessions.replayed += 1,
            Outcome::WithoutData => sessions.without_data += 1,
            Outcome::Incomplete(reason) => sessions.incomplete.add(reason, 1),
        }
    }

    /// Takes a sample of the round trip to clients.
    pub(crate) fn client_round_trip(&mut self, sample: Duration) {
        self.0.sessions.client_round_trip_us.add(sample);
    }

    /// Payload bytes of a client were captured; they are pending.
    pub(crate) fn capture(&mut self, bytes: u64) {
        self.0.bytes.captured += bytes;
        self.0.bytes.pending += bytes;
    }

    /// Pending bytes are about to be captured once more, by their session.
    pub(crate) fn hand_over(&mut self, bytes: u64) {
        self.0.bytes.captured -= bytes;
        self.0.bytes.pending -= bytes;
    }

    /// Pending bytes turn out to be duplicates.
    pub(crate) fn duplicate(&mut self, bytes: u64) {
        self.0.bytes.pending -= bytes;
        self.0.bytes.duplicate += bytes;
    }

    /// Pending bytes are dropped.
    pub(crate) fn drop_bytes(&mut self, reason: DropReason, bytes: u64) {
        self.0.bytes.pending -= bytes;
        self.0.bytes.dropped.add(reason, bytes);
    }

    /// Pending bytes were acknowledged by the test server.
    pub(crate) fn replay(&mut self, bytes: u64) {
        self.0.bytes.pending -= bytes;
        self.0.bytes.replayed += bytes;
    }

    /// Replayed bytes turn out to be lost.
    pub(crate) fn take_back(&mut self, reason: DropReason, bytes: u64) {
        self.0.bytes.replayed -= bytes;
        self.0.bytes.dropped.add(reason, bytes);
    }

    /// A gap is given up.
    pub(crate) fn gap(&mut self) {
        self.0.gaps.count += 1;
    }

    /// Bytes are missing in a stream; `captured` of them were captured but not used.
    pub(crate) fn missing(&mut self, bytes: u64, captured: u64) {
        self.0.gaps.bytes += bytes;
        self.0.gaps.captured += captured;
    }

    /// Missing bytes were captured after all.
    pub(crate) fn not_missing(&mut self, bytes: u64) {
        self.0.gaps.bytes = self.0.gaps.bytes.saturating_sub(bytes);
    }

    /// A client begins a turn; it waits for its release.
    pub(crate) fn turn_begins(&mut self, captured: Time) {
        self.0.turns.seen += 1;
        self.0.turns.waiting.enter(captured);
    }

    /// A waiting turn is dropped.
    pub(crate) fn turn_dropped(&mut self, captured: Time) {
        self.0.turns.dropped += 1;
        self.0.turns.waiting.leave(captured);
    }

    /// A waiting turn is released.
    pub(crate) fn turn_released(&mut self, captured: Time, now: Time, reason: ReleaseReason) {
        let turns = &mut self.0.turns;
        turns.waiting.leave(captured);
        let wait = now.since(captured);
        turns.late += u64::from(wait > LATE);
        turns.longest_wait_ms.note(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        *match reason {
            ReleaseReason::AtOnce => &mut turns.at_once,
            ReleaseReason::Answered => &mut turns.answered,
            ReleaseReason::AnswerEnded => &mut turns.answer_ended,
            ReleaseReason::TimedOut => &mut turns.timed_out,
            ReleaseReason::ModuleReady => &mut turns.module_ready,
        } += 1;
    }

    /// The server closed without an answer to a turn that it had acknowledged.
    pub(crate) fn turn_cut_off(&mut self) {
        self.0.turns.cut_off += 1;
    }

    /// The counts of the TCP clients: no sum depends on them.
    pub(crate) fn tcp(&mut self) -> &mut Tcp {
        &mut self.0.tcp
    }

    /// A module received bytes of the online server's answers.
    pub(crate) fn online_bytes(&mut self, bytes: u64) {
        self.0.modules.online_bytes += bytes;
    }

    /// The memory of some sessions has changed.
    #[cold]
    pub(crate) fn meter(&mut self, before: Overhead, after: Overhead) {
        let Ledger { gaps, turns, modules, .. } = &mut self.0;
        gaps.out_of_order = gaps.out_of_order - before.parked + after.parked;
        turns.memory = turns.memory - before.turns + after.turns;
        modules.memory = modules.memory - before.modules + after.modules;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_sessions_and_turns_move_and_the_sums_hold() {
        let mut ledger = LedgerWriter::default();
        let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
        ledger.packet(PacketKind::Client);
        ledger.session_begins();
        ledger.capture(100);
        ledger.turn_begins(at(1));
        ledger.turn_begins(at(2));
        assert!(ledger.balances());
        ledger.duplicate(10);
        ledger.drop_bytes(DropReason::CaptureGap, 20);
        ledger.replay(60);
        ledger.take_back(DropReason::ClosedByServer, 15);
        ledger.turn_released(at(1), at(4), ReleaseReason::Answered);
        ledger.turn_dropped(at(2));
        ledger.session_ends(Outcome::Incomplete(DropReason::CaptureGap));
        assert!(ledger.balances());
        assert_eq!((ledger.bytes.pending, ledger.bytes.replayed, ledger.bytes.dropped.total()), (10, 45, 35));
        assert_eq!(
            (ledger.turns.late, ledger.turns.longest_wait_ms.0, ledger.turns.waiting.total()),
            (1, 3000, 0)
        );
    }

    #[test]
    fn memory_is_that_of_the_last_measurement() {
        let mut ledger = LedgerWriter::default();
        let (one, other) =
            (Overhead { parked: 1, turns: 96, modules: 500 }, Overhead { parked: 0, turns: 192, modules: 0 });
        ledger.meter(Overhead::default(), one);
        ledger.meter(Overhead::default(), one);
        ledger.meter(one, other);
        assert_eq!((ledger.gaps.out_of_order, ledger.turns.memory, ledger.modules.memory), (1, 288, 500));
    }
}
