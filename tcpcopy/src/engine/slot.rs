//! One four-tuple of the test server, and the sessions that use it one after the other.

use std::collections::VecDeque;

use common_core::control::FlowId;
use common_core::flow::{Endpoint, Flow};
use common_core::time::Time;
use common_core::wire::{Flags, Segment};

use crate::engine::clients::{ClientId, Copied};
use crate::engine::timers::Entries;
use crate::ledger::{DropReason, LedgerWriter, Overhead};
use crate::session::{Context, Idle, Port, Session, TupleHistory};

/// Sessions that may wait for the one before them. Beyond that the last one makes room for the new one: the first is
/// being replayed, and the work on it would be in vain.
pub(super) const WAITING_MAX: usize = 1024;

/// A slot has a route at intercept from its first connection on, as long as it exists.
pub(super) struct Slot {
    pub(super) id: FlowId,
    pub(super) flow: Flow,
    /// The client port of the copy.
    pub(super) port: Port,
    /// The index of its transfer.
    pub(super) transfer: usize,
    /// The client connection that it copies, if that may have several copies.
    pub(super) client: Option<ClientId>,
    /// The online service: sessions of two services with one target must not mix.
    pub(super) online: Endpoint,
    /// Its entries in the timers.
    pub(super) entries: Entries,
    /// It is counted among the embryonic sessions.
    pub(super) was_embryonic: bool,
    /// It is counted among the slots that wait for an answer.
    pub(super) is_awaiting: bool,
    /// It is listed for the flush at the end of the batch.
    pub(super) to_flush: bool,
    /// Memory of the sessions as it stands in the ledger.
    metered: Overhead,
    /// The history that finished sessions have left.
    past: TupleHistory,
    /// The first is being replayed.
    sessions: VecDeque<Session>,
}

impl Slot {
    pub(super) fn new(id: FlowId, copied: Copied, online: Endpoint) -> Self {
        let Copied { flow, transfer, client } = copied;
        Self {
            id,
            flow,
            port: Port::Own,
            transfer,
            client,
            online,
            entries: Entries::NONE,
            was_embryonic: false,
            is_awaiting: false,
            to_flush: false,
            metered: Overhead::default(),
            past: TupleHistory::default(),
            sessions: VecDeque::with_capacity(1),
        }
    }

    /// The copy's four-tuple on the wire.
    pub(super) fn wire_flow(&self) -> Flow {
        match self.port {
            Port::Moved(flow) => flow,
            Port::Own | Port::Wanted | Port::Granted(_) => self.flow,
        }
    }

    /// The four-tuple that is kept for the copy beside its client's.
    pub(super) fn granted(&self) -> Option<Flow> {
        match self.port {
            Port::Granted(flow) | Port::Moved(flow) => Some(flow),
            Port::Own | Port::Wanted => None,
        }
    }

    /// A connection was opened: the slot has a route.
    pub(super) fn was_opened(&self) -> bool {
        self.sessions.front().map_or(self.past, Session::past).is_used()
    }

    /// The session that is being replayed.
    pub(super) fn current(&mut self) -> Option<&mut Session> {
        self.sessions.front_mut()
    }

