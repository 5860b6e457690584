//! The engine: all sessions of one worker, free of I/O.

mod classify;
mod slot;
mod table;
mod target;
mod timers;

use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use common_core::answer_payload::AnswerPayload;
use common_core::control::{ServerSegment, ToIntercept};
use common_core::flow::{Endpoint, Flow};
use common_core::time::Time;
use common_core::wire::{Flags, PacketBuilder, Segment};
use common_os::io::Captured;

use self::classify::{Class, classify};
use self::slot::{Slot, WAITING_MAX, is_syn};
use self::table::Table;
pub(crate) use self::target::Target;
pub(crate) use self::timers::GRAIN;
use self::timers::Timers;
use crate::failure_log::FailureLog;
use crate::ledger::{DropReason, Ledger, LedgerWriter, PacketKind};
use crate::online_query::OwnEndpoints;
use crate::output::Output;
use crate::session::{Context, ModuleHost, PARKED_BYTES, SILENCE, Session};
use crate::settings::EngineConfig;

/// After the start of the capture, a stream seen for the first time may be in the middle of a turn; one that says its
/// first word later was silent before, and begins a turn.
const SETTLING: Duration = Duration::from_millis(200);

/// A pushed segment below this is most likely a whole request, even then. Less than any usual segment size, in bytes.
const SHORT: u32 = 1200;

/// What a session without payload takes, roughly, in bytes: it counts against the memory limit too, for a flood of
/// SYNs is nothing but sessions.
const SLOT_BYTES: u64 = 1536;

/// Slots at most: every one is a route at intercept, which takes 524 288 of a link.
const SLOTS_MAX: u64 = 500_000;

/// How long intercept gets to take in what a new link announces, before answers are provoked that it must notice.
const LINK_HEAD_START: Duration = Duration::from_millis(10);

/// Slots that make room for one: a new one may stand for what took the room of several.
const SLOTS_EVICTED: usize = 32;

/// No timer is set further ahead: entries of slots that have gone would pile up until they fall due.
const TIMER_HORIZON: Duration = Duration::from_secs(30);

/// Slots that one call looks at, where all of them or many are due: a few milliseconds' worth, after which the driver
/// looks after its other sources.
const SLOTS_A_CALL: usize = 1024;

/// All sessions of one worker.
///
/// Call order: any `handle_*` as things happen; [`Engine::flush`] after each batch of them; then sleep until
/// [`Engine::poll_timeout`] and call [`Engine::handle_timeout`].
pub struct Engine {
    config: EngineConfig,
    started: Time,
    links: usize,
    /// A link came up: then sessions that waited for one go on.
    resume_at: Time,
    /// Slots with nothing to do, as they were found last: the last is the first to make room.
    idle: Vec<u32>,
    /// When they may be looked for again.
    idle_again: Time,
    /// What came from intercept since then has not been read yet.
    unread_since: Time,
    /// Nothing more will be captured.
    draining: bool,
    table: Table,
    /// What was learnt about each transfer's test server, in the order of the transfers.
    targets: Vec<Target>,
    /// Our own connections to online services.
    own: Option<Arc<OwnEndpoints>>,
    timers: Timers,
    to_flush: Vec<u32>,
    /// How many slots wait for an answer.
    awaiting: usize,
    /// Slots yet to be told that a link came up, that a test server is back, and that nothing more will be captured.
    to_resume: std::vec::IntoIter<u32>,
    to_retry: std::vec::IntoIter<u32>,
    to_finish: std::vec::IntoIter<u32>,
    builder: PacketBuilder,
    ledger: LedgerWriter,
    failures: FailureLog,
}

impl Engine {
    /// An engine without sessions; `now` is when the capture starts.
    #[must_use]
    pub fn new(config: EngineConfig, now: Time) -> Self {
        let targets = config.transfers.iter().map(|transfer| Target::new(transfer.on_reconnect)).collect();
        Self {
            config,
            started: now,
            links: 0,
            resume_at: Time::NEVER,
            idle: Vec::new(),
            idle_again: Time::ZERO,
            unread_since: Time::NEVER,
            draining: false,
            table: Table::default(),
            targets,
            own: None,
            timers: Timers::default(),
            to_flush: Vec::new(),
            awaiting: 0,
            to_resume: Vec::new().into_iter(),
            to_retry: Vec::new().into_iter(),
            to_finish: Vec::new().into_iter(),
            builder: PacketBuilder::new(),
            ledger: LedgerWriter::default(),
            failures: FailureLog::default(),
        }
    }

