//! A file of lines beside the log: whoever adds a line never waits for the disk.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use log::Level;

use super::log_file::LogFile;
use super::log_queue::{LogQueue, log_queue};
use super::rights::Account;

/// Limit of the queue in bytes: lines of short sessions come in large numbers.
const ROOM: usize = 16 << 20;

/// A file that is open, and appended to.
#[derive(Debug)]
pub struct LineFile(LogFile);

impl LineFile {
    /// Opens the file, or creates it for `owner`, who opens it again later.
    ///
    /// # Errors
    /// The operating system's error; also if it does not answer in time.
    pub fn open(path: &Path, owner: Option<&Account>) -> io::Result<Self> {
        LogFile::open(path, owner).map(Self)
    }

    /// Starts the thread that writes.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn start(self, name: &str) -> io::Result<LineWriter> {
        let (queue, source) = log_queue(ROOM);
        source.start_as_caller(name, Box::new(self.0))?;
        Ok(LineWriter(queue))
    }
}

/// Adds lines to the file.
#[derive(Debug, Clone)]
pub struct LineWriter(LogQueue);

impl LineWriter {
    /// Queues a line, which ends with a newline. It is lost if too many wait.
    pub fn add(&mut self, line: &[u8]) {
        if self.0.has_room(Level::Info) {
            // The queue accepts every line.
            let _ = self.0.write_all(line);
        }
    }

    /// Lets the lines that follow go to a new file of the same name, because the file was renamed.
    pub fn reopen(&self) {
        self.0.reopen();
    }

    /// The number of lines that were never written.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lost()
    }

    /// Waits until all lines are written, at most until `limit`; false if they are still not written.
    pub fn finish(&self, limit: Duration) -> bool {
        self.0.wait(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn lines_are_appended_and_go_to_a_new_file_after_a_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let (path, renamed) = (directory.path().join("map"), directory.path().join("map.1"));
        std::fs::write(&path, "before\n").unwrap();
        let mut lines = LineFile::open(&path, None).unwrap().start("test").unwrap();
        lines.add(b"one\n");
        assert!(lines.finish(LONG));
        std::fs::rename(&path, &renamed).unwrap();
        lines.add(b"two\n");
        lines.reopen();
        lines.clone().add(b"three\n");
        assert!(lines.finish(LONG));
        assert_eq!(std::fs::read_to_string(renamed).unwrap(), "before\none\ntwo\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "three\n");
        assert_eq!(lines.lost(), 0);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let mut lines = LineFile::open(Path::new("/dev/full"), None).unwrap().start("test").unwrap();
        lines.add(b"a line\n");
        assert!(lines.finish(LONG));
        assert_eq!(lines.lost(), 1);
    }
}
