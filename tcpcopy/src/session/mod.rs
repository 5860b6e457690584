//! A copied session: what one client said, played to the test server by a TCP client of its own.
//!
//! The way of the data: captured segment > [`client_stream`] (order, turns) > [`turn_queue`] (not yet due) > [`gate`] (pacing) >
//! [`transform`] (protocol module, if any) > [`send_buffer`] (not yet acknowledged) > [`connection`] (TCP) > wire.
//!
//! This file is what the engine calls; `progress` lets turns go and ends sessions, `recovery` acts when a connection comes
//! up or goes down, `answer_timeout` keeps the timers.
//!
//! Call order: [`Session::start`] once, then [`Session::handle_client`], [`Session::handle_answer`] and
//! [`Session::handle_timeout`] as things happen, [`Session::flush`] after each batch of them, until
//! [`Session::is_finished`].

mod advance;
mod answer_timeout;
mod chunk_queue;
mod client_stream;
mod connection;
mod context;
mod gate;
mod holes;
mod idle;
mod lazy;
mod lengths;
mod online_stream;
mod pacing;
mod preamble;
mod reconnect;
mod resumption;
mod send_buffer;
mod transform;
mod trials;
mod turn_queue;
mod unanswered;

use common_core::answer_payload::AnswerPayload;
use common_core::control::ServerSegment;
use common_core::time::Time;
use common_core::wire::{Flags, Segment, Seq};
use module_kit::FailureKind;

use self::client_stream::ClientStream;
pub(crate) use self::client_stream::PARKED_BYTES;
pub(crate) use self::connection::TupleHistory;
use self::connection::{Connection, Received};
pub(crate) use self::context::Context;
use self::gate::Gate;
pub(crate) use self::idle::{Idle, SILENCE};
pub(crate) use self::pacing::Pacing;
use self::resumption::{Preamble, Trial};
use self::send_buffer::SendBuffer;
pub(crate) use self::transform::ModuleHost;
use self::transform::{HostCx, ModuleExit, Transform};
pub(crate) use self::trials::Trials;
use self::turn_queue::{EndKind, TurnQueue};
use self::unanswered::Unanswered;
use crate::ledger::DropReason;
use crate::recognise::Recogniser;

/// Memory that a protocol module may keep when the rest of its session is given up, in bytes.
const MODULE_KEPT: u64 = 16 << 10;

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
    client_stream: ClientStream,
    turn_queue: TurnQueue,
    gate: Gate,
    transform: Transform,
    send_buffer: SendBuffer,
    connection: Connection,
    /// Something may have become possible to send: at the end of the batch, when all of it is known and goes together.
    to_transmit: bool,
    /// Whether the test server keeps something for the connection.
    recogniser: Recogniser,
    /// The next byte that is due begins a turn.
    at_turn_start: bool,
    preamble: Preamble,
    unanswered: Unanswered,
    trial: Option<Box<Trial>>,
    /// The rest of the present turn is of no use, for this reason.
    skipping: Option<DropReason>,
    /// The turn at the front of the send buffer has had its second connection.
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
    began: Time,
    /// When the client, or the test server, last did something.
    last_client: Time,
    last_progress: Time,
    superseded: bool,
    /// Memory that is not in use is given back then, also while there is something to do.
    trim_at: Time,
    /// Memory of turns and runs of bytes as it stands in the ledger.
    overhead: u64,
    first_drop: Option<DropReason>,
}

impl Session {
    /// A session seen from its SYN on.
    pub(crate) fn from_syn(now: Time, isn: Seq, module: Option<ModuleHost>) -> Self {
        Self::new(now, ClientStream::from_syn(isn), module)
    }

    /// A session joined at a data segment; `mid_turn` if that is likely to continue a turn.
    pub(crate) fn joined(
        now: Time,
        segment: &Segment<'_>,
        mid_turn: bool,
        module: Option<ModuleHost>,
    ) -> Self {
        Self::new(now, ClientStream::joined(segment, mid_turn), module)
    }

