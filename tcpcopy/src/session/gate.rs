//! Pacing: decides when a turn may go out, by what its client had seen.
//!
//! A real client sent its turn after it had read so many bytes of the answer to the turn before (its acked_bytes). The copy
//! goes out once the test server has answered as much, or its answer has ended all the same (its last segment was
//! pushed, and no more came for a quiet time), or no answer came for too long. What ends an answer of this server is
//! learnt by [`Pacing`], which all its sessions share; the gate keeps what concerns one connection.
//! docs/ARCHITECTURE.md has the rules in order.

use std::time::Duration;

use common_core::time::Time;

use crate::ledger::ReleaseReason;
use crate::session::pacing::{Kind, Length, Pacing};

/// The longest that a turn waits once the one before is acknowledged. What looks like a turn can be the middle of a
/// request (a client that pipelines sees answers while it writes), which no server answers. So a session that has
/// waited in vain waits less the next time, down to the minimum, until answers have come for a while.
const PATIENCE_START: Duration = Duration::from_secs(5);
const PATIENCE_MIN: Duration = Duration::from_millis(5);

/// How long a turn waits for the answer to the one before, if all answers together already hold what its client had
/// read.
const SURPLUS_WAIT: Duration = Duration::from_millis(250);

/// Answered turns, none in vain between them, after which a shortened answer timeout doubles.
const ANSWERS_TO_RECOVER: u32 = 16;

/// At the minimum of answer timeout, a turn that is later than this after its capture does not wait at all.
const LAG_MAX: Duration = Duration::from_millis(100);

/// How long after the last answer a close waits if it might cut off the rest: longer than a server's retransmission
/// takes.
const END_QUIET: Duration = Duration::from_millis(300);

/// A client that has caught up exactly this often did not do so by chance: the answers are as long as it expects.
const CAUGHT_UP: u8 = 2;

/// How long a longer answer may take to be pushed, once it is as long as what the client had read.
const PUSH_WAIT: Duration = Duration::from_millis(20);

/// What the gate decides about a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Go(ReleaseReason),
    /// Ask again at this time, or once something is received.
    Wait(Time),
}

/// The answer to the turn that was let go last.
#[derive(Debug)]
struct AnswerProgress {
    let_go: Time,
    /// SendBuffer offset where the turn begins. As long as the server has acknowledged no more than this, what it sends
    /// answers an earlier turn.
    begins: u64,
    /// Answer bytes received when the turn was let go.
    before: u64,
    /// Answer bytes received before this turn's answer began: the rest of earlier answers included.
    base: u64,
    /// Answer bytes that should have come before this turn's answer, if both servers answer alike. Bytes received
    /// beyond that are answers that the client had not read yet when it sent on.
    expected: u64,
    last_segment: Time,
    /// The last segment of the answer was pushed (PSH): it ended a write of the server.
    pushed: bool,
    /// Some of the answer has come.
    begun: bool,
    /// When the last segment came, the server had acknowledged all that was sent.
    had_all: bool,
    /// Answer bytes received up to the last segment.
    received_last: u64,
    /// The longest time after which more came although the answer looked ended, in microseconds, 0 if there was none;
    /// and the bytes received before that.
    pause_us: u32,
    received_before_pause: u64,
    /// A probe: this answer is waited for longer, to see whether the server pauses.
    probes: bool,
    /// The turn was let go because the answer before seemed to have ended: if more of that still comes, this quiet time
    /// was too short.
    trial: Option<Kind>,
    /// When the last segment of the answer before came.
    seemed_ended: Time,
}

impl AnswerProgress {
    /// The answer looks whole: pushed, and the server had acknowledged all when it sent it.
    fn looks_ended(&self) -> bool {
        self.begun && self.pushed && self.had_all
    }

    /// By how many bytes the answer is shorter than what the client had read.
    fn missing(&self, acked_bytes: u32, received: u64) -> u64 {
        u64::from(acked_bytes).saturating_sub(received.saturating_sub(self.base))
    }
}

