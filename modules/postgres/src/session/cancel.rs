//! CancelRequest, which names a connection by the online server's key: the test server gets its own key of the copy, once
//! the copy is where its victim was.
//!
//! The copy is there when every turn of the victim that was captured before the CancelRequest has gone to the test server, and
//! when that has executed the last of them for as long as the online server had. If it was executed in less time, the cancel
//! found nothing to do in production either, unless the online server tells the victim that it has cancelled something.

use std::sync::Arc;
use std::time::Duration;

use module_kit::edits::{Edits, Fate};
use module_kit::{Loss, Moment, Stamp, Time};
use postgres_wire::opening::Opening;

use super::Session;
use super::connections::{BackendKey, Cancelling, Copied};
use crate::counters::{Event, LeftOut};

/// Another worker has read by then what was captured before the CancelRequest.
const READ_WITHIN: Duration = Duration::from_millis(10);

/// How often a CancelRequest that waits looks at its victim, and a victim at the CancelRequest.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The online server tells a victim within this time that its statement is cancelled.
const TOLD_WITHIN: Duration = Duration::from_millis(250);

/// A CancelRequest waits no longer than this.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The CancelRequest of a session.
#[derive(Debug)]
pub(super) enum Cancel {
    /// It is due, and waits for its victim.
    Due(Due),
    /// It was sent.
    Sent(#[expect(dead_code, reason = "its end lets the victim go on")] Cancelling),
}

/// When the CancelRequest that is due was captured, and when it fell due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    stamp: Stamp,
    captured: Time,
    since: Time,
}

/// What the state of a victim's copy means for a CancelRequest.
#[derive(Debug, PartialEq, Eq)]
enum Aim {
    /// It is not where its victim was.
    NotYet,
    Now,
    /// The victim was idle.
    Nothing,
    /// The statement that was cancelled in production is over.
    Late,
}

impl Due {
    fn aim(&self, victim: &Copied, now: Time) -> Aim {
        let (waiting_since, executing) = victim.state();
        if executing.turn > self.stamp {
            return Aim::Late;
        }
        if now < self.captured + READ_WITHIN || waiting_since < self.stamp || executing.next < self.stamp {
            return Aim::NotYet;
        }
        let ran = self.stamp.since(executing.turn);
        if executing.ended == Time::NEVER {
            return if now < executing.begun + ran { Aim::NotYet } else { Aim::Now };
        }
        if executing.ended.since(executing.begun) > ran || victim.cancelled() + READ_WITHIN >= self.captured {
            return Aim::Late;
        }
        if now < self.captured + TOLD_WITHIN { Aim::NotYet } else { Aim::Nothing }
    }
}

impl Session {
    /// A CancelRequest of `length` bytes. It is called again if that waits.
    pub(super) fn cancel(&mut self, pid: u32, key: &[u8], length: usize, edits: &mut Edits<'_>) {
        let Moment { now, captured, stamp, .. } = edits.actions().moment();
        let due = match self.cancel {
            Some(Cancel::Due(due)) => due,
            _ => Due { stamp, captured, since: now },
        };
        self.cancel = Some(Cancel::Due(due));
        let online = BackendKey { pid, key: key.to_vec() };
        let Some(victim) = self.identity.others().copy_of(&online) else {
            return self.leave_out_cancel(LeftOut::CancelUnknown, length, edits);
        };
        match (due.aim(&victim, now), victim.test()) {
            (Aim::NotYet, _) if now >= due.since + WAIT_MAX => {
                self.leave_out_cancel(LeftOut::CancelVictimBehind, length, edits);
            }
            (Aim::NotYet, _) => edits.actions().call_again_at(now + LOOK_EVERY),
            (Aim::Nothing, _) => {
                self.shared.counters.sessions.count(Event::CancelOfIdle);
                edits.take(length, Fate::Replace);
            }
            (Aim::Late, _) => self.leave_out_cancel(LeftOut::CancelLate, length, edits),
            (Aim::Now, None) => self.leave_out_cancel(LeftOut::CancelUnknown, length, edits),
            (Aim::Now, Some(test)) => {
                let mut message = Vec::new();
                Opening::Cancel { pid: test.pid, key: &test.key }.write(&mut message);
                edits.take(length, Fate::Replace);
                edits.send(&message);
                self.shared.counters.sessions.count(Event::CancelMapped);
                self.cancel = Some(Cancel::Sent(Cancelling::new(Arc::clone(&victim))));
            }
        }
    }

    fn leave_out_cancel(&mut self, why: LeftOut, length: usize, edits: &mut Edits<'_>) {
        self.cancel = None;
        self.left_out(why);
        edits.take(length, Fate::LeaveOut(Loss::LeftOut));
    }
}
