//! Sessions with a protocol module: what becomes of them when it gives up, and when it says everything itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::time::Duration;

use common_core::flow::Flow;
use common_core::payload_prefix::PayloadPrefix;
use common_core::wire::Flags;
use module_kit::module::{Actions, FailureKind, Module, Protocol, ServerData};
use rig::Rig;

/// What a module does with what its client says.
#[derive(Clone, Copy)]
enum Does {
    Fail,
    /// Says the same, but in its own name.
    Repeat,
}

impl Protocol for Does {
    fn name(&self) -> &'static str {
        "test"
    }

    fn module(&self, _: &Flow, _: bool) -> Box<dyn Module> {
        Box::new(*self)
    }
}

impl Module for Does {
    fn connected(&mut self, actions: &mut Actions) {
        if let Self::Repeat = self {
            actions.ready();
        }
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        match self {
            Self::Fail => actions.fail(FailureKind::LoginFailed, "no"),
            Self::Repeat => {
                actions.replace(bytes.len());
                actions.send(bytes);
            }
        }
    }

    fn answer(&mut self, _: ServerData<'_>, _: &mut Actions) {}
}

#[test]
fn a_session_that_its_module_gave_up_waits_for_no_answer() {
    let mut rig = Rig::with_protocol(Does::Fail);
    rig.connect(0);
    rig.answer();
    rig.data(0, 1);
    rig.answer();
    assert_eq!(rig.ledger().sessions.active, 1, "its client goes on");
    assert!(!rig.engine.awaits_answers());
}

#[test]
fn a_connection_was_fruitful_though_its_module_said_all_itself() {
    let mut rig = Rig::with_protocol(Does::Repeat);
    rig.connect(0);
    rig.answer();
    let say = |rig: &mut Rig, turn: u32, every: Duration| {
        rig.after(every);
        rig.say_after(0, turn, turn - 1, Flags::ACK | Flags::PSH, b"x");
        rig.answer();
    };
    (1..=3).for_each(|turn| say(&mut rig, turn, Duration::from_secs(10)));
    rig.after(Duration::from_secs(60));
    rig.answer();
    rig.reset(0);
    (4..=6).for_each(|turn| say(&mut rig, turn, Duration::from_millis(150)));
    // The test server answers none of them: each waits in vain.
    for _ in 0..6 {
        rig.after(Duration::from_secs(6));
        rig.answer();
    }
    let ledger = rig.ledger();
    assert_eq!(ledger.tcp.rebuilt, 1, "at once, with the next turn");
    assert_eq!(ledger.bytes.dropped.total(), 6, "each is replaced");
    assert_eq!(ledger.bytes.dropped.get(tcpcopy::ledger::DropReason::Replaced), 6);
}

/// Passes nothing before it has heard the online server.
#[derive(Clone, Copy)]
struct Waits {
    heard: bool,
}

impl Protocol for Waits {
    fn name(&self) -> &'static str {
        "test"
    }

    fn module(&self, _: &Flow, _: bool) -> Box<dyn Module> {
        Box::new(*self)
    }

    fn online_answers(&self) -> &'static [PayloadPrefix] {
        &[&[]]
    }
}

impl Module for Waits {
    fn connected(&mut self, actions: &mut Actions) {
        actions.ready();
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        if self.heard {
            actions.pass(bytes.len());
        }
    }

    fn answer(&mut self, _: ServerData<'_>, _: &mut Actions) {}

    fn online_answer(&mut self, _: u64, _: &[u8], _: &mut Actions) {
        self.heard = true;
    }

    fn awaits_online(&self) -> bool {
        !self.heard
    }
}

#[test]
fn what_a_module_holds_for_the_online_servers_answer_goes_with_that() {
    let mut rig = Rig::with_protocol(Waits { heard: false });
    rig.connect(0);
    rig.online_says(0, 0, 1, Flags::SYN | Flags::ACK, &[]);
    rig.answer();
    rig.data(0, 1);
    rig.answer();
    assert_eq!((rig.ledger().bytes.pending, rig.ledger().bytes.replayed), (1, 0), "held");
    rig.online_says(0, 1, 2, Flags::ACK | Flags::PSH, b"come in");
    rig.answer();
    assert_eq!((rig.ledger().bytes.pending, rig.ledger().bytes.replayed), (0, 1), "heard");
}
