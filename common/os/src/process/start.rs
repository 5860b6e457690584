//! The start of a daemon: both programs take the same steps in the same order.
//!
//! | step | why here |
//! |---|---|
//! | keep memory private, `umask` | before a password is read, before a file is created |
//! | parse the command line | |
//! | fork (`-d`) | a process with threads cannot fork; all later errors still appear on the terminal |
//! | block signals | threads inherit the mask |
//! | look up the user to become | its list may not be readable later; the log is created for it |
//! | start the log | its thread is the first one; later steps log |
//! | raise the limit of open files | before sockets are opened |
//! | create the PID file | a second instance fails before it captures anything |
//! | find the service manager | its socket may not be reached later |
//! | open sockets | needs privileges |
//! | give up rights | before the threads that handle traffic are started |
//! | connect, start workers | |
//! | leave the terminal, tell the service manager | all that can fail at the start has succeeded |
//!
//! At the end the PID file is removed before sockets are closed: whoever sees them closed may start the next instance. The
//! log is written last.

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use common_core::text::one_line;
use log::LevelFilter;
use nix::sys::stat::{Mode, umask};
use thiserror::Error;

use super::daemon::{PidFile, PidFileError, Starting, daemonize};
use super::limits::raise_open_files;
use super::line_file::{LineFile, LineWriter};
use super::log_format::LogFormat;
use super::logging::{self, LogError, LogWriter, write_standard_error};
use super::rights::{Account, AccountError, Needs, Rights, RightsError, keep_memory_private};
use super::service_manager::ServiceManager;
use super::signals::Signals;
use crate::command_line::{Ignored, Invocation};
use crate::io::OpenError;
use crate::io::bpf::FilterError;

/// Exit code of a command line that cannot be used.
const USAGE: u8 = 2;

/// Options of the process, which both command lines have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProcessOptions {
    /// Absolute path of the log file; if absent, standard error (`-l`).
    pub log_file: Option<PathBuf>,
    /// Absolute path of the PID file (`-P`).
    pub pid_file: Option<PathBuf>,
    /// Form of log lines (`--log-format`).
    pub log_format: LogFormat,
    /// The user to become, if root starts the process (`--user`).
    pub user: Option<String>,
    /// Run in the background (`-d`).
    pub background: bool,
    /// Flags that were given but have no effect.
    pub ignored: Vec<Ignored>,
}

/// Why a daemon cannot start, or ended other than by a signal: one line with a hint.
#[derive(Debug, Error)]
pub enum StartError {
    /// `-l` cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// `-P` cannot be used.
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    /// `--user` cannot be used.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Rights cannot be given up.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// `-F` does not compile.
    #[error("-F: {0}")]
    Filter(#[from] FilterError),
    /// A socket cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The operating system refuses something that it normally grants.
    #[error("cannot {action}: {source}; check the limits of this process (ulimit -a) and the kernel's log")]
    System {
        /// The action that failed.
        action: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
}

impl StartError {
    /// The error of an action that normally succeeds, for `map_err`.
    pub fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }

    /// The command line names something that does not exist, or a filter that does not compile.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Filter(_) | Self::Account(_) => true,
            Self::Open(error) => error.is_usage(),
            _ => false,
        }
    }
}

/// The `main` of a daemon: parses the command line, runs, and reports an error as one line.
///
/// `run` returns the exit code. `is_usage` says whether its error is one of the command line, which has a code of its own.
pub fn main<C, P: Error, R: Error>(
    program: &str,
    parse: impl FnOnce(std::env::ArgsOs) -> Result<Invocation<C>, P>,
    run: impl FnOnce(&C) -> Result<ExitCode, R>,
    is_usage: impl FnOnce(&R) -> bool,
) -> ExitCode {
    let fail = |error: &dyn Error, code| {
        let line = one_line(error);
        // A background process has no standard error.
        logging::record_end(&line);
        write_standard_error(format!("{program}: {line}\n"));
        code
    };
    // Logs have addresses of clients.
    umask(Mode::from_bits_truncate(0o027));
    if let Err(error) = keep_memory_private() {
        return fail(&error, ExitCode::FAILURE);
    }
    match parse(std::env::args_os()) {
        Ok(Invocation::Print(text)) => {
            // If this fails, the reader has closed the pipe: it has read enough.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Invocation::Run(config)) => match run(&config) {
            Ok(code) => code,
            Err(error) if is_usage(&error) => fail(&error, ExitCode::from(USAGE)),
            Err(error) => fail(&error, ExitCode::FAILURE),
        },
        Err(error) => fail(&error, ExitCode::from(USAGE)),
    }
}

/// A daemon from its start to its end.
#[derive(Debug)]
pub struct Process {
    /// The signals to handle.
    pub signals: Signals,
    /// The service manager to tell of the state.
    pub service_manager: ServiceManager,
    /// A file of lines beside the log, which is opened again with it.
    pub lines: Option<LineWriter>,
    rights: Rights,
    starting: Option<Starting>,
    pid_file: Option<PidFile>,
    has_log_file: bool,
    // The last field: dropped last, so that every line is written.
    _log: LogWriter,
}

impl Process {
    /// Takes all steps before the sockets are opened.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(options: &ProcessOptions) -> Result<Self, StartError> {
        let rights = Rights::new(Account::choose(options.user.as_deref())?);
        let starting = options.background.then(daemonize).transpose();
        let starting = starting.map_err(StartError::system("start in the background"))?;
        let signals = Signals::take().map_err(StartError::system("take over signals"))?;
        let log = logging::init(options.log_file.as_deref(), options.log_format, LevelFilter::Info, &rights)?;
        options.ignored.iter().for_each(|flag| log::warn!("{flag}"));
        raise_open_files().map_err(StartError::system("raise the limit of open files"))?;
        let pid_file = options.pid_file.as_deref().map(PidFile::create).transpose()?;
        let service_manager = ServiceManager::find()
            .map_err(StartError::system("reach the service manager of NOTIFY_SOCKET"))?;
        let has_log_file = options.log_file.is_some();
        Ok(Self {
            signals,
            service_manager,
            lines: None,
            rights,
            starting,
            pid_file,
            has_log_file,
            _log: log,
        })
    }

    /// Opens a file of lines, which the process can open again after it has given up its rights.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn open_lines(&self, path: &Path) -> io::Result<LineFile> {
        LineFile::open(path, self.rights.account())
    }

    /// The log and the file of lines were renamed: continues in new ones of the same names.
    pub fn reopen_files(&self) {
        logging::reopen();
        self.lines.iter().for_each(LineWriter::reopen);
    }

    /// Gives up all rights that the process does not need once all sockets are open, and logs what it has kept.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn give_up_rights(&self, mut needs: Needs) -> Result<(), StartError> {
        needs.written.extend(self.pid_file.as_ref().map(|file| file.path().to_owned()));
        for kept in self.rights.give_up(&needs)? {
            let level = if kept.is_serious() { log::Level::Warn } else { log::Level::Info };
            log::log!(level, "{kept}");
        }
        Ok(())
    }

    /// The start has succeeded: tells the service manager, or leaves the terminal if the process runs in the background.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn detach(&mut self) -> Result<(), StartError> {
        let Some(starting) = self.starting.take() else {
            self.service_manager.ready();
            return Ok(());
        };
        if !self.has_log_file {
            log::warn!("-d without -l: nothing is logged from here on, not even the report at the end");
        }
        logging::flush();
        starting.detach().map_err(StartError::system("leave the terminal"))
    }

    /// Removes the PID file. Call it before sockets are closed.
    pub fn remove_pid_file(&mut self) {
        self.pid_file = None;
    }
}
