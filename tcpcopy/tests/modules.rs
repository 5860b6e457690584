//! Sessions with a protocol module: their fate when the module gives up, and when it sends everything itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common_core::wire::Flags;
use module_kit::progress::{Progress, Reached};
use module_kit::{
    Actions, FailureKind, Flow, Loss, Missing, Module, Moment, OnlineObserver, OnlineService, PayloadPrefix,
    Protocol, Ready, ServerData, Stamp,
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

/// Passes what is due 250 ms after it was captured, or once the online server's answer to it must have been seen.
#[derive(Clone, Default)]
struct Delays {
    /// What was seen, and when.
    events: Events,
    refused: bool,
    /// The due bytes were offered before.
    holds: bool,
}

type Events = Arc<Mutex<Vec<(u64, &'static str)>>>;

impl Delays {
    fn note(&self, actions: &Actions, event: &'static str) {
        self.events.lock().unwrap().push((actions.now().as_millis(), event));
    }
}

impl Protocol for Delays {
    fn name(&self) -> &'static str {
        "test"
    }

    fn module(&self, _: &Flow, _: bool) -> Box<dyn Module> {
        Box::new(self.clone())
    }

    fn online(&self) -> Option<&dyn OnlineService> {
        Some(self)
    }
}

impl OnlineService for Delays {
    fn answers(&self) -> &'static [PayloadPrefix] {
        &[&[Some(b'-')]]
    }
}

impl Module for Delays {
    fn connected(&mut self, _: &mut Actions) -> Ready {
        Ready::Now
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        let Moment { now, captured, next_captured, .. } = actions.moment();
        let due = captured + Duration::from_millis(250);
        if std::mem::take(&mut self.refused) {
            self.note(actions, "left out");
            actions.leave_out(bytes.len(), Loss::LeftOut);
        } else if self.holds && next_captured.is_some() || now >= due {
            self.holds = false;
            self.note(actions, if now >= due { "late" } else { "answered" });
            actions.pass(bytes.len());
        } else {
            // What is awaited is handed over once the bytes are held.
            self.holds = true;
            actions.call_again_at(due);
        }
    }

    fn answer(&mut self, _: ServerData<'_>, _: &mut Actions) {}

    fn missed(&mut self, _: Missing<'_>) {}

    fn online(&mut self) -> Option<&mut dyn OnlineObserver> {
        Some(self)
    }
}

impl OnlineObserver for Delays {
    fn answer(&mut self, _: &[u8], _: &mut Actions) {
        self.refused = true;
    }

    fn is_awaited(&self) -> bool {
        true
    }
}

fn delayed() -> (Rig, Events) {
    let module = Delays::default();
    let events = Arc::clone(&module.events);
    let mut rig = Rig::with_protocol(module);
    rig.connect(0);
    rig.online_says(0, 0, 1, Flags::SYN | Flags::ACK, &[]);
    rig.answer();
    (rig, events)
}

#[test]
fn a_module_that_waits_for_a_time_is_called_then() {
    let (mut rig, events) = delayed();
    rig.data(0, 1);
    rig.after(Duration::from_millis(100));
    assert_eq!(rig.ledger().bytes.pending, 1);
    let due = rig.now + Duration::from_millis(150);
    assert!((due..due + Duration::from_millis(10)).contains(&rig.engine.poll_timeout()));
    rig.after(Duration::from_millis(160));
    rig.answer();
    assert_eq!((rig.ledger().bytes.pending, rig.ledger().bytes.replayed), (0, 1));
    assert_eq!(*events.lock().unwrap(), [(10_260, "late")]);
}

#[test]
fn a_timer_of_bytes_that_are_gone_does_not_wake_the_engine_again_and_again() {
    let (mut rig, _) = delayed();
    rig.data(0, 1);
    rig.reset(0);
    rig.lose();
    rig.after(Duration::from_millis(260));
    rig.lose();
    assert!(rig.engine.poll_timeout() > rig.now, "the connection is not open: nothing can be passed");
}

#[test]
fn the_next_turn_shows_that_the_online_server_has_answered() {
    let (mut rig, events) = delayed();
    let flags = Flags::ACK | Flags::PSH;
    rig.data(0, 1);
    // An answer that is not captured.
    rig.after(Duration::from_millis(1));
    rig.say_after(0, 2, 5, flags, b"x");
    rig.answer();
    assert_eq!(*events.lock().unwrap(), [(10_001, "answered")]);
}

#[test]
fn an_awaited_answer_is_handed_over_although_the_next_turn_waits() {
    let module = Delays::default();
    let events = Arc::clone(&module.events);
    let mut rig = Rig::with_protocol(module);
    rig.connect(0);
    rig.online_says(0, 0, 1, Flags::SYN | Flags::ACK, &[]);
    let flags = Flags::ACK | Flags::PSH;
    rig.data(0, 1);
    rig.say_after(0, 2, 3, flags, b"x");
    // Captured too late: on another interface, say.
    rig.online_says(0, 1, 2, flags, b"-no");
    rig.answer();
    assert_eq!(*events.lock().unwrap(), [(10_000, "left out")]);
    assert!(rig.ledger().balances());
}

/// A module that takes all it gets at once, and always awaits the online server.
#[derive(Clone, Default)]
struct Takes(Arc<Mutex<Vec<&'static str>>>);

impl Protocol for Takes {
    fn name(&self) -> &'static str {
        "test"
    }

    fn module(&self, _: &Flow, _: bool) -> Box<dyn Module> {
        Box::new(self.clone())
    }

    fn online(&self) -> Option<&dyn OnlineService> {
        Some(self)
    }
}

impl OnlineService for Takes {
    fn answers(&self) -> &'static [PayloadPrefix] {
        &[&[Some(b'-')]]
    }
}

impl Module for Takes {
    fn connected(&mut self, _: &mut Actions) -> Ready {
        Ready::Now
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        self.0.lock().unwrap().push("client");
        actions.pass(bytes.len());
        actions.answered();
    }

