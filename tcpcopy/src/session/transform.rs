//! From the turn queue to the send buffer: straight, or through a protocol module.

use common_core::time::{Stamp, Time};
use common_core::wire::{Segment, Seq};
use module_kit::progress::Tracker;
use module_kit::{Action, Actions, Failure, Loss, Missing, Module, Moment, PayloadPrefix, Ready, ServerData};

use crate::ledger::DropReason;
use crate::session::connection::{Connection, Received};
use crate::session::context::Context;
use crate::session::gate::Gate;
use crate::session::online_stream::{OnlineSegment, OnlineStream};
use crate::session::outcome::Outcome;
use crate::session::send_buffer::{Origin, SendBuffer};
use crate::session::turn_queue::{Turn, TurnQueue};

/// The way of a client's bytes from the turn queue to the send buffer.
pub(super) enum Transform {
    /// They pass unchanged.
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

/// A protocol module and its surroundings.
pub(crate) struct ModuleHost {
    module: Box<dyn Module>,
    actions: Actions,
    /// The online server's answers, if the module observes them.
    online: Option<OnlineStream>,
    /// The last question to the online server whose answer was reported to the module.
    question: u64,
    /// Tells modules of other sessions how far this one has come, if its module wants that.
    tracker: Option<Tracker>,
    /// When the turn that is due last was captured.
    captured: (Time, Stamp),
    /// The module is to be called at this time.
    call_at: Time,
    /// The module asked to be called again: the first due byte is one that it has taken out already, for this reason.
    taken: Option<DropReason>,
}

/// The parts of a session that a transform works on.
pub(super) struct HostCx<'s> {
    pub(super) turn_queue: &'s mut TurnQueue,
    pub(super) send_buffer: &'s mut SendBuffer,
    pub(super) gate: &'s mut Gate,
    pub(super) connection: &'s mut Connection,
    pub(super) outcome: &'s mut Outcome,
}

impl Transform {
    pub(super) fn new(host: Option<ModuleHost>) -> Self {
        host.map_or(Self::Straight, |host| Self::Module(Box::new(host)))
    }

    pub(super) fn is_straight(&self) -> bool {
        matches!(self, Self::Straight)
    }

    /// The stored answers of the online server, if a module observes them.
    pub(super) fn online(&mut self) -> Option<&mut OnlineStream> {
        match self {
            Self::Straight => None,
            Self::Module(host) => host.online.as_mut(),
        }
    }

    /// The client's sequence number that the stored answers of the online server acknowledge.
    pub(super) fn online_answered(&self) -> Option<Seq> {
        match self {
            Self::Straight => None,
            Self::Module(host) => host.online.as_ref().and_then(OnlineStream::answered),
        }
    }

    /// Until when stored answers of the online server wait for others that they may have overtaken.
    pub(super) fn online_waits_until(&self) -> Option<Time> {
        match self {
            Self::Straight => None,
            Self::Module(host) => host.online.as_ref().and_then(OnlineStream::waits_until),
        }
    }

    /// Whether a module observes the online server, and this sequence number is plausible there.
    pub(super) fn wants_online_answer(&self, seq: Seq) -> bool {
        match self {
            Self::Straight => false,
            Self::Module(host) => host.online.as_ref().is_some_and(|online| online.is_plausible(seq)),
        }
    }

    /// Whether recent answers are void if the connection breaks now.
    pub(super) fn is_tentative(&self) -> bool {
        match self {
            Self::Straight => false,
            Self::Module(host) => host.module.is_tentative(),
        }
    }

    /// Whether the bytes that a module holds wait for the online server's answer to them.
    pub(super) fn awaits_online(&mut self) -> bool {
        match self {
            Self::Straight => false,
            Self::Module(host) => host.module.online().is_some_and(|online| online.is_awaited()),
        }
    }

    /// When the module is to be called, if it holds bytes then.
    pub(super) fn call_at(&self) -> Time {
        match self {
            Self::Straight => Time::NEVER,
            Self::Module(host) => host.call_at,
        }
    }

