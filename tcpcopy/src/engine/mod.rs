//! The engine: all sessions of one worker, free of I/O.

mod capacity;
mod captured;
mod classify;
mod clients;
mod copies;
mod embryos;
mod moves;
mod newcomers;
mod own_addresses;
mod slot;
mod table;
mod target;
mod timers;
mod visits;

use std::sync::Arc;
use std::time::Duration;

use common_core::answer_payload::AnswerPayload;
use common_core::control::{ServerSegment, ToIntercept};
use common_core::network::Networks;
use common_core::time::{Stamp, Time};
use common_core::wire::PacketBuilder;

use self::capacity::Evictable;
use self::clients::Clients;
pub use self::clients::ports_of_an_address;
use self::copies::Copies;
pub(crate) use self::embryos::Embryos;
use self::moves::{Moves, other_port};
use self::newcomers::Newcomers;
use self::own_addresses::OwnAddresses;
use self::slot::Slot;
use self::table::Table;
pub(crate) use self::target::Target;
pub(crate) use self::timers::GRAIN;
use self::timers::Timers;
use self::visits::{Visit, Visits};
use crate::failure_log::FailureLog;
use crate::ledger::{DropReason, Ledger, LedgerWriter, TargetCounts};
use crate::online_query::OwnEndpoints;
use crate::output::Output;
use crate::session::{Context, Port};
use crate::settings::EngineConfig;

/// For this long after the start of the capture, a new stream may be in the middle of a turn. A stream whose first data
/// comes later was silent before, and begins a turn.
const SETTLING: Duration = Duration::from_millis(200);

/// How long intercept has to read the routes of a new link before answers are provoked that it must notice.
const LINK_HEAD_START: Duration = Duration::from_millis(10);

/// No timer is set further ahead: entries of slots that are gone would pile up until they fall due.
const TIMER_HORIZON: Duration = Duration::from_secs(30);

/// Slots that one call visits if all or many are due: a few milliseconds' worth, after which the driver serves its
/// other sources.
const VISITS_A_CALL: usize = 1024;

/// How much sessions have to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Four-tuples that wait for an answer of the test server.
    pub awaiting: u64,
    /// Turns that wait for their release.
    pub turns: u64,
    /// Payload bytes that are not acknowledged by the test server yet.
    pub bytes: u64,
}

/// All sessions of one worker.
///
/// Call order: any `handle_*` as things happen; [`Engine::flush`] after each batch of them; then sleep until
/// [`Engine::poll_timeout`] and call [`Engine::handle_timeout`].
pub struct Engine {
    config: EngineConfig,
    /// Until then, a new stream may be in the middle of a turn.
    settled_at: Time,
    links: usize,
    /// How often a link came up.
    link_epoch: u32,
    /// When sessions that waited for a link go on; a link came up shortly before.
    resume_at: Time,
    evictable: Evictable,
    /// Segments that intercept sent since then have not been read yet.
    unread_since: Time,
    /// Nothing more will be captured.
    draining: bool,
    /// When the kernel was last known to have dropped packets before their capture.
    capture_lost: Option<Time>,
    /// When the packet that was handled last was captured.
    stamp: Stamp,
    table: Table,
    /// The addresses of copies, if they are not those of the clients.
    addresses: Option<Box<OwnAddresses>>,
    /// The copies of each client connection, if it may have several, or none.
    clients: Option<Box<Clients>>,
    copies: Copies,
    moves: Moves,
    /// Flows that may become sessions.
    newcomers: Newcomers,
    /// Captured packets have not been read yet.
    capture_unread: bool,
    embryos: Embryos,
    /// The shared knowledge about each transfer's test server, in the order of the transfers.
    targets: Vec<Target>,
    /// Our own connections to online services.
    own: Option<Arc<OwnEndpoints>>,
    timers: Timers,
    to_flush: Vec<u32>,
    /// Slots that wait for an answer.
    awaiting: usize,
    visits: Visits,
    builder: PacketBuilder,
    ledger: LedgerWriter,
    failures: FailureLog,
}

