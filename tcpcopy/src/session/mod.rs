//! A copied session: one client's stream, replayed to the test server by a TCP client of its own.
//!
//! The way of the data: captured segment > [`client_stream`] (order, turns) > [`turn_queue`] (not released yet) > [`gate`]
//! (pacing) > [`transform`] (protocol module, if any) > [`send_buffer`] (not acknowledged yet) > [`connection`] (TCP) > wire.
//!
//! This file has the calls of the engine. `advance` releases turns, `connection_events` acts when a connection opens or
//! breaks, `resumption` decides what may go to a new one, `ending` ends sessions, `timers` keeps the timers.
//!
//! Call order: [`Session::start`] once, then [`Session::handle_client`], [`Session::handle_answer`] and
//! [`Session::handle_timeout`] as things happen, [`Session::flush`] after each batch of them, until
//! [`Session::is_finished`].

mod activity;
mod advance;
mod assembler;
mod boxed_when_used;
mod chunk_queue;
mod client_stream;
mod connection;
mod connection_events;
mod context;
mod embryo;
mod ending;
mod eviction;
mod gate;
mod lengths;
mod online_reset;
mod online_stream;
mod outcome;
mod pacing;
mod preamble;
mod range_set;
mod reconnect;
mod resumption;
mod send_buffer;
mod stream_offset;
mod timers;
mod transform;
mod trial;
mod trials;
mod turn_cutter;
mod turn_queue;
mod unanswered;

use common_core::answer_payload::AnswerPayload;
use common_core::control::{Proof, ServerSegment};
use common_core::time::Time;
use common_core::wire::{Flags, Segment, Seq};
use module_kit::FailureKind;

use self::activity::Activity;
pub(crate) use self::assembler::PARKED_BYTES;
use self::client_stream::{ClientStream, StreamCx};
pub(crate) use self::connection::TupleHistory;
use self::connection::{Connection, Received};
pub(crate) use self::context::{Context, Port};
use self::embryo::{Embryo, Evidence};
pub(crate) use self::eviction::{Idle, SILENCE};
use self::gate::{Acknowledged, Gate};
use self::outcome::Outcome;
pub(crate) use self::pacing::Pacing;
use self::preamble::Preamble;
use self::reconnect::Reconnect;
use self::send_buffer::SendBuffer;
pub(crate) use self::transform::ModuleHost;
use self::transform::{HostCx, ModuleExit, Transform};
use self::trial::Trial;
pub(crate) use self::trials::Trials;
use self::turn_queue::{EndKind, TurnQueue};
use self::unanswered::Unanswered;
use crate::ledger::{self, DropReason, Overhead};
use crate::recognise::Recogniser;

/// The phases of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// An older session on the same four-tuple comes first.
    Waiting,
    /// The stream is being replayed.
    Replaying,
    /// The test server has closed. We close, too; then the next turn opens a new connection.
    Reopening,
    /// The stream is over, and we have closed.
    Ending,
    /// Nothing more of this client is replayed: its later bytes are dropped for this reason.
    Ignoring(DropReason),
    /// Over.
    Finished,
}

