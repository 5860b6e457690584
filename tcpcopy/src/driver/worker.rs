//! A worker: one thread that moves everything of its share: capture sockets, links and timers, each with a budget a
//! round. It shares nothing with others.

use std::io;
use std::time::Duration;

use common_core::flow::Endpoint;
use common_core::time::Time;
use common_os::clock::Clock;
use common_os::io::wake_timer::WakeTimer;
use common_os::io::{Captured, Inject};
use common_os::process::sched_policy::SchedPolicy;
use mio::{Events, Poll, Registry, Token};

use super::StartError;
use super::captures::Captures;
use super::packet_sink::PacketSink;
use crate::control::{ControlConns, LinkChange, Problem};
use crate::engine::{Engine, GRAIN};
use crate::online_query::Watch;
use crate::report::{CaptureStats, WorkerStats};

/// Token of whatever calls the worker: signals, or another thread.
pub(super) const CALLER: Token = Token(0);
/// Token of the timer.
const TIMER: Token = Token(1);
/// Token of the first capture socket.
pub(super) const FIRST_CAPTURE: usize = 2;

/// What each source may take of a round, so that none starves another.
const CAPTURE_BUDGET: usize = 256;
/// While copies lag, they come first.
const CAPTURE_BUDGET_LAGGING: usize = 32;
const LINK_BUDGET: usize = 64 * 1024;

/// How long after the last packet was captured answers that nothing waits for need not wake the process, at least.
const DEFERRAL: Duration = Duration::from_millis(5);

/// With more than this captured and not yet acknowledged by the test server, in bytes, the copies lag.
const LAG: u64 = 32 * 1024;

/// Between two looks at the kernel's counters, after which the account is up to date.
const TICK: Duration = Duration::from_secs(1);
/// How long an end in good order may take.
pub(super) const END_LIMIT: Duration = Duration::from_secs(5);
/// Of that, what is set aside to reset each session that is left, RST and all; but no more than a half of it: what is
/// pending is to have its time, too.
const RESET_TIME: Duration = Duration::from_micros(15);
const RESET_TIME_MAX: Duration = Duration::from_millis(2500);
/// Of that, how long what is queued in the capture sockets may take.
const EMPTY_LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// The capture is stopped: what it had queued is still replayed.
    Emptying {
        until: Time,
        end: Time,
    },
    /// The engine has been told that nothing more comes.
    Draining {
        end: Time,
    },
    Ended,
}

/// What has happened in a round beside the work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    /// By [`CALLER`].
    pub(super) called: bool,
    /// The account is up to date, once a second.
    pub(super) ticked: bool,
}

/// An engine and all that moves it.
pub(super) struct Worker<I> {
    poll: Poll,
    events: Events,
    clock: Clock,
    timer: WakeTimer,
    captures: Captures,
    links: ControlConns,
    engine: Engine,
    sink: PacketSink<I>,
    /// Answers of online servers that the engine is to know of.
    queries: Watch,
    captured: CaptureStats,
    sched_policy: Option<SchedPolicy>,
    /// A packet was captured in the last round.
    captured_some: bool,
    /// When the links were read last.
    read_at: Time,
    /// Until then what comes in on the links is not reported, but read with what is captured.
    deferred_until: Time,
    phase: Phase,
    next_tick: Time,
}

