//! Pacing by what the client had seen: when a turn may go out.
//!
//! A real client sent its turn after it had read so many bytes of the answer to the turn before. The copy goes out
//! once the test server has answered at least as many; or has plainly come to the end of a shorter answer (its last
//! segment was pushed and a short quiet time has passed); or has not answered for too long.

use std::time::Duration;

use common::time::Time;

/// How long a turn waits at most once the one before is acknowledged. What looks like a turn can be the middle of a
/// request (a client that pipelines sees answers while it writes), which no server answers: a session that has waited
/// in vain waits less the next time, down to the minimum, until answers have come for a while.
const PATIENCE_START: Duration = Duration::from_secs(5);
const PATIENCE_MIN: Duration = Duration::from_millis(5);

/// How long a turn waits for an answer of its own whose client has seen no more than was answered in all.
const SURPLUS_WAIT: Duration = Duration::from_millis(250);

/// Answers in a row that give a session that has lost its patience a part of it back.
const ANSWERS_TO_RECOVER: u32 = 16;

/// A session that has lost its patience and lags so far behind its client waits no more.
const LAG_MAX: Duration = Duration::from_millis(100);

/// The quiet time that tells the end of an answer from a pause in it, to begin with, and its bounds.
const QUIET_MIN: Duration = Duration::from_micros(200);
const QUIET_START: Duration = Duration::from_millis(2);
const QUIET_MAX: Duration = Duration::from_secs(1);

/// The same where much is missing, which looks like a pause, or where the client's end would cut the rest of an answer
/// off: longer than a server's retransmission takes.
const LONG_QUIET_START: Duration = Duration::from_millis(300);

/// Missing so much, in bytes, an answer more likely pauses than ends.
const MUCH: u64 = 16 << 10;

/// Why a turn was let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    AtOnce,
    Answered,
    AnswerEnded,
    InVain,
    ModuleReady,
}

/// The gate's word on a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Go(Pass),
    /// Ask again then, or when something was received.
    Wait(Time),
}

/// A quiet time that is learned: each one turns out to have been the end of an answer, or a pause in it.
#[derive(Debug)]
struct Quiet {
    time: Duration,
    on_trial: bool,
}

impl Quiet {
    fn new(time: Duration) -> Self {
        Self { time, on_trial: false }
    }

    /// Nothing of the earlier answer came late.
    fn was_end(&mut self) {
        if std::mem::take(&mut self.on_trial) {
            self.time = (self.time / 2).max(QUIET_MIN);
        }
    }

    /// More of the earlier answer came.
    fn was_pause(&mut self) {
        if std::mem::take(&mut self.on_trial) {
            self.time = (self.time * 4).min(QUIET_MAX);
        }
    }
}

/// The answer to the turn that was let go last.
#[derive(Debug)]
struct Answering {
    let_go: Time,
    /// Outbox offset where the turn begins: what the server sends without having acknowledged more than this answers
    /// an earlier turn.
    begins: u64,
    /// Answer bytes received before this turn's answer.
    base: u64,
    /// Answer bytes that should have come before this turn's answer, if both servers answer alike. What was received
    /// beyond it are answers that the client was still reading while it sent on.
    expected: u64,
    last_segment: Time,
    /// The last segment of the answer ended a write.
    pushed: bool,
    /// Some of it came.
    begun: bool,
}

/// The pacing of one connection.
#[derive(Debug)]
pub(super) struct Gate {
    answering: Option<Answering>,
    /// The next turn may go whatever was answered.
    open: Option<Pass>,
    /// Where little is missing, and where much is.
    quiet: Quiet,
    long_quiet: Quiet,
    /// Answer bytes that the client had seen on this connection by the turn that was let go last.
    seen_by_client: u64,
    patience: Duration,
    /// Turns in a row that were let go for an answer.
    answers: u32,
    /// A protocol module speaks first on each connection: it says what the test server wants to hear.
    with_module: bool,
    /// It has not come to an end with that, and no turn follows the one that is due.
    preparing: bool,
}

impl Gate {
    /// `with_module` if a protocol module stands behind it.
    pub(super) fn new(with_module: bool) -> Self {
        Self {
            answering: None,
            open: None,
            quiet: Quiet::new(QUIET_START),
            long_quiet: Quiet::new(LONG_QUIET_START),
            seen_by_client: 0,
            patience: PATIENCE_START,
            answers: 0,
            with_module,
            preparing: with_module,
        }
    }