impl Engine {
    /// An engine without sessions; `now` is when the capture starts.
    #[must_use]
    pub fn new(config: EngineConfig, now: Time) -> Self {
        let targets = config.transfers.iter().map(|transfer| Target::new(transfer.on_reconnect)).collect();
        let (settled_at, clients) = (now + settling(&config, 1), Clients::of(&config, now));
        Self {
            config,
            settled_at,
            links: 0,
            link_epoch: 0,
            resume_at: Time::NEVER,
            evictable: Evictable::default(),
            unread_since: Time::NEVER,
            draining: false,
            capture_lost: None,
            stamp: Stamp::FIRST,
            table: Table::default(),
            addresses: None,
            clients,
            copies: Copies::default(),
            moves: Moves::default(),
            newcomers: Newcomers::default(),
            capture_unread: false,
            embryos: Embryos::default(),
            targets,
            own: None,
            timers: Timers::default(),
            to_flush: Vec::new(),
            awaiting: 0,
            visits: Visits::default(),
            builder: PacketBuilder::new(),
            ledger: LedgerWriter::default(),
            failures: FailureLog::default(),
        }
    }

    /// The capture begins only now, and its packets come `speed` times faster than they were captured.
    pub fn capture_begins(&mut self, now: Time, speed: u32) {
        self.settled_at = now + settling(&self.config, speed);
        if let Some(clients) = &mut self.clients {
            clients.begin(now);
        }
    }

    /// How much the sessions have to do.
    #[must_use]
    pub fn load(&self) -> Load {
        let Ledger { bytes, turns, .. } = self.ledger();
        Load { awaiting: self.awaiting as u64, turns: turns.waiting.total(), bytes: bytes.pending }
    }

    /// Connections from these endpoints are our own, and are not copied.
    pub fn set_own(&mut self, own: Arc<OwnEndpoints>) {
        self.own = Some(own);
    }

    /// Copies have addresses of these networks from now on. To be called before the first packet, or never.
    pub fn use_networks(&mut self, networks: Networks) {
        // Clocks of sessions and of addresses need not agree to the second.
        let idle = self.config.session_timeout + self.config.keepalive_timeout + TIMER_HORIZON;
        self.addresses = Some(Box::new(OwnAddresses::new(networks, idle)));
    }

    /// The kernel has dropped packets before their capture, some time before `now`.
    pub fn capture_lost(&mut self, now: Time) {
        self.capture_lost = Some(now);
    }

    /// The online server of this transfer has answered the question of this number, and all packets captured before the
    /// answer have been handled.
    pub fn handle_online_query(&mut self, now: Time, transfer: usize, question: u64) {
        if let Some(target) = self.targets.get_mut(transfer) {
            (target.question, target.answered) = (question, now);
        }
    }

    /// A segment of the test server came from intercept.
    pub fn handle_answer(&mut self, now: Time, answer: &ServerSegment<'_>, out: &mut dyn Output) {
        self.ledger.tcp().segments_received += 1;
        let Some(index) = self.table.find_id(answer.id) else {
            self.ledger.tcp().received_stray += 1;
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
            self.visits.retry(self.table.indices(), |index| {
                self.table.slot(index).is_some_and(|slot| slot.transfer == transfer)
            });
        }
        // Only modules store bytes of the test server.
        if self.ledger.modules.memory > 0 {
            self.respect_memory_limit(now, out);
        }
    }

    /// A link to an intercept came up. During this call `out.control` goes to this link alone: the routes of all live
    /// flows are announced. A little later, sessions that waited for a link go on.
    pub fn handle_link_up(&mut self, now: Time, out: &mut dyn Output) {
        self.links += 1;
        self.link_epoch = self.link_epoch.wrapping_add(1);
        self.resume_at = now + LINK_HEAD_START;
        for slot in self.table.iter() {
            // A flow without a connection is announced when one is opened.
            let Some(session) = slot.sessions().next() else { continue };
            let Some(proof) = session.proof() else { continue };
            out.control(&ToIntercept::RouteAdd { id: slot.id, flow: slot.wire_flow(), proof });
            let mode = session.payload_mode();
            if mode != AnswerPayload::None {
                out.control(&ToIntercept::Payload { id: slot.id, mode });
            }
        }
    }

