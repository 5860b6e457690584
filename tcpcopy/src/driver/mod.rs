//! The driver: sockets, clock, signals and files around the engine.

mod announce;
pub(crate) mod captures;
mod datagrams;
mod deferral;
mod input;
mod map_log;
mod packet_sink;
mod pcap_feed;
mod phase;
mod pressure;
pub(crate) mod prober;
mod progress;
mod replay;
mod reporter;
mod tunnel;
mod unseen;
pub(crate) mod vantage;
pub(crate) mod watch;
mod worker;
mod workers;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use common_core::flow::Endpoint;
use common_core::time::Time;
use common_os::clock::Clock;
use common_os::io::injector::Injector;
use common_os::io::interfaces;
use common_os::process::background;
use common_os::process::line_file::{LineFile, LineWriter};
use common_os::process::rights::Needs;
use common_os::process::start::{Process, StartError};
use mio::{Interest, Token};
use thiserror::Error;

use captures::Captures;
use input::Input;
use map_log::MapLog;
use packet_sink::PacketSink;
use progress::Progress;
use replay::Replay;
use reporter::{Outcome, OutputFiles, Reporter};
use tunnel::{Outlet, Tunnel};
use vantage::Vantage;
use watch::WatchSockets;
use worker::{CALLER, FIRST_CAPTURE, Worker};

use crate::cli::Config;
use crate::control::{ConnLog, ControlConns, Intercepts, Introduction};
use crate::engine::Engine;
use crate::offline::OfflineError;
use crate::offline::reader::Reader;
use crate::online_query::{Askers, OwnEndpoints, Query, Watch};
use crate::protocols::{filter_notice, usual_protocol};
use crate::report::{Service, StatsFile, StatsFileError};
use crate::settings::Transfer;

/// Limit for the connections to all intercepts at the start.
const START_LIMIT: Duration = Duration::from_secs(3);

/// Exit code if less was replayed than `--fail-below` demands.
const TOO_LITTLE: u8 = 3;

/// Services that are announced to intercept, which accepts some thousand of all hosts.
const SERVICES_MAX: usize = 256;

