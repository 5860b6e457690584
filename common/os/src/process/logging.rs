//! The log: a thread writes it to standard error or appends it to a file.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::env;
use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use env_logger::{Builder, Target, WriteStyle};
use log::{Level, LevelFilter, Log, Metadata, Record};
use thiserror::Error;

use super::background::{END_LIMIT, within};
use super::log_file::{Destination, LogFile};
use super::log_format::LogFormat;
use super::log_queue::{LogQueue, ROOM, log_queue};
use super::rights::{Needs, Rights, RightsError};
use common_core::text::shown;

/// Why logging could not be set up.
#[derive(Debug, Error)]
pub enum LogError {
    /// The file cannot be written.
    #[error("cannot write the log file '{}': {source}; name another one with -l", path.display())]
    File {
        /// As the user gave it.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// No more threads can be started.
    #[error("cannot start a thread for the log: {0}; raise the limit of processes (ulimit -u)")]
    Thread(io::Error),
    /// The thread of the log cannot give up its rights.
    #[error(transparent)]
    Rights(RightsError),
    /// Logging is already set up.
    #[error("logging was set up before")]
    Twice,
}

/// Waits, when it is dropped, until the log is written, at most for [`END_LIMIT`].
#[derive(Debug)]
#[must_use = "dropped, it waits for the log"]
pub struct LogWriter(());

impl Drop for LogWriter {
    fn drop(&mut self) {
        flush();
    }
}

/// Waits until all lines so far are written, at most for [`END_LIMIT`]. Call it before lines that must not be lost.
pub fn flush() {
    log::logger().flush();
}

/// The target of lines that are always written, whatever `RUST_LOG` says: the report at the end, which is the result of the
/// run.
pub const REPORT: &str = "report";

/// The log of this process.
static LOG: OnceLock<Running> = OnceLock::new();

struct Running {
    queue: LogQueue,
    is_file: bool,
}

/// The number of log lines of this process that were never written, because the destination was too slow or failed.
#[must_use]
pub fn lost() -> u64 {
    LOG.get().map_or(0, |log| log.queue.lost())
}

/// Continues in a new file of the same name, because the file was renamed.
pub fn reopen() {
    if let Some(log) = LOG.get() {
        log.queue.reopen();
    }
}

/// Logs why the process ends, unless the log is standard error, where the caller writes it as well.
pub fn record_end(line: &str) {
    if LOG.get().is_some_and(|log| log.is_file) {
        log::error!(target: REPORT, "{line}");
        flush();
    }
}

/// Starts to log: appends to `file`, or writes to standard error. The environment's `RUST_LOG` overrides `default_level`.
/// Timestamps are UTC with milliseconds.
///
/// A thread writes the lines, so logging never waits. Lines for which the queue has no room are lost and counted ([`lost`]).
/// The thread gives up all `rights` at once, because it never needs them.
/// Call this after [`super::daemon::daemonize`], because a process with threads cannot fork, and after
/// [`super::signals::Signals::take`], because the thread inherits the mask of signals.
///
/// Panics are logged as well, because a background process has no standard error.
///
/// # Errors
/// [`LogError`] is one line for the user.
pub fn init(
    file: Option<&Path>,
    format: LogFormat,
    default_level: LevelFilter,
    rights: &Rights,
) -> Result<LogWriter, LogError> {
    let out: Box<dyn Destination> = match file {
        Some(path) => {
            let opened = LogFile::open(path, rights.account());
            Box::new(opened.map_err(|source| LogError::File { path: path.into(), source })?)
        }
        None => Box::new(io::stderr()),
    };
    let (queue, source) = log_queue(ROOM);
    let builder = |level| {
        let mut builder = Builder::new();
        builder.filter_level(level);
        format.apply_to(&mut builder);
        if file.is_none() && has_colours() {
            builder.write_style(WriteStyle::Always);
        }
        builder.target(Target::Pipe(Box::new(queue.clone())));
        builder
    };
    let chosen = builder(default_level).parse_default_env().build();
    let always = builder(LevelFilter::Info).build();
    let max_level = chosen.filter().max(LevelFilter::Info);
    let logger = Logger { chosen, always, queue: queue.clone() };
    log::set_boxed_logger(Box::new(logger)).map_err(|_| LogError::Twice)?;
    log::set_max_level(max_level);
    let needs = Needs { written: file.map(Path::to_owned).into_iter().collect(), ..Needs::default() };
    source.start(out, rights.clone(), needs)?;
    panic::set_hook(Box::new(report_panic));
    let _ = LOG.set(Running { queue, is_file: file.is_some() });
    Ok(LogWriter(()))
}

/// Whether standard error is a terminal with colours. `RUST_LOG_STYLE` and others can disable them.
fn has_colours() -> bool {
    let has = |name, value: &str| env::var_os(name).is_some_and(|set| set == value);
    let chosen = has("RUST_LOG_STYLE", "never") || env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
    io::stderr().is_terminal() && !chosen && !has("TERM", "dumb")
}

/// Formats lines in the calling thread and queues them for the thread that writes.
struct Logger {
    /// Lines that the environment or the default level lets pass.
    chosen: env_logger::Logger,
    /// Lines of [`REPORT`].
    always: env_logger::Logger,
    queue: LogQueue,
}

impl Logger {
    fn of(&self, target: &str) -> &env_logger::Logger {
        if target == REPORT { &self.always } else { &self.chosen }
    }

