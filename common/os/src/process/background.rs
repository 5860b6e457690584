//! Work that may hang: nobody reads the pipe, the file system is frozen, the file server is gone.
//!
//! It is done in threads of its own, for which others wait a bounded time only.

use std::io;
use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError, bounded};

/// How long the start of a process waits for a file system.
pub const START_LIMIT: Duration = Duration::from_secs(3);

/// How long the end of a process waits for each of its files.
pub const END_LIMIT: Duration = Duration::from_secs(1);

/// Does the work in a thread of its own and waits for it until `limit`.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`], the thread goes on; or no thread can be started.
pub fn within<T: Send + 'static>(
    limit: Duration,
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    Task::start(name, work)?.0.recv_timeout(limit).map_err(|error| match error {
        RecvTimeoutError::Timeout => {
            io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs()))
        }
        RecvTimeoutError::Disconnected => panicked(),
    })
}

fn panicked() -> io::Error {
    io::Error::other("the thread that should do it panicked")
}

/// Work in a thread of its own.
#[derive(Debug)]
pub struct Task<T>(Receiver<T>);

impl<T: Send + 'static> Task<T> {
    /// Starts the work.
    ///
    /// # Errors
    /// The operating system's error: there can be no more threads.
    pub fn start(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
        let (result, wait) = bounded(1);
        Builder::new().name(name.to_owned()).spawn(move || drop(result.send(work())))?;
        Ok(Self(wait))
    }

    /// What came of it, to be asked for once; `None` as long as it goes on.
    #[must_use]
    pub fn result(&self) -> Option<io::Result<T>> {
        match self.0.try_recv() {
            Ok(result) => Some(Ok(result)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(panicked())),
        }
    }
}

/// A thread that writes the latest of the values it is given. While a write takes its time, a new value replaces the one
/// that waits.
#[derive(Debug)]
pub struct LatestWriter<T> {
    values: Sender<T>,
    waiting: Receiver<T>,
    ended: Receiver<()>,
    skipped: u64,
}

impl<T: Send + 'static> LatestWriter<T> {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system's error: there can be no more threads.
    pub fn start(name: &str, mut write: impl FnMut(T) + Send + 'static) -> io::Result<Self> {
        let (values, waiting) = bounded(1);
        let (end, ended) = bounded(0);
        let source: Receiver<T> = waiting.clone();
        Builder::new().name(name.to_owned()).spawn(move || {
            let _end: Sender<()> = end;
            source.iter().for_each(&mut write);
        })?;
        Ok(Self { values, waiting, ended, skipped: 0 })
    }

    /// Hands a value over without waiting.
    pub fn put(&mut self, value: T) {
        let Err(TrySendError::Full(value) | TrySendError::Disconnected(value)) = self.values.try_send(value)
        else {
            return;
        };
        self.skipped += u64::from(self.waiting.try_recv().is_ok());
        // Nobody else sends: there is room now, unless the thread has panicked.
        self.skipped += u64::from(self.values.try_send(value).is_err());
    }

    /// How many values were replaced before they could be written.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Waits until the last value is written, at most until `limit`. False if it still is not.
    pub fn finish(self, limit: Duration) -> bool {
        drop((self.values, self.waiting));
        matches!(self.ended.recv_timeout(limit), Err(RecvTimeoutError::Disconnected))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn work_that_hangs_is_not_waited_for() {
        let (let_go, hang) = mpsc::channel::<()>();
        let error = within(10 * MS, "test", move || hang.recv()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(let_go);
        assert_eq!(within(10_000 * MS, "test", || 5).unwrap(), 5);
    }

    #[test]
    fn a_task_has_a_result_once_it_is_over() {
        let (let_go, hang) = mpsc::channel::<u32>();
        let task = Task::start("test", move || hang.recv()).unwrap();
        assert!(task.result().is_none());
        let_go.send(7).unwrap();
        let result = loop {
            if let Some(result) = task.result() {
                break result;
            }
            std::thread::yield_now();
        };
        assert_eq!(result.unwrap(), Ok(7));
    }

    #[test]
    fn the_latest_value_is_written_and_what_it_replaced_is_counted() {
        let (let_go, hang) = mpsc::channel::<()>();
        let (write, written) = mpsc::channel();
        let mut writer = LatestWriter::start("test", move |value| {
            write.send(value).unwrap();
            let _ = hang.recv();
        })
        .unwrap();
        writer.put(1);
        assert_eq!(written.recv(), Ok(1));
        for value in 2..=5 {
            writer.put(value);
        }
        assert_eq!(writer.skipped(), 3);
        drop(let_go);
        assert_eq!(written.recv(), Ok(5));
        assert!(writer.finish(10_000 * MS));
        assert!(written.recv().is_err());
    }

    #[test]
    fn a_writer_that_hangs_does_not_keep_the_process() {
        let (let_go, hang) = mpsc::channel::<()>();
        let mut writer = LatestWriter::start("test", move |()| {
            let _ = hang.recv();
        })
        .unwrap();
        writer.put(());
        assert!(!writer.finish(10 * MS));
        drop(let_go);
    }
}