    /// Connections from these endpoints are our own, and are not copied.
    pub fn set_own(&mut self, own: Arc<OwnEndpoints>) {
        self.own = Some(own);
    }

    /// The online server of this transfer has answered the question of this number, and all that was captured before the
    /// answer came has been handed over.
    pub fn handle_online_query(&mut self, now: Time, transfer: usize, question: u64) {
        if let Some(target) = self.targets.get_mut(transfer) {
            (target.question, target.answered) = (question, now);
        }
    }

    /// A packet was captured on the online host.
    pub fn handle_packet(&mut self, now: Time, captured: Captured<'_>, out: &mut dyn Output) {
        // Looked at where it is: a segment is large.
        let Ok(segment) = &Segment::parse(captured.packet) else {
            return self.ledger.packet(PacketKind::Unreadable);
        };
        match classify(&self.config.transfers, self.own.as_deref(), &captured, segment) {
            Class::Client { flow, transfer } => {
                self.ledger.packet(PacketKind::Client);
                if flow.client.ip.is_loopback() && !flow.server.ip.is_loopback() {
                    self.ledger.loopback_packet();
                }
                self.handle_client(now, flow, transfer, segment, out);
            }
            Class::OnlineSynAck { flow } => {
                self.ledger.packet(PacketKind::OnlineSynAck);
                self.handle_online_syn_ack(now, &flow, segment, out);
            }
            Class::OnlineAnswer { flow } => {
                self.ledger.packet(PacketKind::OnlineAnswer);
                self.handle_online_answer(now, &flow, segment, out);
            }
            Class::Own => self.ledger.packet(PacketKind::Own),
            Class::Unrelated => self.ledger.packet(PacketKind::Unrelated),
        }
    }

    fn handle_client(
        &mut self,
        now: Time,
        flow: Flow,
        transfer: usize,
        segment: &Segment<'_>,
        out: &mut dyn Output,
    ) {
        let opens = is_syn(segment);
        let found = match self.table.find(&flow) {
            None if opens || !segment.payload.is_empty() => {
                self.add_slot(now, flow, transfer, segment.destination, out)
            }
            None => return self.ledger.stray_packet(),
            found => found,
        };
        let Some(index) = found else {
            return self.turn_away(segment, DropReason::MemoryLimit);
        };
        if self.collides(index, segment) {
            return;
        }
        let joins = self.table.slot(index).is_some_and(|slot| slot.is_empty());
        let waiting = if opens && !joins && self.is_full() { 1 } else { WAITING_MAX };
        let mut new = if opens || joins { self.new_session(now, flow, transfer, segment) } else { None };
        self.with_slot_in_batch(now, index, out, |slot, cx| {
            // Taken out only if there is one: a session is large, and this is done for every segment.
            if new.is_some() && !(opens && slot.is_repeated(segment)) {
                if !opens {
                    cx.ledger.session_joined();
                }
                new.take().into_iter().for_each(|session| slot.add(cx, session, waiting));
            }
            if !opens && let Some(session) = slot.session_of(segment) {
                session.handle_client(cx, segment);
            } else if opens && !segment.payload.is_empty() {
                slot.keep_data_of_syn(segment);
            }
        });
        self.respect_memory_limit(now, out);
    }

    fn handle_online_syn_ack(&mut self, now: Time, flow: &Flow, segment: &Segment<'_>, out: &mut dyn Output) {
        let Some(index) = self.table.find(flow) else { return };
        let Some(session) = self.table.slot(index).and_then(|slot| slot.session_accepted(segment)) else {
            return;
        };
        session.handle_online_syn_ack(segment);
        if session.awaits_syn_ack() {
            self.with_slot_in_batch(now, index, out, |slot, cx| {
                if let Some(session) = slot.session_accepted(segment) {
                    session.handle_syn_acknowledged(cx, segment);
                }
            });
        }
    }

    fn handle_online_answer(&mut self, now: Time, flow: &Flow, segment: &Segment<'_>, out: &mut dyn Output) {
        let Some(index) = self.table.find(flow) else { return };
        if self.table.slot(index).is_none_or(|slot| slot.online != segment.source) {
            return;
        }
        self.with_slot(now, index, out, |slot, cx| {
            if let Some(session) = slot.session_answered(segment) {
                session.handle_online_answer(cx, segment);
            }
        });
        self.respect_memory_limit(now, out);
    }

