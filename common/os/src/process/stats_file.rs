//! `--stats-json`: a file that always holds one complete report.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, geteuid};
use serde::Serialize;
use thiserror::Error;

use super::background::{END_LIMIT, LatestWriter, START_LIMIT, within};

/// `S_ISVTX` of inode(7).
const STICKY: u32 = 0o1000;

/// The file of `--stats-json` cannot be used: one line for the user.
#[derive(Debug, Error)]
#[error(
    "cannot write --stats-json '{}': {source}; it is written as user {user}: chown {user} '{}', or name another file, or the \
     directory's owner with --user", path.display(), directory.display()
)]
pub struct StatsFileError {
    path: PathBuf,
    directory: PathBuf,
    user: Uid,
    source: io::Error,
}

/// The file of `--stats-json`. A separate thread writes it, so that a hanging file system blocks nothing else.
#[derive(Debug)]
pub struct StatsFile(LatestWriter<Vec<u8>>);

impl StatsFile {
    /// Checks that the file at `path` can be written. The file stays unchanged until the first report.
    ///
    /// # Errors
    /// [`StatsFileError`]: the start is the time to find a typing error in the name.
    pub fn open(path: PathBuf) -> Result<Self, StatsFileError> {
        let file = Replaced::new(path.clone());
        let tried = within(START_LIMIT, "statistics", move || file.try_out().map(|()| file));
        let start =
            |mut file: Replaced| LatestWriter::start("statistics", move |json: Vec<u8>| file.write(&json));
        let started = tried.and_then(|file| file).and_then(start);
        started.map(Self).map_err(|source| {
            let directory = path.parent().unwrap_or(&path).to_owned();
            StatsFileError { path, directory, user: geteuid(), source }
        })
    }

    /// Queues the report. It replaces one that the thread has not begun to write.
    pub fn put(&mut self, report: &impl Serialize) {
        match serde_json::to_vec(report) {
            Ok(mut json) => {
                json.push(b'\n');
                self.0.put(json);
            }
            Err(error) => {
                log::error!("cannot encode the report for --stats-json: {error}; please report this defect")
            }
        }
    }

    /// The number of reports that were replaced before they were written.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.0.skipped()
    }

    /// Waits at most a second until the last report is written.
    pub fn finish(self) {
        if !self.0.finish(END_LIMIT) {
            log::error!(
                "--stats-json is not up to date: its file system does not answer; the log has the final report"
            );
        }
    }
}

/// A file that is replaced atomically: a reader sees the old or the new content, never a part.
#[derive(Debug)]
struct Replaced {
    path: PathBuf,
    temporary: PathBuf,
    failing: bool,
}

impl Replaced {
    fn new(path: PathBuf) -> Self {
        // In the same directory, because a rename cannot cross file systems. With the process id, so that two
        // processes with the same file overwrite each other's reports, but never mix them.
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
        fs::remove_file(&self.temporary)?;
        if self.is_kept_by_its_owner()? { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }

    /// In a directory like /tmp only the owner of a file can replace it.
    fn is_kept_by_its_owner(&self) -> io::Result<bool> {
        let Ok(file) = fs::symlink_metadata(&self.path) else { return Ok(false) };
        let directory = fs::metadata(self.path.parent().unwrap_or(&self.path))?;
        let user = geteuid();
        let owners = [file.uid(), directory.uid()];
        Ok(directory.mode() & STICKY != 0 && !user.is_root() && !owners.contains(&user.as_raw()))
    }

    /// Logs the first of consecutive failures. Copying goes on.
    fn write(&mut self, bytes: &[u8]) {
        match self.replace(bytes) {
            Ok(()) => self.failing = false,
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    log::error!(
                        "cannot write --stats-json '{}': {error}; the work goes on, each report tries again",
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

/// Creates a new file. It must not follow a link that another user left in a public directory.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A process with the same id may have left the file. If the removal fails, the creation reports the reason.
    drop(fs::remove_file(path));
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::tempdir;

    fn put(file: &mut StatsFile, uptime_seconds: u64) {
        file.put(&serde_json::json!({ "uptime_seconds": uptime_seconds }));
    }

    #[test]
    fn each_report_replaces_the_one_before_and_leaves_nothing_else() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("stats.json");
        for uptime in [1, 2] {
            let mut file = StatsFile::open(path.clone()).unwrap();
            put(&mut file, uptime);
            file.finish();
            let json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            assert_eq!(json["uptime_seconds"], uptime);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_in_the_way_is_replaced_not_followed() {
        let directory = tempdir().unwrap();
        let victim = directory.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let mut file = Replaced::new(directory.path().join("stats.json"));
        std::os::unix::fs::symlink(&victim, &file.temporary).unwrap();
        std::os::unix::fs::symlink(&victim, &file.path).unwrap();
        file.write(b"a report");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(fs::read_to_string(&file.path).unwrap(), "a report");
    }

    #[test]
    fn what_can_never_be_written_is_refused_at_the_start() {
        let directory = tempdir().unwrap();
        for path in [
            directory.path().join("none").join("stats.json"),
            directory.path().to_owned(),
            PathBuf::from("/"),
        ] {
            let error = StatsFile::open(path.clone()).unwrap_err().to_string();
            assert!(error.contains("--stats-json") && error.contains(path.to_str().unwrap()), "{error}");
        }
        let path = directory.path().join("stats.json");
        fs::write(&path, "of an earlier run").unwrap();
        StatsFile::open(path.clone()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "of an earlier run");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn failures_are_survived() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("later").join("stats.json");
        let mut file = Replaced::new(path.clone());
        file.write(b"a report");
        assert!(file.failing);
        fs::create_dir(directory.path().join("later")).unwrap();
        file.write(b"a report");
        assert!(!file.failing && path.exists());
    }
}