    /// Time has passed: a call that is due is made with the next bytes that move.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        if let Self::Module(host) = self
            && host.call_at <= now
        {
            host.call_at = Time::NEVER;
        }
    }

    /// The memory of the module, if there is one, and of what is stored for it, in bytes.
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

    /// The bytes that are `due` are dropped; without any, bytes of the client were never captured.
    pub(super) fn client_lost(&mut self, due: &[u8]) {
        if let Self::Module(host) = self {
            let untaken = due.get(usize::from(host.taken.take().is_some())..).unwrap_or_default();
            host.module.missed(if due.is_empty() { Missing::Uncaptured } else { Missing::Dropped(untaken) });
        }
    }

    /// A connection is open.
    pub(super) fn connected(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut HostCx<'_>,
    ) -> Result<(), ModuleExit> {
        match self {
            Self::Straight => Ok(()),
            Self::Module(host) => host.connected(cx, parts),
        }
    }

    /// Moves the due bytes.
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
            Self::Module(host) if parts.connection.is_open() => host.client(cx, parts),
            Self::Module(..) => Ok(()),
        }
    }

    /// The test server has answered; `acks_all`: its segment acknowledges all that was sent.
    pub(super) fn answer(
        &mut self,
        cx: &mut Context<'_>,
        received: &Received<'_>,
        acks_all: bool,
        parts: &mut HostCx<'_>,
    ) -> Result<(), ModuleExit> {
        match self {
            Self::Module(host) if !received.payload.is_empty() => {
                if received.skipped > 0 {
                    host.module.missed(Missing::TestServer(received.skipped));
                }
                let data = ServerData { bytes: &received.payload, tail: &received.tail, acks_all };
                host.call(cx, parts, |module, actions| module.answer(data, actions))
            }
            _ => Ok(()),
        }
    }

    /// The online server has answered: the segment is handed over if it waits for no turn (it is `due`) and for no segment
    /// before it, or stored.
    pub(super) fn online_segment(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment<'_>,
        due: bool,
        parts: &mut HostCx<'_>,
    ) -> Result<(), ModuleExit> {
        let Self::Module(host) = self else { return Ok(()) };
        let Some(online) = &mut host.online else { return Ok(()) };
        // Stored answers must not be the reason why sessions are given up.
        let room = cx.ledger.modules.memory <= cx.config.memory_limit / 4;
        let (payload, length) = (segment.payload, segment.payload_len);
        let answer = OnlineSegment { seq: segment.seq, payload, length, captured: cx.now };
        if let Some((skipped, bytes)) = online.place(answer, due, room) {
            return host.hand_over(cx, parts, skipped, bytes);
        }
        online.kept_answers(segment.ack);
        Ok(())
    }

    /// Hands over the stored answers of the online server that are in order.
    pub(super) fn online_in_order(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut HostCx<'_>,
    ) -> Result<(), ModuleExit> {
        let now = cx.now;
        self.online_until(cx, parts, now)
    }

    /// Hands over all stored answers of the online server.
    pub(super) fn online_left(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut HostCx<'_>,
    ) -> Result<(), ModuleExit> {
        self.online_until(cx, parts, Time::NEVER)
    }

    /// Hands over the stored answers of the online server that wait for others until `time` at most.
    fn online_until(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut HostCx<'_>,
        time: Time,
    ) -> Result<(), ModuleExit> {
        let Self::Module(host) = self else { return Ok(()) };
        while let Some(bytes) = host.online.as_mut().and_then(|online| online.next_in_order(time)) {
            host.hand_over_next(cx, parts, &bytes)?;
        }
        Ok(())
    }

    /// Hands over the online server's answers that the client had acknowledged before a turn, and reports missing ones.
    pub(super) fn before_turn(
        &mut self,
        cx: &mut Context<'_>,
        turn: &Turn,
        parts: &mut HostCx<'_>,
    ) -> Result<(), ModuleExit> {
        let Self::Module(host) = self else { return Ok(()) };
        if host.question != cx.target.question && turn.captured > cx.target.answered {
            host.question = cx.target.question;
            if let Some(online) = host.module.online() {
                online.queried(host.question);
            }
        }
        host.hand_over_before(cx, parts, turn.ack)?;
        host.captured = (turn.captured, turn.stamp);
        if let Some(tracker) = &mut host.tracker {
            tracker.released(turn.stamp, parts.turn_queue.due_len() == 0);
        }
        Ok(())
    }

    /// Tells modules of other sessions how far this one has come.
    pub(super) fn note_progress(&mut self, now: Time, turn_queue: &TurnQueue) {
        if let Self::Module(host) = self
            && let Some(tracker) = &mut host.tracker
        {
            let next = turn_queue.next_turn().map(|turn| turn.stamp);
            tracker.write(now, turn_queue.due_len() == 0, next);
        }
    }
}

