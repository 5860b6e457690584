//! Pacing by what the client had seen: when a turn may go out.
//!
//! A real client sent its turn after it had read so many bytes of the answer to the turn before. The copy goes out
//! once the test server has answered at least as many; or has plainly come to the end of a shorter answer (its last
//! segment was pushed and a short quiet time has passed); or has not answered for too long.

use std::time::Duration;

use common::time::Time;

use crate::session::pacing::{Kind, Length, Pacing};

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

/// How long a close waits that might cut off the rest of an answer: longer than a server's retransmission takes.
const END_QUIET: Duration = Duration::from_millis(300);

/// So often a client catches up with answers of random lengths only by chance.
const CAUGHT_UP: u8 = 2;

/// How long the rest of a longer answer may take to be pushed.
const PUSH_WAIT: Duration = Duration::from_millis(20);

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

/// The answer to the turn that was let go last.
#[derive(Debug)]
struct Answering {
    let_go: Time,
    /// Outbox offset where the turn begins: what the server sends without having acknowledged more than this answers
    /// an earlier turn.
    begins: u64,
    /// Answer bytes received when the turn was let go.
    before: u64,
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
    /// When it came, the server had acknowledged all that it was sent.
    had_all: bool,
    /// Answer bytes received by then.
    received_last: u64,
    /// More came so much later than what had looked like the end, when so many bytes had been received.
    pause: Option<(Duration, u64)>,
    /// It is given more time, to see whether the server pauses.
    probes: bool,
    /// The turn was let go since the answer before seemed to have ended, by this quiet time.
    trial: Option<Kind>,
    /// When that answer's last segment came.
    seemed_ended: Time,
}

impl Answering {
    /// What came looks like a whole answer.
    fn looks_ended(&self) -> bool {
        self.begun && self.pushed && self.had_all
    }

    /// What is missing of the answer, in bytes.
    fn missing(&self, need: u32, received: u64) -> u64 {
        u64::from(need).saturating_sub(received.saturating_sub(self.base))
    }
}