    /// No session was added yet.
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter()
    }

    /// The newest session began with a SYN of this sequence number: the SYN is a repetition.
    pub(super) fn is_repeated(&mut self, now: Time, syn: &Segment<'_>) -> bool {
        let repeated = self.sessions.back_mut().filter(|session| session.began_with(syn.seq));
        repeated.map(|session| session.syn_repeated(now)).is_some()
    }

    /// It is not known whether the online server has established the newest connection.
    pub(super) fn is_embryonic(&self) -> bool {
        self.sessions.back().is_some_and(Session::is_embryonic)
    }

    /// The newest session that the online server resets.
    pub(super) fn session_reset(&mut self, reset: &Segment<'_>) -> Option<&mut Session> {
        self.sessions.iter_mut().rev().find(|session| session.is_reset_by(reset))
    }

    /// Adds a session after those that are not over, and starts it if it is the first. No more than `most` sessions
    /// wait then.
    pub(super) fn add(&mut self, cx: &mut Context<'_>, session: Session, most: usize) {
        cx.ledger.session_begins();
        // The sessions before the last one were superseded when the last one came.
        if let Some(last) = self.sessions.back_mut() {
            last.supersede(cx);
        }
        if self.sessions.len() > most
            && let Some(mut last) = self.sessions.pop_back()
        {
            last.abort(cx, DropReason::NoAnswer);
            cx.ledger.session_ends(last.outcome());
        }
        self.sessions.push_back(session);
        if self.sessions.len() == 1 {
            self.start_first(cx);
        } else {
            self.replace_finished(cx);
        }
    }

    fn start_first(&mut self, cx: &mut Context<'_>) {
        if let Some(first) = self.sessions.front_mut() {
            first.start(cx, self.past);
        }
    }

    /// The newest session that a segment of the client fits.
    pub(super) fn session_of(&mut self, segment: &Segment<'_>) -> Option<&mut Session> {
        let last = self.sessions.len().checked_sub(1)?;
        if last == 0 {
            return self.current();
        }
        let fits = self.sessions.iter().rposition(|session| session.is_plausible(segment));
        self.sessions.get_mut(fits.unwrap_or(last))
    }

    /// The session whose SYN the online server accepted with `syn_ack`.
    pub(super) fn session_accepted(&mut self, syn_ack: &Segment<'_>) -> Option<&mut Session> {
        self.sessions.iter_mut().rev().find(|session| session.is_accepted_with(syn_ack.ack))
    }

    /// The SYN of a session carries data.
    pub(super) fn keep_data_of_syn(&mut self, syn: &Segment<'_>) {
        if let Some(session) = self.sessions.iter_mut().rev().find(|session| session.began_with(syn.seq)) {
            session.keep_data_of_syn(syn);
        }
    }

    /// The newest session that can be answered with this segment of the online server, and whose module observes it.
    pub(super) fn session_answered(&mut self, segment: &Segment<'_>) -> Option<&mut Session> {
        self.sessions.iter_mut().rev().find(|session| session.wants_online_answer(segment))
    }

    /// Replaces a session that is over by the next one. False once none is left.
    pub(super) fn replace_finished(&mut self, cx: &mut Context<'_>) -> bool {
        while let Some(first) = self.sessions.front() {
            // A session that lingers in TIME_WAIT makes way for the next one, and for the end of the program.
            let early = self.sessions.len() > 1 || cx.draining;
            let over = if early { first.is_over() } else { first.is_finished(cx.now) };
            if !over {
                return true;
            }
            if let Some(session) = self.sessions.pop_front() {
                self.retire(cx, &session);
            }
            self.start_first(cx);
            self.meter(cx.ledger);
        }
        false
    }

    /// Something here waits for the next answer of the test server.
    pub(super) fn awaits_answer(&self) -> bool {
        self.sessions.len() > 1 || self.sessions.front().is_some_and(Session::awaits_answer)
    }

    /// When the slot is to be visited.
    pub(super) fn next_timeout(&self, cx: &Context<'_>) -> Time {
        let Some(first) = self.sessions.front() else { return Time::NEVER };
        let first = first.next_timeout(cx);
        if self.sessions.len() == 1 {
            return first;
        }
        // A session that was given up while it waited is removed when its turn comes.
        let waiting = self.sessions.iter().skip(1).filter(|session| !session.is_over());
        waiting.map(|session| session.next_timeout(cx)).fold(first, Time::min)
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        for session in &mut self.sessions {
            session.handle_timeout(cx);
        }
    }

    /// A link to intercept is up.
    pub(super) fn handle_link_up(&mut self, cx: &mut Context<'_>) {
        if let Some(session) = self.current() {
            session.handle_link_up(cx);
        }
    }

    /// The test server may be back: a session that waits for it tries again.
    pub(super) fn retry(&mut self, cx: &mut Context<'_>) {
        if let Some(session) = self.current()
            && session.waits_for_server()
        {
            session.retry(cx);
        }
    }

    /// Nothing more will be captured.
    pub(super) fn finish_clients(&mut self, cx: &mut Context<'_>) {
        for session in &mut self.sessions {
            session.finish_client(cx);
        }
    }

    /// Gives up all bytes that the sessions hold, for `reason`.
    pub(super) fn give_up(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        for session in &mut self.sessions {
            session.give_up(cx, reason);
        }
    }

    /// How much would be lost with the slot, and since when its clients have been silent; `None` while one of its
    /// sessions has something to do.
    pub(super) fn idle(&self, now: Time) -> Option<(Idle, Time)> {
        let mut most = (Idle::Silent, Time::ZERO);
        for session in &self.sessions {
            most = most.max(session.idle(now)?);
        }
        Some(most)
    }

    /// Makes room for a newer slot, if this one is still idle.
    pub(super) fn evict(&mut self, cx: &mut Context<'_>) {
        if self.idle(cx.now).is_none() {
            return;
        }
        while let Some(mut session) = self.sessions.pop_front() {
            session.evict(cx);
            self.retire(cx, &session);
        }
    }

    /// Brings the memory of the sessions in the ledger up to date.
    #[inline]
    pub(super) fn meter(&mut self, ledger: &mut LedgerWriter) {
        let mut now = Overhead::default();
        match self.sessions.as_slices() {
            ([only], []) => now = only.overhead(),
            (some, others) => some.iter().chain(others).for_each(|session| now += session.overhead()),
        }
        if now != self.metered {
            ledger.meter(self.metered, now);
            self.metered = now;
        }
    }

    /// Ends all sessions at once, for `reason`.
    pub(super) fn abort(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        while let Some(mut session) = self.sessions.pop_front() {
            session.abort(cx, reason);
            self.retire(cx, &session);
        }
    }

    /// The first session is over; those after it were never started.
    fn retire(&mut self, cx: &mut Context<'_>, session: &Session) {
        if session.past().is_used() {
            self.past = session.past();
        }
        cx.ledger.session_ends(session.outcome());
    }
}

/// Whether a segment opens a connection.
pub(super) fn is_syn(segment: &Segment<'_>) -> bool {
    segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK)
}