impl ModuleHost {
    /// `wanted` are the beginnings of the online server's segments that the protocol observes.
    pub(crate) fn new(module: Box<dyn Module>, wanted: &[PayloadPrefix]) -> Self {
        Self {
            tracker: module.progress().map(Tracker::new),
            module,
            actions: Actions::new(),
            online: OnlineStream::new(wanted),
            question: 0,
            captured: (Time::ZERO, Stamp::FIRST),
            call_at: Time::NEVER,
            taken: None,
        }
    }

    fn connected(&mut self, cx: &mut Context<'_>, parts: &mut HostCx<'_>) -> Result<(), ModuleExit> {
        let mut ready = Ready::WhenSaid;
        self.call(cx, parts, |module, actions| ready = module.connected(actions))?;
        if ready == Ready::Now {
            parts.gate.module_ready();
        }
        Ok(())
    }

    /// Offers the due bytes to the module, and carries out its actions.
    fn client(&mut self, cx: &mut Context<'_>, parts: &mut HostCx<'_>) -> Result<(), ModuleExit> {
        self.offer(cx, parts)?;
        if parts.turn_queue.due_len() > 0
            && let Some(next) = parts.turn_queue.next_turn()
            && self.module.online().is_some_and(|online| online.is_awaited())
        {
            // It shows that the online server has answered what the module holds. Not before the module knows that.
            self.hand_over_before(cx, parts, next.ack)?;
            self.offer(cx, parts)?;
        }
        Ok(())
    }

    fn offer(&mut self, cx: &mut Context<'_>, parts: &mut HostCx<'_>) -> Result<(), ModuleExit> {
        let moment = self.moment(cx, parts);
        let due = parts.turn_queue.due();
        let untaken = due.get(usize::from(self.taken.is_some())..).unwrap_or_default();
        self.call_at = Time::NEVER;
        self.actions.set_moment(moment);
        self.module.client(untaken, &mut self.actions);
        if !self.actions.calls_again() {
            self.drop_taken(cx, parts);
        }
        self.carry_out(cx, parts)
    }

    /// Calls the module and carries out its actions.
    fn call(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut HostCx<'_>,
        work: impl FnOnce(&mut dyn Module, &mut Actions),
    ) -> Result<(), ModuleExit> {
        self.actions.set_moment(self.moment(cx, parts));
        work(&mut *self.module, &mut self.actions);
        self.carry_out(cx, parts)
    }

    fn moment(&self, cx: &Context<'_>, parts: &HostCx<'_>) -> Moment {
        let (captured, stamp) = self.captured;
        let next_captured = parts.turn_queue.next_turn().map(|turn| turn.captured);
        Moment { now: cx.now, captured, stamp, next_captured }
    }

    fn carry_out(&mut self, cx: &mut Context<'_>, parts: &mut HostCx<'_>) -> Result<(), ModuleExit> {
        let actions = std::mem::take(&mut self.actions);
        if let Some(time) = actions.calls_again_at() {
            self.call_at = self.call_at.min(time);
        }
        let result = self.carry_out_list(cx, &actions, parts);
        self.actions = actions;
        self.actions.clear();
        result
    }

    /// Hands over the stored answers that the client had acknowledged with `ack`, and reports missing ones.
    fn hand_over_before(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut HostCx<'_>,
        ack: Seq,
    ) -> Result<(), ModuleExit> {
        if self.online.is_none() {
            return Ok(());
        }
        while let Some(bytes) = self.online.as_mut().and_then(OnlineStream::next_due) {
            self.hand_over_next(cx, parts, &bytes)?;
        }
        while let Some(bytes) = self.online.as_mut().and_then(|online| online.next_before(ack)) {
            self.hand_over_next(cx, parts, &bytes)?;
        }
        self.hand_over_next(cx, parts, &[])
    }

