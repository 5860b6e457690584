//! A copied session: what one client said, played to the test server by a TCP client of its own.
//!
//! The way of the data: captured segment > [`upstream`] (order, turns) > [`feed`] (not yet due) > [`gate`] (pacing) >
//! [`relay`] (protocol module, if any) > [`outbox`] (not yet acknowledged) > [`connection`] (TCP) > wire.
//!
//! Call order: [`Session::start`] once, then [`Session::handle_client`], [`Session::handle_answer`] and
//! [`Session::handle_timeout`] as things happen, [`Session::flush`] after each batch of them, until
//! [`Session::is_finished`].

mod connection;
mod context;
mod feed;
mod gate;
mod outbox;
mod relay;
mod upstream;

use std::time::Duration;

use common::control::{Answer, AnswerPayload};
use common::module::{Actions, Module};
use common::time::Time;
use common::wire::{Flags, Segment, Seq};

use self::connection::{Connection, Event, Received};
pub(crate) use self::context::Context;
use self::feed::{End, EndKind, Feed, Turn};
use self::gate::{Gate, Pass, Verdict};
use self::outbox::Outbox;
use self::relay::{Failure, Parts, Relay};
use self::upstream::Upstream;
use crate::ledger::DropReason;

/// How long a session leaves a test server alone that has refused it.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long a connection may stand still that a new one on its four-tuple waits for.
const HURRIED_TIMEOUT: Duration = Duration::from_secs(3);

/// How long bytes that a protocol module holds may outlive the end of their stream, once nothing happens any more.
const HELD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a session that is over is remembered.
const LINGER: Duration = Duration::from_secs(1);

/// What a session is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// An older session on the same four-tuple comes first.
    Waiting,
    /// The stream is being replayed.
    Replaying,
    /// The test server has closed: our FIN is on its way, then the next turn opens a new connection.
    Reopening,
    /// The stream is over: our FIN is on its way.
    Ending,
    /// Nothing more of this client is replayed; what it says is counted under the reason.
    Ignoring(DropReason),
    /// Over.
    Finished,
}

pub(crate) struct Session {
    phase: Phase,
    upstream: Upstream,
    feed: Feed,
    gate: Gate,
    relay: Relay,
    outbox: Outbox,
    connection: Connection,
    /// The rest of the present turn is of no use, for this reason.
    skipping: Option<DropReason>,
    /// The turn at the front of the outbox has had its second connection.
    sent_again: bool,
    /// Client bytes were acknowledged on the present connection.
    fruitful: bool,
    /// Connections that the test server accepted.
    connections: u32,
    /// The test server has refused; until then nothing is tried.
    retry_at: Time,
    last_refusal: DropReason,
    /// When the gate is to be asked again.
    gate_at: Time,
    /// When the client, or the test server, last did something.
    last_client: Time,
    last_progress: Time,
    superseded: bool,
    first_drop: Option<DropReason>,
}

impl Session {
    /// A session seen from its SYN on.
    pub(crate) fn from_syn(now: Time, isn: Seq, module: Option<Box<dyn Module>>) -> Self {
        Self::new(now, Upstream::from_syn(isn), module)
    }

    /// A session joined at a data segment; `mid_turn` if that is likely to continue a turn.
    pub(crate) fn joined(
        now: Time,
        segment: &Segment<'_>,
        mid_turn: bool,
        module: Option<Box<dyn Module>>,
    ) -> Self {
        Self::new(now, Upstream::joined(segment, mid_turn), module)
    }

    fn new(now: Time, upstream: Upstream, module: Option<Box<dyn Module>>) -> Self {
        Self {
            phase: Phase::Waiting,
            upstream,
            feed: Feed::default(),
            gate: Gate::new(),
            relay: module.map_or(Relay::Straight, |module| Relay::Module(module, Actions::new())),
            outbox: Outbox::default(),
            connection: Connection::new(0),
            skipping: None,
            sent_again: false,
            fruitful: false,
            connections: 0,
            retry_at: Time::ZERO,
            last_refusal: DropReason::NoAnswer,
            gate_at: Time::NEVER,
            last_client: now,
            last_progress: now,
            superseded: false,
            first_drop: None,
        }
    }

    // ---- what the engine asks

