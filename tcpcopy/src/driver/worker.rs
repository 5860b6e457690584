//! A worker: one thread with capture sockets, control connections and timers of its own, each with a budget for each round.

use std::io;
use std::time::Duration;

use common_core::flow::Endpoint;
use common_core::time::Time;
use common_os::clock::Clock;
use common_os::io::Captured;
use common_os::io::wake_timer::WakeTimer;
use common_os::process::sched_policy::SchedPolicy;
use common_os::process::start::StartError;
use mio::{Events, Poll, Registry, Token};

use super::RunError;
use super::deferral::Deferral;
use super::input::Input;
use super::packet_sink::PacketSink;
use super::phase::Phase;
use super::tunnel::Outlet;
use crate::control::{ConnChange, ControlConns, ControlError};
use crate::engine::Engine;
use crate::online_query::Watch;
use crate::report::{CaptureStats, WorkerStats};

/// Token of the caller of a worker: signals, or the main thread.
pub(super) const CALLER: Token = Token(0);
/// Token of the timer.
const TIMER: Token = Token(1);
/// Token of the first capture socket.
pub(super) const FIRST_CAPTURE: usize = 2;

/// Packets read from each capture socket in a round.
const CAPTURE_BUDGET: usize = 256;
/// The same while copies lag.
const CAPTURE_BUDGET_LAGGING: usize = 32;
/// Bytes read from each control connection in a round.
const CONTROL_BUDGET: usize = 64 * 1024;

/// Copies lag if more bytes than this are captured and not yet acknowledged by the test server.
const LAG: u64 = 32 * 1024;

/// Between two readings of the kernel's counters, which complete the statistics.
const TICK: Duration = Duration::from_secs(1);

/// The order of the work in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Packets first, because they free the capture buffer; then answers. The poll reports both.
    Prompt,
    /// Copies lag behind their clients. Answers come first, so that the test server works on the next turns while a small
    /// number of packets is read; these must wait anyway.
    Lagging,
    /// No session waits for an answer. The poll does not report answers; they are read after the packets, once the copies
    /// that need no answer have been sent.
    Deferring,
}

/// Events of a round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    /// There was an event of [`CALLER`].
    pub(super) called: bool,
    /// The statistics were completed, as they are once a second.
    pub(super) ticked: bool,
}

/// An engine and all of its inputs and outputs.
pub(super) struct Worker {
    poll: Poll,
    events: Events,
    clock: Clock,
    timer: WakeTimer,
    input: Input,
    conns: ControlConns,
    engine: Engine,
    sink: PacketSink<Outlet>,
    /// Intercept must tell the addresses of copies before anything is captured: they go over the control connection.
    awaits_networks: bool,
    /// Replies of online servers to the questions of modules.
    queries: Watch,
    captured: CaptureStats,
    /// The kernel has dropped packets; those that it captured before are not read to the end yet.
    drops_noticed: bool,
    sched_policy: Option<SchedPolicy>,
    /// A packet was captured in the last round.
    captured_some: bool,
    /// When the control connections were read last.
    read_at: Time,
    deferral: Deferral,
    phase: Phase,
    next_tick: Time,
}