    /// Hands over a stored segment.
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
        if skipped > 0 {
            self.module.missed(Missing::OnlineServer(skipped));
        }
        if bytes.is_empty() {
            return Ok(());
        }
        cx.ledger.online_bytes(bytes.len() as u64);
        self.call(cx, parts, |module, actions| {
            if let Some(online) = module.online() {
                online.answer(bytes, actions);
            }
        })
    }

    fn memory(&self) -> u64 {
        let online = self.online.as_ref().map_or(0, OnlineStream::memory);
        (size_of::<Self>() + self.module.memory() + online) as u64
    }

    fn carry_out_list(
        &mut self,
        cx: &mut Context<'_>,
        actions: &Actions,
        parts: &mut HostCx<'_>,
    ) -> Result<(), ModuleExit> {
        for action in actions.list() {
            match action {
                Action::Pass(bytes) => {
                    self.drop_taken(cx, parts);
                    pass(parts, *bytes);
                }
                Action::Replace(bytes) => {
                    self.take_out(cx, parts, *bytes, DropReason::Replaced, actions.calls_again());
                }
                Action::LeaveOut(bytes, loss) => {
                    self.take_out(cx, parts, *bytes, reason(*loss), actions.calls_again());
                }
                Action::Send(range) => {
                    let own = actions.own_bytes().get(range.clone()).unwrap_or_default();
                    if !own.is_empty() {
                        parts.send_buffer.push(own, Origin::Module);
                        parts.gate.module_sent();
                    }
                }
                Action::Answers(mode) => parts.connection.ask_payload(cx, *mode),
                Action::AwaitAnswered => parts.gate.await_module(),
                Action::Ready | Action::Answered => parts.gate.module_ready(),
                Action::StateLost => parts.outcome.lost(DropReason::StateLost),
                Action::Refused => return Err(ModuleExit::Refused),
                Action::Fail(failure) => return Err(ModuleExit::Failed(*failure)),
            }
        }
        Ok(())
    }

    /// Takes out bytes of the client; if the module `calls_again`, the last of them stays due.
    fn take_out(
        &mut self,
        cx: &mut Context<'_>,
        parts: &mut HostCx<'_>,
        bytes: usize,
        reason: DropReason,
        calls_again: bool,
    ) {
        self.drop_taken(cx, parts);
        let bytes = bytes.min(parts.turn_queue.due_len());
        let stays = calls_again && bytes > 0;
        take_out(cx, parts, bytes - usize::from(stays), reason);
        self.taken = stays.then_some(reason);
    }

    /// Removes the byte that stayed due after it was taken out.
    fn drop_taken(&mut self, cx: &mut Context<'_>, parts: &mut HostCx<'_>) {
        if let Some(reason) = self.taken.take() {
            take_out(cx, parts, 1, reason);
        }
    }
}

fn reason(loss: Loss) -> DropReason {
    match loss {
        Loss::LeftOut => DropReason::LeftOut,
        Loss::StateLost => DropReason::StateLost,
        Loss::StateUnknown => DropReason::StateUnknown,
    }
}

/// Passes client bytes unchanged.
fn pass(parts: &mut HostCx<'_>, bytes: usize) {
    let bytes = bytes.min(parts.turn_queue.due_len());
    if bytes == 0 {
        return;
    }
    if bytes == parts.turn_queue.due_len() {
        parts.turn_queue.move_due(parts.send_buffer);
    } else {
        parts.send_buffer.push(&parts.turn_queue.due()[..bytes], Origin::Client);
        parts.turn_queue.consume(bytes);
    }
    parts.gate.module_sent();
}

/// Takes client bytes out of the stream that are not to be sent.
fn take_out(cx: &mut Context<'_>, parts: &mut HostCx<'_>, bytes: usize, reason: DropReason) {
    let bytes = bytes.min(parts.turn_queue.due_len());
    parts.turn_queue.consume(bytes);
    cx.ledger.drop_bytes(reason, bytes as u64);
    if bytes > 0 && reason != DropReason::Replaced {
        parts.outcome.lost(reason);
    }
}