/// The pacing of one connection.
#[derive(Debug)]
pub(super) struct Gate {
    answering: Option<Answering>,
    /// The next turn may go whatever was answered.
    open: Option<Pass>,
    /// Answer bytes that the client had seen on this connection by the turn that was let go last.
    seen_by_client: u64,
    /// How much more the test server has answered than the online server, since it was last behind it.
    surplus: u64,
    /// How often the client, having sent on while it was reading, has caught up with all that was answered: it pipelines,
    /// and both servers answer alike.
    caught_up: u8,
    /// What the answer before was short of, should it not have been its end.
    owed: u64,
    /// No rest of an earlier answer can be under way: else it would count as the beginning of the next.
    in_step: bool,
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
            seen_by_client: 0,
            surplus: 0,
            caught_up: 0,
            owed: 0,
            in_step: true,
            patience: PATIENCE_START,
            answers: 0,
            with_module,
            preparing: with_module,
        }
    }

    /// A turn is let go that begins at `begins` and whose client had seen `need` answer bytes since the turn before;
    /// `received` answer bytes came before.
    pub(super) fn turn_begins(
        &mut self,
        now: Time,
        begins: u64,
        need: u32,
        received: u64,
        pass: Pass,
        pacing: &mut Pacing,
    ) {
        let expected = match (&self.answering, pass) {
            (Some(before), Pass::Answered) => received.min(before.expected + u64::from(need)),
            (None, Pass::AtOnce) => received.min(u64::from(need)),
            // The servers do not answer alike: counting starts anew.
            _ => received,
        };
        self.keep_step(now, pass, need, received, pacing);
        self.learn_of_target(pass, need, received, pacing);
        self.seen_by_client += u64::from(need);
        self.learn_patience(pass, need, received, pacing);
        if self.open == Some(Pass::AtOnce) {
            self.open = None;
        }
        let ended = self.answering.as_ref().filter(|before| before.looks_ended());
        let trial = match pass {
            Pass::AnswerEnded => ended.map(|before| Kind::of(before.missing(need, received))),
            Pass::Answered if !self.is_alike(pacing) => ended.map(|_| Kind::Little),
            _ => None,
        };
        self.answering = Some(Answering {
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
            pause: None,
            probes: pacing.probes(),
            trial,
            seemed_ended: ended.map_or(now, |before| before.last_segment),
        });
    }

    /// If the turn goes too early, the rest of the answer before is not to be taken for the answer to it.
    fn keep_step(&mut self, now: Time, pass: Pass, need: u32, received: u64, pacing: &Pacing) {
        let Some(before) = &self.answering else { return };
        let answered = received.saturating_sub(before.base);
        let certain = answered == u64::from(need) || pacing.length(need) == Some(answered);
        let silent = now.since(before.last_segment) >= pacing.probe_time();
        if silent {
            self.in_step = true;
        } else if !certain && pacing.pauses() {
            self.in_step = false;
        }
        let missing = before.missing(need, received);
        self.owed = match pass {
            Pass::AnswerEnded => missing,
            Pass::Answered if missing == 0 => {
                let owed = (u64::from(need) + self.owed).saturating_sub(answered);
                // What does not come was no rest.
                if silent { owed / 2 } else { owed }
            }
            _ => 0,
        };
    }

    /// The answer to the turn before is taken for whole: was it as long as the online server's, did it pause?
    fn learn_of_target(&mut self, pass: Pass, need: u32, received: u64, pacing: &mut Pacing) {
        let Some(before) = self.answering.as_ref().filter(|before| before.begun) else {
            self.surplus = 0;
            return;
        };
        if !matches!(pass, Pass::Answered | Pass::AnswerEnded) {
            self.surplus = 0;
            return;
        }
        if before.looks_ended() {
            pacing.learn_length(need, received.saturating_sub(before.base));
        }
        let (need, fresh) = (u64::from(need), received.saturating_sub(before.before));
        let length = match (self.surplus + fresh).checked_sub(need) {
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
        self.surplus = (self.surplus + fresh).saturating_sub(need);
        pacing.compare(length);
        match (before.pause, before.looks_ended()) {
            (Some((pause, at)), _) => {
                pacing.was_pause(Kind::of((before.base + need).saturating_sub(at)), pause)
            }
            (None, true) => pacing.was_end(before.trial.unwrap_or(Kind::Little)),
            (None, false) => {}
        }
    }

    fn learn_patience(&mut self, pass: Pass, need: u32, received: u64, pacing: &Pacing) {
        // What looked like an end was not waited for in vain.
        let by_surplus = self
            .answering
            .as_ref()
            .is_some_and(|before| before.missing(need, received) > 0 && !before.looks_ended());
        match pass {
            Pass::Answered if by_surplus && self.is_alike(pacing) => {
                self.patience = self.patience.min(PATIENCE_START / 4);
                self.answers = 0;
            }
            Pass::Answered if by_surplus => {
                self.patience = (self.patience / 16).max(PATIENCE_MIN);
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

    /// The lengths of this client's answers tell their ends.
    fn is_alike(&self, pacing: &Pacing) -> bool {
        self.caught_up >= CAUGHT_UP || pacing.is_alike()
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
        self.seen_by_client = 0;
        self.surplus = 0;
        self.owed = 0;
        self.in_step = true;
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

    /// Answer bytes came: `received` in all, the server having acknowledged up to `acknowledged`, which is `all` or not.
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
                let pause = now.since(answering.last_segment);
                if answering.pause.is_none_or(|(longest, _)| pause > longest) {
                    answering.pause = Some((pause, answering.received_last));
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

    /// May a turn go whose client had seen `need` answer bytes since the turn before, and which was captured at
    /// `captured`? `received` answer bytes came in all; `acknowledged`: the server has all that was sent.
    pub(super) fn judge(
        &self,
        pacing: &Pacing,
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
        let missing = answering.missing(need, received);
        let (alike, answered) = (self.is_alike(pacing), received - answering.base);
        let wanted = u64::from(need) + self.owed;
        let exactly = answered == wanted && answering.pushed && self.surplus == 0;
        if need == 0 || alike && answered >= wanted || exactly {
            return Verdict::Go(Pass::Answered);
        }
        // Enough, counted over all turns: the client pipelines, or the test server's answers are longer.
        let enough = received - answering.expected >= u64::from(need);
        let surplus_wait = if alike && self.patience < PATIENCE_START {
            // Where waiting has proved vain, the former.
            pacing.response()
        } else {
            SURPLUS_WAIT.max(pacing.response()).min(self.patience)
        };
        let surplus_until = answering.let_go.max(captured) + surplus_wait;
        if acknowledged && answering.begun && answering.pushed {
            let kind = Kind::of(missing);
            if !alike {
                let pass = if missing == 0 || enough { Pass::Answered } else { Pass::AnswerEnded };
                let quiet = match pacing.length(need) {
                    Some(length) if answered < length => answering.last_segment + pacing.rest_wait(kind),
                    Some(length) if answered == length && self.in_step && !answering.probes => now,
                    Some(_) => pacing.quiet_until(answering.last_segment, kind, true),
                    None => pacing.quiet_until(answering.last_segment, kind, answering.probes),
                };
                return Self::until(now, quiet, pass);
            }
            if !enough {
                return Self::until(now, answering.last_segment + pacing.rest_wait(kind), Pass::AnswerEnded);
            }
            let quiet = pacing.quiet_until(answering.last_segment, kind, false);
            return Self::until(now, quiet.min(surplus_until), Pass::Answered);
        }
        if enough && alike {
            return Self::until(now, surplus_until, Pass::Answered);
        }
        // A server acknowledges the middle of a request as late as TCP lets it: 40 ms for each piece.
        if !acknowledged && !self.is_hopeless(now, captured) {
            return Verdict::Wait(Time::NEVER);
        }
        if missing == 0 {
            return Self::until(now, answering.last_segment + PUSH_WAIT, Pass::Answered);
        }
        if enough {
            return Self::until(now, surplus_until, Pass::Answered);
        }
        let since = answering.last_segment.max(answering.let_go).max(captured);
        let patience = since + self.patience(now, captured);
        Self::until(now, patience, Pass::InVain)
    }

    /// May the connection be closed, whose client had seen `need` more bytes by then? As for a turn; but a close in the
    /// middle of an answer makes some servers drop the rest, so without all that the client has ever seen it takes a long
    /// quiet time.
    pub(super) fn judge_end(
        &self,
        pacing: &Pacing,
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
        match (self.judge(pacing, now, need, captured, received, acknowledged), &self.answering) {
            (Verdict::Go(pass @ (Pass::AnswerEnded | Pass::Answered)), Some(answering)) if !whole => {
                Self::until(now, answering.last_segment + END_QUIET, pass)
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

    /// A gate, and what is known of its test server.
    struct Rig {
        gate: Gate,
        pacing: Pacing,
        now: Time,
        /// Outbox offset of the last turn, which is of ten bytes.
        begins: u64,
        received: u64,
    }

    impl Rig {
        /// After the first turn of a connection to a server of which nothing is known.
        fn new() -> Self {
            let mut rig = Self {
                gate: Gate::new(false),
                pacing: Pacing::default(),
                now: Time::ZERO + MS,
                begins: 0,
                received: 0,
            };
            rig.go(0, Pass::AtOnce);
            rig
        }

        /// To a server that answers every turn with one write, of `test` bytes where the online server's were 100.
        fn used_to(test: u64) -> Self {
            let mut rig = Self::new();
            for _ in 0..100 {
                rig.hear(test);
                rig.pass(100);
                rig.now = rig.now + MS;
            }
            rig
        }

        fn judge(&self, need: u32) -> Verdict {
            self.judge_with(need, true)
        }

        fn judge_with(&self, need: u32, acknowledged: bool) -> Verdict {
            self.gate.judge(&self.pacing, self.now, need, self.now, self.received, acknowledged)
        }

        fn judge_end(&self, need: u32) -> Verdict {
            self.gate.judge_end(&self.pacing, self.now, need, self.now, self.received, true)
        }

        fn go(&mut self, need: u32, pass: Pass) {
            self.begins += u64::from(pass != Pass::AtOnce) * 10;
            self.gate.turn_begins(self.now, self.begins, need, self.received, pass, &mut self.pacing);
        }

        /// Lets a turn go as soon as it may; how long that took.
        fn pass(&mut self, need: u32) -> Duration {
            let start = self.now;
            for _ in 0..10 {
                match self.gate.judge(&self.pacing, self.now, need, start, self.received, true) {
                    Verdict::Go(pass) => {
                        self.go(need, pass);
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

        /// A write of the server that has all that it was sent.
        fn hear(&mut self, bytes: u64) {
            self.hear_piece(bytes, self.begins + 10, true);
        }

        /// The rest of the answer to the turn before the last.
        fn hear_late(&mut self, bytes: u64) {
            self.hear_piece(bytes, self.begins, true);
        }

        fn waits(&self, need: u32) -> Duration {
            match self.judge(need) {
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
        assert_eq!(rig.judge(100), Verdict::Go(Pass::Answered));
    }

    #[test]
    fn a_short_answer_of_an_unknown_server_ends_with_a_push_and_quiet() {
        let mut rig = Rig::new();
        rig.hear(40);
        assert_eq!(rig.judge_with(100, false), Verdict::Wait(Time::NEVER), "it has not read all");
        let quiet = rig.waits(100);
        assert!((10 * MS..13 * MS).contains(&quiet), "{quiet:?}");
        rig.now = rig.now + quiet;
        assert_eq!(rig.judge(100), Verdict::Go(Pass::AnswerEnded));
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
        assert_eq!(rig.judge(100), Verdict::Go(Pass::AnswerEnded));
        rig.go(100, Pass::AnswerEnded);
        // The rest comes after the server's kernel has acknowledged the turn.
        rig.hear(50);
        rig.now = rig.now + MS;
        rig.hear(50);
        assert!(rig.waits(100) > Duration::ZERO, "half of its answer");
        rig.now = rig.now + MS / 2;
        rig.hear(50);
        assert_eq!(rig.judge(100), Verdict::Go(Pass::Answered));
    }

    #[test]
    fn no_answer_is_waited_for_a_bounded_time() {
        let mut rig = Rig::new();
        assert_eq!(rig.judge(1), Verdict::Wait(rig.now + PATIENCE_START));
        let since = rig.now;
        rig.now = rig.now + PATIENCE_START;
        let verdict = rig.gate.judge(&rig.pacing, rig.now, 1, since, 0, true);
        assert_eq!(verdict, Verdict::Go(Pass::InVain));
    }

    #[test]
    fn patience_wears_off_and_comes_back() {
        let mut rig = Rig::new();
        rig.go(0, Pass::InVain);
        assert_eq!(rig.waits(1), PATIENCE_START / 4);
        (0..10).for_each(|_| rig.go(0, Pass::InVain));
        assert_eq!(rig.waits(1), PATIENCE_MIN);
        let captured = rig.now;
        let lagging = rig.now + LAG_MAX * 2;
        for acknowledged in [true, false] {
            let verdict = rig.gate.judge(&rig.pacing, lagging, 1, captured, 0, acknowledged);
            assert_eq!(verdict, Verdict::Go(Pass::InVain));
        }
        assert_eq!(rig.judge_with(1, false), Verdict::Wait(Time::NEVER));
        for _ in 0..ANSWERS_TO_RECOVER {
            assert_eq!(rig.waits(1), PATIENCE_MIN);
            rig.go(0, Pass::Answered);
        }
        assert_eq!(rig.waits(1), PATIENCE_MIN * 2);
    }

    #[test]
    fn the_rest_of_an_earlier_answer_does_not_count() {
        let mut rig = Rig::new();
        rig.hear(100);
        rig.go(100, Pass::Answered);
        rig.hear_late(50);
        assert!(rig.waits(50) > MS);
        rig.hear(50);
        assert_eq!(rig.judge(50), Verdict::Go(Pass::Answered));
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
        rig.go(100, Pass::AnswerEnded);
        // 60 late bytes of the first answer, and 40 of the second: enough by count since the turn began.
        rig.hear(100);
        let last = rig.now;
        rig.now = last + rig.waits(100);
        assert_eq!(rig.judge_end(100), Verdict::Wait(last + END_QUIET));
        rig.hear(60);
        assert_eq!(rig.judge_end(100), Verdict::Go(Pass::Answered));
    }

    #[test]
    fn what_the_server_says_first_is_waited_for() {
        let (gate, pacing) = (Gate::new(false), Pacing::default());
        let judge = |need, received| gate.judge(&pacing, Time::ZERO, need, Time::ZERO, received, true);
        assert!(matches!(judge(80, 0), Verdict::Wait(_)));
        assert_eq!(judge(80, 80), Verdict::Go(Pass::AtOnce));
        assert_eq!(judge(0, 0), Verdict::Go(Pass::AtOnce));
    }
}