impl<I: Inject> Worker<I> {
    pub(super) fn new(
        clock: Clock,
        captures: Captures,
        links: ControlConns,
        engine: Engine,
        sink: PacketSink<I>,
        queries: Watch,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        captures.register(poll.registry())?;
        let timer = WakeTimer::new(clock)?;
        timer.register(poll.registry(), TIMER)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(64),
            clock,
            timer,
            captures,
            links,
            engine,
            sink,
            queries,
            captured: CaptureStats::default(),
            sched_policy: None,
            captured_some: false,
            read_at: clock.now(),
            deferred_until: Time::NEVER,
            phase: Phase::Running,
            next_tick: clock.now(),
        })
    }

    /// Where [`CALLER`] is to be registered.
    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Works until all links are up, or until it is called.
    pub(super) fn connect(&mut self, limit: Duration) -> Result<(), StartError> {
        let until = self.clock.now() + limit;
        while !self.links.all_up() {
            if let Some((address, problem)) = self.links.lasting_problem() {
                return Err(unreachable(address, problem));
            }
            if self.clock.now() >= until
                && let Some((address, problem)) = self.links.first_down()
            {
                return Err(unreachable(address, problem.unwrap_or(&Problem::NoAnswer)));
            }
            if self.round(until)?.called {
                break;
            }
        }
        Ok(())
    }

    /// The calling thread is the one that will do all further work.
    pub(super) fn settle(&mut self) {
        self.sched_policy = Some(SchedPolicy::new());
    }

    /// Waits for something to do, at the longest until `limit`, and does it.
    pub(super) fn round(&mut self, limit: Time) -> Result<Round, StartError> {
        self.gather();
        // Before the wait, which reports all captures where packets lie by now.
        let answered = self.queries.look();
        self.wait(limit).map_err(StartError::system("wait for events"))?;
        // The one clock read of the batch.
        let now = self.clock.now();
        self.sink.set_now(now);
        let mut called = false;
        for event in &self.events {
            match event.token() {
                CALLER => called = true,
                TIMER => self.timer.rang(),
                token if self.captures.handle_event(token) => {}
                _ => drop(self.links.handle_event(now, event)),
            }
        }
        if self.lags() {
            // The test server works on the next turns while we read what will have to wait for its turn anyway.
            self.read_links(now);
            self.send(now);
        }
        if self.is_deferring() {
            // Copies that can go do not wait for what was left unread.
            self.engine.set_unread_since(Some(self.read_at));
            self.read_captures(now);
            self.send(now);
            self.links.look();
            self.read_links(now);
            self.engine.set_unread_since(None);
        } else {
            self.read_captures(now);
            self.read_links(now);
        }
        self.read_at = now;
        if answered && !self.captures.any_ready() {
            self.take_answers(now);
        }
        let ticked = self.handle_timers(now);
        self.send(now);
        self.defer_answers(now);
        Ok(Round { called, ticked })
    }

    /// Answers that no session waits for need not wake the process: while packets keep coming, they are read with these.
    fn defer_answers(&mut self, now: Time) {
        let brisk = self.sched_policy.as_ref().is_some_and(SchedPolicy::is_brisk);
        let was_deferring = self.is_deferring();
        let busy = self.engine.awaits_answers() || self.links.has_unsent();
        if !brisk || busy || now >= self.deferred_until && !self.captured_some {
            self.deferred_until = Time::NEVER;
        } else if self.captured_some {
            self.deferred_until = (now + DEFERRAL).next_multiple_of(GRAIN);
        }
        if self.is_deferring() != was_deferring {
            self.links.report(self.poll.registry(), was_deferring);
        }
    }

    fn is_deferring(&self) -> bool {
        self.deferred_until != Time::NEVER
    }

    /// The copies are behind their clients.
    fn lags(&self) -> bool {
        self.engine.ledger().bytes.pending > LAG
    }

    /// Sends what the batch has brought about.
    fn send(&mut self, now: Time) {
        self.engine.flush(now, &mut self.sink);
        self.sink.flush();
        self.deliver(now);
        self.links.flush();
    }

    /// Lets more come in before the next round, unless something is left of the last or late already.
    fn gather(&self) {
        let all_read = !self.captures.any_ready() && !self.links.any_readable();
        if let Some(sched_policy) = &self.sched_policy
            && self.captured_some
            && all_read
            && !self.lags()
        {
            sched_policy.gather();
        }
    }

    fn wait(&mut self, limit: Time) -> io::Result<()> {
        let timeout = if self.captures.any_ready() || self.links.any_readable() {
            Some(Duration::ZERO)
        } else {
            self.timer.set(self.next_timer().min(limit).min(self.deferred_until))?;
            None
        };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn read_captures(&mut self, now: Time) {
        let budget = if self.lags() { CAPTURE_BUDGET_LAGGING } else { CAPTURE_BUDGET };
        let (engine, sink) = (&mut self.engine, &mut self.sink);
        let mut sink = |captured: Captured<'_>| engine.handle_packet(now, captured, sink);
        self.captured_some = self.captures.receive(budget, &mut sink) > 0;
        self.deliver(now);
    }

    /// All that was captured before the online servers answered has been read. Of a newer answer that may not be so.
    fn take_answers(&mut self, now: Time) {
        for (transfer, question) in self.queries.take_seen() {
            self.engine.handle_online_query(now, transfer, question);
        }
    }

    fn read_links(&mut self, now: Time) {
        for index in 0..self.links.count() {
            if self.links.is_readable(index) {
                let (engine, sink) = (&mut self.engine, &mut self.sink);
                self.links
                    .receive(now, index, LINK_BUDGET, &mut |answer| engine.handle_answer(now, answer, sink));
                self.deliver(now);
            }
        }
    }

    /// Hands what the engine said to the links, and what became of links to the engine.
    fn deliver(&mut self, now: Time) {
        self.links.broadcast(now, self.sink.queued());
        self.sink.clear_queued();
        while let Some(change) = self.links.next_change() {
            match change {
                LinkChange::Up(index) => {
                    self.engine.handle_link_up(now, &mut self.sink);
                    self.links.announce(now, index, self.sink.queued());
                    self.sink.clear_queued();
                }
                LinkChange::Down => self.engine.handle_link_down(now),
            }
        }
    }

    fn next_timer(&self) -> Time {
        let phase = match self.phase {
            Phase::Running => Time::NEVER,
            Phase::Emptying { until, .. } => until,
            Phase::Draining { end } => self.reset_at(end),
            Phase::Ended => Time::ZERO,
        };
        let now_and_then = self.next_tick.min(self.sink.poll_timeout());
        self.engine.poll_timeout().min(self.links.poll_timeout()).min(now_and_then).min(phase)
    }

    /// True once a second.
    fn handle_timers(&mut self, now: Time) -> bool {
        self.links.handle_timeout(now, self.poll.registry());
        self.deliver(now);
        if self.engine.poll_timeout() <= now {
            self.engine.handle_timeout(now, &mut self.sink);
        }
        let ticks = self.next_tick <= now;
        if ticks {
            self.next_tick = now + TICK;
            self.tick();
        }
        self.handle_phase(now);
        ticks
    }

    /// Brings the account up to date.
    fn tick(&mut self) {
        self.captured = self.captures.tick();
        if let Some(sched_policy) = &mut self.sched_policy {
            sched_policy.tick(self.captured.kernel_received);
        }
    }

    /// The account as it was at the last tick; the ledger's part as it is now.
    pub(super) fn account(&self) -> WorkerStats {
        WorkerStats {
            ledger: self.engine.ledger().at(self.clock.now()),
            capture: self.captured,
            inject: self.sink.account().clone(),
            intercepts: self.links.account(),
        }
    }

    /// The account at the end.
    pub(super) fn last_account(&mut self) -> WorkerStats {
        self.sink.close();
        self.captures.discard();
        self.tick();
        self.account()
    }

    /// Comes to an end in good order; the second time, at once.
    pub(super) fn end(&mut self) {
        let now = self.clock.now();
        if self.phase == Phase::Running {
            self.captures.stop();
            self.phase = Phase::Emptying { until: now + EMPTY_LIMIT, end: now + END_LIMIT };
        } else {
            self.abort(now);
        }
    }

    /// There is nothing left to do.
    pub(super) fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    fn handle_phase(&mut self, now: Time) {
        if let Phase::Emptying { until, end } = self.phase
            && (now >= until || !self.captures.any_ready())
        {
            self.engine.drain(now, &mut self.sink);
            self.phase = Phase::Draining { end };
        }
        if let Phase::Draining { end } = self.phase {
            if self.engine.is_empty() {
                self.phase = Phase::Ended;
            } else if now >= self.reset_at(end) {
                self.abort(now);
            }
        }
    }

    /// When to begin to reset what is left.
    fn reset_at(&self, end: Time) -> Time {
        let time = reset_time(self.engine.ledger().sessions.active);
        Time::ZERO + end.since(Time::ZERO).saturating_sub(time)
    }

    fn abort(&mut self, now: Time) {
        self.engine.abort(now, &mut self.sink);
        self.sink.flush();
        self.phase = Phase::Ended;
    }
}

/// What is set aside to reset so many sessions.
fn reset_time(sessions: u64) -> Duration {
    RESET_TIME.saturating_mul(u32::try_from(sessions).unwrap_or(u32::MAX)).min(RESET_TIME_MAX)
}

fn unreachable(address: Endpoint, problem: &Problem) -> StartError {
    StartError::Intercept { address, problem: problem.to_string(), cure: problem.cure() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_sessions_are_left_what_is_pending_has_half_of_the_time() {
        assert_eq!(reset_time(10_000), Duration::from_millis(150));
        for sessions in [166_667, 333_334, 500_000, u64::MAX] {
            assert_eq!(END_LIMIT - reset_time(sessions), END_LIMIT / 2, "{sessions} sessions");
        }
    }
}