/// The pacing of one connection.
#[derive(Debug)]
pub(super) struct Gate {
    answering: Option<AnswerProgress>,
    /// The next turn may go whatever has been answered.
    open: Option<ReleaseReason>,
    /// Answer bytes of this connection that the client had read before it sent the turn that was let go last.
    seen_by_client: u64,
    /// By how many bytes the test server's answers are ahead of what the client had read; counted anew where they were
    /// behind.
    surplus: u64,
    /// How often a surplus has gone down to exactly 0: the client had sent on while it was reading and has caught up,
    /// so both servers answer alike.
    caught_up: u8,
    /// By how many bytes the answer before was short: they may still come, and do not answer the next turn.
    owed: u64,
    /// No rest of an earlier answer can be under way. If one can, it would be taken for the beginning of the next
    /// answer, so that a known length does not tell its end.
    in_step: bool,
    /// How long an answer that does not come is waited for, in microseconds.
    patience_us: u32,
    /// Turns let go because they were answered, since answer timeout was shortened or doubled last.
    answers: u32,
    /// A protocol module has the session, and speaks first on each connection: it logs in, say.
    with_module: bool,
    /// The module has not said `ready` on this connection: no turn follows the first.
    preparing: bool,
}

impl Gate {
    /// `with_module` if a protocol module has the session.
    pub(super) fn new(with_module: bool) -> Self {
        Self {
            answering: None,
            open: None,
            seen_by_client: 0,
            surplus: 0,
            caught_up: 0,
            owed: 0,
            in_step: true,
            patience_us: PATIENCE_START.as_micros() as u32,
            answers: 0,
            with_module,
            preparing: with_module,
        }
    }

    /// A turn is let go. It begins at send buffer offset `begins`, its client had read `acked_bytes` answer bytes since the turn
    /// before, and `received` answer bytes have come on this connection.
    pub(super) fn turn_begins(
        &mut self,
        now: Time,
        begins: u64,
        acked_bytes: u32,
        received: u64,
        pass: ReleaseReason,
        pacing: &mut Pacing,
    ) {
        let expected = match (&self.answering, pass) {
            (Some(before), ReleaseReason::Answered) => received.min(before.expected + u64::from(acked_bytes)),
            (None, ReleaseReason::AtOnce) => received.min(u64::from(acked_bytes)),
            // The count no longer tells what belongs to which turn: it starts anew.
            _ => received,
        };
        self.keep_step(now, pass, acked_bytes, received, pacing);
        self.learn_of_target(pass, acked_bytes, received, pacing);
        self.seen_by_client += u64::from(acked_bytes);
        self.learn_patience(pass, acked_bytes, received, pacing);
        if self.open == Some(ReleaseReason::AtOnce) {
            self.open = None;
        }
        let ended = self.answering.as_ref().filter(|before| before.looks_ended());
        let trial = match pass {
            ReleaseReason::AnswerEnded => ended.map(|before| Kind::of(before.missing(acked_bytes, received))),
            ReleaseReason::Answered if !self.is_alike(pacing) => ended.map(|_| Kind::Little),
            _ => None,
        };
        self.answering = Some(AnswerProgress {
            let_go: now,
            begins,
            before: received,
            base: received,
            expected,
            last_segment: now,
            pushed: false,
            begun: false,
            had_all: false,
            received_last: received,
            pause_us: 0,
            received_before_pause: 0,
            probes: pacing.probes(),
            trial,
            seemed_ended: ended.map_or(now, |before| before.last_segment),
        });
    }