    fn new_session(&self, now: Time, flow: Flow, transfer: usize, segment: &Segment<'_>) -> Option<Session> {
        let from_start = is_syn(segment);
        let protocol = self.config.transfers.get(transfer)?.protocol.as_ref();
        let module = protocol
            .map(|protocol| ModuleHost::new(protocol.module(&flow, from_start), protocol.online_answers()));
        Some(if from_start {
            Session::from_syn(now, segment.seq, module)
        } else {
            let whole = segment.flags.has(Flags::PSH) && segment.payload_len < SHORT;
            let mid_turn = !whole && now < self.started + SETTLING;
            Session::joined(now, segment, mid_turn, module)
        })
    }

    /// `None` if there is no room for it.
    fn add_slot(
        &mut self,
        now: Time,
        flow: Flow,
        transfer: usize,
        online: Endpoint,
        out: &mut dyn Output,
    ) -> Option<u32> {
        if self.is_full() {
            self.make_room(now, out);
            if self.is_full() {
                return None;
            }
        }
        let (index, id) = self.table.insert(|id| Slot::new(id, flow, transfer, online))?;
        out.control(&ToIntercept::RouteAdd { id, flow });
        Some(index)
    }

    /// Gives up what holds much of the memory, then ends sessions that have nothing to do: floods of forged segments leave
    /// such sessions, which would stay for long.
    fn make_room(&mut self, now: Time, out: &mut dyn Output) {
        let limit = self.config.memory_limit;
        let sessions = self.sessions() * SLOT_BYTES;
        if self.memory() > limit / 2 && self.memory() + sessions > limit {
            // One stalled upload rather than many sessions that hold nothing.
            self.give_up_largest(now, (limit / 8 * 7).saturating_sub(sessions).max(limit / 16 * 7), out);
        }
        // Looking for them takes long: not again before others can have become idle.
        if self.idle_again <= now {
            self.idle_again = now + SILENCE;
            let mut found: Vec<_> = (self.table.indices().into_iter())
                .filter_map(|index| Some((self.table.slot(index)?.idle(now)?, index)))
                .collect();
            found.sort_unstable_by(|one, other| other.cmp(one));
            self.idle = found.into_iter().map(|(_, index)| index).collect();
        }
        for _ in 0..SLOTS_EVICTED {
            if !self.is_full() {
                break;
            }
            let Some(index) = self.idle.pop() else { break };
            self.with_slot(now, index, out, Slot::evict);
        }
    }

    /// A client's connection to another service that is copied to the same target would be one with this.
    fn collides(&mut self, index: u32, segment: &Segment<'_>) -> bool {
        let collides = self.table.slot(index).is_some_and(|slot| slot.online != segment.destination);
        if collides {
            self.turn_away(segment, DropReason::AddressCollision);
        }
        collides
    }

    /// A segment of a session that is not copied at all.
    fn turn_away(&mut self, segment: &Segment<'_>, reason: DropReason) {
        let bytes = segment.payload.len() as u64;
        self.ledger.capture(bytes);
        self.ledger.drop_bytes(reason, bytes);
        if is_syn(segment) {
            self.ledger.session_begins();
            self.ledger.session_ends(Some(reason));
        }
    }

    /// Intercept sent a segment of the test server.
    pub fn handle_answer(&mut self, now: Time, answer: &ServerSegment<'_>, out: &mut dyn Output) {
        self.ledger.tcp().answers += 1;
        let Some(index) = self.table.find_id(answer.id) else {
            self.ledger.tcp().answers_stray += 1;
            return;
        };
        let mut back = None;
        self.with_slot_in_batch(now, index, out, |slot, cx| {
            back = cx.target.is_back(cx.now).then_some(slot.transfer);
            if let Some(session) = slot.current() {
                session.handle_answer(cx, answer);
            }
        });
        if let Some(transfer) = back {
            self.retry_all(transfer);
        }
        // What the test server says is kept by modules only.
        if self.ledger.modules.memory > 0 {
            self.respect_memory_limit(now, out);
        }
    }

    /// The test server of this transfer is back: its sessions need not find out by themselves.
    fn retry_all(&mut self, transfer: usize) {
        // Those of others that are yet to be told stay so.
        let mut all = self.table.indices();
        let told = self.to_retry.as_slice();
        let yet_to_be_told: HashSet<u32> = told.iter().copied().collect();
        all.retain(|index| {
            yet_to_be_told.contains(index)
                || self.table.slot(*index).is_some_and(|slot| slot.transfer == transfer)
        });
        self.to_retry = all.into_iter();
    }

