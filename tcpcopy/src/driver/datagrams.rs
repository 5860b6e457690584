//! Runs tcpcopy with `--udp`: one thread with its captures, the injector and the control connections around a [`Copier`].

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use common_core::time::Time;
use common_os::clock::Clock;
use common_os::io::interfaces;
use common_os::process::logging;
use common_os::process::sched_policy::SchedPolicy;
use common_os::process::signals::Signal;
use common_os::process::start::{Process, StartError};
use mio::{Events, Interest, Poll, Token};

use super::captures::Captures;
use super::packet_sink::PacketSink;
use super::tunnel::Outlet;
use super::vantage::Vantage;
use super::worker::unreachable;
use super::{
    RunError, START_LIMIT, announce, copied_services, copied_target, needs, open_outlet, random,
    warn_without_key,
};
use crate::cli::Config;
use crate::control::{ConnChange, ConnLog, ControlConns, ControlError, Intercepts, Introduction};
use crate::datagrams::{self, Copier, DatagramReport};
use crate::output::Output;
use crate::report::{CaptureStats, OutputStats, StatsFile};

const SIGNALS: Token = Token(0);
const FIRST_CAPTURE: usize = 1;

/// Packets read from each capture socket in a round.
const CAPTURE_BUDGET: usize = 256;
/// Bytes read from each control connection in a round.
const CONTROL_BUDGET: usize = 64 * 1024;

/// Between two completions of the statistics.
const TICK: Duration = Duration::from_secs(1);
/// Between two lines in the log, in ticks.
const REPORT_TICKS: u64 = 30;

/// After the end of the capture, answers are awaited for so long.
const END_LIMIT: Duration = Duration::from_secs(2);

/// Copies datagrams until a signal ends it; returns the exit code.
pub(super) fn run(config: &Config, rate: u32) -> Result<ExitCode, RunError> {
    let mut process = Process::start(&config.process)?;
    let local_addresses = interfaces::local_addresses();
    let captures = Captures::open(config, Vantage::Host, &local_addresses, FIRST_CAPTURE)?.into_iter().next();
    let captures = captures.ok_or(io::Error::from(io::ErrorKind::NotFound));
    let captures = captures.map_err(StartError::system("capture packets"))?;
    let sink = PacketSink::new(open_outlet(config)?, None);
    let first_line = announce::first_line(config, Vantage::Host, None);
    if let Some(target) = copied_target(config, &local_addresses) {
        return Err(RunError::TargetIsCopied(target));
    }
    process.give_up_rights(needs(config, &[]))?;

    let clock = Clock::start();
    let introduction = Introduction {
        instance: random(),
        services: copied_services(config, &local_addresses),
        targets: Vec::new(),
        datagram_targets: config.targets(),
        tunnels: false,
    };
    let intercepts = Intercepts { addresses: &config.intercepts, key: config.key.as_ref() };
    let first_conn = FIRST_CAPTURE + captures.count();
    let conns =
        ControlConns::new(intercepts, introduction, first_conn, Time::ZERO, &ConnLog::new(config.alone));
    let copier = Copier::new(config.transfers.clone(), rate);
    let mut courier = Courier::new(clock, captures, conns, copier, sink)
        .map_err(StartError::system("make an event loop"))?;
    courier
        .poll
        .registry()
        .register(&mut process.signals, SIGNALS, Interest::READABLE)
        .map_err(StartError::system("take over signals"))?;
    courier.stats = config.stats_json.clone().map(StatsFile::open).transpose()?;
    if !config.alone {
        courier.connect()?;
    }
    log::info!("{first_line}; UDP, at most {rate} datagrams a second");
    warn_without_key(config);
    process.detach()?;
    let ended = courier.work(&mut process);
    process.remove_pid_file();
    ended?;
    courier.close();
    Ok(ExitCode::SUCCESS)
}

/// A copier and all of its inputs and outputs.
struct Courier {
    poll: Poll,
    events: Events,
    clock: Clock,
    captures: Captures,
    conns: ControlConns,
    copier: Copier,
    sink: PacketSink<Outlet>,
    captured: CaptureStats,
    sched_policy: SchedPolicy,
    stats: Option<StatsFile>,
    ticks: u64,
    next_tick: Time,
    /// There was an event of [`SIGNALS`].
    called: bool,
}

impl Courier {
    fn new(
        clock: Clock,
        mut captures: Captures,
        conns: ControlConns,
        copier: Copier,
        sink: PacketSink<Outlet>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        captures.register(poll.registry())?;
        Ok(Self {
            poll,
            events: Events::with_capacity(64),
            clock,
            captures,
            conns,
            copier,
            sink,
            captured: CaptureStats::default(),
            sched_policy: SchedPolicy::new(),
            stats: None,
            ticks: 0,
            next_tick: Time::ZERO + TICK,
            // Signals may have come during the start.
            called: true,
        })
    }

    /// Works until all control connections are up, or a signal comes.
    fn connect(&mut self) -> Result<(), RunError> {
        let until = self.clock.now() + START_LIMIT;
        self.called = false;
        while !self.conns.all_up() && !self.called {
            if let Some((address, error)) = self.conns.lasting_error() {
                return Err(unreachable(address, error));
            }
            if self.clock.now() >= until
                && let Some((address, error)) = self.conns.first_down()
            {
                return Err(unreachable(address, error.unwrap_or(&ControlError::NoAnswer)));
            }
            self.round(until)?;
        }
        self.called = true;
        Ok(())
    }