    /// Prepares for the case that the turn goes too early: the rest of the answer before must not be taken for the
    /// answer to this turn.
    fn keep_step(
        &mut self,
        now: Time,
        pass: ReleaseReason,
        acked_bytes: u32,
        received: u64,
        pacing: &Pacing,
    ) {
        let Some(before) = &self.answering else { return };
        let answered = received.saturating_sub(before.base);
        let certain = answered == u64::from(acked_bytes) || pacing.length(acked_bytes) == Some(answered);
        let silent = now.since(before.last_segment) >= pacing.probe_time();
        if silent {
            self.in_step = true;
        } else if !certain && pacing.pauses() {
            self.in_step = false;
        }
        let missing = before.missing(acked_bytes, received);
        self.owed = match pass {
            ReleaseReason::AnswerEnded => missing,
            ReleaseReason::Answered if missing == 0 => {
                let owed = (u64::from(acked_bytes) + self.owed).saturating_sub(answered);
                // What has not come by now was probably never to come.
                if silent { owed / 2 } else { owed }
            }
            _ => 0,
        };
    }

    /// The answer to the turn before counts as whole now: compares its length to the online server's, and notes whether
    /// the server paused in it.
    fn learn_of_target(&mut self, pass: ReleaseReason, acked_bytes: u32, received: u64, pacing: &mut Pacing) {
        let Some(before) = self.answering.as_ref().filter(|before| before.begun) else {
            self.surplus = 0;
            return;
        };
        if !matches!(pass, ReleaseReason::Answered | ReleaseReason::AnswerEnded) {
            self.surplus = 0;
            return;
        }
        if before.looks_ended() {
            pacing.learn_length(acked_bytes, received.saturating_sub(before.base));
        }
        let (acked_bytes, fresh) = (u64::from(acked_bytes), received.saturating_sub(before.before));
        let length = match (self.surplus + fresh).checked_sub(acked_bytes) {
            None => Length::Shorter,
            Some(0) => Length::Equal,
            Some(left) if left > self.surplus => Length::Longer,
            Some(left) if left < self.surplus => Length::CaughtUp,
            Some(_) => Length::Behind,
        };
        self.caught_up = match length {
            Length::Equal if self.surplus > 0 => self.caught_up.saturating_add(1),
            Length::Shorter => 0,
            _ => self.caught_up,
        };
        self.surplus = (self.surplus + fresh).saturating_sub(acked_bytes);
        pacing.compare(length);
        if before.pause_us > 0 {
            let missing = (before.base + acked_bytes).saturating_sub(before.received_before_pause);
            pacing.was_pause(Kind::of(missing), Duration::from_micros(before.pause_us.into()));
        } else if before.looks_ended() {
            pacing.was_end(before.trial.unwrap_or(Kind::Little));
        }
    }

    fn learn_patience(&mut self, pass: ReleaseReason, acked_bytes: u32, received: u64, pacing: &Pacing) {
        // An answer that looks ended is no reason to lose answer timeout.
        let by_surplus = self
            .answering
            .as_ref()
            .is_some_and(|before| before.missing(acked_bytes, received) > 0 && !before.looks_ended());
        match pass {
            ReleaseReason::Answered if by_surplus && self.is_alike(pacing) => {
                self.set_patience(self.full_patience().min(PATIENCE_START / 4));
                self.answers = 0;
            }
            ReleaseReason::Answered if by_surplus => {
                self.set_patience((self.full_patience() / 16).max(PATIENCE_MIN));
                self.answers = 0;
            }
            ReleaseReason::InVain => {
                self.set_patience((self.full_patience() / 4).max(PATIENCE_MIN));
                self.answers = 0;
            }
            ReleaseReason::Answered if self.full_patience() < PATIENCE_START => {
                self.answers += 1;
                if self.answers == ANSWERS_TO_RECOVER {
                    self.set_patience((self.full_patience() * 2).min(PATIENCE_START));
                    self.answers = 0;
                }
            }
            _ => {}
        }
    }

    fn full_patience(&self) -> Duration {
        Duration::from_micros(self.patience_us.into())
    }

    fn set_patience(&mut self, answer_timeout: Duration) {
        self.patience_us = answer_timeout.as_micros() as u32;
    }

