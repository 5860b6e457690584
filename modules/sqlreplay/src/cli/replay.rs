//! `sqlreplay replay`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use postgres_wire::login::pgpass::Pgpass;
use regex::bytes::Regex;
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::{Failure, SessionName, my_cnf};
use crate::clock::wall_time;
use crate::inspect::sessions::Sessions;
use crate::protocol::Protocol;
use crate::recording::{Bytes, Reader};
use crate::replay::{ConnectMap, Options, Overview, PasswordSource, Replay, Shared, Target, check};
use crate::report::About;

/// Exit status: everything was executed, and something differs.
const DIFFERENT: u8 = 3;

/// What `replay` is asked for.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The recording
    file: PathBuf,
    /// The server: a name, an address, the directory of its socket (PostgreSQL), or its socket (MySQL)
    #[arg(long, default_value = "localhost")]
    host: String,
    /// The server's port (5432, or 3306 for MySQL)
    #[arg(long)]
    port: Option<u16>,
    /// The database for all sessions, instead of the recorded ones
    #[arg(long)]
    dbname: Option<String>,
    /// The user for all sessions, instead of the recorded ones
    #[arg(long)]
    user: Option<String>,
    /// Another name on the server: user:OLD=NEW or database:OLD=NEW (may be repeated)
    #[arg(long, value_name = "MAP")]
    connect_map: Vec<String>,
    /// Passwords of users: a TOML file with a table [passwords], which only its owner can read
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only this session, by its client's port, or by its number: #1 (may be repeated)
    #[arg(long, value_name = "PORT")]
    session: Vec<SessionName>,
    /// 1 with the recorded pauses, 10 ten times as fast, 0 as fast as possible
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Show what would be done, and connect to nothing
    #[arg(long)]
    dry_run: bool,
    /// Only statements that read; the server is told to permit nothing else
    #[arg(long)]
    only_select: bool,
    /// Only statements that fit this regular expression
    #[arg(long, value_name = "REGEX")]
    filter: Option<Regex>,
    /// Only statements with this text, as the report shows it
    #[arg(long, value_name = "TEXT")]
    fingerprint: Option<String>,
    /// No more statements than this
    #[arg(long, value_name = "COUNT", default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,
    /// So many times
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Leave out sessions that begin while so many are open
    #[arg(long, value_name = "COUNT", default_value_t = usize::MAX, hide_default_value = true)]
    sessions_max: usize,
    /// Stop at the first statement that fails and did not fail in the recording
    #[arg(long)]
    stop_on_error: bool,
    /// The time limit of a statement, in seconds; at least ten times its recorded duration
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Print each statement with its first rows
    #[arg(long, conflicts_with = "json")]
    verbose: bool,
    /// The report as JSON
    #[arg(long)]
    json: bool,
    /// Write the report as a page with charts into this file, too; it needs nothing else
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    html: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let options = options(arguments)?;
    let overview = check(&arguments.file, &options)?;
    if overview.is_torn {
        eprintln!("the last line is torn, and was skipped");
    }
    tell_left_out(&overview);
    if arguments.dry_run {
        dry_run(arguments, &options, &overview)?;
        return Ok(ExitCode::SUCCESS);
    }
    if overview.statements == 0 {
        return Err(Failure::Other("nothing to replay: no statement is chosen".to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(replay(arguments, options, overview))
}

async fn replay(arguments: &Arguments, options: Options, overview: Overview) -> Result<ExitCode, Failure> {
    let total = overview.statements * u64::from(options.repeat);
    // Before anything is executed: a replay whose report cannot be kept may not be repeatable.
    let page = arguments.html.as_deref().map(|path| page(arguments, path, &options)).transpose()?;
    let replay = Replay::prepare(&arguments.file, options, &overview).await?;
    let shared = Arc::clone(&replay.shared);
    let showing = tokio::spawn(show_progress(Arc::clone(&shared), total));
    let stopping = tokio::spawn(stop_on_signal(shared));
    let report = replay.run().await?;
    showing.abort();
    let _ = showing.await;
    stopping.abort();
    if let Some((mut file, path, about)) = page {
        let written = file.write_all(report.html(&about).as_bytes());
        written.map_err(|problem| Failure::Other(format!("cannot write {}: {problem}", path.display())))?;
    }
    if arguments.json {
        super::print(&format!("{}\n", serde_json::to_string_pretty(&report.figures())?))?;
    } else {
        super::print(&report.text())?;
    }
    Ok(match (report.is_nothing(), report.is_same()) {
        (true, _) => ExitCode::from(super::COULD_NOT),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(DIFFERENT),
    })
}

/// The file of the page, and what stands in its head.
fn page<'p>(
    arguments: &Arguments,
    path: &'p Path,
    options: &Options,
) -> Result<(File, &'p Path, About), Failure> {
    let file = File::create(path)
        .map_err(|problem| Failure::Other(format!("cannot write {}: {problem}", path.display())))?;
    let speed = match options.speed {
        speed if speed > 0.0 => format!("speed {speed}"),
        _ => "full speed".to_owned(),
    };
    let recording = arguments.file.display().to_string();
    let about = About { recording, target: options.target.to_string(), speed, at: wall_time() };
    Ok((file, path, about))
}

async fn show_progress(shared: Arc<Shared>, total: u64) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} statements, {per_sec}, {eta} left")
    {
        bar.set_style(style);
    }
    // The bar is removed when the task is, which is when the replay ends.
    let bar = Finished(bar);
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    loop {
        ticks.tick().await;
        bar.0.set_position(shared.done.load(Relaxed));
    }
}

struct Finished(ProgressBar);

impl Drop for Finished {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// The report of what was done is printed in any case.
async fn stop_on_signal(shared: Arc<Shared>) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    shared.stop();
}