    /// Over, with nothing left to acknowledge, and late copies of its segments no more to be expected.
    pub(crate) fn is_finished(&self, now: Time) -> bool {
        self.phase == Phase::Finished && self.connection.is_gone() && now >= self.lingers_until()
    }

    /// Over; the connection may linger in TIME_WAIT.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// Why the session was not replayed whole; `None` if it was.
    pub(crate) fn outcome(&self) -> Option<DropReason> {
        self.first_drop.or(self.upstream.first_drop())
    }

    /// The SYN with this sequence number began the session.
    pub(crate) fn began_with(&self, isn: Seq) -> bool {
        self.upstream.began_with(isn)
    }

    /// The segment is near enough to what is expected to be of this session.
    pub(crate) fn is_plausible(&self, segment: &Segment<'_>) -> bool {
        self.upstream.is_plausible(segment) && !self.upstream.is_before(segment)
    }

    /// Connections opened on the four-tuple, those before the session included.
    pub(crate) fn incarnation(&self) -> u32 {
        self.connection.incarnation()
    }

    /// How much answer payload is wanted, for a link that comes up later.
    pub(crate) fn payload_mode(&self) -> AnswerPayload {
        self.connection.payload_mode()
    }

    /// Client bytes that the session holds.
    pub(crate) fn pending_bytes(&self) -> u64 {
        self.upstream.parked_bytes() + self.feed.len() + self.outbox.client_bytes()
    }

    // ---- what happens to a session

    /// It is this session's turn on its four-tuple, on which `incarnation` connections were opened before: the copy of
    /// the SYN goes out.
    pub(crate) fn start(&mut self, cx: &mut Context<'_>, incarnation: u32) {
        self.connection = Connection::new(incarnation);
        if self.phase != Phase::Waiting {
            // Given up, or over, before its turn came.
            return;
        }
        self.phase = Phase::Replaying;
        self.last_progress = cx.now;
        if !self.relay.is_straight() {
            // A module reads answers from the first byte on; it says itself when that is enough.
            self.connection.ask_payload(cx, AnswerPayload::All);
        }
        self.open_connection(cx);
        self.advance(cx);
    }

    /// The online server's SYN-ACK was captured.
    pub(crate) fn handle_online_syn_ack(&mut self, segment: &Segment<'_>) {
        self.upstream.online_syn_ack(segment);
    }

    /// A segment of the client was captured, SYNs excepted.
    pub(crate) fn handle_client(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        self.last_client = cx.now;
        match self.phase {
            Phase::Ignoring(reason) => {
                cx.ledger.bytes.captured += segment.payload.len() as u64;
                cx.ledger.bytes.dropped.add(reason, segment.payload.len() as u64);
                if segment.flags.has(Flags::FIN) || segment.flags.has(Flags::RST) {
                    self.phase = Phase::Finished;
                }
            }
            Phase::Finished => {
                let reason = self.outcome().unwrap_or(DropReason::CaptureGap);
                self.upstream.account_late(segment, reason, cx.ledger);
            }
            _ => {
                self.upstream.push(cx.now, segment, &mut self.feed, cx.ledger);
                if self.is_tls() {
                    return self.shed(cx, DropReason::Tls);
                }
                self.advance(cx);
            }
        }
    }

    /// Nothing more of this client will be captured on this connection.
    pub(crate) fn finish_client(&mut self, cx: &mut Context<'_>) {
        if let Phase::Ignoring(_) = self.phase {
            self.phase = Phase::Finished;
        }
        self.upstream.finish(EndKind::Fin, cx.now, &mut self.feed, cx.ledger);
        self.advance(cx);
    }

    /// A new session on the same four-tuple waits for this one.
    pub(crate) fn supersede(&mut self, cx: &mut Context<'_>) {
        self.superseded = true;
        self.finish_client(cx);
    }

