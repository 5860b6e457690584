//! A process in the background: detaching from the terminal, and the PID file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{self, ForkResult};
use thiserror::Error;

use super::background::{END_LIMIT, START_LIMIT, within};
use crate::io::fork::fork_single_threaded;

/// A background process that has not left its terminal yet.
#[derive(Debug)]
#[must_use = "the foreground process waits until the daemon has detached"]
pub struct Starting {
    ready: File,
    // Opened first: later the process may have no right to do so.
    null: File,
}

/// Continues as a background process. The foreground process waits until [`Starting::detach`] and then exits with code 0. If
/// the background process ends before, the foreground process exits with its code. So the user sees every error of the
/// start, which takes place between the two calls.
///
/// Call it before any thread is started, and before an event loop is made.
///
/// # Errors
/// The operating system's error.
pub fn daemonize() -> io::Result<Starting> {
    let (wait, ready) = unistd::pipe2(OFlag::O_CLOEXEC)?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    match fork_single_threaded()? {
        ForkResult::Child => Ok(Starting { ready: ready.into(), null }),
        ForkResult::Parent { child } => {
            drop(ready);
            let detached = File::from(wait).read_exact(&mut [0]).is_ok();
            process::exit(if detached {
                0
            } else {
                match waitpid(child, None) {
                    Ok(WaitStatus::Exited(_, code)) => code,
                    _ => 1,
                }
            })
        }
    }
}

impl Starting {
    /// Leaves the terminal: a session of its own, standard streams to /dev/null. The working directory stays, because the
    /// user's paths may be relative. A second fork is not needed: the program opens no terminal that could become its own.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn detach(mut self) -> io::Result<()> {
        unistd::setsid()?;
        unistd::dup2_stdin(&self.null)?;
        unistd::dup2_stdout(&self.null)?;
        unistd::dup2_stderr(&self.null)?;
        self.ready.write_all(&[1])
    }
}

/// Why there is no PID file.
#[derive(Debug, Error)]
pub enum PidFileError {
    /// Another process holds it.
    #[error("process {pid} runs already and holds the PID file '{}': end it, or name another file with -P", path.display())]
    Held {
        /// As the user gave it.
        path: PathBuf,
        /// The number in the file.
        pid: String,
    },
    /// It cannot be written.
    #[error("cannot write the PID file '{}': {source}; name another one with -P", path.display())]
    Io {
        /// As the user gave it.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

/// The file that names the running process. It is locked while the process runs and removed at its end. It belongs to the user
/// who has started the process, because scripts of that user trust its contents. If the user that the process became may not
/// remove it, it stays, empty.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    // Keeps the lock; `Some` until the drop.
    file: Option<Flock<File>>,
}

impl PidFile {
    /// Writes the number of this process to `path`. A file of a dead process is taken over.
    ///
    /// Call it after [`daemonize`], because the background process has another number. It takes [`START_LIMIT`] at most.
    ///
    /// # Errors
    /// [`PidFileError`] is one line for the user.
    pub fn create(path: &Path) -> Result<Self, PidFileError> {
        let own = path.to_owned();
        within(START_LIMIT, "pid-file", move || Self::create_now(&own))
            .unwrap_or_else(|source| Err(PidFileError::Io { path: path.into(), source }))
    }

    /// Its path, as the user gave it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn create_now(path: &Path) -> Result<Self, PidFileError> {
        let fail = |source| PidFileError::Io { path: path.into(), source };
        let mut file = loop {
            let file = lock(path)?;
            // Between our open and our lock, the process that held the lock may have removed the file.
            match fs::metadata(path) {
                Ok(there) if there.ino() == file.metadata().map_err(fail)?.ino() => break file,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(fail(error)),
            }
        };
        file.set_len(0).and_then(|()| writeln!(file, "{}", process::id())).map_err(fail)?;
        Ok(Self { path: path.into(), file: Some(file) })
    }
}

/// Opens and locks the file, which may hold anything.
fn lock(path: &Path) -> Result<Flock<File>, PidFileError> {
    let fail = |source| PidFileError::Io { path: path.into(), source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o644);
    match Flock::lock(options.open(path).map_err(fail)?, FlockArg::LockExclusiveNonblock) {
        Ok(file) => Ok(file),
        Err((file, Errno::EWOULDBLOCK)) => Err(PidFileError::Held { path: path.into(), pid: holder(file) }),
        Err((_, errno)) => Err(fail(errno.into())),
    }
}

/// The process that a PID file names. Nothing but a number is shown of its contents.
fn holder(file: File) -> String {
    let mut text = String::new();
    match file.take(32).read_to_string(&mut text).map(|_| text.trim().parse::<u32>()) {
        Ok(Ok(pid)) => pid.to_string(),
        _ => "(unknown)".into(),
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let (path, file) = (self.path.clone(), self.file.take());
        let remove = move || {
            // Before the lock is released: the file is still ours.
            let removed = match fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    file.as_ref().map_or(Ok(()), |file| file.set_len(0))
                }
                result => result,
            };
            drop(file);
            removed
        };
        if let Err(error) = within(END_LIMIT, "pid-file", remove).and_then(|removed| removed) {
            log::warn!("the PID file '{}' is not removed: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("common-{}-{name}.pid", process::id()))
    }

    #[test]
    fn the_file_names_this_process_while_it_runs() {
        let path = path("life");
        let held = PidFile::create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", process::id()));
        let error = PidFile::create(&path).unwrap_err().to_string();
        assert!(error.contains(&process::id().to_string()) && error.contains("-P"), "{error}");
        drop(held);
        assert!(!path.exists());
    }

    #[test]
    fn the_file_of_a_dead_process_is_taken_over() {
        let path = path("stale");
        fs::write(&path, "4194304 and much more than a number\n").unwrap();
        let held = PidFile::create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", process::id()));
        drop(held);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named() {
        let error = PidFile::create(Path::new("/proc/none/pid")).unwrap_err().to_string();
        assert!(error.contains("/proc/none/pid") && error.contains("-P"), "{error}");
    }
}
