//! What the server has answered, beside what it had answered in the recording.

use std::sync::atomic::Ordering::Relaxed;

use super::sending::{Recorded, Sent};
use super::{Player, SLOWER};
use crate::inspect::port;
use crate::inspect::show::outcome_lines;
use crate::recording::Micros;
use crate::recording::record::{Answer, ErrorText, Outcome, Session};
use crate::replay::compare::difference;
use crate::replay::link::{InFlight, Link};
use crate::report::{self, Played};

/// Statements whose recorded answer is awaited: a recording without answers must not cost memory.
const UNCOMPARED_MAX: usize = 1000;

impl Player {
    /// The recorded answer to an earlier statement.
    pub(super) fn recorded(&mut self, answer: Answer) {
        let Some(Some(number)) = self.awaited.pop_front() else { return };
        if let Some(at) = self.uncompared.iter().position(|(it, ..)| *it == number) {
            let Some((_, mut played, outcomes)) = self.uncompared.remove(at) else { return };
            played.recorded = Some(answer.took);
            self.round.shared.report().add(played, Some(difference(&answer.answer, &outcomes)));
            return;
        }
        let in_flight = self.link.as_mut().map(Link::in_flight_mut);
        if let Some(sent) = in_flight.and_then(|all| all.iter_mut().find(|it| it.with.number == number)) {
            let slower = Micros(sent.with.sent.0 + SLOWER * answer.took.0);
            sent.with.until = sent.with.until.max(slower);
            sent.with.played.recorded = Some(answer.took);
            sent.with.recorded = Recorded::Answer(answer.answer);
        }
    }

    /// The server has said something, or the connection has broken.
    pub(super) fn answered(&mut self, is_connected: bool) {
        let now = self.now();
        let Some(link) = &mut self.link else { return };
        let mut answered = Vec::new();
        while let Some(group) = link.take_answered() {
            answered.push(group);
        }
        if !answered.is_empty() {
            self.ready = now;
        }
        let fatal = if is_connected { None } else { Some(link.take_fatal()) };
        for group in answered {
            self.complete(now, group);
        }
        if let Some(fatal) = fatal {
            self.broken(now, fatal);
        }
    }

    fn complete(&mut self, now: Micros, group: InFlight<Sent>) {
        let InFlight {
            outcomes, with: Sent { number, sent, is_timed_out, mut played, recorded, .. }, ..
        } = group;
        played.took = now.since(sent);
        played.error = outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Error(error) => Some(error.name()),
            _ => None,
        });
        let shared = &self.round.shared;
        shared.done.fetch_add(played.executions, Relaxed);
        if shared.options.verbose {
            say(&self.session, &played, &outcomes);
        }
        let is_unexpected = played.error.is_some()
            && !matches!(&recorded, Recorded::Answer(answer) if difference(answer, &outcomes).is_none());
        let mut report = shared.report();
        report.timed_out += u64::from(is_timed_out);
        match recorded {
            Recorded::No => report.add(played, None),
            Recorded::Answer(answer) => report.add(played, Some(difference(&answer, &outcomes))),
            Recorded::Later => {
                self.uncompared.push_back((number, played, outcomes));
                if self.uncompared.len() > UNCOMPARED_MAX
                    && let Some((_, played, _)) = self.uncompared.pop_front()
                {
                    report.add(played, None);
                }
            }
        }
        drop(report);
        if is_unexpected && shared.options.stop_on_error {
            shared.stop();
        }
    }

    /// The connection is gone: what was on its way has no answer, and the next statement makes a new one.
    pub(super) fn broken(&mut self, now: Micros, fatal: Option<ErrorText>) {
        let Some(mut link) = self.link.take() else { return };
        self.round.shared.report().broken += 1;
        while let Some(mut group) = link.in_flight_mut().pop_front() {
            let has_error = group.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Error(_)));
            if !has_error {
                let error = fatal.clone().unwrap_or_else(|| error("08006", "the connection has broken"));
                group.outcomes.push(Outcome::Error(error));
            }
            self.complete(now, group);
        }
    }
}

/// Prints the statement with its first rows, at once: other sessions print theirs.
fn say(session: &Session, played: &Played, outcomes: &[Outcome]) {
    let text = played.fingerprint.as_deref().unwrap_or("(no statement)");
    let port = port(&session.client).unwrap_or_default();
    let mut lines = format!("{port:>5} {:>10.3} ms  {text}\n", played.took.0 as f64 / 1e3);
    lines.extend(outcomes.iter().map(|outcome| outcome_lines(outcome, 21)));
    report::say(&lines);
}

/// An error that the replayer itself makes.
pub(super) fn error(sqlstate: &str, message: &str) -> ErrorText {
    ErrorText { code: None, sqlstate: sqlstate.to_owned(), message: message.into() }
}
