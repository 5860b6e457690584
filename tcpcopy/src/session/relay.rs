//! From the feed to the outbox: straight, or through a protocol module.

use common::module::{Action, Actions, Module};

use crate::ledger::DropReason;
use crate::session::connection::{Connection, Received};
use crate::session::context::Context;
use crate::session::feed::Feed;
use crate::session::gate::Gate;
use crate::session::outbox::{Origin, Outbox};

/// What stands between feed and outbox.
pub(super) enum Relay {
    /// The bytes as they are.
    Straight,
    /// A protocol module and its list of actions.
    Module(Box<dyn Module>, Actions),
}

/// The parts of a session that a relay works on.
pub(super) struct Parts<'s> {
    pub(super) feed: &'s mut Feed,
    pub(super) outbox: &'s mut Outbox,
    pub(super) gate: &'s mut Gate,
    pub(super) connection: &'s mut Connection,
}

/// A module cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure(pub(super) &'static str);

impl Relay {
    pub(super) fn is_straight(&self) -> bool {
        matches!(self, Self::Straight)
    }

    /// A connection stands.
    pub(super) fn connected(&mut self, cx: &mut Context<'_>, parts: &mut Parts<'_>) -> Result<(), Failure> {
        match self {
            Self::Straight => Ok(()),
            Self::Module(module, actions) => {
                module.connected(actions);
                carry_out(cx, actions, parts)
            }
        }
    }

    /// Moves what is due.
    pub(super) fn move_due(&mut self, cx: &mut Context<'_>, parts: &mut Parts<'_>) -> Result<(), Failure> {
        let due = parts.feed.due_len();
        if due == 0 {
            return Ok(());
        }
        match self {
            Self::Straight => {
                parts.outbox.push(parts.feed.due(), Origin::Client);
                parts.feed.consume(due);
                Ok(())
            }
            Self::Module(module, actions) if parts.connection.is_open() => {
                module.client(parts.feed.due(), actions);
                carry_out(cx, actions, parts)
            }
            Self::Module(..) => Ok(()),
        }
    }

    /// The test server said something.
    pub(super) fn answer(
        &mut self,
        cx: &mut Context<'_>,
        received: &Received<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<(), Failure> {
        match self {
            Self::Module(module, actions) if !received.payload.is_empty() => {
                module.answer(received.skipped, received.payload, actions);
                carry_out(cx, actions, parts)
            }
            _ => Ok(()),
        }
    }
}

fn carry_out(cx: &mut Context<'_>, actions: &mut Actions, parts: &mut Parts<'_>) -> Result<(), Failure> {
    let mut result = Ok(());
    for action in actions.list() {
        match action {
            Action::Pass(bytes) => {
                let bytes = (*bytes).min(parts.feed.due_len());
                parts.outbox.push(&parts.feed.due()[..bytes], Origin::Client);
                parts.feed.consume(bytes);
                parts.gate.module_sent();
            }
            Action::Drop(bytes) => {
                let bytes = (*bytes).min(parts.feed.due_len());
                parts.feed.consume(bytes);
                cx.ledger.bytes.pending -= bytes as u64;
                cx.ledger.bytes.dropped.add(DropReason::Replaced, bytes as u64);
            }
            Action::Send(range) => {
                let own = actions.own_bytes().get(range.clone()).unwrap_or_default();
                parts.outbox.push(own, Origin::Module);
                parts.gate.module_sent();
            }
            Action::Answers(mode) => parts.connection.ask_payload(cx, *mode),
            Action::Ready => parts.gate.module_ready(),
            Action::Fail(reason) => {
                result = Err(Failure(reason));
                break;
            }
        }
    }
    actions.clear();
    result
}