    fn answer(&mut self, _: ServerData<'_>, _: &mut Actions) {}

    fn missed(&mut self, _: Missing<'_>) {}

    fn online(&mut self) -> Option<&mut dyn OnlineObserver> {
        Some(self)
    }
}

impl OnlineObserver for Takes {
    fn answer(&mut self, _: &[u8], _: &mut Actions) {
        self.0.lock().unwrap().push("online");
    }

    fn is_awaited(&self) -> bool {
        true
    }
}

/// A login in several rounds, for example.
#[test]
fn no_answer_is_handed_over_before_the_bytes_that_it_answers() {
    let module = Takes::default();
    let events = Arc::clone(&module.0);
    let mut rig = Rig::with_protocol(module);
    rig.connect(0);
    rig.online_says(0, 0, 1, Flags::SYN | Flags::ACK, &[]);
    let flags = Flags::ACK | Flags::PSH;
    rig.data(0, 1);
    rig.say_after(0, 2, 4, flags, b"x");
    rig.online_says(0, 1, 2, flags, b"-ok");
    rig.answer();
    assert_eq!(*events.lock().unwrap(), ["client", "online", "client"]);
}

/// Holds what is due until it has an even number of bytes, and tells other sessions how far it has come.
#[derive(Clone, Default)]
struct Pairs(Arc<Progress>);

impl Protocol for Pairs {
    fn name(&self) -> &'static str {
        "test"
    }

    fn module(&self, _: &Flow, _: bool) -> Box<dyn Module> {
        Box::new(self.clone())
    }
}

impl Module for Pairs {
    fn connected(&mut self, _: &mut Actions) -> Ready {
        Ready::Now
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        actions.pass(bytes.len() / 2 * 2);
        actions.answered();
    }

    fn answer(&mut self, _: ServerData<'_>, _: &mut Actions) {}

    fn missed(&mut self, _: Missing<'_>) {}

    fn progress(&self) -> Option<Arc<Progress>> {
        Some(Arc::clone(&self.0))
    }
}

#[test]
fn other_sessions_see_how_far_a_session_has_come() {
    let progress = Arc::new(Progress::default());
    let mut rig = Rig::with_protocol(Pairs(Arc::clone(&progress)));
    let flags = Flags::ACK | Flags::PSH;
    rig.connect(0);
    rig.say(0, 1, flags, b"xx");
    let waits = progress.reached();
    assert_eq!(waits.last, Stamp::FIRST);
    assert!(waits.waiting_since < Stamp::NEVER, "there is no connection yet");
    rig.after(Duration::from_millis(1));
    rig.answer();
    let last = waits.waiting_since;
    let taken = Reached { waiting_since: Stamp::NEVER, last, taken_at: rig.now };
    assert_eq!(progress.reached(), taken);
    // The client says the first half of something.
    rig.say_after(0, 3, 6, flags, b"y");
    rig.answer();
    let held = progress.reached();
    assert_eq!(Reached { waiting_since: Stamp::NEVER, ..held }, taken);
    assert!((last..Stamp::NEVER).contains(&held.waiting_since), "the module holds the turn after it");
    // The next turn is due behind it.
    rig.say_after(0, 4, 9, flags, b"y");
    rig.answer();
    let reached = progress.reached();
    assert!(reached.last > held.waiting_since);
    assert_eq!(reached.waiting_since, Stamp::NEVER);
    assert_eq!(rig.wire.payload, b"xxyy");
}

/// A module that passes all, and notes which answers acknowledge all that was sent.
#[derive(Clone, Default)]
struct Answered(Arc<Mutex<Vec<Answer>>>);

/// The bytes, and whether their segment acknowledges all.
type Answer = (Vec<u8>, bool);

impl Protocol for Answered {
    fn name(&self) -> &'static str {
        "test"
    }

    fn module(&self, _: &Flow, _: bool) -> Box<dyn Module> {
        Box::new(self.clone())
    }
}

impl Module for Answered {
    fn connected(&mut self, _: &mut Actions) -> Ready {
        Ready::Now
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        actions.pass(bytes.len());
    }

    fn answer(&mut self, data: ServerData<'_>, _: &mut Actions) {
        self.0.lock().unwrap().push((data.bytes.to_vec(), data.acks_all));
    }

    fn missed(&mut self, _: Missing<'_>) {}
}

/// What a segment answers is told by its own acknowledgement, not by that of a segment which has overtaken it.
#[test]
fn an_answer_that_was_overtaken_acknowledges_no_more_than_it_says() {
    let data = Flags::ACK | Flags::PSH;
    let protocol = Answered::default();
    let told = protocol.clone();
    let mut rig = Rig::with_protocol(protocol);
    rig.connect(0);
    rig.answer();
    rig.say(0, 1, data, b"one");
    rig.answer();
    rig.say(0, 4, data, b"two");
    // Acknowledges both.
    rig.answer();
    rig.hear_late(0, 5, 3, b"first");
    assert_eq!(*told.0.lock().unwrap(), [], "the bytes before are missing");
    rig.hear_late(0, 0, 3, b"begin");
    rig.hear_late(0, 10, 0, b"second");
    let expected = [(b"begin".to_vec(), false), (b"first".to_vec(), false), (b"second".to_vec(), true)];
    assert_eq!(*told.0.lock().unwrap(), expected);
    assert_eq!(rig.ledger().tcp.received_out_of_order, 1);
}
