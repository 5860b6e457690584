//! The driver: gives a router packets, messages and time, from one event loop in one thread.
//!
//! All sources are edge-triggered: each remembers whether something may be left in it and has a budget for each round;
//! while anything may be left the loop does not sleep.

mod acceptor;
mod addresses;
mod captures;
mod control_port;
mod filter_schedule;
mod hosts;
mod inbox;
mod listener;
mod passing;
mod peer;
mod peer_log;
mod peers;
mod refusal;
mod reporter;
mod tunnel;
mod work;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use common_core::control::Statistics;
use common_core::time::Time;
use common_os::clock::Clock;
use common_os::io::bpf::Program;
use common_os::io::interfaces;
use common_os::process::logging;
use common_os::process::sched_policy::SchedPolicy;
use common_os::process::signals::Signal;
use common_os::process::start::{Process, StartError};
use common_os::process::stats_file::StatsFile;
use mio::{Events, Interest, Poll, Token};

use crate::cli::Config;
use crate::router::{Guesser, Router, RouterConfig};
use crate::run::RunError;
use addresses::Addresses;
use captures::Captures;
use control_port::{ControlPort, MAX_PEERS};
use filter_schedule::FilterSchedule;
pub(crate) use listener::hint as listen_hint;
use passing::Passing;
use reporter::{Parts, Reporter};
use tunnel::Tunnel;

const SIGNALS: Token = Token(0);
const FIRST_CONTROL: usize = 1;
/// After the listener and its peers.
const FIRST_CAPTURE: usize = FIRST_CONTROL + 1 + MAX_PEERS;

/// Of the device of `--tun`. There never are as many captures.
const TUNNEL: Token = Token(usize::MAX / 2);

/// Between two messages of statistics, and between two checks of deadlines.
const TICK: Duration = Duration::from_secs(1);

/// Further readings of the captures in a round in which messages had to wait.
const MORE_PACKETS: usize = 15;

/// The host's addresses are read again after this many ticks.
const ADDRESS_TICKS: u64 = 10;

/// The event loop and all that it moves.
pub struct Driver {
    poll: Poll,
    events: Events,
    clock: Clock,
    /// A signal has come.
    signalled: bool,
    captures: Captures,
    tunnel: Option<Tunnel>,
    passing: Passing,
    control: ControlPort,
    router: Router,
    filter: FilterSchedule,
    addresses: Addresses,
    sched_policy: SchedPolicy,
    reporter: Reporter,
    ticks: u64,
    next_tick: Time,
}

impl Driver {
    /// Opens the captures and the control port.
    ///
    /// # Errors
    /// [`RunError`] is one line for the user.
    pub fn open(config: &Config) -> Result<Self, RunError> {
        let answers = if config.targets.datagrams { Program::datagrams_from } else { Program::answers };
        let tunnel = config.tun.map(Tunnel::open).transpose().map_err(StartError::from)?;
        let captures = match tunnel {
            // Packets of the device would be captured again.
            Some(_) if config.interfaces.is_empty() => Captures::none(),
            _ => Captures::open(&config.interfaces, config.filter.as_deref(), config.pcap_capture, answers)?,
        };
        let control = ControlPort::new(listener::open(config.bind, config.port)?, config.keys.clone());
        let restricted = config.filter.is_some() || !config.interfaces.is_empty();
        let passing = Passing::open(restricted).map_err(StartError::from)?;
        let mut driver =
            Self::with(captures, control).map_err(StartError::system("set up the event loop"))?;
        driver.passing = passing;
        if let (Some(tunnel), Some(networks)) = (&tunnel, config.tun) {
            let registered = tunnel.register(driver.poll.registry(), TUNNEL);
            registered.map_err(StartError::system("set up the event loop"))?;
            driver.router.set_tunnel(networks);
        }
        driver.tunnel = tunnel;
        driver.router.set_policy(config.targets.clone());
        Ok(driver)
    }

    fn with(captures: Captures, mut control: ControlPort) -> io::Result<Self> {
        let poll = Poll::new()?;
        control.register(poll.registry(), FIRST_CONTROL)?;
        captures.register(poll.registry(), FIRST_CAPTURE)?;
        let local_addresses = interfaces::local_addresses();
        // The driver divides the connections among hosts.
        let config = RouterConfig {
            local_addresses,
            max_peers: usize::MAX,
            trusts_peers: control.wants_key(),
            ..RouterConfig::default()
        };
        let router = Router::new(config);
        Ok(Self {
            poll,
            events: Events::with_capacity(256),
            clock: Clock::start(),
            signalled: false,
            captures,
            tunnel: None,
            passing: Passing::default(),
            control,
            filter: FilterSchedule::new(&router),
            router,
            addresses: Addresses::default(),
            sched_policy: SchedPolicy::new(),
            reporter: Reporter::default(),
            ticks: 0,
            next_tick: Time::ZERO + TICK,
        })
    }

    /// From now on the account is written to this file, too.
    pub fn report_to(&mut self, stats: StatsFile) {
        self.reporter = Reporter::new(Some(stats));
    }

    /// The address of the control port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.control.address().unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// Works until a signal ends it.
    ///
    /// # Errors
    /// The event loop failed. Neither peers nor packets can cause that.
    pub fn run(&mut self, process: &mut Process) -> io::Result<()> {
        self.poll.registry().register(&mut process.signals, SIGNALS, Interest::READABLE)?;
        let mut ticks = self.ticks;
        loop {
            self.round()?;
            if std::mem::replace(&mut ticks, self.ticks) != self.ticks {
                process.service_manager.alive();
            }
            if std::mem::take(&mut self.signalled) && self.obey(process)? {
                return Ok(());
            }
        }
    }