    fn new(now: Time, client_stream: ClientStream, module: Option<ModuleHost>) -> Self {
        let joined = client_stream.is_joined();
        Self {
            phase: Phase::Waiting,
            client_stream,
            turn_queue: TurnQueue::default(),
            gate: Gate::new(module.is_some()),
            transform: Transform::new(module),
            send_buffer: SendBuffer::default(),
            connection: Connection::new(TupleHistory::default()),
            to_transmit: false,
            recogniser: Recogniser::new(!joined),
            at_turn_start: false,
            preamble: if joined { Preamble::None } else { Preamble::Sought },
            unanswered: Unanswered::default(),
            trial: None,
            skipping: None,
            sent_again: false,
            fruitful: false,
            connections: 0,
            retry_at: Time::ZERO,
            last_refusal: DropReason::NoAnswer,
            gate_at: Time::NEVER,
            began: now,
            last_client: now,
            last_progress: now,
            superseded: false,
            trim_at: now,
            overhead: 0,
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

    /// Nothing that its client says is replayed any more.
    fn is_given_up(&self) -> bool {
        matches!(self.phase, Phase::Ignoring(_) | Phase::Finished)
    }

    /// Why the session was not replayed whole; `None` if it was.
    pub(crate) fn outcome(&self) -> Option<DropReason> {
        self.first_drop.or(self.client_stream.first_drop())
    }

    /// The SYN with this sequence number began the session.
    pub(crate) fn began_with(&self, isn: Seq) -> bool {
        self.client_stream.began_with(isn)
    }

    /// The online server accepted the session's SYN by acknowledging `ack`: a part of what it carries, perhaps (RFC 7413).
    pub(crate) fn is_accepted_with(&self, ack: Seq) -> bool {
        self.client_stream.is_accepted_with(ack)
    }

    /// The segment is near enough to what is expected to be of this session.
    pub(crate) fn is_plausible(&self, segment: &Segment<'_>) -> bool {
        self.client_stream.is_plausible(segment) && !self.client_stream.is_before(segment)
    }

    /// What was on the four-tuple, the session included.
    pub(crate) fn past(&self) -> TupleHistory {
        self.connection.past()
    }

    /// How much answer payload is wanted, for a link that comes up later.
    pub(crate) fn payload_mode(&self) -> AnswerPayload {
        self.connection.payload_mode()
    }

    /// What the session holds of its client, in bytes of memory.
    pub(crate) fn memory(&self) -> u64 {
        let queued = self.turn_queue.len() + self.send_buffer.client_bytes() + self.overhead;
        self.client_stream.parked_memory() + queued + self.transform.memory()
    }

    /// Client bytes that the session holds.
    fn pending_bytes(&self) -> u64 {
        self.client_stream.parked_bytes() + self.turn_queue.len() + self.send_buffer.client_bytes()
    }

    // ---- what happens to a session

    /// It is this session's turn on its four-tuple, where `past` was before: the copy of the SYN goes out.
    pub(crate) fn start(&mut self, cx: &mut Context<'_>, past: TupleHistory) {
        self.connection = Connection::new(past);
        if self.phase != Phase::Waiting {
            // Given up, or over, before its turn came.
            return;
        }
        self.phase = Phase::Replaying;
        self.last_progress = cx.now;
        if self.is_unbroken() {
            self.open_connection(cx);
        }
        self.advance(cx);
    }

    /// The SYN carries data.
    pub(crate) fn keep_data_of_syn(&mut self, cx: &mut Context<'_>, syn: &Segment<'_>) {
        if syn.payload.len() as u64 == u64::from(syn.payload_len) && !self.is_given_up() {
            self.client_stream.keep_data_of_syn(syn.payload);
            self.count_overhead(cx);
        }
    }

    /// The SYN-ACK will tell whether the online server took what the SYN carried.
    pub(crate) fn awaits_syn_ack(&self) -> bool {
        self.client_stream.awaits_syn_ack() && matches!(self.phase, Phase::Waiting | Phase::Replaying)
    }

    /// The online server's SYN-ACK tells how much it took of what the SYN carried.
    pub(crate) fn handle_syn_acknowledged(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        self.last_client = cx.now;
        self.client_stream.syn_acknowledged(
            cx.now,
            segment.ack,
            segment.seq + 1,
            &mut self.turn_queue,
            cx.ledger,
        );
        self.advance(cx);
    }

    /// The online server's SYN-ACK was captured.
    pub(crate) fn handle_online_syn_ack(&mut self, segment: &Segment<'_>) {
        self.client_stream.online_syn_ack(segment);
        if let Some(online) = self.transform.online() {
            online.begin(segment.seq + 1);
        }
    }

    /// The online server's segment can be an answer of this session that its module wants to know.
    pub(crate) fn wants_online_answer(&self, segment: &Segment<'_>) -> bool {
        self.client_stream.is_answered_by(segment.ack) && self.transform.wants_online_answer(segment.seq)
    }

    /// A segment of the online server was captured.
    pub(crate) fn handle_online_answer(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        let at_once = self.hears_online_at_once() && self.client_stream.has_delivered(segment.ack);
        self.with_relay(cx, |transform, cx, parts| transform.online_segment(cx, segment, at_once, parts));
        self.advance(cx);
    }

    /// What the online server says now answers nothing that the module does not know yet.
    fn hears_online_at_once(&mut self) -> bool {
        self.phase == Phase::Replaying
            && self.turn_queue.next_turn().is_none()
            && (self.turn_queue.due_len() == 0 || self.transform.awaits_online())
            && self.transform.online_answered().is_none_or(|ack| self.client_stream.has_delivered(ack))
    }

    /// A segment of the client was captured, SYNs excepted.
    pub(crate) fn handle_client(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        self.last_client = cx.now;
        match self.phase {
            Phase::Ignoring(reason) => {
                self.client_stream.account_late(segment, reason, cx.ledger);
                if segment.flags.has(Flags::FIN) || segment.flags.has(Flags::RST) {
                    self.phase = Phase::Finished;
                }
            }
            Phase::Finished => {
                let reason = self.outcome().unwrap_or(DropReason::CaptureGap);
                self.client_stream.account_late(segment, reason, cx.ledger);
            }
            _ => {
                let silent = self.client_stream.is_silent();
                self.client_stream.push(cx.now, segment, &mut self.turn_queue, cx.ledger);
                if silent {
                    self.measure_client(cx);
                }
                if let (Some(online), Some(turn)) = (self.transform.online(), self.turn_queue.last_turn()) {
                    // Joined in mid-stream: what was answered before is unknown.
                    online.begin(turn.ack);
                    online.turn_captured(turn.ack);
                }
                if self.is_tls() {
                    return self.shed(cx, DropReason::Tls);
                }
                self.advance(cx);
            }
        }
    }

    /// The client may just have said its first word: it took it a round trip from its SYN on, if it did not wait for the
    /// online server to speak first.
    fn measure_client(&self, cx: &mut Context<'_>) {
        if !self.client_stream.is_joined() && self.turn_queue.last_turn().is_some_and(|turn| turn.need == 0) {
            cx.ledger.sessions.client_round_trip_us.add(cx.now - self.began);
        }
    }

    /// Nothing more of this client will be captured on this connection.
    pub(crate) fn finish_client(&mut self, cx: &mut Context<'_>) {
        if let Phase::Ignoring(_) = self.phase {
            self.phase = Phase::Finished;
        }
        self.client_stream.finish(EndKind::Fin, cx.now, &mut self.turn_queue, cx.ledger);
        self.advance(cx);
    }

    /// A new session on the same four-tuple waits for this one.
    pub(crate) fn supersede(&mut self, cx: &mut Context<'_>) {
        self.superseded = true;
        self.finish_client(cx);
    }

    /// A segment of the test server.
    pub(crate) fn handle_answer(&mut self, cx: &mut Context<'_>, answer: &ServerSegment<'_>) {
        let mut received = Received::default();
        let start = self.send_buffer.start();
        let replayed = cx.ledger.bytes.replayed;
        let event = self.connection.handle_answer(cx, answer, &mut self.send_buffer, &mut received);
        if self.send_buffer.start() > start {
            self.sent_again = false;
            // A module may say all in its own words.
            self.fruitful = self.fruitful || cx.ledger.bytes.replayed > replayed || !self.gate.is_preparing();
            self.last_progress = cx.now;
            self.unanswered.acknowledged(cx.ledger.bytes.replayed - replayed);
            self.trial_acknowledged(cx.ledger.bytes.replayed - replayed);
        }
        if received.fresh > 0 {
            self.last_progress = cx.now;
            self.note_answer(cx, &received);
        }
        if let Some(event) = event {
            self.handle_event(cx, event);
        } else if self.phase == Phase::Replaying && self.is_trial_closed_on(cx.now) {
            self.fail_trial(cx);
        }
        self.advance(cx);
    }

    fn note_answer(&mut self, cx: &mut Context<'_>, received: &Received<'_>) {
        let acknowledged = self.connection.acknowledged().unwrap_or_default();
        let acknowledged = (acknowledged, self.send_buffer.is_empty());
        let (in_all, pushed) = (self.connection.received(), self.connection.is_pushed());
        self.gate.answer(cx.now, in_all, acknowledged, pushed, &mut cx.target.pacing);
        if self.unanswered.answered(self.transform.is_tentative()) {
            self.trial_answered(cx);
        }
        if self.phase == Phase::Replaying {
            self.with_relay(cx, |transform, cx, parts| transform.answer(cx, received, parts));
        }
    }

    /// What the test server says next lets something go on: of the client, or of a module.
    pub(crate) fn awaits_answer(&self) -> bool {
        let replaying = self.phase == Phase::Replaying;
        replaying && (self.turn_queue.end().is_some() || self.gate.is_preparing())
            || self.turn_queue.len() > 0
            || self.connection.awaits_answer(&self.send_buffer)
    }

    /// Something is put off to the end of the batch.
    pub(crate) fn wants_flush(&self, now: Time) -> bool {
        self.to_transmit || self.connection.wants_flush(now)
    }

    /// Sends what was put off to the end of a batch.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) {
        if std::mem::take(&mut self.to_transmit) {
            self.connection.transmit(cx, &self.send_buffer);
        }
        self.connection.flush(cx);
    }

    /// A link to intercept came up: waiting for its answers makes sense again.
    pub(crate) fn handle_link_up(&mut self, cx: &mut Context<'_>) {
        self.last_progress = cx.now;
        self.retry(cx);
    }

    /// Something was said to the test server, or is to be, and it has not got it, as far as is known.
    pub(crate) fn waits_for_server(&self) -> bool {
        self.is_stalled() || self.turn_queue.len() > 0 || !self.connection.is_open()
    }

    /// The test server may be heard again: what waited for a time-out goes at once.
    pub(crate) fn retry(&mut self, cx: &mut Context<'_>) {
        self.retry_at = self.retry_at.min(cx.now);
        if self.phase == Phase::Replaying && self.connection.is_closed() && self.wants_connection() {
            self.open_connection(cx);
        } else {
            self.connection.hurry(cx.now);
        }
        self.advance(cx);
    }

    /// Gives up what the session holds, for `reason`: it goes on at a later turn, if its protocol allows.
    pub(crate) fn give_up(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        match self.phase {
            Phase::Finished | Phase::Ignoring(_) => return,
            _ if self.turn_queue.end().is_some() => return self.shed(cx, reason),
            Phase::Waiting => {}
            _ => {
                self.connection.reset(cx);
                self.lose_connection(reason);
                self.end_trial(cx, None);
                self.set_phase(cx, Phase::Replaying);
            }
        }
        self.settle(cx);
        self.client_stream.forget_data_of_syn();
        self.client_stream.discard_parked(reason, cx.ledger);
        let bytes = self.send_buffer.clear();
        self.drop_bytes(cx, reason, bytes);
        self.drop_turns(cx, reason);
        if self.hears_online_at_once() {
            self.with_relay(cx, Transform::online_in_order);
        }
        if self.is_given_up() {
            return;
        }
        if self.transform.memory() > MODULE_KEPT {
            // What it keeps cannot be taken from it.
            return self.shed(cx, reason);
        }
        self.skipping = Some(reason);
        self.wait_to_retry(cx, reason);
        self.rest(cx.now);
        self.count_overhead(cx);
    }

    /// Gives the session up: what it holds is dropped for `reason`, and what its client says from now on.
    pub(crate) fn shed(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        if self.phase == Phase::Finished {
            return;
        }
        self.lose_connection(reason);
        self.settle(cx);
        self.client_stream.forget_data_of_syn();
        self.client_stream.discard_parked(reason, cx.ledger);
        let bytes = self.turn_queue.len() + self.send_buffer.clear();
        self.drop_bytes(cx, reason, bytes);
        self.count_turns_dropped(cx);
        let ended = self.turn_queue.end().is_some();
        self.turn_queue = TurnQueue::default();
        self.count_overhead(cx);
        self.connection.reset(cx);
        self.connection.ask_payload(cx, AnswerPayload::None);
        self.first_drop.get_or_insert(reason);
        self.set_phase(cx, if ended { Phase::Finished } else { Phase::Ignoring(reason) });
    }

    /// Ends the session at once, for `reason`.
    pub(crate) fn abort(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        if self.pending_bytes() > 0 {
            self.shed(cx, reason);
        } else if self.connections == 0 && self.phase != Phase::Finished {
            self.first_drop.get_or_insert(reason);
        }
        // What is left is a module's, or of no account.
        self.send_buffer.clear();
        self.client_stream.forget_data_of_syn();
        self.count_overhead(cx);
        self.connection.reset(cx);
        self.set_phase(cx, Phase::Finished);
    }

    // ---- inside

    fn set_phase(&mut self, cx: &mut Context<'_>, phase: Phase) {
        log::trace!("{} {:?}: {:?} > {phase:?}", cx.flow, cx.now, self.phase);
        if !self.is_stalled() {
            self.last_progress = cx.now;
        }
        if matches!(phase, Phase::Finished | Phase::Ignoring(_)) {
            self.leave_trial(cx);
            self.transform.dismiss(cx.ledger);
        }
        self.phase = phase;
    }

    /// Short turns take more memory than their bytes.
    fn count_overhead(&mut self, cx: &mut Context<'_>) {
        let overhead =
            self.turn_queue.overhead() + self.send_buffer.overhead() + self.client_stream.syn_memory();
        if overhead != self.overhead {
            cx.ledger.turns.memory = cx.ledger.turns.memory + overhead - self.overhead;
            self.overhead = overhead;
        }
    }

    fn with_relay(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Transform, &mut Context<'_>, &mut HostCx<'_>) -> Result<(), ModuleExit>,
    ) {
        let mut parts = HostCx {
            turn_queue: &mut self.turn_queue,
            send_buffer: &mut self.send_buffer,
            gate: &mut self.gate,
            connection: &mut self.connection,
            first_drop: &mut self.first_drop,
        };
        match work(&mut self.transform, cx, &mut parts) {
            Ok(()) => {}
            Err(ModuleExit::Refused) => self.refused_by_words(cx),
            Err(ModuleExit::Failed(failure)) => {
                cx.failures.module_failed(cx.now, &cx.flow, failure);
                self.shed(
                    cx,
                    match failure.kind {
                        FailureKind::LoginFailed => DropReason::LoginFailed,
                        FailureKind::LoginFailedOnline => DropReason::RefusedOnline,
                        FailureKind::Tls => DropReason::Tls,
                        FailureKind::Unsupported | FailureKind::OutOfStep => DropReason::ModuleFailed,
                    },
                );
            }
        }
    }

    /// A connection is missing that was put off for want of a link.
    fn wants_connection(&self) -> bool {
        !self.send_buffer.is_empty()
            || self.turn_queue.due_len() > 0
            || (self.connections == 0 && self.is_unbroken() && self.turn_queue.next_turn().is_none())
    }

    /// The client begins with TLS (RFC 8446 section 5.1): nothing that could be understood by the test server, whose
    /// keys are its own.
    fn is_tls(&self) -> bool {
        self.transform.is_straight()
            && self.turn_queue.start() == 0
            && match self.turn_queue.head() {
                // A handshake record with a ClientHello, or, joined in mid-stream, any record.
                Some([0x16, 0x03, 0x00..=0x04, _, _, 0x01]) => true,
                Some([0x14..=0x17, 0x03, 0x01..=0x04, ..]) => self.client_stream.is_joined(),
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
