//! The driver: sockets, clock, signals and files around the engine.

mod captures;
mod packet_sink;
mod reporter;
mod worker;
mod workers;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common_core::flow::Endpoint;
use common_core::shard::Shard;
use common_core::time::Time;
use common_os::clock::Clock;
use common_os::io::bpf::FilterError;
use common_os::io::injector::Injector;
use common_os::io::{OpenError, interfaces};
use common_os::process::daemon::{PidFile, PidFileError, daemonize};
use common_os::process::limits;
use common_os::process::logging::{self, LogError};
use common_os::process::privileges::drop_all_but;
use common_os::process::signals::Signals;
use log::LevelFilter;
use mio::Interest;
use thiserror::Error;

use captures::{Captures, warn_of_local_targets};
use packet_sink::PacketSink;
use reporter::Reporter;
use worker::{CALLER, FIRST_CAPTURE, Worker};

use crate::cli::{Config, usual_protocol};
use crate::control::{ControlConns, Speaker, Told};
use crate::engine::Engine;
use crate::online_query::{Askers, OwnEndpoints, Query, Watch};
use crate::report::{Service, StatsFile, StatsFileError};
use crate::settings::Transfer;

/// How long the intercepts may take to come up at the start.
const START_LIMIT: Duration = Duration::from_secs(3);

/// Why tcpcopy cannot run: one line with the cure.
#[derive(Debug, Error)]
pub enum StartError {
    /// `-l` cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// `-F` does not compile.
    #[error("-F: {0}")]
    Filter(#[from] FilterError),
    /// A socket cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// `-P` cannot be used.
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    /// `--stats-json` cannot be used.
    #[error(transparent)]
    Stats(#[from] StatsFileError),
    /// An intercept of `-s` cannot be reached.
    #[error("intercept at {address}: {problem}; {cure}")]
    Intercept {
        /// Where it should be.
        address: Endpoint,
        /// What is wrong.
        problem: String,
        /// What the user can do.
        cure: &'static str,
    },
    /// The operating system refuses something that it never should.
    #[error("cannot {action}: {source}; check the limits of this process (ulimit -a) and the kernel's log")]
    System {
        /// What was to be done.
        action: &'static str,
        /// Its error.
        source: io::Error,
    },
}

impl StartError {
    /// The command line asks for what cannot be: no such interface, no such filter.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Filter(_) => true,
            Self::Open(error) => error.is_usage(),
            _ => false,
        }
    }

    fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}

/// Runs tcpcopy until a signal ends it.
///
/// # Errors
/// [`StartError`]: it could not start, or its event loop failed.
pub fn run(config: &Config) -> Result<(), StartError> {
    // All that can fail does so while the user's terminal is still there to show it.
    let daemon = config.daemon.then(daemonize).transpose().map_err(StartError::system("start a daemon"))?;
    let mut signals = Signals::take(config.daemon).map_err(StartError::system("take signals over"))?;
    // Dropped last: whatever is said at the end is written.
    let _log = logging::init(config.log_file.as_deref(), LevelFilter::Info)?;
    config.ignored.iter().for_each(|flag| log::warn!("{flag}"));
    limits::raise_open_files().map_err(StartError::system("raise the limit of open files"))?;

    let captures = Captures::open(config, FIRST_CAPTURE)?;
    let wires: Vec<_> = captures.iter().map(|_| open_wire(config)).collect::<Result<_, _>>()?;
    warn_of_local_targets(config, &interfaces::local_addresses());
    announce_protocols(config);
    announce_workers(config);
    let pid_file = config.pid_file.as_deref().map(PidFile::create).transpose()?;
    drop_privileges(config)?;

    let clock = Clock::start();
    let parts = Shard::each(config.workers).zip(captures).zip(wires);
    let told = Arc::default();
    // What clients say from now on is captured.
    let (own, queries) = (Arc::default(), Query::of(&config.transfers));
    let _askers = Askers::start(&queries, &own, clock).map_err(StartError::system("start a thread"))?;
    let worker =
        |((share, captures), sink)| worker(config, clock, share, &told, captures, sink, (&queries, &own));
    let mut workers: Vec<_> = parts.map(worker).collect::<Result<_, _>>()?;
    if let [only] = &workers[..] {
        only.registry()
            .register(&mut signals, CALLER, Interest::READABLE)
            .map_err(StartError::system("take signals over"))?;
    }
    let stats = config.stats_json.clone().map(StatsFile::open).transpose()?;
    let reporter = Reporter::new(clock, stats, config.protocols(), services(config));
    if !config.alone {
        workers.iter_mut().try_for_each(|worker| worker.connect(START_LIMIT))?;
    }
    if let Some(daemon) = daemon {
        if config.log_file.is_none() {
            log::warn!("-d without -l: nothing is logged from here on, not even the report at the end");
        }
        logging::flush();
        daemon.detach().map_err(StartError::system("leave the terminal"))?;
    }
    let ended = workers::run(workers, clock, reporter, signals);
    // Before the links and captures are closed: who sees them end may start the next tcpcopy.
    drop(pid_file);
    ended.map(drop).inspect_err(|error| log::error!("{error}"))
}

