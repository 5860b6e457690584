//! From the feed to the outbox: straight, or through a protocol module.

use common_core::payload_prefix::PayloadPrefix;
use common_core::wire::{Segment, Seq};
use module_kit::module::{Action, Actions, Failure, Loss, Module, Said};

use crate::ledger::{DropReason, Ledger};
use crate::session::connection::{Connection, Received};
use crate::session::context::Context;
use crate::session::feed::{Feed, Turn};
use crate::session::gate::Gate;
use crate::session::online::Online;
use crate::session::outbox::{Origin, Outbox};

/// What stands between feed and outbox.
pub(super) enum Relay {
    /// The bytes as they are.
    Straight,
    /// A protocol module.
    Module(Box<Attached>),
}

/// Why a module's actions are not carried out any further.
pub(super) enum Stop {
    /// The session cannot go on.
    Failed(Failure),
    /// The test server does not want the connection.
    Refused,
}

/// A protocol module and what it needs.
pub(crate) struct Attached {
    module: Box<dyn Module>,
    actions: Actions,
    /// What the online server answered, if the module wants to know.
    online: Option<Online>,
    /// The last question to the online server whose answer the module knows of.
    question: u64,
    /// Its memory as it stands in the ledger, in bytes, without its own bytes in the outbox; and those.
    counted: u64,
    own: u64,
}

/// The parts of a session that a relay works on.
pub(super) struct Parts<'s> {
    pub(super) feed: &'s mut Feed,
    pub(super) outbox: &'s mut Outbox,
    pub(super) gate: &'s mut Gate,
    pub(super) connection: &'s mut Connection,
    /// The first reason for which something of the session was lost.
    pub(super) first_drop: &'s mut Option<DropReason>,
}

impl Relay {
    pub(super) fn new(attached: Option<Attached>) -> Self {
        attached.map_or(Self::Straight, |attached| Self::Module(Box::new(attached)))
    }

    pub(super) fn is_straight(&self) -> bool {
        matches!(self, Self::Straight)
    }

    /// What is kept of the online server's answers, if a module wants them.
    pub(super) fn online(&mut self) -> Option<&mut Online> {
        match self {
            Self::Straight => None,
            Self::Module(attached) => attached.online.as_mut(),
        }
    }

    /// How much of the client must be known before what the online server said, and is kept, is an answer to it.
    pub(super) fn online_answered(&self) -> Option<Seq> {
        match self {
            Self::Straight => None,
            Self::Module(attached) => attached.online.as_ref().and_then(Online::answered),
        }
    }

    /// A module wants to know what the online server said, and the sequence number can be of that.
    pub(super) fn wants_online_answer(&self, seq: Seq) -> bool {
        match self {
            Self::Straight => false,
            Self::Module(attached) => attached.online.as_ref().is_some_and(|online| online.is_plausible(seq)),
        }
    }

    /// What is answered now comes to nothing with the connection.
    pub(super) fn is_tentative(&self) -> bool {
        match self {
            Self::Straight => false,
            Self::Module(attached) => attached.module.is_tentative(),
        }
    }

    /// What a module holds waits for what the online server says to it.
    pub(super) fn awaits_online(&self) -> bool {
        match self {
            Self::Straight => false,
            Self::Module(attached) => attached.module.awaits_online(),
        }
    }

    /// Memory of the module and of what is kept for it, in bytes.
    pub(super) fn memory(&self) -> u64 {
        match self {
            Self::Straight => 0,
            Self::Module(attached) => attached.counted + attached.own,
        }
    }

    /// So many bytes of the module's own are in the outbox: they are inflated from what its client said, say.
    pub(super) fn count_own(&mut self, ledger: &mut Ledger, own: u64) {
        if let Self::Module(attached) = self {
            ledger.modules.memory = ledger.modules.memory + own - attached.own;
            attached.own = own;
        }
    }

    /// The module is not needed any more.
    pub(super) fn dismiss(&mut self, ledger: &mut Ledger) {
        ledger.modules.memory -= self.memory();
        *self = Self::Straight;
    }

    /// Bytes of the client do not come this way, those among them that were `due`.
    pub(super) fn client_lost(&mut self, due: &[u8]) {
        if let Self::Module(attached) = self {
            attached.module.client_lost(due);
        }
    }

    /// A connection stands.
    pub(super) fn connected(&mut self, cx: &mut Context<'_>, parts: &mut Parts<'_>) -> Result<(), Stop> {
        match self {
            Self::Straight => Ok(()),
            Self::Module(attached) => {
                attached.call(cx, parts, |module, _, actions| module.connected(actions))
            }
        }
    }