pub(crate) struct Session {
    phase: Phase,
    evidence: Evidence,
    client_stream: ClientStream,
    turn_queue: TurnQueue,
    gate: Gate,
    transform: Transform,
    send_buffer: SendBuffer,
    connection: Connection,
    /// Something may be sent at the end of the batch, when all of it is known and goes together.
    to_transmit: bool,
    /// Tells whether the test server keeps state for the connection.
    recogniser: Recogniser,
    /// The next due byte begins a turn.
    at_turn_start: bool,
    preamble: Preamble,
    unanswered: Unanswered,
    trial: Option<Box<Trial>>,
    /// The rest of the present turn is dropped, for this reason.
    skipping: Option<DropReason>,
    reconnect: Reconnect,
    activity: Activity,
    /// A newer session waits for the four-tuple.
    superseded: bool,
    /// The end of the stream was not captured, and the kernel has dropped packets since its last captured one.
    end_lost: bool,
    outcome: Outcome,
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
            evidence: if joined { Evidence::Established } else { Evidence::Awaited(Embryo::new(now)) },
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
            reconnect: Reconnect::new(),
            activity: Activity::new(now),
            superseded: false,
            end_lost: false,
            outcome: Outcome::default(),
        }
    }

    // ---- queries of the engine

    /// Over, with nothing left to acknowledge; late copies of its segments are not expected any more.
    pub(crate) fn is_finished(&self, now: Time) -> bool {
        self.phase == Phase::Finished && self.connection.is_gone() && now >= self.lingers_until()
    }

    /// Over; the connection may linger in TIME_WAIT.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// Nothing more of its client is replayed.
    fn is_given_up(&self) -> bool {
        matches!(self.phase, Phase::Ignoring(_) | Phase::Finished)
    }

    /// How the session ends in the account.
    pub(crate) fn outcome(&self) -> ledger::Outcome {
        match self.loss() {
            Some(reason) => ledger::Outcome::Incomplete(reason),
            None if self.client_stream.is_silent() && !self.outcome.is_answered() => {
                ledger::Outcome::WithoutData
            }
            None => ledger::Outcome::Whole,
        }
    }

    /// Why the session was not replayed whole; `None` if it was.
    fn loss(&self) -> Option<DropReason> {
        self.first_loss().or(self.end_lost.then_some(DropReason::CaptureGap))
    }

    /// Why bytes of the session are not replayed; `None` if all that are known are.
    fn first_loss(&self) -> Option<DropReason> {
        self.outcome.reason().or(self.client_stream.first_drop())
    }

    /// The SYN with this sequence number began the session.
    pub(crate) fn began_with(&self, isn: Seq) -> bool {
        self.client_stream.began_with(isn)
    }

    /// The online server accepted the session's SYN by acknowledging `ack`, perhaps with a part of its data (RFC 7413).
    pub(crate) fn is_accepted_with(&self, ack: Seq) -> bool {
        self.client_stream.is_accepted_with(ack)
    }

    /// The segment is near enough to the expected one to belong to this session.
    pub(crate) fn is_plausible(&self, segment: &Segment<'_>) -> bool {
        self.client_stream.is_plausible(segment) && !self.client_stream.is_before(segment)
    }

    /// The history of the four-tuple, the session included.
    pub(crate) fn past(&self) -> TupleHistory {
        self.connection.past()
    }

    /// What proves to an intercept that answers are those of its connection, if it has one.
    pub(crate) fn proof(&self) -> Option<Proof> {
        self.connection.proof()
    }

    /// The answer payload that intercept was asked for, to be repeated on a link that comes up.
    pub(crate) fn payload_mode(&self) -> AnswerPayload {
        self.connection.payload_mode()
    }

    /// Memory of the session, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let Overhead { parked, turns, modules } = self.overhead();
        self.pending_bytes() + parked * PARKED_BYTES + turns + modules
    }

    /// Memory of the session beside its pending bytes.
    #[inline]
    pub(crate) fn overhead(&self) -> Overhead {
        Overhead {
            parked: self.client_stream.parked(),
            turns: self.turn_queue.overhead() + self.send_buffer.overhead() + self.client_stream.syn_memory(),
            modules: if self.transform.is_straight() { 0 } else { self.module_memory() },
        }
    }

    /// Not inlined: most sessions have no module, and this is asked after each packet.
    #[inline(never)]
    fn module_memory(&self) -> u64 {
        let kept = self.connection.kept_memory() as u64;
        self.transform.memory().unwrap_or_default() + self.send_buffer.own_bytes() + kept
    }

    /// Client bytes that the session holds.
    fn pending_bytes(&self) -> u64 {
        self.client_stream.parked_bytes() + self.turn_queue.len() + self.send_buffer.client_bytes()
    }

    // ---- events

    /// The session's turn on its four-tuple has come; `past` is the history of the four-tuple. The copy of the SYN is
    /// sent.
    pub(crate) fn start(&mut self, cx: &mut Context<'_>, past: TupleHistory) {
        self.connection = Connection::new(past);
        if self.phase != Phase::Waiting {
            // Given up, or over, before its turn came.
            return;
        }
        self.phase = Phase::Replaying;
        self.activity.progress(cx.now);
        let withheld = self.evidence.is_given_up() || self.is_embryonic() && cx.embryos.are_crowded();
        if self.is_unbroken() && !withheld {
            self.open_connection(cx);
        }
        self.advance(cx);
    }

    /// The SYN carries data.
    pub(crate) fn keep_data_of_syn(&mut self, syn: &Segment<'_>) {
        if syn.payload.len() as u64 == u64::from(syn.payload_len) && !self.is_given_up() {
            self.client_stream.keep_data_of_syn(syn.payload);
        }
    }

    /// The SYN-ACK will tell whether the online server accepted the SYN's data.
    pub(crate) fn awaits_syn_ack(&self) -> bool {
        self.client_stream.awaits_syn_ack() && matches!(self.phase, Phase::Waiting | Phase::Replaying)
    }

    /// The online server's SYN-ACK tells how much of the SYN's data it accepted.
    pub(crate) fn handle_syn_acknowledged(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        self.activity.client_sent(cx.now);
        if self.is_embryonic() && self.client_stream.accepts_data_of_syn(segment.ack) {
            // Its cookie proves that the client is there (RFC 7413 section 4.1.2).
            self.establish(cx);
        }
        let mut stream =
            StreamCx { now: cx.now, stamp: cx.stamp, turn_queue: &mut self.turn_queue, ledger: cx.ledger };
        self.client_stream.syn_acknowledged(&mut stream, segment.ack, segment.seq + 1);
        self.advance(cx);
    }

    /// The online server's SYN-ACK was captured.
    pub(crate) fn handle_online_syn_ack(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        self.count_syn_ack(cx);
        self.client_stream.online_syn_ack(segment);
        if let Some(online) = self.transform.online() {
            online.begin(segment.seq + 1);
        }
    }

    /// The online server's segment can be an answer of this session that its module observes.
    pub(crate) fn wants_online_answer(&self, segment: &Segment<'_>) -> bool {
        self.client_stream.is_answered_by(segment.ack) && self.transform.wants_online_answer(segment.seq)
    }

    /// A segment of the online server was captured.
    pub(crate) fn handle_online_answer(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        if self.is_embryonic() {
            self.establish(cx);
        }
        let at_once = self.delivers_online_at_once() && self.client_stream.has_delivered(segment.ack);
        self.with_transform(cx, |transform, cx, parts| transform.online_segment(cx, segment, at_once, parts));
        self.advance(cx);
    }

    /// An answer of the online server that comes now does not belong to bytes that the module has not received.
    fn delivers_online_at_once(&mut self) -> bool {
        self.phase == Phase::Replaying
            && self.turn_queue.next_turn().is_none()
            && (self.turn_queue.due_len() == 0 || self.transform.awaits_online())
            && self.transform.online_answered().is_none_or(|ack| self.client_stream.has_delivered(ack))
    }

    /// A segment of the client was captured, SYNs excepted.
    pub(crate) fn handle_client(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        self.activity.client_sent(cx.now);
        if self.is_embryonic() {
            self.prove_by_client(cx, segment);
        }
        match self.phase {
            Phase::Ignoring(reason) => {
                self.client_stream.account_late(segment, reason, cx.ledger);
                if segment.flags.has(Flags::FIN) || segment.flags.has(Flags::RST) {
                    self.phase = Phase::Finished;
                }
            }
            Phase::Finished => {
                let reason = self.loss().unwrap_or(DropReason::CaptureGap);
                self.client_stream.account_late(segment, reason, cx.ledger);
            }
            _ => {
                let silent = self.client_stream.is_silent();
                let mut stream = StreamCx {
                    now: cx.now,
                    stamp: cx.stamp,
                    turn_queue: &mut self.turn_queue,
                    ledger: cx.ledger,
                };
                self.client_stream.push(&mut stream, segment);
                if silent {
                    self.measure_client(cx);
                }
                if let (Some(online), Some(turn)) = (self.transform.online(), self.turn_queue.last_turn()) {
                    // Joined in mid-stream: earlier answers are unknown.
                    online.begin(turn.ack);
                    online.turn_captured(turn.ack);
                }
                if self.is_tls() {
                    return self.abandon(cx, DropReason::Tls);
                }
                self.advance(cx);
            }
        }
    }

    /// If this was the client's first data, it came a round trip after the SYN, unless the client waited for the online
    /// server to speak first.
    fn measure_client(&self, cx: &mut Context<'_>) {
        if !self.client_stream.is_joined()
            && self.turn_queue.last_turn().is_some_and(|turn| turn.acked_bytes == 0)
        {
            cx.ledger.client_round_trip(cx.now - self.activity.began());
        }
    }

    /// Nothing more of this client will be captured on this connection.
    pub(crate) fn finish_client(&mut self, cx: &mut Context<'_>) {
        if self.is_embryonic() {
            return self.finish_embryo(cx);
        }
        let lost_since = cx.capture_lost.is_some_and(|lost| lost >= self.activity.last_client());
        self.end_lost |= lost_since && !self.client_stream.knows_end();
        if let Phase::Ignoring(_) = self.phase {
            self.phase = Phase::Finished;
        }
        let mut stream =
            StreamCx { now: cx.now, stamp: cx.stamp, turn_queue: &mut self.turn_queue, ledger: cx.ledger };
        self.client_stream.finish(&mut stream, EndKind::Fin);
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
            let replayed = cx.ledger.bytes.replayed - replayed;
            // A module may replace all of the client's bytes.
            self.reconnect.acknowledged(replayed > 0 || !self.gate.is_preparing());
            self.activity.progress(cx.now);
            self.unanswered.acknowledged(replayed);
            if let Some(trial) = &mut self.trial {
                trial.acknowledged(replayed);
            }
        }
        if received.fresh > 0 {
            self.outcome.answered();
            self.activity.progress(cx.now);
            self.note_answer(cx, &received);
            while let Some(received) = self.connection.take_kept(cx) {
                self.note_answer(cx, &received);
            }
        }
        if let Some(event) = event.or_else(|| self.connection.close_if_done(cx)) {
            self.handle_event(cx, event);
        } else if self.phase == Phase::Replaying && self.is_trial_hopeless(cx) {
            self.fail_trial(cx);
        }
        self.advance(cx);
    }

    fn note_answer(&mut self, cx: &mut Context<'_>, received: &Received<'_>) {
        let up_to = self.connection.acknowledged_by(received.ack);
        let acknowledged = Acknowledged { up_to, all: up_to >= self.send_buffer.end() };
        let (in_all, pushed) = (self.connection.received(), self.connection.is_pushed());
        cx.target.counts.answer_bytes += received.fresh;
        self.gate.answer(cx.now, in_all, acknowledged, pushed, &mut cx.target.pacing);
        if self.unanswered.answered(self.transform.is_tentative()) {
            self.trial_answered(cx);
        }
        if self.phase == Phase::Replaying {
            let acks_all = acknowledged.all;
            self.with_transform(cx, |transform, cx, parts| transform.answer(cx, received, acks_all, parts));
        }
    }

    /// The next answer of the test server lets something go on: a turn, or a module.
    pub(crate) fn awaits_answer(&self) -> bool {
        let replaying = self.phase == Phase::Replaying;
        replaying && (self.turn_queue.end().is_some() || self.gate.is_preparing())
            || self.turn_queue.len() > 0
            || self.connection.awaits_answer(&self.send_buffer)
    }

    /// Something is left for the end of the batch.
    pub(crate) fn wants_flush(&self, now: Time) -> bool {
        self.to_transmit || self.connection.wants_flush(now)
    }

    /// Sends what was left for the end of the batch.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) {
        if std::mem::take(&mut self.to_transmit) {
            self.connection.transmit(cx, &self.send_buffer);
        }
        self.connection.flush(cx);
    }

    /// A link to intercept came up: its answers can be waited for again.
    pub(crate) fn handle_link_up(&mut self, cx: &mut Context<'_>) {
        self.activity.progress(cx.now);
        self.retry(cx);
    }

    /// The test server has not received all bytes that it should, as far as is known.
    pub(crate) fn waits_for_server(&self) -> bool {
        self.is_stalled() || self.turn_queue.len() > 0 || !self.connection.is_open()
    }

    /// The test server may be back: all that waits for a time-out is tried at once.
    pub(crate) fn retry(&mut self, cx: &mut Context<'_>) {
        self.reconnect.retry(cx.now);
        if self.phase == Phase::Replaying && self.connection.is_closed() && self.wants_connection() {
            self.open_connection(cx);
        } else {
            self.connection.hurry(cx.now);
        }
        self.advance(cx);
    }

    // ---- helpers

    fn set_phase(&mut self, cx: &mut Context<'_>, phase: Phase) {
        log::trace!("{} {:?}: {:?} > {phase:?}", cx.flow, cx.now, self.phase);
        if !self.is_stalled() {
            self.activity.progress(cx.now);
        }
        if matches!(phase, Phase::Finished | Phase::Ignoring(_)) {
            self.leave_trial(cx);
            self.transform.dismiss();
        }
        self.phase = phase;
    }

    fn with_transform(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Transform, &mut Context<'_>, &mut HostCx<'_>) -> Result<(), ModuleExit>,
    ) {
        if self.transform.is_straight() {
            return;
        }
        let mut parts = HostCx {
            turn_queue: &mut self.turn_queue,
            send_buffer: &mut self.send_buffer,
            gate: &mut self.gate,
            connection: &mut self.connection,
            outcome: &mut self.outcome,
        };
        match work(&mut self.transform, cx, &mut parts) {
            Ok(()) => {}
            Err(ModuleExit::Refused) => self.refused_by_answer(cx),
            Err(ModuleExit::Failed(failure)) => {
                cx.failures.module_failed(cx.now, &cx.flow, failure);
                self.abandon(
                    cx,
                    match failure.kind {
                        FailureKind::LoginFailed => DropReason::LoginFailed,
                        FailureKind::LoginFailedOnline => DropReason::LoginFailedOnline,
                        FailureKind::Tls => DropReason::Tls,
                        FailureKind::Unsupported | FailureKind::OutOfStep => DropReason::ModuleFailed,
                    },
                );
            }
        }
    }

    /// The client begins with TLS (RFC 8446 section 5.1): the test server has other keys, and could not understand it.
    fn is_tls(&self) -> bool {
        self.transform.is_straight()
            && self.turn_queue.start() == 0
            && match self.turn_queue.head() {
                // A handshake record with a ClientHello, or any record if joined in mid-stream.
                Some([0x16, 0x03, 0x00..=0x04, _, _, 0x01]) => true,
                Some([0x14..=0x17, 0x03, 0x01..=0x04, ..]) => self.client_stream.is_joined(),
                _ => false,
            }
    }
}
