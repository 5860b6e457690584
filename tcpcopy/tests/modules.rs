//! Sessions with a protocol module: their fate when the module gives up, and when it sends everything itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::time::Duration;

use common_core::wire::Flags;
use module_kit::{
    Actions, FailureKind, Flow, Missing, Module, OnlineObserver, OnlineService, PayloadPrefix, Protocol,
    Ready, ServerData,
};
use rig::Rig;

/// A module that takes over the client's bytes.
#[derive(Clone, Copy)]
enum Does {
    Fail,
    /// Sends the same bytes as its own.
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
    fn connected(&mut self, _: &mut Actions) -> Ready {
        match self {
            Self::Fail => Ready::WhenSaid,
            Self::Repeat => Ready::Now,
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

    fn missed(&mut self, _: Missing<'_>) {}
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
    assert_eq!(ledger.tcp.reconnected, 1, "at once, with the next turn");
    assert_eq!(ledger.bytes.dropped.total(), 6, "each is replaced");
    assert_eq!(ledger.bytes.dropped.get(tcpcopy::ledger::DropReason::Replaced), 6);
}

/// Sends a hundred bytes for each of the client, one in each call.
#[derive(Clone, Copy, Default)]
struct Expands {
    left: usize,
}

impl Protocol for Expands {
    fn name(&self) -> &'static str {
        "test"
    }

    fn module(&self, _: &Flow, _: bool) -> Box<dyn Module> {
        Box::new(*self)
    }
}

impl Module for Expands {
    fn connected(&mut self, _: &mut Actions) -> Ready {
        Ready::Now
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        actions.replace(bytes.len());
        self.left += 100 * bytes.len();
        if self.left > 0 {
            actions.send(b"x");
            self.left -= 1;
        }
        if self.left > 0 {
            actions.call_again();
        }
    }

    fn answer(&mut self, _: ServerData<'_>, _: &mut Actions) {}

    fn missed(&mut self, missing: Missing<'_>) {
        assert_eq!(missing, Missing::Dropped(&[]), "the engine held no byte that was not taken");
        self.left = 0;
    }
}

#[test]
fn a_module_that_works_off_what_it_took_is_called_again() {
    let mut rig = Rig::with_protocol(Expands::default());
    rig.connect(0);
    rig.answer();
    rig.data(0, 1);
    assert_eq!(rig.ledger().bytes.pending, 1, "the module is not done with it");
    (0..100).for_each(|_| rig.answer());
    assert_eq!(rig.ledger().bytes.pending, 0);
    assert_eq!(rig.ledger().bytes.dropped.get(tcpcopy::ledger::DropReason::Replaced), 1);
    rig.data(0, 2);
    assert_eq!(rig.ledger().bytes.pending, 1);
    rig.reset(0);
    rig.answer();
    assert!(rig.ledger().balances());
}

/// Passes nothing before the online server has answered.
#[derive(Clone, Copy)]
struct Waits {
    answered: bool,
}

impl Protocol for Waits {
    fn name(&self) -> &'static str {
        "test"
    }

    fn module(&self, _: &Flow, _: bool) -> Box<dyn Module> {
        Box::new(*self)
    }

    fn online(&self) -> Option<&dyn OnlineService> {
        Some(self)
    }
}

impl OnlineService for Waits {
    fn answers(&self) -> &'static [PayloadPrefix] {
        &[&[]]
    }
}

impl Module for Waits {
    fn connected(&mut self, _: &mut Actions) -> Ready {
        Ready::Now
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        if self.answered {
            actions.pass(bytes.len());
        }
    }

    fn answer(&mut self, _: ServerData<'_>, _: &mut Actions) {}

    fn missed(&mut self, _: Missing<'_>) {}

    fn online(&mut self) -> Option<&mut dyn OnlineObserver> {
        Some(self)
    }
}

impl OnlineObserver for Waits {
    fn answer(&mut self, _: &[u8], _: &mut Actions) {
        self.answered = true;
    }

    fn is_awaited(&self) -> bool {
        !self.answered
    }
}

#[test]
fn bytes_that_wait_for_the_online_servers_answer_go_with_it() {
    let mut rig = Rig::with_protocol(Waits { answered: false });
    rig.connect(0);
    rig.online_says(0, 0, 1, Flags::SYN | Flags::ACK, &[]);
    rig.answer();
    rig.data(0, 1);
    rig.answer();
    assert_eq!((rig.ledger().bytes.pending, rig.ledger().bytes.replayed), (1, 0), "held");
    rig.online_says(0, 1, 2, Flags::ACK | Flags::PSH, b"come in");
    rig.answer();
    assert_eq!((rig.ledger().bytes.pending, rig.ledger().bytes.replayed), (0, 1), "answered");
}