    /// A link to an intercept went down. Without a link no new connection is opened.
    pub fn handle_link_down(&mut self, _now: Time) {
        self.links = self.links.saturating_sub(1);
    }

    /// Sends all that was left for the end of a batch: data, and acknowledgements that no data carries.
    pub fn flush(&mut self, now: Time, out: &mut dyn Output) {
        let mut list = std::mem::take(&mut self.to_flush);
        for index in list.drain(..) {
            // Sending does not change the memory of a slot, so it is not measured again.
            self.with_slot_and(now, index, out, |slot, cx| {
                slot.to_flush = false;
                if let Some(session) = slot.current() {
                    session.flush(cx);
                }
                false
            });
        }
        // The list's memory is used again; sessions that began meanwhile may be listed already.
        list.append(&mut self.to_flush);
        self.to_flush = list;
    }

    /// Some session waits for the next answer of the test server: answers should be handled as they come. Otherwise
    /// they may wait for a few milliseconds. To be asked after [`Engine::flush`].
    #[must_use]
    pub fn awaits_answers(&self) -> bool {
        self.awaiting > 0
    }

    /// Segments that intercept sent since this time, if any, are handled later: until they are, silence of the test
    /// server means nothing.
    pub fn set_unread_since(&mut self, time: Option<Time>) {
        self.unread_since = time.unwrap_or(Time::NEVER);
    }

    /// Whether captured packets are left unread: the online server's verdict may be among them.
    pub fn set_capture_unread(&mut self, unread: bool) {
        self.capture_unread = unread;
    }

