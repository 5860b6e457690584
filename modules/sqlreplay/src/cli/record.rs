//! `sqlreplay record`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use regex::bytes::Regex;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Failure, captured, sniffed};
use crate::clock::{Clock, wall_time};
use crate::decoding::Settings;
use crate::masking::Masking;
use crate::protocol::Protocol;
use crate::proxy::{Counters, Shared, Tls, serve};
use crate::recording::record::Header;
use crate::recording::{FORMAT, Progress, Sink, Writer, at_end};

/// What `record` is asked for.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What the sessions speak; if it is not named, port 3306 tells
    #[arg(long, value_enum)]
    protocol: Option<ProtocolArgument>,
    /// The address that clients connect to (localhost:5433, or localhost:3307 for MySQL)
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The server (localhost:5432, or localhost:3306 for MySQL)
    #[arg(long, value_name = "HOST:PORT")]
    upstream: Option<String>,
    /// A capture file (pcap or pcapng, also compressed; - is the standard input) instead of clients
    #[arg(long, value_name = "FILE", conflicts_with_all = ["listen", "upstream", "append", "tls"])]
    pcap: Option<PathBuf>,
    /// A network interface (any: all of them) whose packets are recorded instead of clients of a proxy; needs root
    #[arg(long, short, value_name = "DEV", conflicts_with_all = ["listen", "upstream", "append", "tls", "pcap"])]
    interface: Option<String>,
    /// The server's port in the capture file or on the interface [default: 5432, or 3306 for MySQL]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The recording; compressed if its name ends with .zst
    #[arg(long, short, value_name = "FILE", default_value = "queries.jsonl")]
    output: PathBuf,
    /// Continue the recording if it is there
    #[arg(long, conflicts_with = "overwrite")]
    append: bool,
    /// Replace the recording if it is there
    #[arg(long)]
    overwrite: bool,
    /// Record the rows of results, too (of each statement, up to 1 MB)
    #[arg(long)]
    results: bool,
    /// Put *** in place of what fits this regular expression, in all texts (may be repeated)
    #[arg(long, value_name = "REGEX")]
    mask: Vec<Regex>,
    /// Leave out all parameters, rows and data of COPY, and the literals of statements
    #[arg(long)]
    mask_params: bool,
    /// Clients that ask for TLS: tell them that there is none, or let it pass unrecorded
    #[arg(long, value_enum, default_value_t = TlsArgument::Refuse)]
    tls: TlsArgument,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProtocolArgument {
    Postgres,
    /// MySQL and MariaDB
    Mysql,
}

impl Arguments {
    fn protocol(&self) -> Protocol {
        let is_usual = |address: &Option<String>| {
            address.as_ref().is_some_and(|address| address.ends_with(&format!(":{}", Protocol::Mysql.port())))
        };
        match self.protocol {
            Some(ProtocolArgument::Postgres) => Protocol::Postgres,
            Some(ProtocolArgument::Mysql) => Protocol::Mysql,
            None if is_usual(&self.upstream) || self.port == Some(Protocol::Mysql.port()) => Protocol::Mysql,
            None => Protocol::Postgres,
        }
    }

    fn listen(&self) -> String {
        let usual = || format!("localhost:{}", self.protocol().port() + 1);
        self.listen.clone().unwrap_or_else(usual)
    }