fn open_wire(config: &Config) -> Result<PacketSink<Injector>, StartError> {
    Ok(PacketSink::new(Injector::open(config.targets().iter().map(|target| target.ip))?))
}

fn worker(
    config: &Config,
    clock: Clock,
    share: Shard,
    told: &Arc<Told>,
    captures: Captures,
    sink: PacketSink<Injector>,
    (queries, own): (&[Query], &Arc<OwnEndpoints>),
) -> Result<Worker<Injector>, StartError> {
    let first_link = FIRST_CAPTURE + captures.count();
    let targets = config.targets();
    let speaker = Speaker { told: Arc::clone(told), from_start: config.alone };
    let links = ControlConns::new(&config.intercepts, share, targets, first_link, Time::ZERO, &speaker);
    let mut engine = Engine::new(config.engine(random(), timestamp_origin()), Time::ZERO);
    if !queries.is_empty() {
        engine.set_own(Arc::clone(own));
    }
    Worker::new(clock, captures, links, engine, sink, Watch::new(queries))
        .map_err(StartError::system("make an event loop"))
}

/// What the report says of `-x`.
fn services(config: &Config) -> Vec<Service> {
    let service = |transfer: &Transfer| Service {
        port: transfer.online_port,
        protocol: transfer.protocol.as_ref().map(|protocol| protocol.name()),
        module: usual_protocol(transfer.online_port),
        is_queried: transfer.protocol.as_ref().is_some_and(|protocol| protocol.online_query().is_some()),
    };
    config.transfers.iter().map(service).collect()
}

/// Says which services have a protocol module: another service on the same port could not be copied by it.
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
    let heard = |transfer: &Transfer| !transfer.online_answers().is_empty();
    if config.filter.is_some() && config.transfers.iter().any(heard) {
        log::info!(
            "-F must also pass what the online service answers: without, what it has refused is not known, and MySQL's ids \
             of prepared statements can only be told by order"
        );
    }
}

/// The flag has another meaning elsewhere, and existing command lines have it.
fn announce_workers(config: &Config) {
    let workers = config.workers;
    if workers > 1 {
        log::info!(
            "-C {workers}: {workers} threads share the work, each with a connection to each intercept; TCPCopy 1.x makes \
             connections of it alone"
        );
    }
}

/// Every socket that needs a privilege is open by now.
fn drop_privileges(config: &Config) -> Result<(), StartError> {
    let files = [&config.pid_file, &config.stats_json];
    let directories: Vec<&Path> = files.into_iter().flatten().filter_map(|path| path.parent()).collect();
    let kept = drop_all_but(&[], &directories).map_err(StartError::system("give privileges up"))?;
    log::debug!("privileges kept: {kept:?}");
    Ok(())
}

/// A number that nobody can foresee: the standard library's hash keys are random.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The wall clock in milliseconds; it wraps, as TCP timestamps do.
fn timestamp_origin() -> u32 {
    u32::try_from(Clock::unix_millis() & u64::from(u32::MAX)).unwrap_or_default()
}
