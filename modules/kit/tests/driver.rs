//! The driver for tests finds modules that break the rules of the trait.

#![cfg(feature = "testing")]

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
