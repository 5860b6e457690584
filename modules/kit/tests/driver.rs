//! The driver for tests finds modules that break the rules of the trait.

#![cfg(feature = "testing")]

use std::time::Duration;

use module_kit::testing::Driver;
use module_kit::{Actions, Loss, Missing, Module, Ready, ServerData};

/// Does the same in each call.
struct Does(fn(&mut Actions), Ready);

impl Module for Does {
    fn connected(&mut self, actions: &mut Actions) -> Ready {
        if self.1 == Ready::WhenSaid {
            (self.0)(actions);
        }
        self.1
    }

    fn client(&mut self, _: &[u8], actions: &mut Actions) {
        (self.0)(actions);
    }

    fn answer(&mut self, _: ServerData<'_>, actions: &mut Actions) {
        (self.0)(actions);
    }

    fn missed(&mut self, _: Missing<'_>) {}
}

fn driver(does: fn(&mut Actions), ready: Ready) -> Driver {
    let mut driver = Driver::new(Box::new(Does(does, ready)));
    driver.connected();
    driver
}

#[test]
fn each_byte_has_one_fate() {
    let does = |actions: &mut Actions| {
        actions.pass(1);
        actions.send(b"-");
        actions.replace(1);
        actions.leave_out(1, Loss::LeftOut);
    };
    let mut driver = driver(does, Ready::Now);
    assert_eq!(driver.client(b"abc"), b"a-");
    assert_eq!((&driver.fates.passed[..], &driver.fates.replaced[..]), (&b"a"[..], &b"b"[..]));
    assert_eq!(driver.fates.left_out, [(Loss::LeftOut, b"c".to_vec())]);
}

#[test]
fn a_turn_waits_until_the_connection_is_ready() {
    let mut never = driver(|_| {}, Ready::WhenSaid);
    never.turn(b"first");
    never.turn(b"second");
    assert_eq!((never.held(), never.waiting(), never.is_ready()), (5, 1, false));
    // The first of them is still held.
    never.connected();
    assert_eq!((never.held(), never.waiting()), (5, 1));
    never.drop_client(b"");
    never.connected();
    assert_eq!((never.held(), never.waiting()), (6, 0));
    let mut at_once = driver(|actions| actions.pass(1), Ready::Now);
    assert_eq!(
        (at_once.turn(b"a"), at_once.turn(b"b"), at_once.waiting()),
        (b"a".to_vec(), b"b".to_vec(), 0)
    );
}

#[test]
fn a_module_that_asks_is_called_again() {
    let does = |actions: &mut Actions| {
        actions.replace(2);
        actions.call_again();
    };
    let mut driver = driver(does, Ready::Now);
    driver.client(b"abcd");
    assert_eq!((driver.held(), &driver.fates.replaced[..]), (3, &b"a"[..]));
    driver.drop_client(b"");
    assert_eq!(driver.held(), 0);
}

/// Passes one byte of a turn that was captured a second ago, or whose next turn was captured.
fn waits_a_second(actions: &mut Actions) {
    let moment = actions.moment();
    let due = moment.captured + Duration::from_secs(1);
    if moment.now >= due || moment.next_captured.is_some() {
        actions.pass(1);
    } else {
        actions.call_again_at(due + Duration::from_secs(9));
        actions.call_again_at(due);
    }
}

#[test]
fn a_module_is_called_at_the_time_that_it_asked_for() {
    let mut driver = driver(waits_a_second, Ready::Now);
    assert_eq!(driver.turn(b"a"), b"");
    assert_eq!(driver.calls_again_in(), Some(Duration::from_secs(1)));
    assert_eq!(driver.pass_time(Duration::from_millis(999)), b"");
    assert_eq!(driver.pass_time(Duration::from_millis(1)), b"a");
    assert_eq!((driver.held(), driver.calls_again_in()), (0, None));
}

#[test]
fn a_module_sees_that_the_next_turn_was_captured() {
    let mut driver = driver(waits_a_second, Ready::Now);
    driver.turn(b"a");
    driver.turn_captured(b"b");
    assert_eq!((driver.held(), driver.waiting()), (1, 1));
    assert_eq!(driver.pass_time(Duration::from_secs(1)), b"a");
    driver.turn_captured(b"c");
    assert_eq!(driver.client(b""), b"", "two turns are due, and wait for their own time");
}

#[test]
#[should_panic(expected = "was offered 3 bytes")]
fn no_more_is_taken_than_was_offered() {
    driver(|actions| actions.pass(4), Ready::Now).client(b"abc");
}

#[test]
#[should_panic(expected = "ready on a connection that is Ready")]
fn ready_is_said_once() {
    driver(Actions::ready, Ready::WhenSaid).client(b"abc");
}

#[test]
#[should_panic(expected = "ready on a connection that is Ready")]
fn ready_is_not_said_after_ready_now() {
    driver(Actions::ready, Ready::Now).client(b"abc");
}

#[test]
#[should_panic(expected = "answered on a connection that is Preparing")]
fn nothing_is_answered_before_the_connection_is_ready() {
    driver(Actions::answered, Ready::WhenSaid);
}