    /// A turn is let go that begins at `begins` and whose client had seen `need` answer bytes since the turn before;
    /// `received` answer bytes came before.
    pub(super) fn turn_begins(&mut self, now: Time, begins: u64, need: u32, received: u64, pass: Pass) {
        let expected = match (&self.answering, pass) {
            (Some(before), Pass::Answered) => received.min(before.expected + u64::from(need)),
            (None, Pass::AtOnce) => received.min(u64::from(need)),
            // The servers do not answer alike: counting starts anew.
            _ => received,
        };
        self.quiet.was_end();
        self.long_quiet.was_end();
        if pass == Pass::AnswerEnded {
            let missing = self.missing(need, received);
            self.quiet_for(missing).on_trial = true;
        }
        self.seen_by_client += u64::from(need);
        self.learn_patience(pass, need, received);
        if self.open == Some(Pass::AtOnce) {
            self.open = None;
        }
        self.answering = Some(Answering {
            let_go: now,
            begins,
            base: received,
            expected,
            last_segment: now,
            pushed: false,
            begun: false,
        });
    }

    /// What is missing of the answer, in bytes.
    fn missing(&self, need: u32, received: u64) -> u64 {
        let base = self.answering.as_ref().map_or(0, |answering| answering.base);
        u64::from(need).saturating_sub(received - base)
    }

    fn quiet_for(&mut self, missing: u64) -> &mut Quiet {
        if missing > MUCH { &mut self.long_quiet } else { &mut self.quiet }
    }

    fn learn_patience(&mut self, pass: Pass, need: u32, received: u64) {
        let by_surplus =
            self.answering.as_ref().is_some_and(|before| received - before.base < u64::from(need));
        match pass {
            Pass::Answered if by_surplus => {
                self.patience = self.patience.min(PATIENCE_START / 4);
                self.answers = 0;
            }
            Pass::InVain => {
                self.patience = (self.patience / 4).max(PATIENCE_MIN);
                self.answers = 0;
            }
            Pass::Answered if self.patience < PATIENCE_START => {
                self.answers += 1;
                if self.answers == ANSWERS_TO_RECOVER {
                    self.patience = (self.patience * 2).min(PATIENCE_START);
                    self.answers = 0;
                }
            }
            _ => {}
        }
    }

    /// Waiting has been in vain for long, and the copy lags: no turn waits for anything any more.
    fn is_hopeless(&self, now: Time, captured: Time) -> bool {
        self.patience == PATIENCE_MIN && now.since(captured) > LAG_MAX
    }

    fn patience(&self, now: Time, captured: Time) -> Duration {
        if self.is_hopeless(now, captured) { Duration::ZERO } else { self.patience }
    }

    /// The connection is gone: no answer will come any more, and the next one begins in the middle of the stream. True
    /// if the last turn had no answer at all.
    pub(super) fn connection_lost(&mut self) -> bool {
        let unanswered = self.answering.take().is_some_and(|answering| !answering.begun);
        self.quiet.on_trial = false;
        self.long_quiet.on_trial = false;
        self.seen_by_client = 0;
        self.open = Some(Pass::AtOnce);
        self.preparing = self.with_module;
        unanswered
    }

    /// A module has declared the answer to all that was sent complete.
    pub(super) fn module_ready(&mut self) {
        self.open = Some(Pass::ModuleReady);
        self.preparing = false;
    }

    /// All that is due has been taken out by a module or sent, up to `end` of the outbox: a turn of which nothing was
    /// sent has no answer.
    pub(super) fn module_took_all(&mut self, end: u64) {
        if !self.preparing && self.answering.as_ref().is_some_and(|answering| answering.begins == end) {
            self.open = Some(Pass::ModuleReady);
        }
    }

    /// A turn has been let go, and a module prepares the connection for it: it logs in, say.
    pub(super) fn is_preparing(&self) -> bool {
        self.preparing && self.answering.is_some()
    }

    /// A module has sent something, which will have an answer of its own.
    pub(super) fn module_sent(&mut self) {
        self.open = None;
    }

    /// Answer bytes came: `received` in all, the server having acknowledged up to `acknowledged`.
    pub(super) fn answer(&mut self, now: Time, received: u64, acknowledged: u64, pushed: bool) {
        let Some(answering) = &mut self.answering else { return };
        if acknowledged <= answering.begins {
            answering.base = received;
            self.quiet.was_pause();
            self.long_quiet.was_pause();
        } else {
            answering.pushed = pushed;
            answering.begun = true;
        }
        answering.last_segment = now;
    }