    /// A link to an intercept came up, and `out.control` goes to it alone during this call: the routes of all live
    /// flows are announced. A little later, sessions that waited for a link go on.
    pub fn handle_link_up(&mut self, now: Time, out: &mut dyn Output) {
        self.links += 1;
        self.resume_at = now + LINK_HEAD_START;
        for slot in self.table.iter() {
            out.control(&ToIntercept::RouteAdd { id: slot.id, flow: slot.flow });
            let mode = slot.sessions().next().map(Session::payload_mode).unwrap_or_default();
            if mode != AnswerPayload::None {
                out.control(&ToIntercept::Payload { id: slot.id, mode });
            }
        }
    }

    /// A link to an intercept went down. Without any, no new connection is opened.
    pub fn handle_link_down(&mut self, _now: Time) {
        self.links = self.links.saturating_sub(1);
    }

    /// Sends what was put off to the end of a batch: data, and acknowledgements that no data carries.
    pub fn flush(&mut self, now: Time, out: &mut dyn Output) {
        let mut list = std::mem::take(&mut self.to_flush);
        for index in list.drain(..) {
            self.with_slot(now, index, out, |slot, cx| {
                slot.to_flush = false;
                if let Some(session) = slot.current() {
                    session.flush(cx);
                }
            });
        }
        // The list's memory is used again; a session that began meanwhile may be listed already.
        list.append(&mut self.to_flush);
        self.to_flush = list;
    }

    /// Some session can go on only with what the test server says next: answers are to be handed over as they come.
    /// Otherwise there is time, as far as the engine is concerned: a few milliseconds. To be asked after
    /// [`Engine::flush`].
    #[must_use]
    pub fn awaits_answers(&self) -> bool {
        self.awaiting > 0
    }

    /// What came from intercept since this time, if any, is handed over later: that nothing came is no silence of the test
    /// server.
    pub fn set_unread_since(&mut self, time: Option<Time>) {
        self.unread_since = time.unwrap_or(Time::NEVER);
    }

