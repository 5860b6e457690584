//! Writes a recording in a thread of its own, so that a slow or full disk never holds up a session.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use thiserror::Error;

use super::record::{Header, Record};
use super::{Micros, ReadError, Reader, is_compressed};

/// What is written at once, in bytes; with compression it is a frame.
const CHUNK: usize = 4 << 20;

/// More is not kept for a disk that is too slow, in bytes: records are skipped, and counted.
const WAITING_MAX: usize = 64 << 20;

/// The longest time that a record waits to be written.
const DELAY: Duration = Duration::from_millis(50);

/// The same with compression, in these delays: small frames compress badly.
const DELAYS_OF_A_FRAME: u32 = 20;

/// Why the file cannot be written: one line with the cure.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It is there.
    #[error("{0} exists: --append continues it, --overwrite replaces it, another --output leaves it")]
    Exists(PathBuf),
    /// It cannot be opened.
    #[error("cannot write {path}: {problem}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: io::Error,
    },
    /// A compressed one cannot be continued.
    #[error("{0} is compressed, and such a recording cannot be continued: choose another --output")]
    Compressed(PathBuf),
    /// It cannot be continued.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// How the recording goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records that were taken.
    pub records: u64,
    /// Records that were left out, because the disk was full or too slow.
    pub skipped: u64,
    /// The length of the file, in bytes.
    pub length: u64,
    /// Why nothing more is written.
    pub stopped: Option<String>,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    progress: Progress,
    is_over: bool,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    written: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes records. Its copies write to the same file.
#[derive(Debug, Clone)]
pub struct Sink(Arc<Shared>);

impl Sink {
    /// Takes the records, and leaves none. Never waits for the disk.
    pub fn take(&self, records: &mut Vec<Record>) {
        if records.is_empty() {
            return;
        }
        let mut lines = Vec::with_capacity(256 * records.len());
        let count = records.len() as u64;
        for record in records.drain(..) {
            append(&mut lines, &record);
        }
        let mut waiting = self.0.lock();
        if waiting.progress.stopped.is_some() || waiting.lines.len() + lines.len() > WAITING_MAX {
            waiting.progress.skipped += count;
            return;
        }
        waiting.progress.records += count;
        waiting.lines.append(&mut lines);
        if waiting.lines.len() >= CHUNK {
            self.0.changed.notify_one();
        }
    }

    /// Takes a record, and waits for the disk if that is slower.
    ///
    /// # Errors
    ///
    /// If nothing more is written.
    pub fn take_waiting(&self, record: Record) -> io::Result<()> {
        let mut waiting = self.0.lock();
        while waiting.lines.len() >= CHUNK && waiting.progress.stopped.is_none() {
            self.0.changed.notify_one();
            waiting = self.0.written.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(problem) = &waiting.progress.stopped {
            return Err(io::Error::other(problem.clone()));
        }
        drop(waiting);
        self.take(&mut vec![record]);
        Ok(())
    }

    /// How it goes.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.0.lock().progress.clone()
    }
}

fn append(lines: &mut Vec<u8>, record: &Record) {
    let start = lines.len();
    match serde_json::to_writer(&mut *lines, record) {
        Ok(()) => lines.push(b'\n'),
        // It cannot fail: all keys are strings, and memory is there.
        Err(_) => lines.truncate(start),
    }
}

/// A file that is being written. To be ended with [`Writer::finish`].
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Where a recording ended that is to be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ended {
    /// The last session's number.
    pub session: u64,
    /// The last time.
    pub at: Micros,
    /// Its last line was torn, and is removed.
    pub is_torn: bool,
    length: u64,
}