    /// May a turn go whose client had seen `need` answer bytes since the turn before, and which was captured at
    /// `captured`? `received` answer bytes came in all; `acknowledged`: the server has all that was sent.
    pub(super) fn judge(
        &self,
        now: Time,
        need: u32,
        captured: Time,
        received: u64,
        acknowledged: bool,
    ) -> Verdict {
        if self.preparing {
            // What the servers say first, and to a login, is no measure of each other: the module knows.
            let first = self.answering.is_none();
            return if first { Verdict::Go(Pass::AtOnce) } else { Verdict::Wait(Time::NEVER) };
        }
        if let Some(pass) = self.open {
            return Verdict::Go(pass);
        }
        let Some(answering) = &self.answering else {
            // Before the first turn of a connection: only what the server says first is waited for.
            return if received >= u64::from(need) {
                Verdict::Go(Pass::AtOnce)
            } else {
                Self::until(now, captured + self.patience(now, captured), Pass::InVain)
            };
        };
        let answered = received - answering.base;
        if answered >= u64::from(need) {
            return Verdict::Go(Pass::Answered);
        }
        if received - answering.expected >= u64::from(need) {
            // Enough, counted over all turns: the client pipelines, or the test server's answers are longer. Where
            // waiting has proved vain, the former.
            let pipelines = self.patience < PATIENCE_START;
            let wait = if pipelines { self.quiet.time } else { SURPLUS_WAIT };
            return Self::until(now, captured + wait, Pass::Answered);
        }
        // A server acknowledges the middle of a request as late as TCP lets it: 40 ms for each piece.
        if !acknowledged && !self.is_hopeless(now, captured) {
            return Verdict::Wait(Time::NEVER);
        }
        if answered > 0 && answering.pushed {
            let much = self.missing(need, received) > MUCH;
            let quiet = if much { &self.long_quiet } else { &self.quiet };
            Self::until(now, answering.last_segment + quiet.time, Pass::AnswerEnded)
        } else {
            let since = answering.last_segment.max(answering.let_go).max(captured);
            Self::until(now, since + self.patience(now, captured), Pass::InVain)
        }
    }

    /// May the connection be closed, whose client had seen `need` more bytes by then? As for a turn; but a close in the
    /// middle of an answer makes some servers drop the rest, so without all that the client has ever seen it takes a long
    /// quiet time.
    pub(super) fn judge_end(
        &self,
        now: Time,
        need: u32,
        captured: Time,
        received: u64,
        acknowledged: bool,
    ) -> Verdict {
        if self.preparing {
            return Verdict::Go(Pass::AtOnce);
        }
        let whole = received >= self.seen_by_client + u64::from(need);
        match (self.judge(now, need, captured, received, acknowledged), &self.answering) {
            (Verdict::Go(pass @ (Pass::AnswerEnded | Pass::Answered)), Some(answering)) if !whole => {
                Self::until(now, answering.last_segment + LONG_QUIET_START, pass)
            }
            (verdict, _) => verdict,
        }
    }