    /// Logs how many lines are missing before the next one.
    fn report_lost(&self, level: Level, target: &str) {
        let lost = self.queue.take_unreported();
        if lost > 0 {
            let mut record = Record::builder();
            record.level(level.min(Level::Warn)).target(target);
            self.of(target).log(
                &record
                    .args(format_args!(
                        "{lost} log lines were lost: the log is not read, or written, fast enough"
                    ))
                    .build(),
            );
        }
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.of(metadata.target()).enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let format = self.of(record.target());
        if format.matches(record) && self.queue.has_room(record.level()) {
            self.report_lost(record.level(), record.target());
            format.log(record);
        }
    }

    fn flush(&self) {
        self.report_lost(Level::Error, module_path!());
        self.queue.wait(END_LIMIT);
    }
}

/// Writes to standard error, for [`END_LIMIT`] at most.
pub fn write_standard_error(text: String) {
    let _ = within(END_LIMIT, "stderr", move || io::stderr().write_all(text.as_bytes()));
}

/// Reports a panic in the log, and on standard error in case the log is elsewhere or filtered.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("?");
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let message = shown(message(panic.payload()), 500);
    let text =
        format!("thread '{thread}' panicked at {place}: {message}; this is a defect: please report it");
    log::error!("{text}");
    write_standard_error(format!("{text}\n"));
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        // Names of functions come from files that a restricted process may not open. Should that end it, the line is out.
        flush();
        let backtrace = backtrace.to_string();
        log::error!("{backtrace}");
        write_standard_error(format!("{backtrace}\n"));
    }
}

fn message(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(file: Option<&Path>, level: LevelFilter) -> Result<LogWriter, LogError> {
        super::init(file, LogFormat::Text, level, &Rights::new(None))
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = init(Some(Path::new("/proc/none/log")), LevelFilter::Info).unwrap_err().to_string();
        assert!(error.contains("/proc/none/log") && error.contains("-l"), "{error}");
    }

    #[test]
    fn a_pipe_without_a_reader_is_refused_as_a_log() {
        let path = env::temp_dir().join(format!("common-{}.pipe", std::process::id()));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = init(Some(&path), LevelFilter::Info).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(error.contains("no answer within 3 s") && error.contains("-l"), "{error}");
    }

    #[test]
    fn a_file_is_appended_to_and_lines_carry_milliseconds() {
        let path = env::temp_dir().join(format!("common-{}.log", std::process::id()));
        std::fs::write(&path, "before\n").unwrap();
        let writer = init(Some(&path), LevelFilter::Error).unwrap();
        log::error!("a message");
        log::warn!("a message of a level that is left out");
        log::info!(target: REPORT, "the report");
        flush();
        let moved = path.with_extension("moved");
        std::fs::rename(&path, &moved).unwrap();
        log::error!("a line after the rename");
        reopen();
        log::error!("a line after the reopen");
        drop(writer);
        let new = std::fs::read_to_string(&path).unwrap();
        assert!(new.ends_with("a line after the reopen\n") && new.lines().count() == 1, "{new}");
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(&moved, &path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("before"));
        let line = lines.find(|line| line.ends_with("a message")).unwrap();
        let (date, fraction) = line.split_once('.').unwrap();
        assert!(date.starts_with('[') && date.contains('T'), "{line}");
        assert_eq!(fraction.find('Z'), Some(3), "{line}");
        assert!(line.contains("ERROR"), "{line}");
        assert!(text.contains("INFO  report] the report\n") && !text.contains("left out"), "{text}");
        assert!(text.ends_with("a line after the rename\n"), "{text}");
        assert!(matches!(init(None, LevelFilter::Error), Err(LogError::Twice)));
    }
}