/// Reads where the recording ended.
///
/// # Errors
///
/// If it is none, or compressed.
pub fn at_end(path: &Path) -> Result<Ended, OpenError> {
    if is_compressed(path) {
        return Err(OpenError::Compressed(path.to_owned()));
    }
    let mut reader = Reader::open(path)?;
    let mut ended = Ended::default();
    while let Some((_, record)) = reader.next()? {
        let (session, at) = match record {
            Record::Session(it) => (it.session, it.at),
            Record::Statement(it) => (it.session, it.at),
            Record::Cancel(it) => (it.session, it.at),
            Record::End(it) => (it.session, it.at),
            Record::Skipped(it) => (0, it.at),
            Record::Header(_) | Record::Answer(_) => continue,
        };
        ended.session = ended.session.max(session);
        ended.at = ended.at.max(at);
    }
    ended.length = reader.length();
    ended.is_torn = reader.is_torn();
    Ok(ended)
}

/// A file that is open, with its header. The thread that writes the rest is not there yet: it has the rights of the one that
/// starts it.
pub struct Opened {
    path: PathBuf,
    output: Output,
}

impl Opened {
    /// Makes the file, or continues it where it `ended`. Only its owner can read it: it has data of production.
    ///
    /// # Errors
    ///
    /// If it is there and not to be continued or replaced, or cannot be written.
    pub fn new(
        path: &Path,
        header: Header,
        ended: Option<Ended>,
        overwrite: bool,
    ) -> Result<Self, OpenError> {
        let io = |problem: io::Error| match problem.kind() {
            io::ErrorKind::AlreadyExists => OpenError::Exists(path.to_owned()),
            _ => OpenError::Io { path: path.to_owned(), problem },
        };
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        match ended {
            Some(_) => options.create(true),
            None if overwrite => options.create(true).truncate(true),
            None => options.create_new(true),
        };
        let file = options.open(path).map_err(io)?;
        let length = ended.map_or(0, |ended| ended.length);
        let mut output = Output { file, length, is_compressed: is_compressed(path) };
        output.cut_to_length().map_err(io)?;
        let mut lines = Vec::new();
        // The last line may lack its end.
        if length > 0 {
            lines.push(b'\n');
        }
        append(&mut lines, &Record::Header(header));
        output.write(&lines).map_err(io)?;
        Ok(Self { path: path.to_owned(), output })
    }

    /// Starts the thread that writes.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn start(self) -> Result<(Writer, Sink), OpenError> {
        let Self { path, output } = self;
        let shared = Arc::<Shared>::default();
        shared.lock().progress.length = output.length;
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || write_all(&of_thread, output))
            .map_err(|problem| OpenError::Io { path, problem })?;
        Ok((Writer { shared: Arc::clone(&shared), thread: Some(thread) }, Sink(shared)))
    }
}