    fn until(now: Time, deadline: Time, pass: Pass) -> Verdict {
        if now >= deadline { Verdict::Go(pass) } else { Verdict::Wait(deadline) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn after_first_turn() -> (Gate, Time) {
        let mut gate = Gate::new(false);
        let start = Time::ZERO + MS;
        gate.turn_begins(start, 0, 0, 0, Pass::AtOnce);
        (gate, start)
    }

    #[test]
    fn enough_answer_lets_the_turn_go_at_once() {
        let (mut gate, now) = after_first_turn();
        assert!(matches!(gate.judge(now, 100, now, 0, true), Verdict::Wait(_)));
        gate.answer(now, 99, 10, false);
        assert!(matches!(gate.judge(now, 100, now, 99, true), Verdict::Wait(_)));
        gate.answer(now, 100, 10, true);
        assert_eq!(gate.judge(now, 100, now, 100, true), Verdict::Go(Pass::Answered));
    }

    #[test]
    fn a_short_answer_ends_with_a_push_and_quiet() {
        let (mut gate, now) = after_first_turn();
        gate.answer(now, 40, 10, true);
        let Verdict::Wait(deadline) = gate.judge(now, 100, now, 40, true) else { panic!("must wait") };
        assert_eq!(deadline, now + QUIET_START);
        assert_eq!(gate.judge(deadline, 100, now, 40, true), Verdict::Go(Pass::AnswerEnded));
        assert_eq!(gate.judge(deadline, 100, now, 40, false), Verdict::Wait(Time::NEVER));
    }

    #[test]
    fn no_answer_is_waited_for_a_bounded_time() {
        let (gate, now) = after_first_turn();
        assert_eq!(gate.judge(now, 1, now, 0, true), Verdict::Wait(now + PATIENCE_START));
        assert_eq!(gate.judge(now + PATIENCE_START, 1, now, 0, true), Verdict::Go(Pass::InVain));
    }

    #[test]
    fn patience_wears_off_and_comes_back() {
        let (mut gate, now) = after_first_turn();
        gate.turn_begins(now, 10, 0, 0, Pass::InVain);
        assert_eq!(gate.judge(now, 1, now, 0, true), Verdict::Wait(now + PATIENCE_START / 4));
        for _ in 0..10 {
            gate.turn_begins(now, 10, 0, 0, Pass::InVain);
        }
        assert_eq!(gate.judge(now, 1, now, 0, true), Verdict::Wait(now + PATIENCE_MIN));
        let lagging = now + LAG_MAX * 2;
        for acknowledged in [true, false] {
            assert_eq!(gate.judge(lagging, 1, now, 0, acknowledged), Verdict::Go(Pass::InVain));
        }
        assert_eq!(gate.judge(now, 1, now, 0, false), Verdict::Wait(Time::NEVER));
        for _ in 0..ANSWERS_TO_RECOVER {
            assert_eq!(gate.judge(now, 1, now, 0, true), Verdict::Wait(now + PATIENCE_MIN));
            gate.turn_begins(now, 10, 0, 0, Pass::Answered);
        }
        assert_eq!(gate.judge(now, 1, now, 0, true), Verdict::Wait(now + PATIENCE_MIN * 2));
    }

    #[test]
    fn the_rest_of_an_earlier_answer_does_not_count() {
        let (mut gate, now) = after_first_turn();
        gate.answer(now, 100, 10, true);
        gate.turn_begins(now, 10, 0, 100, Pass::Answered);
        gate.answer(now, 150, 10, true);
        assert!(matches!(gate.judge(now, 50, now, 150, true), Verdict::Wait(_)));
        gate.answer(now, 200, 20, true);
        assert_eq!(gate.judge(now, 50, now, 200, true), Verdict::Go(Pass::Answered));
    }

    #[test]
    fn the_quiet_time_is_learned() {
        let (mut gate, now) = after_first_turn();
        gate.turn_begins(now, 10, 0, 40, Pass::AnswerEnded);
        gate.answer(now, 90, 10, true);
        assert_eq!(gate.quiet.time, QUIET_START * 4);
        gate.turn_begins(now, 20, 0, 90, Pass::AnswerEnded);
        gate.turn_begins(now, 30, 0, 90, Pass::AnswerEnded);
        assert_eq!(gate.quiet.time, QUIET_START * 2);
    }

    #[test]
    fn much_that_is_missing_looks_like_a_pause_at_first() {
        let (mut gate, now) = after_first_turn();
        gate.answer(now, 40, 10, true);
        assert_eq!(gate.judge(now, 1_000_000, now, 40, true), Verdict::Wait(now + LONG_QUIET_START));
        gate.turn_begins(now, 10, 1_000_000, 40, Pass::AnswerEnded);
        gate.answer(now, 80, 20, true);
        gate.turn_begins(now, 20, 1_000_000, 80, Pass::AnswerEnded);
        gate.answer(now, 120, 30, true);
        assert_eq!(gate.judge(now, 1_000_000, now, 120, true), Verdict::Wait(now + LONG_QUIET_START / 2));
    }

    #[test]
    fn a_close_waits_for_all_that_the_client_has_seen() {
        let (mut gate, now) = after_first_turn();
        gate.answer(now, 40, 10, true);
        gate.turn_begins(now, 10, 100, 40, Pass::AnswerEnded);
        // 60 late bytes of the first answer, and 40 of the second: enough by count since the turn began.
        gate.answer(now, 140, 20, true);
        assert_eq!(gate.judge(now, 100, now, 140, true), Verdict::Go(Pass::Answered));
        assert_eq!(gate.judge_end(now, 100, now, 140, true), Verdict::Wait(now + LONG_QUIET_START));
        gate.answer(now, 200, 20, true);
        assert_eq!(gate.judge_end(now, 100, now, 200, true), Verdict::Go(Pass::Answered));
    }

    #[test]
    fn what_the_server_says_first_is_waited_for() {
        let gate = Gate::new(false);
        assert!(matches!(gate.judge(Time::ZERO, 80, Time::ZERO, 0, true), Verdict::Wait(_)));
        assert_eq!(gate.judge(Time::ZERO, 80, Time::ZERO, 80, true), Verdict::Go(Pass::AtOnce));
        assert_eq!(gate.judge(Time::ZERO, 0, Time::ZERO, 0, true), Verdict::Go(Pass::AtOnce));
    }
}
