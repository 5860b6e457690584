//! One thread that moves everything: capture sockets, links, signals and timers, each with a budget a round.

use std::io;
use std::time::Duration;

use common::flow::Endpoint;
use common::io::Inject;
use common::process::courtesy::Courtesy;
use common::process::signals::{Signal, Signals};
use common::time::{Clock, Time};
use mio::{Events, Interest, Poll, Token};

use super::StartError;
use super::captures::Captures;
use super::wire::Wire;
use crate::engine::Engine;
use crate::link::{LinkChange, Links, Problem};
use crate::report::{self, Account, CaptureAccount, StatsFile};

const SIGNALS: Token = Token(0);
/// Token of the first capture socket.
pub(super) const FIRST_CAPTURE: usize = 1;

/// What each source may take of a round, so that none starves another.
const CAPTURE_BUDGET: usize = 256;
const LINK_BUDGET: usize = 64 * 1024;

/// Between two statistics files.
const TICK: Duration = Duration::from_secs(1);
/// Between two lines of the account in the log.
const REPORT: Duration = Duration::from_secs(30);
/// How long a signal to end may take to be obeyed.
const END_LIMIT: Duration = Duration::from_secs(5);
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

/// The engine and all that moves it.
pub(super) struct EventLoop<I> {
    poll: Poll,
    clock: Clock,
    signals: Signals,
    captures: Captures,
    links: Links,
    engine: Engine,
    wire: Wire<I>,
    stats: Option<StatsFile>,
    captured: CaptureAccount,
    courtesy: Courtesy,
    phase: Phase,
    next_tick: Time,
    next_report: Time,
}

impl<I: Inject> EventLoop<I> {
    pub(super) fn new(
        clock: Clock,
        mut signals: Signals,
        captures: Captures,
        links: Links,
        engine: Engine,
        wire: Wire<I>,
        stats: Option<StatsFile>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        captures.register(poll.registry())?;
        let now = clock.now();
        Ok(Self {
            poll,
            clock,
            signals,
            captures,
            links,
            engine,
            wire,
            stats,
            captured: CaptureAccount::default(),
            courtesy: Courtesy::new(),
            phase: Phase::Running,
            next_tick: now,
            next_report: now + REPORT,
        })
    }

    /// Runs until all links are up, or a signal comes.
    pub(super) fn connect(&mut self, limit: Duration) -> Result<(), StartError> {
        let until = self.clock.now() + limit;
        let mut events = Events::with_capacity(64);
        while !self.links.all_up() && self.phase == Phase::Running {
            if let Some((address, problem)) = self.links.lasting_problem() {
                return Err(unreachable(address, problem));
            }
            if self.clock.now() >= until
                && let Some((address, problem)) = self.links.first_down()
            {
                return Err(unreachable(address, problem.unwrap_or(&Problem::NoAnswer)));
            }
            self.round(&mut events, until)?;
        }
        Ok(())
    }

    /// Runs until a signal ends it; then the account has been written.
    pub(super) fn run(&mut self) -> Result<(), StartError> {
        let mut events = Events::with_capacity(64);
        while self.phase != Phase::Ended {
            self.round(&mut events, Time::NEVER)?;
        }
        self.tick();
        log::info!("{}", report::complete(&self.account()).trim_end());
        Ok(())
    }

    /// Waits for something to do, at the longest until `limit`, and does it.
    fn round(&mut self, events: &mut Events, limit: Time) -> Result<(), StartError> {
        self.wait(events, limit).map_err(StartError::system("wait for events"))?;
        // The one clock read of the batch.
        let now = self.clock.now();
        self.wire.set_now(now);
        for event in &*events {
            if event.token() == SIGNALS {
                self.handle_signals(now)?;
            } else if !self.captures.handle_event(event.token()) {
                self.links.handle_event(now, event);
            }
        }
        self.read_captures(now);
        self.read_links(now);
        self.handle_timers(now);
        self.engine.flush(now, &mut self.wire);
        self.deliver(now);
        self.links.flush();
        Ok(())
    }

