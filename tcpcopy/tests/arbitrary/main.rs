//! The engine under arbitrary input: whatever is captured, answered, delayed or truncated, it does not panic or hang,
//! accounts for every byte, sends only well-formed packets, and ends.
//!
//! `PROPTEST_CASES=100000 cargo test -p tcpcopy --test arbitrary` for a long run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod found;
mod rig;
mod strategy;

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use rig::{Op, World};

/// No scenario takes a hundredth of it.
const HANG: Duration = Duration::from_secs(10);

fn run(ops: &[Op], wait_for_answers: bool, abort: bool) {
    let mut world = World::new(wait_for_answers);
    world.all(ops);
    world.end(abort);
}

/// Runs a scenario in a thread of its own: a thread that hangs cannot be stopped, so the process ends.
fn run_watched(ops: &[Op], wait_for_answers: bool, abort: bool) {
    let (done, finished) = channel::<()>();
    std::thread::scope(|scope| {
        let running = scope.spawn(move || {
            let _done = done;
            run(ops, wait_for_answers, abort);
        });
        if let Err(RecvTimeoutError::Timeout) = finished.recv_timeout(HANG) {
            let text = format!(
                "the engine hangs after {ops:?}, wait_for_answers {wait_for_answers}, abort {abort}\n"
            );
            // Not eprintln: its captured output is lost with the process.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
            std::process::exit(101);
        }
        if let Err(panic) = running.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn nothing_breaks_the_engine(
        ops in vec(strategy::op(), 1..300),
        wait_for_answers in prop::bool::weighted(0.8),
        abort in any::<bool>(),
    ) {
        run_watched(&ops, wait_for_answers, abort);
    }
}
