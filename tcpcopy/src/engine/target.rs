//! The shared knowledge about a test server.

use std::time::Duration;

use common_core::time::Time;

use crate::ledger::TargetCounts;
use crate::session::{Pacing, Trials};
use crate::settings::OnReconnect;

/// Shared by all sessions of one transfer in one engine: a session need not learn what another one has found out.
#[derive(Debug)]
pub(crate) struct Target {
    /// What was sent to it, and what came back.
    pub(crate) counts: TargetCounts,
    /// The pace of its answers.
    pub(crate) pacing: Pacing,
    /// The user's setting for its sessions.
    pub(crate) on_reconnect: OnReconnect,
    /// New connections in mid-stream of sessions whose protocol is unknown.
    pub(crate) unknown: Trials,
    /// First connections of sessions that were joined late, whose protocol is stateless.
    pub(crate) joined: Trials,
    /// Whether sessions begin with a header of the PROXY protocol.
    pub(crate) preambles: Preambles,
    /// When a segment of the server was received last, and whether something was retransmitted to it since.
    last_received: Time,
    sent_again: bool,
    /// The last question that the transfer's online server has answered; 0 if none.
    pub(crate) question: u64,
    /// When that answer came: all packets captured before had been handled by then.
    pub(crate) answered: Time,
}

/// The beginnings of sessions that are seen from their start. If most begin with a preamble, the server accepts no
/// connection without it. A few prove nothing: anybody can send such bytes to any service.
#[derive(Debug, Default)]
pub(crate) struct Preambles(i8);

impl Preambles {
    /// This many sessions of one kind outweigh all before them.
    const MAX: i8 = 16;

    /// A session has begun, with a preamble or without.
    pub(crate) fn note(&mut self, preamble: bool) {
        let step = if preamble { 1 } else { -1 };
        self.0 = (self.0 + step).clamp(-Self::MAX, Self::MAX);
    }

    /// The server accepts no connection without a preamble.
    pub(crate) fn are_wanted(&self) -> bool {
        self.0 > 0
    }
}

/// A test server that was silent for this long, although something was retransmitted to it, was away.
const AWAY: Duration = Duration::from_secs(1);

/// A test server that has answered others within this time before it was asked is there. It may have answered all others.
const AROUND: Duration = Duration::from_secs(5);

impl Target {
    pub(super) fn new(on_reconnect: OnReconnect) -> Self {
        Self {
            counts: TargetCounts::default(),
            pacing: Pacing::default(),
            on_reconnect,
            unknown: Trials::default(),
            joined: Trials::presumed(),
            preambles: Preambles::default(),
            last_received: Time::ZERO,
            sent_again: false,
            question: 0,
            answered: Time::ZERO,
        }
    }

    /// Something was retransmitted to it.
    pub(crate) fn sent_again(&mut self) {
        self.counts.sent_again += 1;
        self.sent_again = true;
    }

    /// Others got answers around that time, or nobody has ever got one: silence towards one connection is about its four-tuple, as
    /// far as is known.
    pub(crate) fn answers_others_around(&self, time: Time) -> bool {
        self.last_received == Time::ZERO || self.last_received + AROUND > time
    }

    /// A segment of it was received. True if it was away until now.
    pub(super) fn is_back(&mut self, now: Time) -> bool {
        self.counts.received += 1;
        let away = std::mem::take(&mut self.sent_again) && now > self.last_received + AWAY;
        self.last_received = now;
        away
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_sessions_do_not_tell_how_most_begin() {
        let mut preambles = Preambles::default();
        assert!(!preambles.are_wanted());
        preambles.note(true);
        assert!(preambles.are_wanted(), "no other was seen");
        (0..1000).for_each(|_| preambles.note(false));
        (0..Preambles::MAX).for_each(|_| preambles.note(true));
        assert!(!preambles.are_wanted());
        (0..1000).for_each(|_| preambles.note(true));
        (0..Preambles::MAX - 1).for_each(|_| preambles.note(false));
        assert!(preambles.are_wanted());
    }

    #[test]
    fn a_test_server_that_is_seldom_heard_of_was_not_away() {
        let mut target = Target::new(OnReconnect::Recognise);
        let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
        assert!(!target.is_back(at(10)));
        assert!(!target.is_back(at(20)), "nothing was said to it");
        target.sent_again();
        assert!(!target.is_back(at(20)) && !target.is_back(at(30)), "one packet was lost");
        target.sent_again();
        assert!(target.is_back(at(40)));
    }
}
