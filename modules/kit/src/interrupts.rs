//! Requests of one connection to interrupt what another one executes (KILL, CancelRequest). The copy of the victim need not be
//! where its victim was: the request must hit the same statement as in production, or nothing.
//!
//! The copy is there when every turn of the victim that was captured before the request has gone to the test server, and when
//! that has executed the last of them for as long as the online server had. If it was executed in less time, the request found
//! nothing to do in production either, unless the online server tells the victim that it has interrupted something.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common_core::time::{Stamp, Time};

use crate::Moment;
use crate::progress::Progress;

/// Another worker has read by then what was captured before the request.
const READ_WITHIN: Duration = Duration::from_millis(10);

/// The online server tells a victim within this time that its statement is interrupted.
const TOLD_WITHIN: Duration = Duration::from_millis(250);

/// A request waits no longer than this for its victim.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// How often a request that waits looks at its victim, and a victim at the request.
pub const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Turns that are not answered, and are kept.
const TURNS_MAX: usize = 1024;

/// A session, as those that may interrupt it see it, on whatever thread they are.
#[derive(Debug, Default)]
pub struct Victim {
    progress: Arc<Progress>,
    executing: Mutex<Executing>,
    /// When the online server last said that a statement was interrupted.
    told: AtomicU64,
    /// Requests on their way to the test server.
    requests: AtomicU32,
}

impl Victim {
    /// Where the engine writes how far the session has come.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// The online server has said that it has interrupted a statement of this session.
    pub fn set_told(&self, now: Time) {
        self.told.store(now.as_micros(), Ordering::Relaxed);
    }

    /// Whether a request is on its way to the test server. Then the session must begin nothing else.
    #[must_use]
    pub fn is_being_interrupted(&self) -> bool {
        self.requests.load(Ordering::Acquire) > 0
    }

    fn told(&self) -> Time {
        Time::from_micros(self.told.load(Ordering::Relaxed))
    }

    /// The first turn that has not gone to the test server, and what that executes.
    fn state(&self) -> (Stamp, Executing) {
        let waiting_since = self.progress.reached().waiting_since;
        // The newer of both: a turn shows as executed before it shows as taken.
        (waiting_since, *self.executing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the test server executes, or has executed last. A turn may go to it before the one before is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Executing {
    /// The client's turn.
    turn: Stamp,
    /// When the server began with it.
    begun: Time,
    /// When it had answered; [`Time::NEVER`] if it has not.
    ended: Time,
    /// The next turn that it has got; [`Stamp::NEVER`] if there is none, [`Stamp::FIRST`] if that is not known.
    next: Stamp,
}

impl Default for Executing {
    fn default() -> Self {
        Self { turn: Stamp::FIRST, begun: Time::ZERO, ended: Time::ZERO, next: Stamp::NEVER }
    }
}

/// The session's side: follows what the test server executes, and shows it.
#[derive(Debug, Default)]
pub struct Execution {
    victim: Arc<Victim>,
    /// The turns that the test server has not answered, one for each command.
    turns: VecDeque<Stamp>,
    shown: Executing,
}

impl Execution {
    /// The session, as others see it.
    #[must_use]
    pub fn victim(&self) -> &Arc<Victim> {
        &self.victim
    }

    /// How many commands the test server has not answered; `None` if that is not known. To be called after each event of the
    /// session.
    pub fn set_unanswered(&mut self, commands: Option<u64>, moment: Moment) {
        let known =
            commands.and_then(|count| usize::try_from(count).ok()).filter(|count| *count <= TURNS_MAX);
        let was_unknown = self.shown.next == Stamp::FIRST;
        let mut shown = self.shown;
        match known {
            None => {
                self.turns.clear();
                (shown.ended, shown.next) = (Time::NEVER, Stamp::FIRST);
            }
            // What it has executed meanwhile is not known.
            Some(0) if was_unknown => {
                shown = Executing {
                    turn: moment.stamp,
                    begun: moment.now,
                    ended: moment.now,
                    next: Stamp::NEVER,
                };
            }
            // Nor which of them are answered.
            Some(_) if was_unknown => {}
            Some(count) => self.answered_but(count, &mut shown, moment),
        }
        if shown != self.shown {
            self.shown = shown;
            *self.victim.executing.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        }
    }

    fn answered_but(&mut self, count: usize, shown: &mut Executing, moment: Moment) {
        let was_idle = self.turns.is_empty();
        let answered = self.turns.len().saturating_sub(count);
        self.turns.drain(..answered);
        self.turns.resize(count, moment.stamp);
        match self.turns.front() {
            None if was_idle => {}
            None => (shown.ended, shown.next) = (moment.now, Stamp::NEVER),
            Some(turn) => {
                if was_idle || answered > 0 {
                    (shown.turn, shown.begun, shown.ended) = (*turn, moment.now, Time::NEVER);
                }
                shown.next = self.turns.get(1).copied().unwrap_or(Stamp::NEVER);
            }
        }
    }

    /// The memory that is allocated for it, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of::<Victim>() + size_of::<Progress>() + self.turns.capacity() * size_of::<Stamp>()
    }
}

/// A request that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    stamp: Stamp,
    captured: Time,
    since: Time,
}

/// What the state of a victim's copy means for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// It is not where its victim was.
    NotYet,
    /// It has not been there for long, and the request has waited long enough.
    Behind,
    /// It executes what was interrupted in production.
    Now,
    /// Victim and copy are idle, unless the online server tells the victim within a moment that it has interrupted something.
    IdlePerhaps,
    /// The same for certain.
    Idle,
    /// What was interrupted in production is over.
    Late,
}