    /// Moves what is due.
    pub(super) fn move_due(&mut self, cx: &mut Context<'_>, parts: &mut Parts<'_>) -> Result<(), Stop> {
        if parts.feed.due_len() == 0 {
            return Ok(());
        }
        match self {
            Self::Straight => {
                parts.feed.move_due(parts.outbox);
                Ok(())
            }
            Self::Module(attached) if parts.connection.is_open() => {
                attached.call(cx, parts, |module, feed, actions| module.client(feed.due(), actions))
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
    ) -> Result<(), Stop> {
        match self {
            Self::Module(attached) if !received.payload.is_empty() => {
                let said = Said {
                    skipped: received.skipped,
                    bytes: received.payload,
                    had_all: parts.outbox.is_empty(),
                };
                attached.call(cx, parts, |module, _, actions| module.answer(said, actions))
            }
            _ => Ok(()),
        }
    }

    /// The online server said something: it is handed over `at_once`, if nothing before it is missing, or kept.
    pub(super) fn online_segment(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment<'_>,
        at_once: bool,
        parts: &mut Parts<'_>,
    ) -> Result<(), Stop> {
        let Self::Module(attached) = self else { return Ok(()) };
        if !at_once && cx.ledger.modules.memory > cx.config.memory_limit / 4 {
            // Rather than that sessions are given up for it.
            return Ok(());
        }
        let Some(online) = &mut attached.online else { return Ok(()) };
        if let Some((skipped, bytes)) =
            online.place(segment.seq, segment.payload, segment.payload_len, at_once)
        {
            return attached.hand_over(cx, parts, skipped, bytes);
        }
        online.kept_answers(segment.ack);
        attached.count_memory(cx.ledger);
        Ok(())
    }

    /// Hands over what the online server had said, in order.
    pub(super) fn online_in_order(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut Parts<'_>,
    ) -> Result<(), Stop> {
        let Self::Module(attached) = self else { return Ok(()) };
        while let Some(bytes) = attached.online.as_mut().and_then(Online::next_in_order) {
            attached.hand_over_next(cx, parts, &bytes)?;
        }
        Ok(())
    }

    /// Hands over what the online server had said before a turn; what is missing is told.
    pub(super) fn before_turn(
        &mut self,
        cx: &mut Context<'_>,
        turn: &Turn,
        parts: &mut Parts<'_>,
    ) -> Result<(), Stop> {
        let Self::Module(attached) = self else { return Ok(()) };
        if attached.question != cx.target.question && turn.captured > cx.target.answered {
            attached.question = cx.target.question;
            attached.module.online_queried(attached.question);
        }
        if attached.online.is_none() {
            return Ok(());
        }
        let ack = turn.ack;
        while let Some(bytes) = attached.online.as_mut().and_then(|online| online.next_before(ack)) {
            attached.hand_over_next(cx, parts, &bytes)?;
        }
        attached.hand_over_next(cx, parts, &[])
    }
}

impl Attached {
    /// `wanted` of the online server's answers, as its protocol says.
    pub(crate) fn new(module: Box<dyn Module>, wanted: &[PayloadPrefix]) -> Self {
        Self { module, actions: Actions::new(), online: Online::new(wanted), question: 0, counted: 0, own: 0 }
    }

    /// Calls the module and carries out what it wants.
    fn call(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut Parts<'_>,
        work: impl FnOnce(&mut dyn Module, &mut Feed, &mut Actions),
    ) -> Result<(), Stop> {
        work(&mut *self.module, parts.feed, &mut self.actions);
        let result = carry_out(cx, &self.actions, parts);
        self.actions.clear();
        self.count_memory(cx.ledger);
        result
    }

    /// Hands over what was kept.
    fn hand_over_next(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut Parts<'_>,
        bytes: &[u8],
    ) -> Result<(), Stop> {
        let skipped = self.online.as_mut().map_or(0, Online::take_skipped);
        self.hand_over(cx, parts, skipped, bytes)
    }

    fn hand_over(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut Parts<'_>,
        skipped: u64,
        bytes: &[u8],
    ) -> Result<(), Stop> {
        if skipped == 0 && bytes.is_empty() {
            return Ok(());
        }
        cx.ledger.modules.online_bytes += bytes.len() as u64;
        self.call(cx, parts, |module, _, actions| module.online_answer(skipped, bytes, actions))
    }

    fn count_memory(&mut self, ledger: &mut Ledger) {
        let online = self.online.as_ref().map_or(0, Online::memory);
        let memory = (size_of::<Self>() + self.module.memory() + online) as u64;
        ledger.modules.memory = ledger.modules.memory + memory - self.counted;
        self.counted = memory;
    }
}

fn carry_out(cx: &mut Context<'_>, actions: &Actions, parts: &mut Parts<'_>) -> Result<(), Stop> {
    for action in actions.list() {
        match action {
            Action::Pass(bytes) => {
                let bytes = (*bytes).min(parts.feed.due_len());
                if bytes > 0 && bytes == parts.feed.due_len() {
                    parts.feed.move_due(parts.outbox);
                    parts.gate.module_sent();
                } else if bytes > 0 {
                    parts.outbox.push(&parts.feed.due()[..bytes], Origin::Client);
                    parts.feed.consume(bytes);
                    parts.gate.module_sent();
                }
            }
            Action::Replace(bytes) => take_out(cx, parts, *bytes, DropReason::Replaced),
            Action::LeaveOut(bytes, loss) => take_out(cx, parts, *bytes, reason(*loss)),
            Action::Send(range) => {
                let own = actions.own_bytes().get(range.clone()).unwrap_or_default();
                if !own.is_empty() {
                    parts.outbox.push(own, Origin::Module);
                    parts.gate.module_sent();
                }
            }
            Action::Answers(mode) => parts.connection.ask_payload(cx, *mode),
            Action::Ready => parts.gate.module_ready(),
            Action::Refused => return Err(Stop::Refused),
            Action::Fail(failure) => return Err(Stop::Failed(*failure)),
        }
    }
    Ok(())
}

fn reason(loss: Loss) -> DropReason {
    match loss {
        Loss::LeftOut => DropReason::LeftOut,
        Loss::StateLost => DropReason::StateLost,
        Loss::StateUnknown => DropReason::StateUnknown,
    }
}

/// Takes client bytes out of the stream that are not to be sent.
fn take_out(cx: &mut Context<'_>, parts: &mut Parts<'_>, bytes: usize, reason: DropReason) {
    let bytes = bytes.min(parts.feed.due_len());
    parts.feed.consume(bytes);
    cx.ledger.bytes.pending -= bytes as u64;
    cx.ledger.bytes.dropped.add(reason, bytes as u64);
    if bytes > 0 && reason != DropReason::Replaced {
        parts.first_drop.get_or_insert(reason);
    }
}
