//! The log: to standard error, or appended to a file.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::OpenOptions;
use std::io;
use std::panic::{self, PanicHookInfo};
use std::path::{Path, PathBuf};

use env_logger::{Builder, Target};
use log::LevelFilter;
use thiserror::Error;

use crate::command_line::shown;

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
    /// The process logs already.
    #[error("logging was set up before")]
    Twice,
}

/// Starts logging to `file`, which is appended to, or to standard error. The environment's `RUST_LOG` overrides
/// `default_level`. Timestamps are UTC with milliseconds.
///
/// From here on a panic is logged as well: a daemon's standard error is nowhere.
///
/// # Errors
/// [`LogError`] is one line for the user.
pub fn init(file: Option<&Path>, default_level: LevelFilter) -> Result<(), LogError> {
    let mut builder = Builder::new();
    builder.filter_level(default_level).parse_default_env().format_timestamp_millis();
    if let Some(path) = file {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        let file = opened.map_err(|source| LogError::File { path: path.into(), source })?;
        builder.target(Target::Pipe(Box::new(file)));
    }
    builder.try_init().map_err(|_| LogError::Twice)?;
    let standard_error = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        log_panic(panic);
        standard_error(panic);
    }));
    Ok(())
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let message = shown(message(panic.payload()), 500);
    log::error!(
        "thread '{}' panicked at {place}: {message}; this is a defect: please report it",
        thread.name().unwrap_or("?")
    );
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        log::error!("{backtrace}");
    }
}

fn message(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = init(Some(Path::new("/proc/none/log")), LevelFilter::Info).unwrap_err().to_string();
        assert!(error.contains("/proc/none/log") && error.contains("-l"), "{error}");
    }
    #[test]
    fn a_file_is_appended_to_and_lines_carry_milliseconds() {
        let path = std::env::temp_dir().join(format!("common-{}.log", std::process::id()));
        std::fs::write(&path, "before\n").unwrap();
        init(Some(&path), LevelFilter::Error).unwrap();
        log::error!("a message");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("before"));
        let line = lines.find(|line| line.ends_with("a message")).unwrap();
        let (date, fraction) = line.split_once('.').unwrap();
        assert!(date.starts_with('[') && date.contains('T'), "{line}");
        assert_eq!(fraction.find('Z'), Some(3), "{line}");
        assert!(line.contains("ERROR"), "{line}");
        assert!(matches!(init(None, LevelFilter::Error), Err(LogError::Twice)));
    }
}