impl Due {
    /// The request falls due now.
    #[must_use]
    pub fn now(moment: Moment) -> Self {
        Self { stamp: moment.stamp, captured: moment.captured, since: moment.now }
    }

    /// Where the request would hit its victim.
    #[must_use]
    pub fn aim(&self, victim: &Victim, now: Time) -> Aim {
        match self.hit(victim, now) {
            Aim::NotYet if now >= self.since + WAIT_MAX => Aim::Behind,
            aim => aim,
        }
    }

    fn hit(&self, victim: &Victim, now: Time) -> Aim {
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
        if executing.ended.since(executing.begun) > ran || victim.told() + READ_WITHIN >= self.captured {
            return Aim::Late;
        }
        if now < self.captured + TOLD_WITHIN { Aim::IdlePerhaps } else { Aim::Idle }
    }
}

/// A request on its way to the test server: its victim begins nothing else as long as this lives.
#[derive(Debug)]
pub struct Interrupting(Arc<Victim>);

impl Interrupting {
    /// The request is sent.
    #[must_use]
    pub fn new(victim: Arc<Victim>) -> Self {
        victim.requests.fetch_add(1, Ordering::AcqRel);
        Self(victim)
    }
}

impl Drop for Interrupting {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In milliseconds, on both clocks.
    fn at(millis: u64) -> Moment {
        Moment {
            now: Time::from_micros(millis * 1000),
            captured: Time::from_micros(millis * 1000),
            stamp: Stamp::from_nanos(millis * 1_000_000),
            next_captured: None,
        }
    }

    fn now(millis: u64) -> Time {
        at(millis).now
    }

    #[test]
    fn a_statement_that_waits_in_the_server_is_not_hit() {
        let mut execution = Execution::default();
        execution.set_unanswered(Some(1), at(1000));
        execution.set_unanswered(Some(2), at(1100));
        let due = Due::now(at(1300));
        assert_eq!(
            due.aim(execution.victim(), now(1305)),
            Aim::NotYet,
            "another worker may not have read all"
        );
        assert_eq!(due.aim(execution.victim(), now(3000)), Aim::NotYet, "the first would be hit");
        execution.set_unanswered(Some(1), at(3000));
        assert_eq!(due.aim(execution.victim(), now(3199)), Aim::NotYet);
        assert_eq!(due.aim(execution.victim(), now(3200)), Aim::Now);
        execution.set_unanswered(Some(0), at(3150));
        assert_eq!(due.aim(execution.victim(), now(3200)), Aim::Idle);
        execution.victim().set_told(now(1310));
        assert_eq!(due.aim(execution.victim(), now(3200)), Aim::Late);
    }

    #[test]
    fn what_is_executed_may_not_be_known() {
        let mut execution = Execution::default();
        execution.set_unanswered(Some(1), at(1000));
        execution.set_unanswered(None, at(1100));
        let due = Due::now(at(1300));
        execution.set_unanswered(Some(1), at(1400));
        assert_eq!(due.aim(execution.victim(), now(6299)), Aim::NotYet);
        assert_eq!(due.aim(execution.victim(), now(6300)), Aim::Behind);
        execution.set_unanswered(Some(0), Moment { stamp: at(1100).stamp, ..at(2000) });
        assert_eq!(due.aim(execution.victim(), now(2000)), Aim::Idle);
        execution.set_unanswered(Some(1), at(2100));
        assert_eq!(due.aim(execution.victim(), now(2200)), Aim::Late);
        assert_eq!(Due::now(at(2200)).aim(execution.victim(), now(2300)), Aim::Now, "it is known again");
    }

    #[test]
    fn a_victim_knows_of_a_request_on_its_way() {
        let execution = Execution::default();
        let request = Interrupting::new(Arc::clone(execution.victim()));
        assert!(execution.victim().is_being_interrupted());
        drop(request);
        assert!(!execution.victim().is_being_interrupted());
    }
}
