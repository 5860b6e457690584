//! From the turn queue to the send_buffer: straight, or through a protocol module.

use common_core::payload_prefix::PayloadPrefix;
use common_core::wire::{Segment, Seq};
use module_kit::module::{Action, Actions, Failure, Loss, Module, ServerData};

use crate::ledger::DropReason;
use crate::session::connection::{Connection, Received};
use crate::session::context::Context;
use crate::session::gate::Gate;
use crate::session::online_stream::OnlineStream;
use crate::session::send_buffer::{Origin, SendBuffer};
use crate::session::turn_queue::{Turn, TurnQueue};

/// What stands between turn queue and send buffer.
pub(super) enum Transform {
    /// The bytes as they are.
    Straight,
    /// A protocol module.
    Module(Box<ModuleHost>),
}

/// Why a module's actions are not carried out any further.
pub(super) enum ModuleExit {
    /// The session cannot go on.
    Failed(Failure),
    /// The test server does not want the connection.
    Refused,
}

/// A protocol module and what it needs.
pub(crate) struct ModuleHost {
    module: Box<dyn Module>,
    actions: Actions,
    /// What the online server answered, if the module wants to know.
    online: Option<OnlineStream>,
    /// The last question to the online server whose answer the module knows of.
    question: u64,
}

/// The parts of a session that a transform works on.
pub(super) struct HostCx<'s> {
    pub(super) turn_queue: &'s mut TurnQueue,
    pub(super) send_buffer: &'s mut SendBuffer,
    pub(super) gate: &'s mut Gate,
    pub(super) connection: &'s mut Connection,
    /// The first reason for which something of the session was lost.
    pub(super) first_drop: &'s mut Option<DropReason>,
}

impl Transform {
    pub(super) fn new(host: Option<ModuleHost>) -> Self {
        host.map_or(Self::Straight, |host| Self::Module(Box::new(host)))
    }

    pub(super) fn is_straight(&self) -> bool {
        matches!(self, Self::Straight)
    }

    /// What is kept of the online server's answers, if a module wants them.
    pub(super) fn online(&mut self) -> Option<&mut OnlineStream> {
        match self {
            Self::Straight => None,
            Self::Module(host) => host.online.as_mut(),
        }
    }

    /// How much of the client must be known before what the online server said, and is kept, is an answer to it.
    pub(super) fn online_answered(&self) -> Option<Seq> {
        match self {
            Self::Straight => None,
            Self::Module(host) => host.online.as_ref().and_then(OnlineStream::answered),
        }
    }

    /// A module wants to know what the online server said, and the sequence number can be of that.
    pub(super) fn wants_online_answer(&self, seq: Seq) -> bool {
        match self {
            Self::Straight => false,
            Self::Module(host) => host.online.as_ref().is_some_and(|online| online.is_plausible(seq)),
        }
    }

    /// What is answered now comes to nothing with the connection.
    pub(super) fn is_tentative(&self) -> bool {
        match self {
            Self::Straight => false,
            Self::Module(host) => host.module.is_tentative(),
        }
    }

    /// What a module holds waits for what the online server says to it.
    pub(super) fn awaits_online(&self) -> bool {
        match self {
            Self::Straight => false,
            Self::Module(host) => host.module.awaits_online(),
        }
    }

    /// Memory of the module, if there is one, and of what is kept for it, in bytes.
    pub(super) fn memory(&self) -> Option<u64> {
        match self {
            Self::Straight => None,
            Self::Module(host) => Some(host.memory()),
        }
    }

    /// The module is not needed any more.
    pub(super) fn dismiss(&mut self) {
        *self = Self::Straight;
    }

    /// Bytes of the client do not come this way, those among them that were `due`.
    pub(super) fn client_lost(&mut self, due: &[u8]) {
        if let Self::Module(host) = self {
            host.module.client_lost(due);
        }
    }

    /// A connection stands.
    pub(super) fn connected(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut HostCx<'_>,
    ) -> Result<(), ModuleExit> {
        match self {
            Self::Straight => Ok(()),
            Self::Module(host) => host.call(cx, parts, |module, _, actions| module.connected(actions)),
        }
    }

    /// Moves what is due.
    pub(super) fn move_due(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut HostCx<'_>,
    ) -> Result<(), ModuleExit> {
        if parts.turn_queue.due_len() == 0 {
            return Ok(());
        }
        match self {
            Self::Straight => {
                parts.turn_queue.move_due(parts.send_buffer);
                Ok(())
            }
            Self::Module(host) if parts.connection.is_open() => {
                host.call(cx, parts, |module, turn_queue, actions| module.client(turn_queue.due(), actions))
            }
            Self::Module(..) => Ok(()),
        }
    }