    fn work(&mut self, process: &mut Process) -> Result<(), StartError> {
        let mut end = Time::NEVER;
        while self.clock.now() < end && !(end != Time::NEVER && self.is_finished()) {
            if std::mem::take(&mut self.called) {
                while let Some(signal) =
                    process.signals.fetch().map_err(StartError::system("read a signal"))?
                {
                    match signal {
                        Signal::Report => self.log_report(),
                        Signal::Reopen => logging::reopen(),
                        Signal::End if end != Time::NEVER => return Ok(()),
                        Signal::End => {
                            process.service_manager.stopping();
                            self.captures.stop();
                            end = self.clock.now() + END_LIMIT;
                        }
                    }
                }
            }
            if self.round(end)? {
                process.service_manager.alive();
            }
        }
        Ok(())
    }

    /// All captured packets are copied, and what was sent is answered.
    fn is_finished(&self) -> bool {
        !self.captures.any_ready() && self.copier.is_settled()
    }

    /// Waits for something to do, at the longest until `limit`, and does it. True if the statistics were completed.
    fn round(&mut self, limit: Time) -> Result<bool, StartError> {
        self.wait(limit).map_err(StartError::system("wait for events"))?;
        let now = self.clock.now();
        self.sink.set_now(now);
        for event in &self.events {
            match event.token() {
                SIGNALS => self.called = true,
                token if self.captures.handle_event(token) => {}
                _ => drop(self.conns.handle_event(now, event)),
            }
        }
        // Before the packets: what they wait for would otherwise be older than it is.
        self.read_answers(now);
        self.copy(now);
        self.conns.handle_timeout(now, self.poll.registry());
        self.follow_connections(now);
        self.conns.flush();
        if self.copier.poll_timeout() <= now {
            self.copier.handle_timeout(now);
        }
        let ticks = self.next_tick <= now;
        if ticks {
            self.next_tick = now + TICK;
            self.tick();
        }
        Ok(ticks)
    }

    fn wait(&mut self, limit: Time) -> io::Result<()> {
        let timeout = if self.captures.any_ready() || self.conns.any_readable() {
            Duration::ZERO
        } else {
            let timers = self.next_tick.min(self.conns.poll_timeout()).min(self.sink.poll_timeout());
            timers.min(self.copier.poll_timeout()).min(limit).since(self.clock.now())
        };
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn copy(&mut self, now: Time) {
        let (copier, sink) = (&mut self.copier, &mut self.sink);
        self.captures.receive(CAPTURE_BUDGET, &mut |captured| {
            let Some(packet) = copier.handle_packet(now, captured) else { return };
            let failed = sink.account().failed.total();
            sink.inject(packet);
            copier.handle_sent(now, sink.account().failed.total() == failed);
        });
        self.sink.flush();
    }

    fn read_answers(&mut self, now: Time) {
        for index in 0..self.conns.count() {
            if self.conns.is_readable(index) {
                // An intercept that serves UDP sends no segments.
                self.conns.receive(now, index, CONTROL_BUDGET, &mut |_| {});
            }
        }
        for answer in self.conns.take_datagrams() {
            self.copier.handle_answer(&answer);
        }
    }

    fn follow_connections(&mut self, now: Time) {
        while let Some(change) = self.conns.next_change() {
            if let ConnChange::Up(index) = change {
                self.conns.announce(now, index, &[]);
            }
            self.copier.set_heard(self.conns.any_up());
        }
    }

    fn tick(&mut self) {
        self.ticks += 1;
        self.captured = self.captures.tick();
        self.sched_policy.tick(self.captured.kernel_received);
        self.write_stats();
        if self.ticks.is_multiple_of(REPORT_TICKS) {
            log::info!("{}", datagrams::short(&self.report()));
        }
    }

    fn write_stats(&mut self) {
        if let Some(mut stats) = self.stats.take() {
            stats.put(&self.report());
            self.stats = Some(stats);
        }
    }

    fn report(&self) -> DatagramReport<'_> {
        let ledger = self.copier.ledger();
        let statistics_skipped = self.stats.as_ref().map_or(0, StatsFile::skipped);
        DatagramReport {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.clock.now().since(Time::ZERO).as_secs(),
            balanced: ledger.balances(),
            datagrams: ledger,
            capture: self.captured,
            inject: self.sink.account(),
            intercepts: self.conns.account(),
            output: OutputStats { log_lines_lost: logging::lost(), map_lines_lost: 0, statistics_skipped },
        }
    }

    fn log_report(&self) {
        log::info!(target: logging::REPORT, "{}", datagrams::complete(&self.report()));
    }

    /// Writes the last report.
    fn close(&mut self) {
        self.sink.close();
        self.captures.discard();
        self.captured = self.captures.tick();
        self.copier.close();
        logging::flush();
        self.write_stats();
        self.log_report();
        if let Some(stats) = self.stats.take() {
            stats.finish();
        }
    }
}
