//! The destination of the log: a file, which can be opened again after it was renamed, or standard error.

use std::fs::{File, OpenOptions};
use std::io::{self, Stderr, Write};
use std::os::unix::fs::fchown;
use std::path::{Path, PathBuf};

use super::background::{START_LIMIT, within};
use super::rights::Account;

/// Where the lines of the log go.
pub(super) trait Destination: Write + Send {
    /// Continues in a new file of the same name.
    ///
    /// # Errors
    /// One line for the user: the old file stays in use.
    fn reopen(&mut self) -> Result<(), String> {
        Ok(())
    }
}

impl Destination for Stderr {}

/// A file that is appended to.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    /// Opens the file, or creates it for `owner`, who opens it again later. It may hang, as the open of a pipe waits for a
    /// reader, but no longer than [`START_LIMIT`].
    ///
    /// # Errors
    /// The operating system's error.
    pub(super) fn open(path: &Path, owner: Option<&Account>) -> io::Result<Self> {
        let (path, owner) = (path.to_owned(), owner.map(Account::numbers));
        within(START_LIMIT, "log", move || {
            let file = match OpenOptions::new().create_new(true).append(true).open(&path) {
                Ok(created) => {
                    if let Some((user, group)) = owner {
                        // Without it only the new file of a rotation is missing, which is reported then.
                        let _ = fchown(&created, Some(user), Some(group));
                    }
                    created
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => append(&path)?,
                Err(error) => return Err(error),
            };
            Ok(Self { path, file })
        })?
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Destination for LogFile {
    fn reopen(&mut self) -> Result<(), String> {
        match append(&self.path) {
            Ok(file) => {
                self.file = file;
                Ok(())
            }
            Err(error) => Err(format!(
                "cannot open the log '{}' again: {error}; lines go on to the old file. Let the directory or the new file belong to \
                 user {} (logrotate: create 640 USER GROUP)",
                self.path.display(),
                nix::unistd::geteuid()
            )),
        }
    }
}
