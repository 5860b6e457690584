//! `--stats-json`: a file that always holds a complete account.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use common_os::process::background::{END_LIMIT, LatestWriter, START_LIMIT, within};
use thiserror::Error;

use super::Report;

/// The file of `--stats-json` cannot be used: one line for the user.
#[derive(Debug, Error)]
#[error("cannot write --stats-json '{}': {source}; name a file in a directory that this user can write to", path.display())]
pub struct StatsFileError {
    path: PathBuf,
    source: io::Error,
}

/// The file of `--stats-json`, written by a thread of its own: a file system that does not answer stops nothing else.
#[derive(Debug)]
pub struct StatsFile(LatestWriter<Vec<u8>>);

impl StatsFile {
    /// The file at `path`, which stays as it is until the first write; that it can be written is tried out.
    ///
    /// # Errors
    /// [`StatsFileError`]: a typing error in the name is better found now than after a night without figures.
    pub fn open(path: PathBuf) -> Result<Self, StatsFileError> {
        let file = Replaced::new(path.clone());
        let tried = within(START_LIMIT, "statistics", move || file.try_out().map(|()| file));
        let start =
            |mut file: Replaced| LatestWriter::start("statistics", move |json: Vec<u8>| file.write(&json));
        let started = tried.and_then(|file| file).and_then(start);
        started.map(Self).map_err(|source| StatsFileError { path, source })
    }

    /// Has the account written, which may take its time: one that still waits is skipped.
    pub fn put(&mut self, account: &Report<'_>) {
        match serde_json::to_vec(account) {
            Ok(mut json) => {
                json.push(b'\n');
                self.0.put(json);
            }
            Err(error) => log::error!("no account for --stats-json: {error}; please report this"),
        }
    }

    /// Accounts that were skipped.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.0.skipped()
    }

    /// Waits for the last account to be written, for a second at most.
    pub fn finish(self) {
        if !self.0.finish(END_LIMIT) {
            log::error!(
                "--stats-json is not complete: its file system does not answer; the last account is in the log"
            );
        }
    }
}

/// A file that is replaced as a whole. Readers see what it was before or after, never a part of it.
#[derive(Debug)]
struct Replaced {
    path: PathBuf,
    temporary: PathBuf,
    failing: bool,
}

impl Replaced {
    fn new(path: PathBuf) -> Self {
        // In the same directory: a rename cannot leave its file system. Its own name per process: two copies that
        // were given the same file disturb each other's account, but never make it unreadable.
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        Self { path, temporary, failing: false }
    }

    fn try_out(&self) -> io::Result<()> {
        if self.path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        write_new(&self.temporary, &[])?;
        fs::remove_file(&self.temporary)
    }

    /// A failure is logged when it begins, and is no reason to stop copying.
    fn write(&mut self, bytes: &[u8]) {
        match self.replace(bytes) {
            Ok(()) => self.failing = false,
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    log::error!(
                        "cannot write --stats-json '{}': {error}; going on without it until it can be written",
                        self.path.display()
                    );
                }
            }
        }
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        write_new(&self.temporary, bytes)
            .and_then(|()| fs::rename(&self.temporary, &self.path))
            .inspect_err(|_| drop(fs::remove_file(&self.temporary)))
    }
}

/// Creates a file that must not be there, so that no link that someone else left in a public directory is followed.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What an earlier process of the same id left behind. If it cannot be removed, creating says why.
    drop(fs::remove_file(path));
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::{CaptureAccount, InjectAccount, OutputAccount};
    use super::*;
    use crate::ledger::Ledger;

    fn put(file: &mut StatsFile, uptime_seconds: u64) {
        let (ledger, inject) = (Ledger::default(), InjectAccount::default());
        let capture = CaptureAccount::default();
        let balanced = ledger.balances();
        file.put(&Report {
            version: "1",
            uptime_seconds,
            balanced,
            said: 0,
            ledger: &ledger,
            capture,
            inject: &inject,
            links: Vec::new(),
            services: Vec::new(),
            protocols: Vec::new(),
            workers: Vec::new(),
            output: OutputAccount::default(),
        });
    }

    /// A directory of this test alone, removed at its end.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("tcpcopy-stats-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn each_account_replaces_the_one_before_and_leaves_nothing_else() {
        let directory = Directory::new("replace");
        let path = directory.0.join("stats.json");
        for uptime in [1, 2] {
            let mut file = StatsFile::open(path.clone()).unwrap();
            put(&mut file, uptime);
            file.finish();
            let json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            assert_eq!(json["uptime_seconds"], uptime);
        }
        assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 1);
    }

    #[test]
    fn a_link_in_the_way_is_replaced_not_followed() {
        let directory = Directory::new("link");
        let victim = directory.0.join("victim");
        fs::write(&victim, "precious").unwrap();
        let mut file = Replaced::new(directory.0.join("stats.json"));
        std::os::unix::fs::symlink(&victim, &file.temporary).unwrap();
        std::os::unix::fs::symlink(&victim, &file.path).unwrap();
        file.write(b"an account");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(fs::read_to_string(&file.path).unwrap(), "an account");
    }

    #[test]
    fn what_can_never_be_written_is_refused_at_the_start() {
        let directory = Directory::new("open");
        for path in [directory.0.join("none").join("stats.json"), directory.0.clone(), PathBuf::from("/")] {
            let error = StatsFile::open(path.clone()).unwrap_err().to_string();
            assert!(error.contains("--stats-json") && error.contains(path.to_str().unwrap()), "{error}");
        }
        let path = directory.0.join("stats.json");
        fs::write(&path, "of an earlier run").unwrap();
        StatsFile::open(path.clone()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "of an earlier run");
        assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 1);
    }

    #[test]
    fn failures_are_survived() {
        let directory = Directory::new("missing");
        let path = directory.0.join("later").join("stats.json");
        let mut file = Replaced::new(path.clone());
        file.write(b"an account");
        assert!(file.failing);
        fs::create_dir(directory.0.join("later")).unwrap();
        file.write(b"an account");
        assert!(!file.failing && path.exists());
    }
}