    /// Does what the pending signals ask for; true if one ends the process.
    fn obey(&mut self, process: &mut Process) -> io::Result<bool> {
        while let Some(signal) = process.signals.fetch()? {
            match signal {
                Signal::Reopen => logging::reopen(),
                Signal::Report => self.report(),
                Signal::End => {
                    process.service_manager.stopping();
                    logging::flush();
                    let statistics = self.statistics();
                    self.reporter.close(
                        self.clock.now(),
                        statistics,
                        parts(&self.control, &self.router, &self.tunnel),
                    );
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Waits until there is something to do, and serves each source once.
    fn round(&mut self) -> io::Result<()> {
        self.wait()?;
        let now = self.clock.now();
        self.control.accept(now, self.poll.registry(), &mut self.router);
        // Messages first: packets captured in this round are looked up in the routes that they announce.
        self.control.serve(now, &mut self.router, &mut self.filter, &mut self.tunnel);
        self.follow_routes();
        self.receive(now);
        // Somebody asks for much: captured packets get the larger part of the time.
        for _ in 0..MORE_PACKETS {
            if !self.control.is_behind || !self.any_captured() {
                break;
            }
            self.receive(now);
        }
        self.router.handle_timeout(now);
        if self.next_tick <= now {
            self.next_tick = now + TICK;
            self.tick(now);
        }
        let newcomers = self.control.take_newcomers();
        if !newcomers.is_empty() {
            let statistics = self.statistics();
            self.control.send_statistics(newcomers, statistics);
        }
        self.control.flush(now, &mut self.router);
        Ok(())
    }

    /// Reads packets of the test servers, a budget of each source.
    fn receive(&mut self, now: Time) {
        let (router, peers) = (&mut self.router, &mut self.control.peers);
        self.captures.receive(&mut |captured| router.handle_packet(now, captured, peers));
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.receive(&mut |packet| router.handle_tunnelled_answer(now, packet, peers));
        }
    }

    /// There may be packets of test servers that no event will report.
    fn any_captured(&self) -> bool {
        self.captures.any_readable() || self.tunnel.as_ref().is_some_and(Tunnel::is_readable)
    }

    fn wait(&mut self) -> io::Result<()> {
        let busy = self.control.any_ready() || self.any_captured();
        let wake = self.next_tick.min(self.router.poll_timeout());
        let timeout = if busy { Duration::ZERO } else { wake.since(self.clock.now()) };
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in &self.events {
            match event.token() {
                SIGNALS => self.signalled = true,
                TUNNEL => self.tunnel.iter_mut().for_each(Tunnel::set_readable),
                Token(capture) if capture >= FIRST_CAPTURE => {
                    self.captures.set_readable(capture - FIRST_CAPTURE);
                }
                _ => self.control.handle_event(event),
            }
        }
        Ok(())
    }

    /// Must precede the flush. A tcpcopy sends its targets, or asks for payload, and then sends another message: once it
    /// has the reply to that, it can rely on the capture.
    fn follow_routes(&mut self) {
        self.filter.follow_if_due(&self.router, &mut self.captures);
        if self.router.wants_payload() {
            self.captures.keep_payload(true);
        }
    }

    fn tick(&mut self, now: Time) {
        self.ticks += 1;
        self.captures.retry_failed();
        self.filter.tick(&self.router, &mut self.captures);
        // Not as soon as the last route that asks for payload ends: the next one may follow at once.
        self.captures.keep_payload(self.router.wants_payload());
        if let Some(addresses) = self.addresses.take() {
            self.router.set_local_addresses(addresses);
        }
        if self.ticks.is_multiple_of(ADDRESS_TICKS) {
            self.addresses.read();
        }
        for Guesser { host, refuted } in self.router.take_guessers() {
            log::warn!(
                "{host}: {refuted} of its routes are of connections that it has not opened: it guesses, or another tcpcopy \
                 copies the same clients; it gets no answers of them"
            );
        }
        let statistics = self.statistics();
        self.passing.tick(&self.router, statistics.forwarded);
        self.sched_policy.tick(statistics.captured);
        self.control.tick(now, &mut self.router, statistics);
        self.reporter.tick(now, statistics, parts(&self.control, &self.router, &self.tunnel));
    }

    /// All counters.
    fn statistics(&mut self) -> Statistics {
        let routed = self.router.statistics();
        let overflowed = self.control.peers.overflowed();
        Statistics {
            kernel_dropped: self.captures.counters().dropped
                + self.tunnel.as_ref().map_or(0, Tunnel::dropped),
            forwarded: routed.forwarded.saturating_sub(overflowed),
            overflowed,
            passing: self.passing.count(),
            ..routed
        }
    }

    /// Logs all counters.
    fn report(&mut self) {
        let statistics = self.statistics();
        self.reporter.complete(
            self.clock.now(),
            statistics,
            parts(&self.control, &self.router, &self.tunnel),
        );
    }
}

fn parts<'a>(control: &'a ControlPort, router: &'a Router, tunnel: &'a Option<Tunnel>) -> Parts<'a> {
    Parts { control, router, tunnel: tunnel.as_ref() }
}

#[cfg(test)]
mod tests;