    /// A segment of the test server.
    pub(crate) fn handle_answer(&mut self, cx: &mut Context<'_>, answer: &Answer<'_>) {
        let mut received = Received::default();
        let start = self.outbox.start();
        let replayed = cx.ledger.bytes.replayed;
        let event = self.connection.handle_answer(cx, answer, &mut self.outbox, &mut received);
        if self.outbox.start() > start {
            self.sent_again = false;
            self.fruitful |= cx.ledger.bytes.replayed > replayed;
            self.last_progress = cx.now;
        }
        if received.fresh > 0 {
            self.last_progress = cx.now;
            self.note_answer(cx, &received);
        }
        if let Some(event) = event {
            self.handle_event(cx, event);
        }
        self.advance(cx);
    }

    fn note_answer(&mut self, cx: &mut Context<'_>, received: &Received<'_>) {
        let acknowledged = self.connection.acknowledged().unwrap_or_default();
        self.gate.answer(cx.now, self.connection.received(), acknowledged, self.connection.is_pushed());
        if self.phase == Phase::Replaying {
            self.with_relay(cx, |relay, cx, parts| relay.answer(cx, received, parts));
        }
    }

    /// Something is put off to the end of the batch.
    pub(crate) fn wants_flush(&self, now: Time) -> bool {
        self.connection.wants_flush(now)
    }