    /// Counting bytes tells where answers to this client end.
    fn is_alike(&self, pacing: &Pacing) -> bool {
        self.caught_up >= CAUGHT_UP || pacing.is_alike()
    }

    /// Waits have long been in vain, and the copy lags: turns wait for nothing any more, acknowledgements included.
    fn is_hopeless(&self, now: Time, captured: Time) -> bool {
        self.full_patience() == PATIENCE_MIN && now.since(captured) > LAG_MAX
    }

    fn answer_timeout(&self, now: Time, captured: Time) -> Duration {
        if self.is_hopeless(now, captured) { Duration::ZERO } else { self.full_patience() }
    }

    /// The connection is gone: no answer will come, and the first turn of the next one has nothing to wait for.
    pub(super) fn connection_lost(&mut self) {
        self.answering = None;
        self.seen_by_client = 0;
        self.surplus = 0;
        self.owed = 0;
        self.in_step = true;
        self.open = Some(ReleaseReason::AtOnce);
        self.preparing = self.with_module;
    }

    /// A module has said `ready`: the answer to all that was sent is complete.
    pub(super) fn module_ready(&mut self) {
        self.open = Some(ReleaseReason::ModuleReady);
        self.preparing = false;
    }

    /// A module has sent or taken out all that was due; the send buffer ends at `end`. If nothing of the last turn was
    /// sent, no answer to it will come.
    pub(super) fn module_took_all(&mut self, end: u64) {
        if !self.preparing && self.answering.as_ref().is_some_and(|answering| answering.begins == end) {
            self.open = Some(ReleaseReason::ModuleReady);
        }
    }

    /// A turn has been let go, but a module still prepares the connection for it: it logs in, say.
    pub(super) fn is_preparing(&self) -> bool {
        self.preparing && self.answering.is_some()
    }

    /// Something was sent through a module: the next turn has to wait for the answer to it.
    pub(super) fn module_sent(&mut self) {
        self.open = None;
    }

    /// Answer bytes came, `received` in all on this connection. The server has acknowledged the send buffer up to
    /// `acknowledged`; `all` if that is all that was sent.
    pub(super) fn answer(
        &mut self,
        now: Time,
        received: u64,
        (acknowledged, all): (u64, bool),
        pushed: bool,
        pacing: &mut Pacing,
    ) {
        let Some(answering) = &mut self.answering else { return };
        if acknowledged <= answering.begins {
            self.owed = self.owed.saturating_sub(received.saturating_sub(answering.base));
            answering.base = received;
            if let Some(kind) = answering.trial.take() {
                pacing.was_pause(kind, now.since(answering.seemed_ended));
            }
        } else {
            if answering.looks_ended() {
                let pause = now.since(answering.last_segment).as_micros();
                let pause_us = u32::try_from(pause).unwrap_or(u32::MAX);
                if pause_us > answering.pause_us {
                    answering.pause_us = pause_us;
                    answering.received_before_pause = answering.received_last;
                }
            }
            if !answering.begun {
                pacing.began_after(now.since(answering.let_go));
            }
            answering.received_last = received;
            answering.pushed = pushed;
            answering.begun = true;
            answering.had_all = all;
        }
        answering.last_segment = now;
    }

