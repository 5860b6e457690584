//! The account of everything that was captured.
//!
//! Two sums hold at any moment ([`Ledger::balances`]): every byte of client payload is a duplicate, pending, replayed
//! or dropped for one named reason, and every session is active, replayed whole, or ended for one named reason.
//! [`LedgerWriter`] alone changes a ledger: it moves bytes, sessions and turns from one place to another.

mod counts;
mod gauge;
mod lag;
mod reason;
mod writer;

use common_core::time::Time;

pub use self::counts::{Bytes, Gaps, Ledger, Modules, Packets, Sessions, TargetCounts, Tcp, Turns};
pub use self::gauge::{Largest, RoundTrip};
pub use self::lag::Waiting;
pub(crate) use self::reason::ReleaseReason;
pub use self::reason::{ByReason, DropReason};
pub(crate) use self::writer::{LedgerWriter, Outcome, Overhead, PacketKind};

impl Ledger {
    /// The account at `now`: the age of the oldest waiting turn is filled in.
    #[must_use]
    pub fn at(mut self, now: Time) -> Self {
        self.turns.oldest_waiting_seconds = Largest(self.turns.waiting.age(now).as_secs());
        self
    }

    /// Bytes that clients are known to have sent, without duplicates: the captured ones, and those known to be missing.
    /// Bytes that a protocol module replaced, or that the online server has not accepted, do not count. Never less than the replayed bytes.
    #[must_use]
    pub fn client_bytes(&self) -> u64 {
        let Bytes { captured, duplicate, dropped, .. } = &self.bytes;
        let once = captured.saturating_sub(*duplicate + dropped.no_loss());
        once.saturating_sub(self.gaps.captured) + self.gaps.bytes
    }

    /// Sessions that are to be replayed: those with data that the online server has accepted, and those that may become so.
    #[must_use]
    pub fn client_sessions(&self) -> u64 {
        let Sessions { seen, without_data, incomplete, .. } = &self.sessions;
        seen.saturating_sub(without_data + incomplete.no_loss())
    }

    /// No byte of a client is known to be lost.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.bytes.dropped.total() == self.bytes.dropped.no_loss()
            && self.sessions.incomplete.total() == self.sessions.incomplete.no_loss()
            && self.gaps.count == 0
            && self.turns.cut_off == 0
    }

    /// Whether all sums hold. They always should: anything else is a defect of this program.
    #[must_use]
    pub fn balances(&self) -> bool {
        let bytes = &self.bytes;
        let packets = &self.packets;
        let sessions = &self.sessions;
        bytes.captured == bytes.duplicate + bytes.pending + bytes.replayed + bytes.dropped.total()
            && sessions.seen
                == sessions.active + sessions.replayed + sessions.without_data + sessions.incomplete.total()
            && packets.captured
                == packets.client
                    + packets.online_syn_ack
                    + packets.online_resets
                    + packets.online_answers
                    + packets.own
                    + packets.unrelated
                    + packets.unreadable
    }
}