impl Writer {
    /// Opens the file as [`Opened::new`] does, and starts to write.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open(
        path: &Path,
        header: Header,
        ended: Option<Ended>,
        overwrite: bool,
    ) -> Result<(Self, Sink), OpenError> {
        Opened::new(path, header, ended, overwrite)?.start()
    }

    /// Writes what is left, and returns how it went.
    #[must_use]
    pub fn finish(mut self) -> Progress {
        self.end();
        self.shared.lock().progress.clone()
    }

    fn end(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It does not panic.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

struct Output {
    file: File,
    length: u64,
    is_compressed: bool,
}

impl Output {
    /// Writes whole lines; compressed, they are a frame.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let frame;
        let bytes = if self.is_compressed {
            frame = zstd::stream::encode_all(lines, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            &frame
        } else {
            lines
        };
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn cut_to_length(&mut self) -> io::Result<()> {
        use std::io::Seek;
        // A pipe or a device has no length.
        if self.file.metadata()?.is_file() {
            self.file.set_len(self.length)?;
            self.file.seek(io::SeekFrom::Start(self.length))?;
        }
        Ok(())
    }
}

fn write_all(shared: &Shared, mut output: Output) {
    let mut lines = Vec::new();
    let mut delays = 0;
    loop {
        let mut waiting = shared.lock();
        if waiting.lines.len() < CHUNK && !waiting.is_over {
            waiting = shared.changed.wait_timeout(waiting, DELAY).unwrap_or_else(PoisonError::into_inner).0;
        }
        delays += 1;
        let is_over = waiting.is_over;
        if output.is_compressed && waiting.lines.len() < CHUNK && delays < DELAYS_OF_A_FRAME && !is_over {
            continue;
        }
        delays = 0;
        std::mem::swap(&mut lines, &mut waiting.lines);
        drop(waiting);
        if !lines.is_empty()
            && let Err(problem) = output.write(&lines)
        {
            // What was written of these lines may end inside of one.
            let _ = output.cut_to_length();
            let lost = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
            let mut waiting = shared.lock();
            waiting.progress.stopped = Some(problem.to_string());
            waiting.progress.records -= lost;
            waiting.progress.skipped += lost;
        }
        lines.clear();
        lines.shrink_to(CHUNK);
        shared.lock().progress.length = output.length;
        shared.written.notify_all();
        if is_over {
            let _ = output.file.sync_all();
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::recording::record::{End, EndedBy};

    fn header() -> Header {
        Header {
            format: 1,
            protocol: "postgres".into(),
            source: "proxy".into(),
            listen: None,
            server: None,
            tool: "t".into(),
            started: "s".into(),
        }
    }

    fn end(session: u64) -> Vec<Record> {
        vec![Record::End(End { session, at: Micros(session), by: EndedBy::Client, error: None })]
    }

    fn count(path: &Path) -> (usize, bool) {
        let mut reader = Reader::open(path).unwrap();
        let mut count = 0;
        while reader.next().unwrap().is_some() {
            count += 1;
        }
        (count, reader.is_torn())
    }

    #[test]
    fn what_was_taken_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.jsonl", "a.jsonl.zst"] {
            let path = folder.path().join(name);
            let (writer, sink) = Writer::open(&path, header(), None, false).unwrap();
            (0..1000).for_each(|session| sink.take(&mut end(session)));
            let progress = writer.finish();
            assert_eq!((progress.records, progress.skipped, progress.stopped), (1000, 0, None));
            assert_eq!(progress.length, path.metadata().unwrap().len());
            assert_eq!(count(&path), (1000, false));
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            assert!(matches!(Writer::open(&path, header(), None, false), Err(OpenError::Exists(_))));
            // Cut anywhere, the whole lines are still there.
            let bytes = std::fs::read(&path).unwrap();
            for cut in [bytes.len() - 1, bytes.len() - 20, bytes.len() / 2 + 200] {
                std::fs::write(&path, &bytes[..cut]).unwrap();
                count(&path);
            }
        }
    }

    #[test]
    fn a_torn_recording_is_continued_behind_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let (writer, sink) = Writer::open(&path, header(), None, false).unwrap();
        (1..=9).for_each(|session| sink.take(&mut end(session)));
        let length = writer.finish().length;
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 5).unwrap();
        let ended = at_end(&path).unwrap();
        assert_eq!((ended.session, ended.at, ended.is_torn), (8, Micros(8), true));
        let (writer, sink) = Writer::open(&path, header(), Some(ended), false).unwrap();
        sink.take(&mut end(10));
        assert_eq!(writer.finish().records, 1);
        assert_eq!(count(&path), (10, false), "8, a header, and 1");
    }

    #[test]
    fn a_full_disk_stops_the_recording_only() {
        // A file that can be opened, and to which nothing can be written.
        let error = Writer::open(Path::new("/dev/full"), header(), None, true).err();
        assert!(error.is_some_and(|error| error.to_string().contains("No space left")));
        let shared = Arc::<Shared>::default();
        let sink = Sink(Arc::clone(&shared));
        (0..3).for_each(|session| sink.take(&mut end(session)));
        shared.lock().is_over = true;
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        write_all(&shared, Output { file, length: 0, is_compressed: false });
        sink.take(&mut end(3));
        let progress = sink.progress();
        assert_eq!((progress.records, progress.skipped), (0, 4));
        assert!(progress.stopped.is_some_and(|problem| problem.contains("No space left")));
    }
}