    /// Sends what was put off to the end of a batch.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) {
        self.connection.flush(cx);
    }

    /// A link to intercept came up: waiting for its answers makes sense again.
    pub(crate) fn handle_link_up(&mut self, cx: &mut Context<'_>) {
        self.last_progress = cx.now;
        if self.phase == Phase::Replaying && self.connection.is_closed() && self.wants_connection() {
            self.open_connection(cx);
        } else {
            self.connection.hurry(cx.now);
        }
        self.advance(cx);
    }

    /// When [`Session::handle_timeout`] is to be called.
    pub(crate) fn next_timeout(&self, cx: &Context<'_>) -> Time {
        let connection = self.connection.next_timeout();
        match self.phase {
            Phase::Finished if self.connection.is_gone() => self.lingers_until(),
            Phase::Finished => connection,
            Phase::Waiting => self.upstream.next_timeout(),
            Phase::Ignoring(_) => self.idle_at(cx),
            _ => connection.min(self.upstream.next_timeout()).min(self.gate_at).min(self.idle_at(cx)),
        }
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        self.upstream.handle_timeout(cx.now, &mut self.feed, cx.ledger);
        if let Some(event) = self.connection.handle_timeout(cx, &self.outbox) {
            self.handle_event(cx, event);
        }
        if cx.now >= self.idle_at(cx) {
            self.out_of_patience(cx);
        }
        self.advance(cx);
    }

    fn out_of_patience(&mut self, cx: &mut Context<'_>) {
        match self.phase {
            Phase::Finished | Phase::Waiting => {}
            Phase::Ignoring(_) => self.set_phase(cx, Phase::Finished),
            // The server does not close its half; all that matters has been said.
            Phase::Reopening | Phase::Ending if self.outbox.is_empty() => {
                self.connection.reset(cx);
                self.gate.connection_lost();
                match self.phase {
                    Phase::Reopening => self.set_phase(cx, Phase::Replaying),
                    _ => self.finish(cx),
                }
            }
            _ if self.is_stalled() => self.shed(cx, DropReason::NoAnswer),
            // It was told to end, and does not come to it.
            _ if self.feed.end().is_some() => {
                self.connection.reset(cx);
                self.finish(cx);
            }
            _ => self.finish_client(cx),
        }
    }

    /// Gives the session up: what it holds is dropped for `reason`, and what its client says from now on.
    pub(crate) fn shed(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        if self.phase == Phase::Finished {
            return;
        }
        self.upstream.discard_parked(reason, cx.ledger);
        let bytes = self.feed.len() + self.outbox.clear();
        self.drop_bytes(cx, reason, bytes);
        cx.ledger.turns.dropped += self.feed.turns() as u64;
        let ended = self.feed.end().is_some();
        self.feed = Feed::default();
        self.connection.reset(cx);
        self.first_drop.get_or_insert(reason);
        self.set_phase(cx, if ended { Phase::Finished } else { Phase::Ignoring(reason) });
    }

    /// Ends the session at once.
    pub(crate) fn abort(&mut self, cx: &mut Context<'_>) {
        if self.pending_bytes() > 0 {
            self.shed(cx, DropReason::Shutdown);
        } else if self.connections == 0 && self.phase != Phase::Finished {
            self.first_drop.get_or_insert(DropReason::Shutdown);
        }
        self.connection.reset(cx);
        self.set_phase(cx, Phase::Finished);
    }

    // ---- inside

    fn set_phase(&mut self, cx: &Context<'_>, phase: Phase) {
        log::trace!("{} {:?}: {:?} > {phase:?}", cx.flow, cx.now, self.phase);
        if !self.is_stalled() {
            self.last_progress = cx.now;
        }
        self.phase = phase;
    }

    fn with_relay(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Relay, &mut Context<'_>, &mut Parts<'_>) -> Result<(), Failure>,
    ) {
        let mut parts = Parts {
            feed: &mut self.feed,
            outbox: &mut self.outbox,
            gate: &mut self.gate,
            connection: &mut self.connection,
        };
        if let Err(Failure(reason)) = work(&mut self.relay, cx, &mut parts) {
            // One line for each session would fill the log: the ledger counts them, a module tells its user.
            log::debug!("{}: {reason}", cx.flow);
            self.shed(cx, DropReason::ModuleFailed);
        }
    }

    /// Does all that can be done now.
    fn advance(&mut self, cx: &mut Context<'_>) {
        if self.phase == Phase::Replaying {
            self.gate_at = Time::NEVER;
            self.move_due(cx);
            while self.phase == Phase::Replaying
                && let Some(turn) = self.feed.next_turn()
                && self.let_go(cx, turn)
            {
                self.move_due(cx);
            }
            if self.connection.is_closed() && self.feed.due_len() > 0 {
                // A module holds what was due on a connection that has gone.
                self.open_connection(cx);
            }
            if self.phase == Phase::Replaying && self.feed.next_turn().is_none() {
                self.end_if_due(cx);
            }
        }
        self.connection.transmit(cx, &self.outbox);
    }

    /// Moves the due bytes on, or out.
    fn move_due(&mut self, cx: &mut Context<'_>) {
        let idle = self.outbox.is_empty();
        match self.skipping {
            Some(reason) => {
                let bytes = self.feed.due_len();
                self.feed.consume(bytes);
                self.drop_bytes(cx, reason, bytes as u64);
            }
            None => self.with_relay(cx, Relay::move_due),
        }
        if idle && !self.outbox.is_empty() {
            // From now on the test server has something to do.
            self.last_progress = cx.now;
        }
    }

    /// Lets the next turn go, if it may; its bytes are due then.
    fn let_go(&mut self, cx: &mut Context<'_>, turn: Turn) -> bool {
        if self.connection.is_closed() && (!self.outbox.is_empty() || self.feed.due_len() > 0) {
            // The turn before waits for a connection, and that for a link.
            return false;
        }
        let pass = match self.judge(cx, turn.need, turn.captured) {
            Verdict::Go(pass) => pass,
            Verdict::Wait(until) => {
                self.gate_at = until;
                return false;
            }
        };
        if !self.connection.is_closed() {
            let unusable = turn.after_gap && (self.connections > 0 || !self.outbox.is_empty());
            if (unusable || self.connection.peer_closed()) && !self.outbox.is_empty() {
                return false;
            }
            if unusable {
                // The server waits for the rest of a turn that will not come.
                self.connection.reset(cx);
                self.gate.connection_lost();
            } else if self.connection.peer_closed() {
                self.connection.close(cx, &self.outbox);
                self.set_phase(cx, Phase::Reopening);
                return false;
            }
        }
        if turn.after_gap {
            // What a module holds of the turn before will never be complete.
            self.drop_held(cx, DropReason::CaptureGap);
        }
        if !self.is_stalled() {
            self.last_progress = cx.now;
        }
        self.feed.pop_turn();
        if self.connection.is_closed() && cx.now < self.retry_at {
            cx.ledger.turns.dropped += 1;
            self.skipping = Some(self.last_refusal);
            return true;
        }
        count_turn(cx, pass);
        self.skipping = None;
        self.outbox.begin_turn();
        self.gate.turn_begins(cx.now, self.outbox.end(), turn.need, self.connection.received(), pass);
        if self.connection.is_closed() {
            self.open_connection(cx);
        }
        true
    }

    fn judge(&self, cx: &Context<'_>, need: u32, captured: Time) -> Verdict {
        if !cx.config.wait_for_answers {
            return Verdict::Go(Pass::AtOnce);
        }
        if self.connection.is_closed() {
            // Without a link no answer is heard, so nothing is said.
            return if cx.link_up { Verdict::Go(Pass::AtOnce) } else { Verdict::Wait(Time::NEVER) };
        }
        if self.connection.peer_closed() {
            return Verdict::Go(Pass::AnswerEnded);
        }
        self.gate.judge(cx.now, need, captured, self.connection.received(), self.outbox.is_empty())
    }

    /// A close in the middle of an answer makes some servers drop the rest of it: a pause must be longer to count as
    /// its end.
    fn judge_end(&self, cx: &Context<'_>, end: End) -> Verdict {
        match self.judge(cx, end.need, end.captured) {
            Verdict::Go(Pass::AnswerEnded) if !self.superseded && !self.connection.peer_closed() => {
                self.gate.judge_end(cx.now)
            }
            verdict => verdict,
        }
    }

    /// Closes the copy as the client closed the original, once all before has been said and heard.
    fn end_if_due(&mut self, cx: &mut Context<'_>) {
        let Some(end) = self.feed.end() else { return };
        if self.connection.is_closed() {
            if self.outbox.is_empty() && self.feed.len() == 0 {
                self.finish(cx);
            }
            return;
        }
        if !self.connection.is_open() {
            if !cx.link_up && !self.is_stalled() {
                // The answer to the SYN would not be heard, and nothing depends on it.
                self.connection.reset(cx);
                self.finish(cx);
            }
            return;
        }
        if self.feed.due_len() > 0 && cx.now < self.last_progress + HELD_TIMEOUT {
            // A module holds bytes back, for a login that is under way, say.
            self.gate_at = self.last_progress + HELD_TIMEOUT;
            return;
        }
        match self.judge_end(cx, end) {
            Verdict::Wait(until) => self.gate_at = until,
            Verdict::Go(_) if end.kind == EndKind::Fin => {
                self.drop_held(cx, DropReason::ModuleFailed);
                self.connection.close(cx, &self.outbox);
                self.set_phase(cx, Phase::Ending);
            }
            Verdict::Go(_) if self.outbox.is_empty() => {
                self.connection.reset(cx);
                self.finish(cx);
            }
            Verdict::Go(_) => {}
        }
    }

    fn finish(&mut self, cx: &mut Context<'_>) {
        self.drop_held(cx, DropReason::ModuleFailed);
        // What the client has said after the end.
        self.upstream.discard_parked(DropReason::CaptureGap, cx.ledger);
        cx.ledger.turns.dropped += self.feed.turns() as u64;
        let bytes = self.feed.len();
        self.drop_bytes(cx, DropReason::NoAnswer, bytes);
        self.feed = Feed::default();
        if self.connections == 0 {
            self.first_drop.get_or_insert(self.last_refusal);
        }
        self.set_phase(cx, Phase::Finished);
    }

    /// Drops what a module holds.
    fn drop_held(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        let held = self.feed.due_len();
        self.feed.consume(held);
        self.drop_bytes(cx, reason, held as u64);
    }

    fn handle_event(&mut self, cx: &mut Context<'_>, event: Event) {
        if matches!(self.phase, Phase::Finished | Phase::Ignoring(_)) {
            return;
        }
        match event {
            Event::Opened => {
                self.connections += 1;
                self.fruitful = false;
                self.last_progress = cx.now;
                if self.connections > 1 {
                    cx.ledger.tcp.rebuilt += 1;
                }
                self.with_relay(cx, Relay::connected);
            }
            Event::Refused => self.refused(cx, DropReason::Refused),
            Event::Unanswered => self.refused(cx, DropReason::NoAnswer),
            Event::Reset => self.reset_by_server(cx),
            Event::Closed => {
                self.gate.connection_lost();
                match self.phase {
                    Phase::Ending => self.finish(cx),
                    _ => self.set_phase(cx, Phase::Replaying),
                }
            }
        }
    }

    /// No connection can be had: what was let go is lost, and what comes is, until it is time to try again.
    fn refused(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        self.last_refusal = reason;
        self.retry_at = cx.now + RETRY_AFTER;
        self.gate.connection_lost();
        let bytes = self.outbox.clear();
        self.drop_bytes(cx, reason, bytes);
        self.skipping = Some(reason);
    }

    /// The turn in progress goes to a new connection if nothing of it was acknowledged; else its rest is lost.
    fn reset_by_server(&mut self, cx: &mut Context<'_>) {
        self.gate.connection_lost();
        if self.phase == Phase::Ending {
            let bytes = self.outbox.clear();
            self.drop_bytes(cx, DropReason::ClosedByServer, bytes);
            return self.finish(cx);
        }
        self.set_phase(cx, Phase::Replaying);
        if !self.relay.is_straight() && !self.fruitful {
            // A login that is cut off would be tried for ever.
            return self.refused(cx, DropReason::ClosedByServer);
        }
        let again = self.relay.is_straight() && !self.sent_again && self.outbox.is_at_turn_start();
        if again {
            self.sent_again = true;
        } else {
            self.sent_again = false;
            let bytes = self.outbox.drop_turn();
            self.drop_bytes(cx, DropReason::ClosedByServer, bytes);
            if self.outbox.is_empty() {
                self.skipping = Some(DropReason::ClosedByServer);
            }
        }
        if !self.outbox.is_empty() {
            self.gate.turn_begins(cx.now, self.outbox.start(), 0, 0, Pass::AtOnce);
            self.open_connection(cx);
        }
    }

    fn open_connection(&mut self, cx: &mut Context<'_>) {
        if cx.link_up {
            self.connection.open(cx);
        }
    }

    /// A connection is missing that was put off for want of a link.
    fn wants_connection(&self) -> bool {
        !self.outbox.is_empty() || self.feed.due_len() > 0 || self.connections == 0
    }

    /// A segment that comes late must not be taken for the start of a session joined in mid-stream.
    fn lingers_until(&self) -> Time {
        self.last_client.max(self.last_progress) + LINGER
    }

    /// Something waits for the test server.
    fn is_stalled(&self) -> bool {
        !self.outbox.is_empty()
            || self.feed.due_len() > 0
            || matches!(self.phase, Phase::Ending | Phase::Reopening)
    }

    /// When a session that waits, or is silent, has done so long enough.
    fn idle_at(&self, cx: &Context<'_>) -> Time {
        match self.phase {
            Phase::Finished | Phase::Waiting => Time::NEVER,
            Phase::Ignoring(_) => self.last_client + cx.config.keepalive_timeout,
            _ if !self.is_stalled() => self.last_client.max(self.last_progress) + cx.config.keepalive_timeout,
            Phase::Reopening => self.last_progress + HURRIED_TIMEOUT,
            _ if self.superseded => self.last_progress + HURRIED_TIMEOUT,
            _ => self.last_progress + cx.config.session_timeout,
        }
    }

    /// The client begins with TLS (RFC 8446 section 5.1): nothing that could be understood by the test server, whose
    /// keys are its own.
    fn is_tls(&self) -> bool {
        self.relay.is_straight()
            && self.feed.start() == 0
            && match self.feed.head() {
                // A handshake record with a ClientHello, or, joined in mid-stream, any record.
                Some([0x16, 0x03, 0x00..=0x04, _, _, 0x01]) => true,
                Some([0x14..=0x17, 0x03, 0x01..=0x04, ..]) => self.upstream.is_joined(),
                _ => false,
            }
    }

    fn drop_bytes(&mut self, cx: &mut Context<'_>, reason: DropReason, bytes: u64) {
        if bytes > 0 {
            cx.ledger.bytes.pending -= bytes;
            cx.ledger.bytes.dropped.add(reason, bytes);
            self.first_drop.get_or_insert(reason);
        }
    }
}

fn count_turn(cx: &mut Context<'_>, pass: Pass) {
    let turns = &mut cx.ledger.turns;
    *match pass {
        Pass::AtOnce => &mut turns.at_once,
        Pass::Answered => &mut turns.answered,
        Pass::AnswerEnded => &mut turns.answer_ended,
        Pass::InVain => &mut turns.waited_in_vain,
        Pass::ModuleReady => &mut turns.module_ready,
    } += 1;
}