    /// The test server said something.
    pub(super) fn answer(
        &mut self,
        cx: &mut Context<'_>,
        received: &Received<'_>,
        parts: &mut HostCx<'_>,
    ) -> Result<(), ModuleExit> {
        match self {
            Self::Module(host) if !received.payload.is_empty() => {
                let said = ServerData {
                    skipped: received.skipped,
                    bytes: received.payload,
                    had_all: parts.send_buffer.is_empty(),
                };
                host.call(cx, parts, |module, _, actions| module.answer(said, actions))
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
        parts: &mut HostCx<'_>,
    ) -> Result<(), ModuleExit> {
        let Self::Module(host) = self else { return Ok(()) };
        if !at_once && cx.ledger.modules.memory > cx.config.memory_limit / 4 {
            // Rather than that sessions are given up for it.
            return Ok(());
        }
        let Some(online) = &mut host.online else { return Ok(()) };
        if let Some((skipped, bytes)) =
            online.place(segment.seq, segment.payload, segment.payload_len, at_once)
        {
            return host.hand_over(cx, parts, skipped, bytes);
        }
        online.kept_answers(segment.ack);
        Ok(())
    }

    /// Hands over what the online server had said, in order.
    pub(super) fn online_in_order(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut HostCx<'_>,
    ) -> Result<(), ModuleExit> {
        let Self::Module(host) = self else { return Ok(()) };
        while let Some(bytes) = host.online.as_mut().and_then(OnlineStream::next_in_order) {
            host.hand_over_next(cx, parts, &bytes)?;
        }
        Ok(())
    }

    /// Hands over what the online server had said before a turn; what is missing is told.
    pub(super) fn before_turn(
        &mut self,
        cx: &mut Context<'_>,
        turn: &Turn,
        parts: &mut HostCx<'_>,
    ) -> Result<(), ModuleExit> {
        let Self::Module(host) = self else { return Ok(()) };
        if host.question != cx.target.question && turn.captured > cx.target.answered {
            host.question = cx.target.question;
            host.module.online_queried(host.question);
        }
        if host.online.is_none() {
            return Ok(());
        }
        let ack = turn.ack;
        while let Some(bytes) = host.online.as_mut().and_then(|online| online.next_before(ack)) {
            host.hand_over_next(cx, parts, &bytes)?;
        }
        host.hand_over_next(cx, parts, &[])
    }
}

impl ModuleHost {
    /// `wanted` of the online server's answers, as its protocol says.
    pub(crate) fn new(module: Box<dyn Module>, wanted: &[PayloadPrefix]) -> Self {
        Self { module, actions: Actions::new(), online: OnlineStream::new(wanted), question: 0 }
    }

    /// Calls the module and carries out what it wants.
    fn call(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut HostCx<'_>,
        work: impl FnOnce(&mut dyn Module, &mut TurnQueue, &mut Actions),
    ) -> Result<(), ModuleExit> {
        work(&mut *self.module, parts.turn_queue, &mut self.actions);
        let result = carry_out(cx, &self.actions, parts);
        self.actions.clear();
        result
    }

    /// Hands over what was kept.
    fn hand_over_next(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut HostCx<'_>,
        bytes: &[u8],
    ) -> Result<(), ModuleExit> {
        let skipped = self.online.as_mut().map_or(0, OnlineStream::take_skipped);
        self.hand_over(cx, parts, skipped, bytes)
    }

    fn hand_over(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut HostCx<'_>,
        skipped: u64,
        bytes: &[u8],
    ) -> Result<(), ModuleExit> {
        if skipped == 0 && bytes.is_empty() {
            return Ok(());
        }
        cx.ledger.online_bytes(bytes.len() as u64);
        self.call(cx, parts, |module, _, actions| module.online_answer(skipped, bytes, actions))
    }

    fn memory(&self) -> u64 {
        let online = self.online.as_ref().map_or(0, OnlineStream::memory);
        (size_of::<Self>() + self.module.memory() + online) as u64
    }
}

fn carry_out(cx: &mut Context<'_>, actions: &Actions, parts: &mut HostCx<'_>) -> Result<(), ModuleExit> {
    for action in actions.list() {
        match action {
            Action::Pass(bytes) => {
                let bytes = (*bytes).min(parts.turn_queue.due_len());
                if bytes > 0 && bytes == parts.turn_queue.due_len() {
                    parts.turn_queue.move_due(parts.send_buffer);
                    parts.gate.module_sent();
                } else if bytes > 0 {
                    parts.send_buffer.push(&parts.turn_queue.due()[..bytes], Origin::Client);
                    parts.turn_queue.consume(bytes);
                    parts.gate.module_sent();
                }
            }
            Action::Replace(bytes) => take_out(cx, parts, *bytes, DropReason::Replaced),
            Action::LeaveOut(bytes, loss) => take_out(cx, parts, *bytes, reason(*loss)),
            Action::Send(range) => {
                let own = actions.own_bytes().get(range.clone()).unwrap_or_default();
                if !own.is_empty() {
                    parts.send_buffer.push(own, Origin::Module);
                    parts.gate.module_sent();
                }
            }
            Action::Answers(mode) => parts.connection.ask_payload(cx, *mode),
            Action::Ready => parts.gate.module_ready(),
            Action::Refused => return Err(ModuleExit::Refused),
            Action::Fail(failure) => return Err(ModuleExit::Failed(*failure)),
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
fn take_out(cx: &mut Context<'_>, parts: &mut HostCx<'_>, bytes: usize, reason: DropReason) {
    let bytes = bytes.min(parts.turn_queue.due_len());
    parts.turn_queue.consume(bytes);
    cx.ledger.drop_bytes(reason, bytes as u64);
    if bytes > 0 && reason != DropReason::Replaced {
        parts.first_drop.get_or_insert(reason);
    }
}