    /// May the next turn go? Its client had read `acked_bytes` answer bytes since the turn before; it was captured at
    /// `captured`. `received` answer bytes have come on this connection; `acknowledged`: the server has all that was
    /// sent.
    pub(super) fn judge(
        &self,
        pacing: &Pacing,
        now: Time,
        acked_bytes: u32,
        captured: Time,
        received: u64,
        acknowledged: bool,
    ) -> Verdict {
        if self.preparing {
            // What the two servers say first, and to a login, cannot be compared: only the module knows when to go on.
            let first = self.answering.is_none();
            return if first { Verdict::Go(ReleaseReason::AtOnce) } else { Verdict::Wait(Time::NEVER) };
        }
        if let Some(pass) = self.open {
            return Verdict::Go(pass);
        }
        let Some(answering) = &self.answering else {
            // The first turn of a connection waits only for what the server says first.
            return if received >= u64::from(acked_bytes) {
                Verdict::Go(ReleaseReason::AtOnce)
            } else {
                Self::until(now, captured + self.answer_timeout(now, captured), ReleaseReason::InVain)
            };
        };
        let missing = answering.missing(acked_bytes, received);
        let (alike, answered) = (self.is_alike(pacing), received - answering.base);
        let wanted = u64::from(acked_bytes) + self.owed;
        let exactly = answered == wanted && answering.pushed && self.surplus == 0;
        if acked_bytes == 0 || alike && answered >= wanted || exactly {
            return Verdict::Go(ReleaseReason::Answered);
        }
        // Counted over all turns there is enough: the client pipelines, or the test server's answers are longer.
        let enough = received - answering.expected >= u64::from(acked_bytes);
        let surplus_wait = if alike && self.full_patience() < PATIENCE_START {
            // Waits were in vain, so the client pipelines.
            pacing.response()
        } else {
            SURPLUS_WAIT.max(pacing.response()).min(self.full_patience())
        };
        let surplus_until = answering.let_go.max(captured) + surplus_wait;
        if acknowledged && answering.begun && answering.pushed {
            let kind = Kind::of(missing);
            if !alike {
                let pass =
                    if missing == 0 || enough { ReleaseReason::Answered } else { ReleaseReason::AnswerEnded };
                let quiet = match pacing.length(acked_bytes) {
                    Some(length) if answered < length => answering.last_segment + pacing.rest_wait(kind),
                    Some(length) if answered == length && self.in_step && !answering.probes => now,
                    Some(_) => pacing.quiet_until(answering.last_segment, kind, true),
                    None => pacing.quiet_until(answering.last_segment, kind, answering.probes),
                };
                return Self::until(now, quiet, pass);
            }
            if !enough {
                return Self::until(
                    now,
                    answering.last_segment + pacing.rest_wait(kind),
                    ReleaseReason::AnswerEnded,
                );
            }
            let quiet = pacing.quiet_until(answering.last_segment, kind, false);
            return Self::until(now, quiet.min(surplus_until), ReleaseReason::Answered);
        }
        if enough && alike {
            return Self::until(now, surplus_until, ReleaseReason::Answered);
        }
        // A server acknowledges a piece of a request as late as TCP allows, 40 ms: a hopeless session does not wait
        // for it.
        if !acknowledged && !self.is_hopeless(now, captured) {
            return Verdict::Wait(Time::NEVER);
        }
        if missing == 0 {
            return Self::until(now, answering.last_segment + PUSH_WAIT, ReleaseReason::Answered);
        }
        if enough {
            return Self::until(now, surplus_until, ReleaseReason::Answered);
        }
        let since = answering.last_segment.max(answering.let_go).max(captured);
        let answer_timeout = since + self.answer_timeout(now, captured);
        Self::until(now, answer_timeout, ReleaseReason::InVain)
    }

    /// May the connection be closed? Its client had read `acked_bytes` bytes since the last turn when it closed. Judged as a
    /// turn; but a close in the middle of an answer makes some servers drop the rest, so it waits for [`END_QUIET`]
    /// unless all has come that the client ever read on the connection.
    pub(super) fn judge_end(
        &self,
        pacing: &Pacing,
        now: Time,
        acked_bytes: u32,
        captured: Time,
        received: u64,
        acknowledged: bool,
    ) -> Verdict {
        if self.preparing {
            return Verdict::Go(ReleaseReason::AtOnce);
        }
        let whole = received >= self.seen_by_client + u64::from(acked_bytes);
        match (self.judge(pacing, now, acked_bytes, captured, received, acknowledged), &self.answering) {
            (Verdict::Go(pass @ (ReleaseReason::AnswerEnded | ReleaseReason::Answered)), Some(answering))
                if !whole =>
            {
                Self::until(now, answering.last_segment + END_QUIET, pass)
            }
            (verdict, _) => verdict,
        }
    }