impl Worker {
    pub(super) fn new(
        clock: Clock,
        mut input: Input,
        conns: ControlConns,
        engine: Engine,
        mut sink: PacketSink<Outlet>,
        queries: Watch,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        input.register(poll.registry())?;
        let timer = WakeTimer::new(clock)?;
        timer.register(poll.registry(), TIMER)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(64),
            clock,
            timer,
            input,
            conns,
            engine,
            awaits_networks: sink.injector().tunnel().is_some(),
            sink,
            queries,
            captured: CaptureStats::default(),
            drops_noticed: false,
            sched_policy: None,
            captured_some: false,
            read_at: clock.now(),
            deferral: Deferral::new(),
            phase: Phase::Running,
            next_tick: clock.now(),
        })
    }

    /// Register the [`CALLER`] here.
    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Works until all control connections are up, or until there is an event of the [`CALLER`].
    pub(super) fn connect(&mut self, limit: Duration) -> Result<(), RunError> {
        let until = self.clock.now() + limit;
        while !self.conns.all_up() {
            if let Some((address, error)) = self.conns.lasting_error() {
                return Err(unreachable(address, error));
            }
            if self.clock.now() >= until
                && let Some((address, error)) = self.conns.first_down()
            {
                return Err(unreachable(address, error.unwrap_or(&ControlError::NoAnswer)));
            }
            if self.round(until)?.called {
                break;
            }
        }
        Ok(())
    }

    /// The calling thread will do all further work.
    pub(super) fn settle(&mut self) {
        self.sched_policy = Some(SchedPolicy::new());
        self.begin(self.clock.now());
    }

    /// Packets of capture files come from now on.
    fn begin(&mut self, now: Time) {
        if let Input::Files(replay) = &mut self.input {
            replay.begin(now);
            self.engine.capture_begins(now, replay.speed());
        }
    }

    /// Waits for something to do, at the longest until `limit`, and does it. See [`Mode`] for the order.
    pub(super) fn round(&mut self, limit: Time) -> Result<Round, StartError> {
        self.gather();
        // Must precede the wait: after it, every capture socket with packets that came before the reply is ready.
        let answered = self.queries.look();
        self.wait(limit).map_err(StartError::system("wait for events"))?;
        // The only reading of the clock in a round.
        let now = self.clock.now();
        self.sink.set_now(now);
        self.input.observe(now, || self.engine.load());
        let mut called = false;
        for event in &self.events {
            match event.token() {
                CALLER => called = true,
                TIMER => self.timer.handle_expired(),
                token if self.input.handle_event(token) => {}
                _ => drop(self.conns.handle_event(now, event)),
            }
        }
        match self.mode() {
            Mode::Prompt => {
                self.read_captures(now);
                self.read_answers(now);
            }
            Mode::Lagging => {
                if self.deferral.is_active() {
                    self.conns.look();
                }
                self.read_answers(now);
                self.send(now);
                self.read_captures(now);
                self.read_answers(now);
            }
            Mode::Deferring => {
                self.engine.set_unread_since(Some(self.read_at));
                self.read_captures(now);
                self.send(now);
                self.conns.look();
                self.read_answers(now);
                self.engine.set_unread_since(None);
            }
        }
        self.read_at = now;
        if answered && !self.input.any_ready() {
            self.take_answers(now);
        }
        let ticked = self.handle_timers(now);
        self.send(now);
        self.defer_answers(now);
        self.input.observe(now, || self.engine.load());
        Ok(Round { called, ticked })
    }

    /// Decides whether the poll reports answers in the next round.
    fn defer_answers(&mut self, now: Time) {
        let is_brisk = self.sched_policy.as_ref().is_some_and(SchedPolicy::is_brisk);
        let is_allowed = is_brisk && !self.engine.awaits_answers() && !self.conns.has_unsent();
        if self.deferral.update(now, is_allowed, self.captured_some) {
            self.conns.report(self.poll.registry(), !self.deferral.is_active());
        }
    }

    /// The order of the work in this round.
    fn mode(&self) -> Mode {
        if self.lags() {
            Mode::Lagging
        } else if self.deferral.is_active() {
            Mode::Deferring
        } else {
            Mode::Prompt
        }
    }

    /// The copies lag behind their clients.
    fn lags(&self) -> bool {
        self.engine.ledger().bytes.pending > LAG
    }

    /// Sends packets and control messages that the engine has produced.
    fn send(&mut self, now: Time) {
        self.engine.flush(now, &mut self.sink);
        if !self.sink.queued().is_empty() {
            // First, so that intercept knows before an answer comes which connection it belongs to, and how much of it is wanted.
            self.deliver(now);
            self.conns.flush();
        }
        self.sink.flush();
        self.deliver(now);
        self.conns.flush();
        if let Some(tunnel) = self.sink.injector().tunnel() {
            tunnel.set_room(self.conns.room());
        }
    }

    /// Lets packets gather before the next round, unless some are left to read or copies lag.
    fn gather(&self) {
        let all_read = !self.is_input_ready() && !self.conns.any_readable();
        if let Some(sched_policy) = &self.sched_policy
            && self.captured_some
            && all_read
            && !self.lags()
        {
            sched_policy.gather();
        }
    }

    fn wait(&mut self, limit: Time) -> io::Result<()> {
        let timeout = if self.is_input_ready() || self.conns.any_readable() {
            Some(Duration::ZERO)
        } else {
            self.timer.set(self.next_timer().min(limit).min(self.deferral.deadline()))?;
            None
        };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Packets can be read that no event will report.
    fn is_input_ready(&self) -> bool {
        self.input.any_ready() && !self.awaits_networks
    }

    fn read_captures(&mut self, now: Time) {
        if self.awaits_networks {
            // They wait in the capture buffer.
            self.captured_some = false;
            return;
        }
        let budget = if self.lags() { CAPTURE_BUDGET_LAGGING } else { CAPTURE_BUDGET };
        let (engine, sink) = (&mut self.engine, &mut self.sink);
        let mut sink = |captured: Captured<'_>| engine.handle_packet(now, captured, sink);
        self.captured_some = self.input.receive(budget, &mut sink) > 0;
        self.deliver(now);
    }

    /// Passes the replies of online servers to the engine. All packets that were captured before them have been read, which may
    /// not hold for newer replies.
    fn take_answers(&mut self, now: Time) {
        for (transfer, question) in self.queries.take_seen() {
            self.engine.handle_online_query(now, transfer, question);
        }
    }

    fn read_answers(&mut self, now: Time) {
        for index in 0..self.conns.count() {
            if self.conns.is_readable(index) {
                let (engine, sink) = (&mut self.engine, &mut self.sink);
                self.conns.receive(now, index, CONTROL_BUDGET, &mut |answer| {
                    engine.handle_answer(now, answer, sink)
                });
                self.deliver(now);
            }
        }
    }

    /// Queues control messages of the engine on the connections, and reports changes of the connections to the engine.
    fn deliver(&mut self, now: Time) {
        self.conns.broadcast(now, self.sink.queued());
        self.sink.clear_queued();
        self.pass_copies(now);
        while let Some(change) = self.conns.next_change() {
            match change {
                ConnChange::Up(index) => {
                    self.engine.handle_link_up(now, &mut self.sink);
                    self.conns.announce(now, index, self.sink.queued());
                    self.sink.clear_queued();
                }
                ConnChange::Down => self.engine.handle_link_down(now),
            }
        }
    }

    /// Queues copies that go over the control connection, after the messages that announce them.
    fn pass_copies(&mut self, now: Time) {
        let Some(tunnel) = self.sink.injector().tunnel() else { return };
        self.conns.broadcast(now, tunnel.queued());
        tunnel.clear();
        tunnel.set_room(self.conns.room());
        if self.awaits_networks
            && let Some(networks) = self.conns.networks()
        {
            self.engine.use_networks(networks);
            self.awaits_networks = false;
        }
    }

    fn next_timer(&self) -> Time {
        let phase = self.phase.deadline(self.engine.ledger().sessions.active);
        let now_and_then = self.next_tick.min(self.sink.poll_timeout()).min(self.input.poll_timeout());
        self.engine.poll_timeout().min(self.conns.poll_timeout()).min(now_and_then).min(phase)
    }

    /// Does what is due at `now`. True if that completed the statistics, as it does once a second.
    fn handle_timers(&mut self, now: Time) -> bool {
        self.conns.handle_timeout(now, self.poll.registry());
        self.deliver(now);
        if self.engine.poll_timeout() <= now {
            self.engine.set_capture_unread(self.input.any_ready());
            self.engine.handle_timeout(now, &mut self.sink);
        }
        let ticks = self.next_tick <= now;
        if ticks {
            self.next_tick = now + TICK;
            self.tick();
        }
        if self.drops_noticed && !self.input.any_ready() {
            self.report_drops(now);
        }
        self.handle_phase(now);
        ticks
    }

    /// All packets that were captured before the dropped ones have been handled.
    fn report_drops(&mut self, now: Time) {
        self.drops_noticed = false;
        self.engine.capture_lost(now);
    }

    /// Completes the statistics.
    fn tick(&mut self) {
        let before = self.captured.kernel_dropped;
        self.captured = self.input.tick();
        self.drops_noticed |= self.captured.kernel_dropped > before;
        if let Some(sched_policy) = &mut self.sched_policy {
            sched_policy.tick(self.input.received(&self.captured));
        }
    }

    /// The statistics as of the last tick, with the ledger as of now.
    pub(super) fn stats(&self) -> WorkerStats {
        WorkerStats {
            ledger: self.engine.ledger().at(self.clock.now()),
            capture: self.captured,
            inject: self.sink.account().clone(),
            intercepts: self.conns.account(),
            files: self.input.file_stats(),
            targets: self.engine.targets().collect(),
        }
    }

    /// The statistics at the end.
    pub(super) fn last_stats(&mut self) -> WorkerStats {
        self.sink.close();
        self.input.discard();
        self.tick();
        self.stats()
    }

    /// Ends in good order; a second call ends at once.
    pub(super) fn end(&mut self) {
        let now = self.clock.now();
        if matches!(self.phase, Phase::Running | Phase::Finishing { .. }) {
            self.input.stop();
            self.phase = Phase::emptying(now);
        } else {
            self.abort(now);
        }
    }

    /// All work is done.
    pub(super) fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    fn handle_phase(&mut self, now: Time) {
        if self.phase == Phase::Running && self.input.is_read() {
            log::info!("all packets of the capture files are read; finishing their sessions");
            self.engine.drain(now, &mut self.sink);
            self.phase = Phase::finishing(now, 0);
        }
        if let Phase::Finishing { progress, .. } = self.phase {
            self.finish(now, progress);
        }
        let is_over = now >= self.phase.deadline(self.engine.ledger().sessions.active);
        if let Phase::Emptying { end, .. } = self.phase
            && (is_over || !self.input.any_ready())
        {
            // Sessions whose end was dropped a moment ago are not complete.
            self.tick();
            if self.drops_noticed {
                self.report_drops(self.clock.now());
            }
            self.engine.drain(now, &mut self.sink);
            self.phase = Phase::Draining { end };
        }
        if matches!(self.phase, Phase::Draining { .. }) {
            if self.engine.is_empty() {
                self.phase = Phase::Ended;
            } else if now >= self.phase.deadline(self.engine.ledger().sessions.active) {
                self.abort(now);
            }
        }
    }

    /// Sessions of capture files take as much time as they need, if it is not in vain.
    fn finish(&mut self, now: Time, before: u64) {
        let ledger = self.engine.ledger();
        let progress = ledger.bytes.captured - ledger.bytes.pending + ledger.tcp.segments_received;
        if self.engine.is_empty() {
            self.phase = Phase::Ended;
        } else if progress != before {
            self.phase = Phase::finishing(now, progress);
        } else if now >= self.phase.deadline(ledger.sessions.active) {
            self.abort(now);
        }
    }

    fn abort(&mut self, now: Time) {
        self.engine.abort(now, &mut self.sink);
        // There may be no further round.
        self.send(now);
        self.phase = Phase::Ended;
    }
}

pub(super) fn unreachable(address: Endpoint, error: &ControlError) -> RunError {
    RunError::Intercept { address, reason: error.to_string(), hint: error.hint() }
}