    /// When [`Engine::handle_timeout`] is to be called; [`Time::NEVER`] if nothing is waited for.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        if self.to_resume.len() + self.to_retry.len() + self.to_finish.len() > 0 {
            Time::ZERO
        } else if self.table.is_empty() {
            self.resume_at
        } else {
            self.timers.next().min(self.resume_at)
        }
    }

    /// Time has passed. Where much is due, [`Engine::poll_timeout`] says that it wants to be called again at once.
    pub fn handle_timeout(&mut self, now: Time, out: &mut dyn Output) {
        if self.resume_at <= now {
            self.resume_at = Time::NEVER;
            self.to_resume = self.table.indices().into_iter();
        }
        let mut left = self.sweep(now, out);
        while left > 0
            && let Some((time, index)) = self.timers.pop_due(now)
        {
            left -= 1;
            let Some(slot) = self.table.slot(index) else { continue };
            if !slot.entries.take(time) {
                continue;
            }
            self.with_slot(now, index, out, |slot, cx| {
                if slot.next_timeout(cx) <= cx.now {
                    slot.handle_timeout(cx);
                } else if let Some(session) = slot.current() {
                    session.trim(cx.now);
                }
            });
        }
    }

    /// Nothing more will be captured: sessions replay what is pending, close their connections and end.
    pub fn drain(&mut self, now: Time, out: &mut dyn Output) {
        self.draining = true;
        self.to_finish = self.table.indices().into_iter();
        self.sweep(now, out);
    }

    /// Goes on with what all slots are to be told; returns how many more this call may look at.
    fn sweep(&mut self, now: Time, out: &mut dyn Output) -> usize {
        for left in (1..=SLOTS_A_CALL).rev() {
            if let Some(index) = self.to_resume.next() {
                self.with_slot(now, index, out, Slot::handle_link_up);
            } else if let Some(index) = self.to_retry.next() {
                self.with_slot(now, index, out, Slot::retry);
            } else if let Some(index) = self.to_finish.next() {
                self.with_slot(now, index, out, Slot::finish_clients);
            } else {
                return left;
            }
        }
        0
    }

    /// Ends what is left at once: resets the connections, counts what was pending as dropped at shutdown.
    pub fn abort(&mut self, now: Time, out: &mut dyn Output) {
        self.for_all(now, out, |slot, cx| slot.abort(cx, DropReason::Shutdown));
    }

    /// No session is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The account so far.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn for_all(
        &mut self,
        now: Time,
        out: &mut dyn Output,
        mut work: impl FnMut(&mut Slot, &mut Context<'_>),
    ) {
        for index in self.table.indices() {
            self.with_slot(now, index, out, &mut work);
        }
    }

    /// Works on a slot. What follows is done now, or when the slot is flushed if it is to be.
    fn with_slot_in_batch(
        &mut self,
        now: Time,
        index: u32,
        out: &mut dyn Output,
        work: impl FnOnce(&mut Slot, &mut Context<'_>),
    ) {
        self.with_slot_and(now, index, out, |slot, cx| {
            work(slot, cx);
            slot.to_flush || slot.current().is_some_and(|session| session.wants_flush(now))
        });
    }

    /// Works on a slot, and does what follows.
    fn with_slot(
        &mut self,
        now: Time,
        index: u32,
        out: &mut dyn Output,
        work: impl FnOnce(&mut Slot, &mut Context<'_>),
    ) {
        self.with_slot_and(now, index, out, |slot, cx| {
            work(slot, cx);
            false
        });
    }

    /// What follows the work on a slot: the next session in turn, timers, the flush list, the end of the slot. It is
    /// left to the flush if `work` says so.
    fn with_slot_and(
        &mut self,
        now: Time,
        index: u32,
        out: &mut dyn Output,
        work: impl FnOnce(&mut Slot, &mut Context<'_>) -> bool,
    ) {
        let Some(slot) = self.table.slot(index) else { return };
        let Some(target) = self.targets.get_mut(slot.transfer) else { return };
        let mut cx = Context {
            now,
            heard: now.min(self.unread_since),
            config: &self.config,
            ledger: &mut self.ledger,
            target,
            failures: &mut self.failures,
            builder: &mut self.builder,
            link_up: self.links > 0,
            draining: self.draining,
            flow: slot.flow,
            id: slot.id,
            out,
        };
        let put_off = work(slot, &mut cx);
        if put_off {
            slot.meter(cx.ledger);
            if !std::mem::replace(&mut slot.to_flush, true) {
                self.to_flush.push(index);
            }
            return;
        }
        let stays = slot.replace_finished(&mut cx);
        slot.meter(cx.ledger);
        let awaits = slot.awaits_answer();
        if slot.is_awaiting != awaits {
            slot.is_awaiting = awaits;
            self.awaiting = if awaits { self.awaiting + 1 } else { self.awaiting - 1 };
        }
        if !stays {
            let id = slot.id;
            self.table.remove(index);
            out.control(&ToIntercept::RouteDel { id });
            return;
        }
        let deadline = slot.next_timeout(&cx).min(now + TIMER_HORIZON);
        self.timers.schedule(now, &mut slot.entries, deadline, index);
        if !slot.to_flush && slot.current().is_some_and(|session| session.wants_flush(now)) {
            slot.to_flush = true;
            self.to_flush.push(index);
        }
    }

    /// No more sessions can be taken.
    fn is_full(&self) -> bool {
        let sessions = self.sessions();
        sessions >= SLOTS_MAX || self.memory() + sessions * SLOT_BYTES > self.config.memory_limit
    }

    /// Sessions that take memory.
    fn sessions(&self) -> u64 {
        // Several may wait on one four-tuple, and one that is over may linger.
        self.ledger.sessions.active.max(self.table.len() as u64)
    }

    /// What all sessions hold of their clients, and their modules take, in bytes.
    fn memory(&self) -> u64 {
        let ledger = &self.ledger;
        ledger.bytes.pending + ledger.gaps.parked * PARKED_BYTES + ledger.turns.memory + ledger.modules.memory
    }

    /// Over the memory limit the sessions that hold most are given up, down to seven eighths of it.
    fn respect_memory_limit(&mut self, now: Time, out: &mut dyn Output) {
        let limit = self.config.memory_limit;
        if self.memory() > limit {
            self.give_up_largest(now, limit / 8 * 7, out);
        }
    }

    /// Gives up the sessions that hold most, until no more than `goal` bytes are held. All slots are looked at: the goal is
    /// to be so far below what is held that this happens rarely.
    #[cold]
    fn give_up_largest(&mut self, now: Time, goal: u64, out: &mut dyn Output) {
        let mut by_size: BinaryHeap<(u64, u32)> = (self.table.indices().into_iter())
            .filter_map(|index| Some((self.table.slot(index)?.sessions().map(Session::memory).sum(), index)))
            .filter(|(held, _)| *held > 0)
            .collect();
        while self.memory() > goal
            && let Some((_, index)) = by_size.pop()
        {
            self.with_slot(now, index, out, |slot, cx| slot.give_up(cx, DropReason::MemoryLimit));
        }
    }
}