fn dry_run(arguments: &Arguments, options: &Options, overview: &Overview) -> Result<(), Failure> {
    let span = overview.last.since(overview.first.unwrap_or_default()).seconds();
    let duration = match options.speed {
        speed if speed > 0.0 => format!("{:.3} s", span / speed * f64::from(options.repeat)),
        _ => "as fast as possible".to_owned(),
    };
    super::print(&format!(
        "would replay {} sessions, {} statements to {} (recorded in {span:.3} s, duration {duration})\n",
        overview.sessions, overview.statements, options.target
    ))?;
    let mut sessions = Sessions::read(&arguments.file)?;
    sessions
        .sessions
        .retain(|number, session| SessionName::any(&arguments.session, *number, &session.client));
    for session in sessions.sessions.values_mut() {
        session.user = options.map.user(&Bytes::from(session.user.as_str())).shown().into_owned();
        session.database = options.map.database(&Bytes::from(session.database.as_str())).shown().into_owned();
    }
    super::print(&format!("{}\n", sessions.table()))
}

fn tell_left_out(overview: &Overview) {
    let left_out = overview.left_out;
    for (count, what) in [
        (left_out.sessions, "sessions left out: not chosen, or refused by the recorded server"),
        (left_out.sessions_beyond, "sessions left out: --sessions-max"),
        (left_out.filtered, "statements left out: not chosen"),
        (left_out.passwords, "statements left out: a password in them was masked"),
        (left_out.too_long, "statements left out: they were too long to be recorded"),
        (left_out.kills, "statements left out: they end connections, or the server (KILL, SHUTDOWN)"),
        (left_out.unreadable, "executions left out: their parameters could not be recorded"),
        (left_out.masked_parameters, "parameters were masked: NULL is sent"),
    ] {
        if count > 0 {
            eprintln!("{count} {what}");
        }
    }
}

fn options(arguments: &Arguments) -> Result<Options, Failure> {
    if !(0.0..=1e6).contains(&arguments.speed) {
        return Err(Failure::Usage(format!("--speed {}: it must be 0 to 1000000", arguments.speed)));
    }
    let protocol = protocol_of(&arguments.file)?;
    let mut map = ConnectMap {
        user: arguments.user.as_deref().map(Bytes::from),
        database: arguments.dbname.as_deref().map(Bytes::from),
        ..ConnectMap::default()
    };
    arguments.connect_map.iter().try_for_each(|text| map.add(text)).map_err(Failure::Usage)?;
    Ok(Options {
        protocol,
        target: Target { host: arguments.host.clone(), port: arguments.port.unwrap_or(protocol.port()) },
        passwords: passwords(arguments.config.as_deref(), protocol)?,
        map,
        sessions: arguments.session.clone(),
        speed: arguments.speed,
        only_select: arguments.only_select,
        filter: arguments.filter.clone(),
        fingerprint: arguments.fingerprint.clone(),
        limit: arguments.limit,
        repeat: arguments.repeat,
        sessions_max: arguments.sessions_max,
        stop_on_error: arguments.stop_on_error,
        timeout: Duration::from_secs(arguments.timeout),
        verbose: arguments.verbose,
    })
}

/// The file of `--config`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    passwords: BTreeMap<String, Zeroizing<String>>,
}

/// What the recording has.
fn protocol_of(file: &Path) -> Result<Protocol, Failure> {
    let reader = Reader::open(file)?;
    let name = &reader.header().protocol;
    Protocol::from_name(name).ok_or_else(|| {
        Failure::Other(format!(
            "{}: the protocol is {name:?}; this version replays postgres and mysql",
            file.display()
        ))
    })
}

fn passwords(config: Option<&Path>, protocol: Protocol) -> Result<PasswordSource, Failure> {
    let users = match config {
        Some(path) => {
            let text = private(path)?;
            // What it says about a line of the file could show a password.
            let config: Config = toml::from_slice(&text).map_err(|error| {
                let place = error.span().map_or(String::new(), |span| {
                    format!(
                        ", line {}",
                        1 + text.iter().take(span.start).filter(|byte| **byte == b'\n').count()
                    )
                });
                Failure::Usage(format!(
                    "{}{place}: it must be [passwords] with lines of user = \"password\"",
                    path.display()
                ))
            })?;
            config.passwords
        }
        None => BTreeMap::new(),
    };
    if protocol == Protocol::Mysql {
        let environment = std::env::var("MYSQL_PWD").ok().map(Zeroizing::new);
        let path = std::env::home_dir().map(|home| home.join(".my.cnf")).filter(|path| path.exists());
        let my_cnf = path.map(|path| private(&path)).transpose()?.and_then(|text| my_cnf::password(&text));
        return Ok(PasswordSource { users, environment, my_cnf, ..PasswordSource::default() });
    }
    let environment = std::env::var("PGPASSWORD").ok().map(Zeroizing::new);
    let file = std::env::var_os("PGPASSFILE").map(PathBuf::from);
    let file = file.or_else(|| std::env::home_dir().map(|home| home.join(".pgpass")));
    let content = match file.filter(|path| path.exists()) {
        Some(path) => private(&path)?,
        None => Zeroizing::default(),
    };
    let file =
        Pgpass::parse(&content).map_err(|error| Failure::Usage(format!("the password file, {error}")))?;
    Ok(PasswordSource { users, environment, file, my_cnf: None })
}

/// The longest file of passwords, in bytes.
const PASSWORDS_MAX: u64 = 1 << 20;

fn private(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    secret_file::read(path, PASSWORDS_MAX).map_err(|problem| {
        Failure::Usage(format!("cannot read passwords from {}: {problem}", path.display()))
    })
}