    fn until(now: Time, deadline: Time, pass: ReleaseReason) -> Verdict {
        if now >= deadline { Verdict::Go(pass) } else { Verdict::Wait(deadline) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A gate, and what has been learnt of its test server.
    struct Rig {
        gate: Gate,
        pacing: Pacing,
        now: Time,
        /// SendBuffer offset of the last turn; turns are of ten bytes.
        begins: u64,
        received: u64,
    }

    impl Rig {
        /// The first turn of a connection has gone, to a server of which nothing is known.
        fn new() -> Self {
            let mut rig = Self {
                gate: Gate::new(false),
                pacing: Pacing::default(),
                now: Time::ZERO + MS,
                begins: 0,
                received: 0,
            };
            rig.go(0, ReleaseReason::AtOnce);
            rig
        }

        /// A server that has answered 100 turns, each with one write of `test` bytes where the online server sent 100.
        fn used_to(test: u64) -> Self {
            let mut rig = Self::new();
            for _ in 0..100 {
                rig.hear(test);
                rig.pass(100);
                rig.now = rig.now + MS;
            }
            rig
        }

        fn judge(&self, acked_bytes: u32) -> Verdict {
            self.judge_with(acked_bytes, true)
        }

        fn judge_with(&self, acked_bytes: u32, acknowledged: bool) -> Verdict {
            self.gate.judge(&self.pacing, self.now, acked_bytes, self.now, self.received, acknowledged)
        }

        fn judge_end(&self, acked_bytes: u32) -> Verdict {
            self.gate.judge_end(&self.pacing, self.now, acked_bytes, self.now, self.received, true)
        }

        fn go(&mut self, acked_bytes: u32, pass: ReleaseReason) {
            self.begins += u64::from(pass != ReleaseReason::AtOnce) * 10;
            self.gate.turn_begins(self.now, self.begins, acked_bytes, self.received, pass, &mut self.pacing);
        }

        /// Lets a turn go as soon as it may; returns how long that took.
        fn pass(&mut self, acked_bytes: u32) -> Duration {
            let start = self.now;
            for _ in 0..10 {
                match self.gate.judge(&self.pacing, self.now, acked_bytes, start, self.received, true) {
                    Verdict::Go(pass) => {
                        self.go(acked_bytes, pass);
                        return self.now.since(start);
                    }
                    Verdict::Wait(until) => self.now = until,
                }
            }
            panic!("a turn is not let go")
        }

        /// Answer bytes come.
        fn hear_piece(&mut self, bytes: u64, acknowledged: u64, pushed: bool) {
            self.received += bytes;
            let all = acknowledged == self.begins + 10;
            self.gate.answer(self.now, self.received, (acknowledged, all), pushed, &mut self.pacing);
        }

        /// A whole write; the server has acknowledged all that was sent.
        fn hear(&mut self, bytes: u64) {
            self.hear_piece(bytes, self.begins + 10, true);
        }

        /// The rest of the answer to the turn before the last.
        fn hear_late(&mut self, bytes: u64) {
            self.hear_piece(bytes, self.begins, true);
        }

        fn waits(&self, acked_bytes: u32) -> Duration {
            match self.judge(acked_bytes) {
                Verdict::Go(_) => Duration::ZERO,
                Verdict::Wait(until) => until.since(self.now),
            }
        }
    }

    #[test]
    fn as_much_as_the_client_has_read_lets_the_turn_go_at_once() {
        let mut rig = Rig::new();
        assert!(rig.waits(100) > MS);
        rig.hear_piece(99, 10, false);
        assert!(rig.waits(100) > MS);
        rig.hear(1);
        assert_eq!(rig.judge(100), Verdict::Go(ReleaseReason::Answered));
    }

    #[test]
    fn a_short_answer_of_an_unknown_server_ends_with_a_push_and_quiet() {
        let mut rig = Rig::new();
        rig.hear(40);
        assert_eq!(rig.judge_with(100, false), Verdict::Wait(Time::NEVER), "it has not read all");
        let quiet = rig.waits(100);
        assert!((10 * MS..13 * MS).contains(&quiet), "{quiet:?}");
        rig.now = rig.now + quiet;
        assert_eq!(rig.judge(100), Verdict::Go(ReleaseReason::AnswerEnded));
    }

    #[test]
    fn a_server_that_always_answers_less_or_more_is_not_waited_for() {
        for test in [1, 50, 98, 99, 101, 300] {
            let mut rig = Rig::used_to(test);
            let probes = (0..640).filter(|_| {
                rig.hear(test);
                let waited = rig.pass(100);
                assert!(waited < 3 * MS, "{waited:?}");
                !waited.is_zero()
            });
            assert!(probes.count() <= 10, "{test} bytes instead of 100");
        }
    }

    #[test]
    fn random_lengths_are_not_waited_for_either_and_no_turn_goes_without_its_answer() {
        let mut rig = Rig::new();
        let mut waited = Duration::ZERO;
        for round in 0..10_000_u64 {
            assert!(rig.waits(100) >= MS, "nothing was answered");
            rig.hear(1 + (round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57) * 3 / 2);
            waited += rig.pass(100);
        }
        assert!(waited < 10_000 * MS / 10, "{waited:?}");
    }

    #[test]
    fn much_that_is_missing_is_waited_for_longer_at_first() {
        let mut rig = Rig::new();
        for round in 0..100 {
            rig.hear(40);
            let waited = rig.pass(1_000_000);
            let expected = if round == 0 { 300 * MS..400 * MS } else { Duration::ZERO..400 * MS };
            assert!(expected.contains(&waited), "{waited:?}");
        }
        rig.hear(40);
        assert!(rig.waits(1_000_000) <= 30 * MS);
    }

    #[test]
    fn a_longer_answer_is_waited_for_to_its_end() {
        let mut rig = Rig::used_to(300);
        rig.hear_piece(200, rig.begins + 10, false);
        assert!(rig.waits(100) >= 20 * MS, "the write is not at its end");
        rig.hear(200);
        assert!(rig.waits(100) < 3 * MS);
    }

    #[test]
    fn answers_in_two_writes_are_waited_for_whatever_their_lengths() {
        for (first, second) in [(50, 50), (60, 30), (100, 100), (150, 50), (1, 1000)] {
            let mut rig = Rig::new();
            let mut early = 0;
            for _ in 0..2000 {
                rig.hear(first);
                let due = rig.now + MS;
                if let Verdict::Wait(until) = rig.judge(100)
                    && until > due
                {
                    rig.now = due;
                    rig.hear(second);
                    rig.pass(100);
                } else {
                    rig.pass(100);
                    rig.now = due;
                    rig.hear_late(second);
                    early += 1;
                }
            }
            assert!(early <= 20, "{early} turns went before {first} and {second} bytes had come");
        }
    }

    #[test]
    fn a_turn_that_went_too_early_does_not_take_others_along() {
        let mut rig = Rig::new();
        for _ in 0..100 {
            rig.hear(50);
            rig.now = rig.now + MS;
            rig.hear(50);
            rig.pass(100);
        }
        rig.hear(50);
        let Verdict::Wait(until) = rig.judge(100) else { panic!("the server answers alike") };
        rig.now = until;
        assert_eq!(rig.judge(100), Verdict::Go(ReleaseReason::AnswerEnded));
        rig.go(100, ReleaseReason::AnswerEnded);
        // The rest comes only after the server's kernel has acknowledged the turn.
        rig.hear(50);
        rig.now = rig.now + MS;
        rig.hear(50);
        assert!(rig.waits(100) > Duration::ZERO, "half of its answer");
        rig.now = rig.now + MS / 2;
        rig.hear(50);
        assert_eq!(rig.judge(100), Verdict::Go(ReleaseReason::Answered));
    }

    #[test]
    fn no_answer_is_waited_for_a_bounded_time() {
        let mut rig = Rig::new();
        assert_eq!(rig.judge(1), Verdict::Wait(rig.now + PATIENCE_START));
        let since = rig.now;
        rig.now = rig.now + PATIENCE_START;
        let verdict = rig.gate.judge(&rig.pacing, rig.now, 1, since, 0, true);
        assert_eq!(verdict, Verdict::Go(ReleaseReason::InVain));
    }

    #[test]
    fn patience_wears_off_and_comes_back() {
        let mut rig = Rig::new();
        rig.go(0, ReleaseReason::InVain);
        assert_eq!(rig.waits(1), PATIENCE_START / 4);
        (0..10).for_each(|_| rig.go(0, ReleaseReason::InVain));
        assert_eq!(rig.waits(1), PATIENCE_MIN);
        let captured = rig.now;
        let lagging = rig.now + LAG_MAX * 2;
        for acknowledged in [true, false] {
            let verdict = rig.gate.judge(&rig.pacing, lagging, 1, captured, 0, acknowledged);
            assert_eq!(verdict, Verdict::Go(ReleaseReason::InVain));
        }
        assert_eq!(rig.judge_with(1, false), Verdict::Wait(Time::NEVER));
        for _ in 0..ANSWERS_TO_RECOVER {
            assert_eq!(rig.waits(1), PATIENCE_MIN);
            rig.go(0, ReleaseReason::Answered);
        }
        assert_eq!(rig.waits(1), PATIENCE_MIN * 2);
    }

    #[test]
    fn the_rest_of_an_earlier_answer_does_not_count() {
        let mut rig = Rig::new();
        rig.hear(100);
        rig.go(100, ReleaseReason::Answered);
        rig.hear_late(50);
        assert!(rig.waits(50) > MS);
        rig.hear(50);
        assert_eq!(rig.judge(50), Verdict::Go(ReleaseReason::Answered));
    }

    #[test]
    fn a_client_that_sends_on_while_it_reads_does_not_wait() {
        let mut rig = Rig::used_to(100);
        // It has read 30 bytes of each answer when it sends on, and the other 70 by the next time.
        rig.hear(100);
        rig.pass(30);
        for _ in 0..100 {
            rig.hear(100);
            assert_eq!(rig.pass(100), Duration::ZERO);
        }
        // What it sends is the middle of a request, which nothing answers.
        rig.hear(100);
        rig.pass(100);
        assert!(rig.pass(70) <= SURPLUS_WAIT);
    }

    #[test]
    fn a_close_waits_for_all_that_the_client_has_seen() {
        let mut rig = Rig::new();
        rig.hear(40);
        rig.go(100, ReleaseReason::AnswerEnded);
        // 60 late bytes of the first answer, and 40 of the second: enough by count since the turn began.
        rig.hear(100);
        let last = rig.now;
        rig.now = last + rig.waits(100);
        assert_eq!(rig.judge_end(100), Verdict::Wait(last + END_QUIET));
        rig.hear(60);
        assert_eq!(rig.judge_end(100), Verdict::Go(ReleaseReason::Answered));
    }

    #[test]
    fn what_the_server_says_first_is_waited_for() {
        let (gate, pacing) = (Gate::new(false), Pacing::default());
        let judge =
            |acked_bytes, received| gate.judge(&pacing, Time::ZERO, acked_bytes, Time::ZERO, received, true);
        assert!(matches!(judge(80, 0), Verdict::Wait(_)));
        assert_eq!(judge(80, 80), Verdict::Go(ReleaseReason::AtOnce));
        assert_eq!(judge(0, 0), Verdict::Go(ReleaseReason::AtOnce));
    }
}