    /// When [`Engine::handle_timeout`] is to be called; [`Time::NEVER`] if no timer is set.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        if !self.visits.is_empty() {
            Time::ZERO
        } else {
            let timers = if self.table.is_empty() { Time::NEVER } else { self.timers.next() };
            timers.min(self.resume_at).min(self.newcomers.next_timeout())
        }
    }

    /// Time has passed. If much is due, [`Engine::poll_timeout`] asks for another call at once.
    pub fn handle_timeout(&mut self, now: Time, out: &mut dyn Output) {
        if self.resume_at <= now {
            self.resume_at = Time::NEVER;
            self.visits.resume(self.table.indices());
        }
        self.admit_due(now, out);
        let mut left = self.make_visits(now, out);
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

    /// Nothing more will be captured: sessions replay their pending bytes, close their connections and end.
    pub fn drain(&mut self, now: Time, out: &mut dyn Output) {
        self.draining = true;
        self.admit_all(now, out);
        self.visits.finish(self.table.indices());
        self.make_visits(now, out);
    }

    /// Makes the visits that are due; returns how many more this call may make.
    fn make_visits(&mut self, now: Time, out: &mut dyn Output) -> usize {
        for left in (1..=VISITS_A_CALL).rev() {
            let Some((index, visit)) = self.visits.pop() else { return left };
            self.with_slot(now, index, out, |slot, cx| match visit {
                Visit::Resume => slot.handle_link_up(cx),
                Visit::Retry => slot.retry(cx),
                Visit::Finish => slot.finish_clients(cx),
            });
        }
        0
    }

    /// Ends all sessions at once: resets their connections, and counts pending bytes as dropped at shutdown.
    pub fn abort(&mut self, now: Time, out: &mut dyn Output) {
        self.admit_all(now, out);
        self.for_all(now, out, |slot, cx| slot.abort(cx, DropReason::Shutdown));
    }

    /// No session is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty() && self.newcomers.is_empty()
    }

    /// The account so far.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What was sent to the test server of each transfer, and what came back, in the order of the transfers.
    pub fn targets(&self) -> impl Iterator<Item = TargetCounts> + '_ {
        self.targets.iter().map(|target| target.counts)
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

    /// Works on a slot. The rest is done now, or when the slot is flushed if it is to be.
    fn with_slot_in_batch(
        &mut self,
        now: Time,
        index: u32,
        out: &mut dyn Output,
        work: impl FnOnce(&mut Slot, &mut Context<'_>),
    ) {
        self.with_slot_and(now, index, out, |slot, cx| {
            work(slot, cx);
            slot.meter(cx.ledger);
            slot.to_flush || slot.current().is_some_and(|session| session.wants_flush(now))
        });
    }

    /// Works on a slot, and does the rest.
    fn with_slot(
        &mut self,
        now: Time,
        index: u32,
        out: &mut dyn Output,
        work: impl FnOnce(&mut Slot, &mut Context<'_>),
    ) {
        self.with_slot_and(now, index, out, |slot, cx| {
            work(slot, cx);
            slot.meter(cx.ledger);
            false
        });
    }

    /// Does `work` on a slot, then the rest: its next session, timers, the flush list, the end of the slot. If `work`
    /// returns true, the flush does the rest.
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
            stamp: self.stamp,
            answers_read_until: now.min(self.unread_since),
            config: &self.config,
            ledger: &mut self.ledger,
            target,
            embryos: &mut self.embryos,
            failures: &mut self.failures,
            builder: &mut self.builder,
            link_up: self.links > 0,
            several_links: self.links > 1,
            link_epoch: self.link_epoch,
            draining: self.draining,
            capture_lost: self.capture_lost,
            flow: slot.wire_flow(),
            id: slot.id,
            port: slot.port,
            out,
        };
        let put_off = work(slot, &mut cx);
        slot.port = cx.port;
        if put_off {
            if !std::mem::replace(&mut slot.to_flush, true) {
                self.to_flush.push(index);
            }
            return;
        }
        let stays = slot.replace_finished(&mut cx);
        let embryonic = stays && slot.is_embryonic();
        cx.embryos.change(slot.was_embryonic, embryonic);
        slot.was_embryonic = embryonic;
        let awaits = slot.awaits_answer();
        if slot.is_awaiting != awaits {
            slot.is_awaiting = awaits;
            self.awaiting = if awaits { self.awaiting + 1 } else { self.awaiting - 1 };
            let awaiting = &mut cx.target.counts.awaiting;
            *awaiting = if awaits { *awaiting + 1 } else { awaiting.saturating_sub(1) };
        }
        slot.port = cx.port;
        let wants_other_port = cx.port == Port::Wanted;
        if !stays {
            let (id, has_route, client) = (slot.id, slot.was_opened(), slot.client);
            if let Some(flow) = slot.granted() {
                self.moves.give_back(&flow);
            }
            self.table.remove(index);
            if has_route {
                out.control(&ToIntercept::RouteDel { id });
            }
            if let Some(client) = client {
                self.leave(now, client);
            }
            return;
        }
        let deadline = slot.next_timeout(&cx).min(now + TIMER_HORIZON);
        self.timers.schedule(now, &mut slot.entries, deadline, index);
        if !slot.to_flush && slot.current().is_some_and(|session| session.wants_flush(now)) {
            slot.to_flush = true;
            self.to_flush.push(index);
        }
        if wants_other_port {
            self.grant_other_port(index);
        }
    }

    /// The next SYN of the slot comes from another port, if nobody has that.
    #[cold]
    fn grant_other_port(&mut self, index: u32) {
        let Some(slot) = self.table.slot(index) else { return };
        slot.port = Port::Own;
        // Copies with addresses of their own share these, and those of multiplying have ports from the allocator of the clients.
        // Neither knows of this.
        if self.addresses.is_some() || self.clients.is_some() {
            return;
        }
        let Some(other) = other_port(&slot.flow) else { return };
        if self.table.find(&other).is_some() || self.moves.contain(&other) {
            return;
        }
        if let Some(slot) = self.table.slot(index) {
            slot.port = Port::Granted(other);
            self.moves.take(other);
        }
    }
}

/// For this long a new stream may be in the middle of a turn. While the share of the sessions grows (`-g`), each is joined when the
/// share reaches it.
fn settling(config: &EngineConfig, speed: u32) -> Duration {
    let grows = config.shaping.step.unwrap_or_default() * u32::from(config.shaping.percent);
    SETTLING / speed.max(1) + grows
}
