//! The queue of log lines for the thread that writes them: logging never waits for the destination of the log.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use log::Level;

use super::log_file::Destination;
use super::logging::LogError;
use super::rights::{Needs, Rights};

/// Limit of the log's queue in bytes.
pub(super) const ROOM: usize = 1 << 20;

/// Memory of a queued line beside its text, in bytes.
const OVERHEAD: usize = 64;

/// Limit of the bytes of one write.
const BATCH: usize = 64 * 1024;

#[derive(Debug)]
enum Item {
    Line(Box<[u8]>),
    /// The lines that follow go to a new file.
    Reopen,
    /// A message is sent here once all lines before it are written.
    Mark(Sender<()>),
}

#[derive(Debug, Default)]
struct Counters {
    /// Bytes in the queue.
    waiting: AtomicUsize,
    /// Lines that were never written, because the destination was too slow or failed.
    lost: AtomicU64,
    /// Of these, those that have not been reported in the log.
    unreported: AtomicU64,
}

impl Counters {
    fn lose(&self, lines: u64) {
        self.lost.fetch_add(lines, Ordering::Relaxed);
        self.unreported.fetch_add(lines, Ordering::Relaxed);
    }
}

/// The sending end of the queue. Every write is one line.
#[derive(Debug, Clone)]
pub(super) struct LogQueue {
    // Unbounded, because a bounded channel allocates all of its memory at once.
    items: Sender<Item>,
    counters: Arc<Counters>,
    /// Limit in bytes.
    room: usize,
}

/// The receiving end of the queue.
pub(super) struct LogSource {
    items: Receiver<Item>,
    counters: Arc<Counters>,
}

/// A queue for this many bytes.
pub(super) fn log_queue(room: usize) -> (LogQueue, LogSource) {
    let (sender, receiver) = unbounded();
    let counters = Arc::new(Counters::default());
    let queue = LogQueue { items: sender, counters: Arc::clone(&counters), room };
    (queue, LogSource { items: receiver, counters })
}

impl LogQueue {
    /// Whether there is room for a line; if not, the line counts as lost. Call it before the line is formatted. Lines of debug and
    /// trace level leave room for the others.
    pub(super) fn has_room(&self, level: Level) -> bool {
        let room = if level <= Level::Info { self.room } else { self.room / 4 * 3 };
        let has_room = self.counters.waiting.load(Ordering::Relaxed) < room;
        if !has_room {
            self.counters.lose(1);
        }
        has_room
    }

    /// The number of lines that were never written, because the destination was too slow or failed.
    pub(super) fn lost(&self) -> u64 {
        self.counters.lost.load(Ordering::Relaxed)
    }

    /// The number of lines lost since the last call.
    pub(super) fn take_unreported(&self) -> u64 {
        match self.counters.unreported.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.counters.unreported.swap(0, Ordering::Relaxed),
        }
    }

    /// Lets the lines that follow go to a new file.
    pub(super) fn reopen(&self) {
        // The thread has ended only if it has panicked.
        let _ = self.items.send(Item::Reopen);
    }

    /// Waits until all lines now in the queue are written, at most until `limit`; false if they are still not written.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let (mark, passed) = bounded(1);
        self.items.send(Item::Mark(mark)).is_ok() && passed.recv_timeout(limit).is_ok()
    }
}