/// Why tcpcopy ended other than by a signal: one line with a hint.
#[derive(Debug, Error)]
pub enum RunError {
    /// It could not start, or its event loop failed.
    #[error(transparent)]
    Start(#[from] StartError),
    /// `--stats-json` cannot be used.
    #[error(transparent)]
    Stats(#[from] StatsFileError),
    /// A target is a service of this host whose clients are copied.
    #[error(
        "-x: the target {0} is a service of this host whose clients are copied; name a test server, or the address of the \
         online service, as in 10.0.0.16:80-10.0.0.17:80, if it has another"
    )]
    TargetIsCopied(Endpoint),
    /// `--map-log` cannot be written.
    #[error("cannot write the map log '{}': {source}; name another file with --map-log", path.display())]
    MapLog {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The command line does not suit services that are elsewhere.
    #[error("-x: a service is not on this host, so its packets are those of a mirror; {0}")]
    Mirrored(&'static str),
    /// The capture files cannot be replayed.
    #[error(transparent)]
    Offline(#[from] OfflineError),
    /// Nothing of the capture files was replayed.
    #[error("nothing was replayed: {obstacle}")]
    NothingReplayed {
        /// The first obstacle.
        obstacle: String,
    },
    /// An intercept of `-s` cannot be reached.
    #[error("intercept at {address}: {reason}; {hint}")]
    Intercept {
        /// Its address.
        address: Endpoint,
        /// Why it cannot be reached.
        reason: String,
        /// What the user can do.
        hint: &'static str,
    },
}

impl RunError {
    /// The command line names something that does not exist, or a filter that does not compile.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Start(error) => error.is_usage(),
            Self::Offline(_) | Self::TargetIsCopied(_) | Self::Mirrored(_) => true,
            _ => false,
        }
    }
}

/// Runs tcpcopy until a signal ends it; returns its exit code.
///
/// # Errors
/// [`RunError`], before the daemon has left the terminal wherever that is possible.
pub fn run(config: &Config) -> Result<ExitCode, RunError> {
    if let Some(rate) = config.datagram_rate {
        return datagrams::run(config, rate);
    }
    let mut process = Process::start(&config.process)?;
    // The clients of capture files are nobody's now.
    let local_addresses = if config.offline.is_none() { interfaces::local_addresses() } else { Vec::new() };
    let vantage = Vantage::of(config, &local_addresses);
    if let Some(reason) = vantage.refusal(config) {
        return Err(RunError::Mirrored(reason));
    }
    let inputs = open_inputs(config, vantage, &local_addresses)?;
    let outlets: Vec<_> = inputs.iter().map(|_| open_outlet(config)).collect::<Result<_, _>>()?;
    let map_log = open_map_log(config, &process)?;
    let mut watching = WatchSockets::open(config, vantage).map_err(StartError::from)?;
    let first_line = announce::first_line(config, vantage, watching.ways());
    if let Some(target) = copied_target(config, &local_addresses) {
        return Err(RunError::TargetIsCopied(target));
    }
    announce_protocols(config);
    announce_workers(config);
    let (own, queries) = (Arc::default(), Query::of(&config.transfers));
    process.give_up_rights(needs(config, &queries))?;

    let clock = Clock::start();
    let conn_log = ConnLog::new(config.alone);
    // The captures already queue what clients send from now on.
    let _askers = Askers::start(&queries, &own, clock).map_err(StartError::system("start a thread"))?;
    let introduction = Introduction {
        instance: random(),
        services: copied_services(config, &local_addresses),
        targets: config.targets(),
        tunnels: config.tunnel,
        datagram_targets: Vec::new(),
    };
    let worker = |(index, (input, sink))| {
        worker((config, index), clock, (&introduction, &conn_log), input, sink, (&queries, &own))
    };
    process.lines = map_log
        .map(|file| file.start("map-log"))
        .transpose()
        .map_err(StartError::system("start a thread"))?;
    let sink = |outlet| PacketSink::new(outlet, process.lines.clone().map(MapLog::new));
    let numbered = (0..).zip(inputs.into_iter().zip(outlets.into_iter().map(sink)));
    let mut workers: Vec<_> = numbered.map(worker).collect::<Result<_, _>>()?;
    if let [only] = &workers[..] {
        only.registry()
            .register(&mut process.signals, CALLER, Interest::READABLE)
            .map_err(StartError::system("take over signals"))?;
    }
    let stats = config.stats_json.clone().map(StatsFile::open).transpose()?;
    let watch = watch::Watch::start(watching, watch::setup(config, clock));
    let watch = watch.map_err(StartError::system("start a thread"))?;
    let progress =
        config.offline.as_ref().and_then(|offline| Progress::new(&config.process, offline.repeats));
    let files = OutputFiles { stats, map_log: process.lines.clone() };
    let reporter =
        Reporter::new(clock, files, config.protocols(), services(config), watch, config.fail_below, progress);
    if !config.alone {
        workers.iter_mut().try_for_each(|worker| worker.connect(START_LIMIT))?;
    }
    log::info!("{first_line}");
    announce::multiplying(&config.multiplying, &config.targets())
        .iter()
        .for_each(|line| log::info!("{line}"));
    warn_without_key(config);
    process.detach()?;
    let ended = workers::run(workers, clock, reporter, &mut process);
    process.remove_pid_file();
    if let Some(lines) = &process.lines {
        finish_map_log(lines);
    }
    let (_workers, outcome) = ended?;
    match outcome {
        Outcome { replayed: 0, cause, .. } if config.offline.is_some() => {
            let obstacle = cause.unwrap_or_else(|| "the report above has the counters".to_owned());
            Err(RunError::NothingReplayed { obstacle })
        }
        Outcome { enough: false, .. } => Ok(ExitCode::from(TOO_LITTLE)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Opens the sources of packets, one for each worker.
fn open_inputs(config: &Config, vantage: Vantage, local: &[IpAddr]) -> Result<Vec<Input>, RunError> {
    match &config.offline {
        None => {
            let captures = Captures::open(config, vantage, local, FIRST_CAPTURE)?;
            Ok(captures.into_iter().map(Input::Live).collect())
        }
        Some(offline) => {
            let reader = Reader::open(offline, &config.transfers, config.filter.as_deref())?;
            Ok(vec![Input::Files(Box::new(Replay::new(reader, offline.speed, Token(FIRST_CAPTURE))))])
        }
    }
}

/// What remains to be done with files and connections.
fn needs(config: &Config, queries: &[Query]) -> Needs {
    let intercepts = config.intercepts.iter().map(|intercept| intercept.port);
    let online = queries.iter().map(|query| query.query.address().port);
    // A silent test server is probed.
    let targets = config.transfers.iter().map(|transfer| transfer.target.port);
    Needs {
        written: config.stats_json.iter().chain(&config.map_log).cloned().collect(),
        connects_to: intercepts.chain(online).chain(targets).collect(),
        ..Needs::default()
    }
}

fn open_outlet(config: &Config) -> Result<Outlet, StartError> {
    if config.tunnel {
        return Ok(Outlet::Tunnel(Tunnel::default()));
    }
    let injector = Injector::open_on(config.targets().iter().map(|target| target.ip), &config.output)?;
    Ok(Outlet::Wire(Box::new(injector)))
}

fn open_map_log(config: &Config, process: &Process) -> Result<Option<LineFile>, RunError> {
    let open = |path: &PathBuf| {
        process.open_lines(path).map_err(|source| RunError::MapLog { path: path.clone(), source })
    };
    config.map_log.as_ref().map(open).transpose()
}

fn worker(
    (config, index): (&Config, u16),
    clock: Clock,
    (introduction, conn_log): (&Introduction, &ConnLog),
    input: Input,
    sink: PacketSink<Outlet>,
    (queries, own): (&[Query], &Arc<OwnEndpoints>),
) -> Result<Worker, StartError> {
    let first_conn = FIRST_CAPTURE + input.tokens();
    let intercepts = Intercepts { addresses: &config.intercepts, key: config.key.as_ref() };
    let conns = ControlConns::new(intercepts, introduction.clone(), first_conn, Time::ZERO, conn_log);
    let mut engine = Engine::new(config.engine(index, random(), timestamp_origin()), Time::ZERO);
    if !queries.is_empty() {
        engine.set_own(Arc::clone(own));
    }
    Worker::new(clock, input, conns, engine, sink, Watch::new(queries))
        .map_err(StartError::system("make an event loop"))
}

/// A target that is also copied from.
pub(crate) fn copied_target(config: &Config, local_addresses: &[IpAddr]) -> Option<Endpoint> {
    let is_local =
        |ip: &IpAddr| local_addresses.contains(ip) || !local_addresses.is_empty() && ip.is_loopback();
    let is_copied = |target: &Endpoint| {
        let mut transfers = config.transfers.iter();
        transfers.any(|transfer| transfer.online_port == target.port && transfer.copies_at(target.ip))
    };
    config.targets().into_iter().find(|target| is_local(&target.ip) && is_copied(target))
}

/// The services of `-x` at each address of this host, and those elsewhere.
fn copied_services(config: &Config, local_addresses: &[IpAddr]) -> Vec<Endpoint> {
    let at = |ip: &IpAddr| {
        let services = config.transfers.iter().filter(|transfer| transfer.copies_at(*ip));
        services.map(|transfer| Endpoint::new(*ip, transfer.online_port)).collect::<Vec<_>>()
    };
    let mut services: Vec<_> = local_addresses.iter().flat_map(at).collect();
    // Those of other hosts, whose packets a mirror delivers.
    let mirrored = config.transfers.iter().filter(|_| !local_addresses.is_empty());
    let mirrored = mirrored.filter_map(|it| Some(Endpoint::new(it.online_ip?, it.online_port)));
    services.extend(mirrored.filter(|service| !local_addresses.contains(&service.ip)));
    // A service may have several targets.
    services.sort_unstable();
    services.dedup();
    services.truncate(SERVICES_MAX);
    services
}

/// The services of `-x`, for the report.
fn services(config: &Config) -> Vec<Service> {
    let service = |transfer: &Transfer| Service {
        port: transfer.online_port,
        protocol: transfer.protocol.as_ref().map(|protocol| protocol.name()),
        module: usual_protocol(transfer.online_port),
        is_queried: transfer.protocol.as_ref().is_some_and(|protocol| protocol.online_query().is_some()),
    };
    config.transfers.iter().map(service).collect()
}

/// Logs which services have a protocol module, because the module cannot copy another service on the same port.
fn announce_protocols(config: &Config) {
    for transfer in &config.transfers {
        if let Some(protocol) = &transfer.protocol {
            let (name, port) = (protocol.name(), transfer.online_port);
            log::info!(
                "port {port} to {}: sessions of {name}, which are set up anew on each connection; if it is another service: \
                 --protocol {port}=none",
                transfer.target
            );
        }
    }
    if config.filter.is_some()
        && let Some(notice) = filter_notice(&config.transfers)
    {
        log::info!("{notice}");
    }
}

/// Logs the meaning of `-C`, which existing command lines use with the meaning that it has in TCPCopy 1.x.
fn announce_workers(config: &Config) {
    let workers = config.workers;
    if workers > 1 {
        log::info!(
            "-C {workers}: {workers} threads share the work, each with a connection to each intercept; TCPCopy 1.x makes \
             connections of it alone"
        );
    }
}

/// Waits for the last lines of `--map-log`.
fn finish_map_log(lines: &LineWriter) {
    if !lines.finish(background::END_LIMIT) {
        log::warn!("--map-log: its disk does not answer; the last lines are missing");
    }
    if lines.lost() > 0 {
        log::warn!(
            "--map-log: {} lines could not be written; name a file on a faster disk, or one with room",
            lines.lost()
        );
    }
}

/// Logs what a key would add.
fn warn_without_key(config: &Config) {
    if config.key.is_none() {
        log::warn!(
            "no key: whoever answers at the addresses of -s, or is on the way to them, is believed and can read and change what \
             passes; make a key with intercept --new-key FILE, and give it to both programs with --key-file FILE"
        );
    }
}

/// An unpredictable number, made from the random hash keys of the standard library.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The wall clock in milliseconds. It wraps around, as TCP timestamps do.
fn timestamp_origin() -> u32 {
    u32::try_from(Clock::unix_millis() & u64::from(u32::MAX)).unwrap_or_default()
}