    fn wait(&mut self, events: &mut Events, limit: Time) -> io::Result<()> {
        let timeout = if self.captures.any_ready() || self.links.any_readable() {
            Some(Duration::ZERO)
        } else {
            let until = self.next_timer().min(limit);
            (until != Time::NEVER).then(|| until.since(self.clock.now()))
        };
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn read_captures(&mut self, now: Time) {
        let (engine, wire) = (&mut self.engine, &mut self.wire);
        self.captures.receive(CAPTURE_BUDGET, &mut |captured| engine.handle_packet(now, captured, wire));
        self.deliver(now);
    }

    fn read_links(&mut self, now: Time) {
        for index in 0..self.links.count() {
            if self.links.is_readable(index) {
                let (engine, wire) = (&mut self.engine, &mut self.wire);
                self.links
                    .receive(now, index, LINK_BUDGET, &mut |answer| engine.handle_answer(now, answer, wire));
                self.deliver(now);
            }
        }
    }

    /// Hands what the engine said to the links, and what became of links to the engine.
    fn deliver(&mut self, now: Time) {
        self.links.broadcast(now, self.wire.queued());
        self.wire.clear_queued();
        while let Some(change) = self.links.next_change() {
            match change {
                LinkChange::Up(index) => {
                    self.engine.handle_link_up(now, &mut self.wire);
                    self.links.announce(now, index, self.wire.queued());
                    self.wire.clear_queued();
                }
                LinkChange::Down => self.engine.handle_link_down(now),
            }
        }
    }

    fn next_timer(&self) -> Time {
        let phase = match self.phase {
            Phase::Running => Time::NEVER,
            Phase::Emptying { until, .. } => until,
            Phase::Draining { end } => end,
            Phase::Ended => Time::ZERO,
        };
        self.engine.poll_timeout().min(self.links.poll_timeout()).min(self.next_tick).min(phase)
    }

    fn handle_timers(&mut self, now: Time) {
        self.links.handle_timeout(now, self.poll.registry());
        self.deliver(now);
        if self.engine.poll_timeout() <= now {
            self.engine.handle_timeout(now, &mut self.wire);
        }
        if self.next_tick <= now {
            self.next_tick = now + TICK;
            self.tick();
        }
        if self.next_report <= now {
            self.next_report = now + REPORT;
            log::info!("{}", report::short(&self.account()));
        }
        self.handle_phase(now);
    }

    fn tick(&mut self) {
        self.captured = self.captures.tick();
        self.courtesy.tick(self.captured.kernel_received);
        if let Some(mut stats) = self.stats.take() {
            stats.write(&self.account());
            self.stats = Some(stats);
        }
    }

    fn account(&self) -> Account<'_> {
        let ledger = self.engine.ledger();
        Account {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.clock.now().since(Time::ZERO).as_secs(),
            balanced: ledger.balances(),
            ledger,
            capture: self.captured,
            inject: self.wire.account(),
            links: self.links.account(),
        }
    }

    fn handle_signals(&mut self, now: Time) -> Result<(), StartError> {
        while let Some(signal) = self.signals.fetch().map_err(StartError::system("read a signal"))? {
            match (signal, self.phase) {
                (Signal::Report, _) => log::info!("{}", report::complete(&self.account()).trim_end()),
                (Signal::End, Phase::Running) => {
                    log::info!("ending: replaying what is pending, for at most {} s", END_LIMIT.as_secs());
                    self.captures.stop();
                    self.phase = Phase::Emptying { until: now + EMPTY_LIMIT, end: now + END_LIMIT };
                }
                (Signal::End, _) => self.abort(now),
            }
        }
        Ok(())
    }

    fn handle_phase(&mut self, now: Time) {
        if let Phase::Emptying { until, end } = self.phase
            && (now >= until || !self.captures.any_ready())
        {
            self.engine.drain(now, &mut self.wire);
            self.phase = Phase::Draining { end };
        }
        if let Phase::Draining { end } = self.phase {
            if self.engine.is_empty() {
                self.phase = Phase::Ended;
            } else if now >= end {
                self.abort(now);
            }
        }
    }

    fn abort(&mut self, now: Time) {
        self.engine.abort(now, &mut self.wire);
        self.phase = Phase::Ended;
    }
}

fn unreachable(address: Endpoint, problem: &Problem) -> StartError {
    StartError::Intercept { address, problem: problem.to_string(), cure: problem.cure() }
}