    fn upstream(&self) -> String {
        self.upstream.clone().unwrap_or_else(|| format!("localhost:{}", self.protocol().port()))
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TlsArgument {
    Refuse,
    Pass,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let upstream = arguments.upstream();
    if !upstream.contains(':') {
        return Err(Failure::Usage(format!("--upstream {upstream} has no port: HOST:PORT")));
    }
    let port = arguments.port.unwrap_or(arguments.protocol().port());
    if let Some(interface) = &arguments.interface {
        return sniffed::record(&sniffed::Sniffed {
            interface,
            port,
            settings: settings(&arguments),
            output: &arguments.output,
            overwrite: arguments.overwrite,
        });
    }
    if let Some(file) = &arguments.pcap {
        return captured::record(captured::Captured {
            file,
            port,
            settings: settings(&arguments),
            output: &arguments.output,
            overwrite: arguments.overwrite,
        });
    }
    if arguments.port.is_some() {
        return Err(Failure::Usage("--port is for --pcap and --interface; a proxy has --listen".to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(record(arguments));
    // Connections that do not end must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(100));
    status
}

async fn record(arguments: Arguments) -> Result<ExitCode, Failure> {
    let (address, upstream, protocol) = (arguments.listen(), arguments.upstream(), arguments.protocol());
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|problem| Failure::Other(format!("cannot listen on {address}: {problem}")))?;
    let listen = listener.local_addr()?;
    let ended =
        if arguments.append && arguments.output.exists() { Some(at_end(&arguments.output)?) } else { None };
    let header =
        Header { listen: Some(listen.to_string()), server: Some(upstream.clone()), ..header(protocol) };
    let (writer, sink) = Writer::open(&arguments.output, header, ended, arguments.overwrite)?;
    let before = ended.unwrap_or_default();
    println!("listening on     {listen}");
    println!("forwarding to    {upstream}");
    println!("recording into   {}", arguments.output.display());
    match protocol {
        Protocol::Postgres => {
            println!("connect with     psql -h {} -p {} -U USER DATABASE", listen.ip(), listen.port());
        }
        Protocol::Mysql => {
            println!("connect with     mysql -h {} -P {} -u USER -p DATABASE", listen.ip(), listen.port());
            println!(
                "note             clients are told that there is no compression, and with --tls refuse no TLS"
            );
        }
    }
    println!("stop with        Ctrl+C");
    if before.is_torn {
        println!("the last line of the recording was torn, and was removed");
    }
    let tls = match arguments.tls {
        TlsArgument::Refuse => Tls::Refuse,
        TlsArgument::Pass => Tls::Pass,
    };
    let (clock, before) = (Clock::start(before.at), before.session);
    let shared = Arc::new(Shared::new(upstream, tls, settings(&arguments), clock, sink.clone(), before));
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(serve(listener, Arc::clone(&shared), stopped));
    until_stopped(&shared.counters, &sink).await?;
    let _ = stop.send(true);
    serving.await??;
    let progress = tokio::task::spawn_blocking(|| writer.finish()).await?;
    summary(&shared.counters, &progress, &arguments.output.display().to_string());
    Ok(ExitCode::SUCCESS)
}

fn settings(arguments: &Arguments) -> Settings {
    Settings {
        protocol: arguments.protocol(),
        masking: Masking {
            protocol: arguments.protocol(),
            patterns: arguments.mask.clone(),
            parameters: arguments.mask_params,
        },
        results: arguments.results,
    }
}

pub(super) fn header(protocol: Protocol) -> Header {
    Header {
        format: FORMAT,
        protocol: protocol.name().to_owned(),
        source: "proxy".to_owned(),
        listen: None,
        server: None,
        tool: concat!("sqlreplay ", env!("CARGO_PKG_VERSION")).to_owned(),
        started: wall_time(),
    }
}

/// Shows the status once a second, until the user or the system wants the end.
async fn until_stopped(counters: &Counters, sink: &Sink) -> Result<(), Failure> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let mut status = Status { is_shown: std::io::stderr().is_terminal(), statements: 0, told_stopped: false };
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = seconds.tick() => status.second(counters, &sink.progress()),
        }
    }
    status.clear();
    Ok(())
}

/// The line that changes.
struct Status {
    is_shown: bool,
    statements: u64,
    told_stopped: bool,
}

impl Status {
    fn second(&mut self, counters: &Counters, progress: &Progress) {
        if let Some(problem) = counters.take_problem() {
            self.clear();
            eprintln!("sqlreplay: {problem}");
        }
        if let (Some(problem), false) = (&progress.stopped, self.told_stopped) {
            self.told_stopped = true;
            self.clear();
            eprintln!("sqlreplay: the recording has stopped: {problem}. Clients are served as before");
        }
        let totals = counters.totals();
        let rate = totals.statements - self.statements;
        self.statements = totals.statements;
        if self.is_shown {
            let size = indicatif::HumanBytes(progress.length);
            self.clear();
            eprint!("{} sessions open, {rate} statements/s, {size}", totals.open);
            let _ = std::io::stderr().flush();
        }
    }

    fn clear(&self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }
}

fn summary(counters: &Counters, progress: &Progress, file: &str) {
    let totals = counters.totals();
    println!(
        "recorded {} sessions, {} statements: {} records, {} in {file}",
        totals.sessions,
        totals.statements,
        progress.records,
        indicatif::HumanBytes(progress.length)
    );
    if let Some(problem) = &progress.stopped {
        println!("the recording stopped early: {problem}");
    }
    for (count, what) in [
        (progress.skipped, "records skipped: the disk was full or too slow"),
        (totals.lost, "sessions not recorded to their end: the recorder was too slow"),
        (totals.unrecorded, "connections not recorded: see \"skipped\" in the recording"),
        (totals.refused_tls, "times a client asked for TLS and was told that there is none"),
        (totals.unreachable, "connections for which the server could not be reached"),
    ] {
        if count > 0 {
            println!("{count} {what}");
        }
    }
}