impl Write for LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.counters.waiting.fetch_add(line.len() + OVERHEAD, Ordering::Relaxed);
        if self.items.send(Item::Line(line.into())).is_err() {
            self.counters.lose(1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LogSource {
    /// Starts the thread that writes to `out`. It gives up all `rights` but its `needs`, before this returns: the restriction of
    /// system calls, which follows for all threads, would cut it short.
    ///
    /// # Errors
    /// There can be no more threads, or the thread keeps rights.
    pub(super) fn start(
        self,
        out: Box<dyn Destination>,
        rights: Rights,
        needs: Needs,
    ) -> Result<(), LogError> {
        let (result, wait) = bounded(1);
        let thread = Builder::new().name("log".to_owned()).spawn(move || {
            // The main thread keeps the same, and reports it.
            let _ = result.send(rights.give_up_in_thread(&needs).map(drop));
            self.write_to(out);
        });
        thread.map_err(LogError::Thread)?;
        wait.recv().unwrap_or(Ok(())).map_err(LogError::Rights)
    }

    /// Starts the thread that writes to `out`, with the rights of the calling thread.
    ///
    /// # Errors
    /// There can be no more threads.
    pub(super) fn start_as_caller(self, name: &str, out: Box<dyn Destination>) -> io::Result<()> {
        Builder::new().name(name.to_owned()).spawn(move || self.write_to(out)).map(drop)
    }

    fn write_to(self, mut out: Box<dyn Destination>) {
        let mut batch = Batch::default();
        let mut is_cut = false;
        while let Ok(item) = self.items.recv() {
            let mut next = Some(item);
            while let Some(Item::Line(line)) = next {
                batch.add(&line);
                next = if batch.bytes.len() < BATCH { self.items.try_recv().ok() } else { None };
            }
            if batch.lines > 0 {
                if is_cut {
                    // A disk that was full may have taken a part of a line, to which the next one must not be joined.
                    batch.bytes.insert(0, b'\n');
                }
                is_cut = batch.write_to(&mut *out).is_err();
                if is_cut {
                    self.counters.lose(batch.lines);
                }
            }
            self.counters.waiting.fetch_sub(batch.room, Ordering::Relaxed);
            batch.clear();
            match next {
                Some(Item::Mark(passed)) => {
                    // The waiting thread may have given up.
                    let _ = passed.send(());
                }
                Some(Item::Reopen) => {
                    if let Err(problem) = out.reopen() {
                        log::error!("{problem}");
                    }
                }
                Some(Item::Line(_)) | None => {}
            }
        }
    }
}

/// Lines for one write.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
    /// Their part of the queue's limit.
    room: usize,
}

impl Batch {
    fn add(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.lines += 1;
        self.room += line.len() + OVERHEAD;
    }

    fn write_to(&self, out: &mut dyn Destination) -> io::Result<()> {
        out.write_all(&self.bytes)?;
        out.flush()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(BATCH);
        (self.lines, self.room) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(10);

    /// Passes on its input, and hangs in each write until the other end of `hang` is dropped.
    struct Hanging {
        written: mpsc::Sender<Vec<u8>>,
        hang: mpsc::Receiver<()>,
    }

    impl Write for Hanging {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.send(bytes.to_vec()).unwrap();
            let _ = self.hang.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Destination for Hanging {}

    struct Failing;

    impl Destination for Failing {}

    impl Write for Failing {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start(source: LogSource, out: impl Destination + 'static) {
        source.start(Box::new(out), Rights::new(None), Needs::default()).unwrap();
    }

    /// Queues lines until there is no room for another one of this level; returns their number.
    fn fill(queue: &mut LogQueue, level: Level) -> u64 {
        let mut lines = 0;
        while queue.has_room(level) {
            queue.write_all(&[b'x'; 100]).unwrap();
            lines += 1;
        }
        lines
    }

    #[test]
    fn lines_lost_by_a_destination_that_hangs_are_counted() {
        let (written, what_is_written) = mpsc::channel();
        let (let_go, hang) = mpsc::channel::<()>();
        let (mut queue, source) = log_queue(ROOM);
        start(source, Hanging { written, hang });
        let verbose = fill(&mut queue, Level::Trace);
        let others = fill(&mut queue, Level::Info);
        assert!(verbose > 3_000 && others > 1_000, "{verbose} and {others} lines");
        assert!(!queue.has_room(Level::Error));
        assert_eq!(queue.take_unreported(), 3);
        assert!(!queue.wait(SHORT));
        drop(let_go);
        assert!(queue.wait(LONG));
        drop(queue);
        let bytes: usize = what_is_written.iter().map(|bytes| bytes.len()).sum();
        assert_eq!(bytes as u64, (verbose + others) * 100, "nothing else is lost");
    }

    /// A disk that has room for some bytes, and later for all.
    struct Full {
        written: mpsc::Sender<Vec<u8>>,
        room: Option<usize>,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room.unwrap_or(usize::MAX));
            if taken == 0 {
                self.room = None;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room = self.room.map(|room| room - taken);
            self.written.send(bytes[..taken].to_vec()).unwrap();
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Destination for Full {}

    #[test]
    fn a_line_that_is_cut_by_a_full_disk_ends_before_the_next() {
        let (written, what_is_written) = mpsc::channel();
        let (mut queue, source) = log_queue(ROOM);
        start(source, Full { written, room: Some(4) });
        queue.write_all(b"cut in its middle\n").unwrap();
        assert!(queue.wait(LONG));
        queue.write_all(b"whole\n").unwrap();
        assert!(queue.wait(LONG));
        drop(queue);
        assert_eq!(what_is_written.iter().collect::<Vec<_>>().concat(), b"cut \nwhole\n");
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let (mut queue, source) = log_queue(ROOM);
        start(source, Failing);
        queue.write_all(b"a line\n").unwrap();
        assert!(queue.wait(LONG));
        assert_eq!(queue.take_unreported(), 1);
        assert_eq!(queue.take_unreported(), 0);
        assert_eq!(queue.counters.waiting.load(Ordering::Relaxed), 0);
    }
}
