use std::time::Duration;

use super::judge::MODULE_WAIT;
use super::*;

const MS: Duration = Duration::from_millis(1);

fn candidate(acked_bytes: u32, captured: Time, received: u64, all_acknowledged: bool) -> Candidate {
    Candidate { acked_bytes, captured, received, all_acknowledged }
}

/// A gate, and the knowledge about its test server.
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
            rig.receive(test);
            rig.pass(100);
            rig.now = rig.now + MS;
        }
        rig
    }

    fn judge(&self, acked_bytes: u32) -> Verdict {
        self.judge_with(acked_bytes, true)
    }

    fn judge_with(&self, acked_bytes: u32, acknowledged: bool) -> Verdict {
        self.gate.judge(&self.pacing, self.now, candidate(acked_bytes, self.now, self.received, acknowledged))
    }

    fn judge_end(&self, acked_bytes: u32) -> Verdict {
        self.gate.judge_end(&self.pacing, self.now, candidate(acked_bytes, self.now, self.received, true))
    }

    fn go(&mut self, acked_bytes: u32, pass: ReleaseReason) {
        self.begins += u64::from(pass != ReleaseReason::AtOnce) * 10;
        let turn = Released { now: self.now, reason: pass, acked_bytes, received: self.received };
        self.gate.turn_begins(self.begins, turn, &mut self.pacing);
    }

    /// Lets a turn go as soon as it may; returns how long that took.
    fn pass(&mut self, acked_bytes: u32) -> Duration {
        let start = self.now;
        for _ in 0..10 {
            match self.gate.judge(&self.pacing, self.now, candidate(acked_bytes, start, self.received, true))
            {
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
    fn receive_piece(&mut self, bytes: u64, acknowledged: u64, pushed: bool) {
        self.received += bytes;
        let all = acknowledged == self.begins + 10;
        self.gate.answer(
            self.now,
            self.received,
            Acknowledged { up_to: acknowledged, all },
            pushed,
            &mut self.pacing,
        );
    }

    /// A whole write; the server has acknowledged all that was sent.
    fn receive(&mut self, bytes: u64) {
        self.receive_piece(bytes, self.begins + 10, true);
    }

    /// The rest of the answer to the turn before the last.
    fn receive_late(&mut self, bytes: u64) {
        self.receive_piece(bytes, self.begins, true);
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
    rig.receive_piece(99, 10, false);
    assert!(rig.waits(100) > MS);
    rig.receive(1);
    assert_eq!(rig.judge(100), Verdict::Go(ReleaseReason::Answered));
}

#[test]
fn a_short_answer_of_an_unknown_server_ends_with_a_push_and_quiet() {
    let mut rig = Rig::new();
    rig.receive(40);
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
            rig.receive(test);
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
        rig.receive(1 + (round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57) * 3 / 2);
        waited += rig.pass(100);
    }
    assert!(waited < 10_000 * MS / 10, "{waited:?}");
}

#[test]
fn much_that_is_missing_is_waited_for_longer_at_first() {
    let mut rig = Rig::new();
    for round in 0..100 {
        rig.receive(40);
        let waited = rig.pass(1_000_000);
        let expected = if round == 0 { 300 * MS..400 * MS } else { Duration::ZERO..400 * MS };
        assert!(expected.contains(&waited), "{waited:?}");
    }
    rig.receive(40);
    assert!(rig.waits(1_000_000) <= 30 * MS);
}

#[test]
fn a_longer_answer_is_waited_for_to_its_end() {
    let mut rig = Rig::used_to(300);
    rig.receive_piece(200, rig.begins + 10, false);
    assert!(rig.waits(100) >= 20 * MS, "the write is not at its end");
    rig.receive(200);
    assert!(rig.waits(100) < 3 * MS);
}

#[test]
fn answers_in_two_writes_are_waited_for_whatever_their_lengths() {
    for (first, second) in [(50, 50), (60, 30), (100, 100), (150, 50), (1, 1000)] {
        let mut rig = Rig::new();
        let mut early = 0;
        for _ in 0..2000 {
            rig.receive(first);
            let due = rig.now + MS;
            if let Verdict::Wait(until) = rig.judge(100)
                && until > due
            {
                rig.now = due;
                rig.receive(second);
                rig.pass(100);
            } else {
                rig.pass(100);
                rig.now = due;
                rig.receive_late(second);
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
        rig.receive(50);
        rig.now = rig.now + MS;
        rig.receive(50);
        rig.pass(100);
    }
    rig.receive(50);
    let Verdict::Wait(until) = rig.judge(100) else { panic!("the server answers alike") };
    rig.now = until;
    assert_eq!(rig.judge(100), Verdict::Go(ReleaseReason::AnswerEnded));
    rig.go(100, ReleaseReason::AnswerEnded);
    // The rest comes only after the server's kernel has acknowledged the turn.
    rig.receive(50);
    rig.now = rig.now + MS;
    rig.receive(50);
    assert!(rig.waits(100) > Duration::ZERO, "half of its answer");
    rig.now = rig.now + MS / 2;
    rig.receive(50);
    assert_eq!(rig.judge(100), Verdict::Go(ReleaseReason::Answered));
}

#[test]
fn no_answer_is_waited_for_a_bounded_time() {
    let mut rig = Rig::new();
    assert_eq!(rig.judge(1), Verdict::Wait(rig.now + AnswerTimeout::START));
    let since = rig.now;
    rig.now = rig.now + AnswerTimeout::START;
    let verdict = rig.gate.judge(&rig.pacing, rig.now, candidate(1, since, 0, true));
    assert_eq!(verdict, Verdict::Go(ReleaseReason::TimedOut));
}

#[test]
fn patience_wears_off_and_comes_back() {
    let mut rig = Rig::new();
    rig.go(0, ReleaseReason::TimedOut);
    assert_eq!(rig.waits(1), AnswerTimeout::START / 4);
    (0..10).for_each(|_| rig.go(0, ReleaseReason::TimedOut));
    assert_eq!(rig.waits(1), AnswerTimeout::MIN);
    let captured = rig.now;
    let lagging = rig.now + Gate::LAG_MAX * 2;
    for acknowledged in [true, false] {
        let verdict = rig.gate.judge(&rig.pacing, lagging, candidate(1, captured, 0, acknowledged));
        assert_eq!(verdict, Verdict::Go(ReleaseReason::TimedOut));
    }
    assert_eq!(rig.judge_with(1, false), Verdict::Wait(Time::NEVER));
    for _ in 0..AnswerTimeout::ANSWERS_TO_RECOVER {
        assert_eq!(rig.waits(1), AnswerTimeout::MIN);
        rig.go(0, ReleaseReason::Answered);
    }
    assert_eq!(rig.waits(1), AnswerTimeout::MIN * 2);
}

#[test]
fn the_rest_of_an_earlier_answer_does_not_count() {
    let mut rig = Rig::new();
    rig.receive(100);
    rig.go(100, ReleaseReason::Answered);
    rig.receive_late(50);
    assert!(rig.waits(50) > MS);
    rig.receive(50);
    assert_eq!(rig.judge(50), Verdict::Go(ReleaseReason::Answered));
}

#[test]
fn a_client_that_sends_on_while_it_reads_does_not_wait() {
    let mut rig = Rig::used_to(100);
    // It has read 30 bytes of each answer when it sends on, and the other 70 by the next time.
    rig.receive(100);
    rig.pass(30);
    for _ in 0..100 {
        rig.receive(100);
        assert_eq!(rig.pass(100), Duration::ZERO);
    }
    // It sends the middle of a request, which nothing answers.
    rig.receive(100);
    rig.pass(100);
    assert!(rig.pass(70) <= Gate::SURPLUS_WAIT);
}

#[test]
fn a_close_waits_for_all_that_the_client_has_seen() {
    let mut rig = Rig::new();
    rig.receive(40);
    rig.go(100, ReleaseReason::AnswerEnded);
    // 60 late bytes of the first answer, and 40 of the second: enough by count since the turn began.
    rig.receive(100);
    let last = rig.now;
    rig.now = last + rig.waits(100);
    assert_eq!(rig.judge_end(100), Verdict::Wait(last + Gate::END_WAIT));
    rig.receive(60);
    assert_eq!(rig.judge_end(100), Verdict::Go(ReleaseReason::Answered));
}

#[test]
fn what_the_server_says_first_is_waited_for() {
    let (gate, pacing) = (Gate::new(false), Pacing::default());
    let judge = |acked_bytes, received| {
        gate.judge(&pacing, Time::ZERO, candidate(acked_bytes, Time::ZERO, received, true))
    };
    assert!(matches!(judge(80, 0), Verdict::Wait(_)));
    assert_eq!(judge(80, 80), Verdict::Go(ReleaseReason::AtOnce));
    assert_eq!(judge(0, 0), Verdict::Go(ReleaseReason::AtOnce));
}

#[test]
fn a_turn_waits_for_the_end_that_a_module_will_declare() {
    let mut rig = Rig::used_to(100);
    rig.gate.await_module();
    rig.receive(100);
    let silent = rig.now + MODULE_WAIT;
    assert_eq!(rig.judge(100), Verdict::Wait(silent), "the answers were as long as online so far");
    assert_eq!(rig.judge(0), Verdict::Go(ReleaseReason::Answered), "the client pipelines");
    rig.now = rig.now + 40 * MS;
    rig.receive(500);
    assert_eq!(rig.judge(100), Verdict::Wait(rig.now + MODULE_WAIT), "the answer goes on");
    rig.gate.module_ready();
    assert_eq!(rig.judge(100), Verdict::Go(ReleaseReason::ModuleReady));
}

#[test]
fn a_module_that_misses_an_end_costs_a_moment_of_silence() {
    let mut rig = Rig::used_to(100);
    rig.gate.await_module();
    rig.receive(100);
    assert_eq!(rig.pass(100), MODULE_WAIT);
    // The promise was for one answer.
    rig.receive(100);
    assert_eq!(rig.judge(100), Verdict::Go(ReleaseReason::Answered));
}
