//! Work that may hang: a pipe that nobody reads, a frozen file system, a file server that is gone. Each such work has a
//! thread of its own, for which others wait for a limited time only.

use std::io;
use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError, bounded};

/// Limit of a file operation at the start of a process.
pub const START_LIMIT: Duration = Duration::from_secs(3);

/// Limit of a file operation at the end of a process.
pub const END_LIMIT: Duration = Duration::from_secs(1);

/// Runs `work` in a thread of its own and waits for its result until `limit`.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`], and then the thread continues; or no thread can be started.
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
    /// Starts a thread that runs `work`.
    ///
    /// # Errors
    /// The operating system's error: there can be no more threads.
    pub fn start(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
        let (result, wait) = bounded(1);
        Builder::new().name(name.to_owned()).spawn(move || drop(result.send(work())))?;
        Ok(Self(wait))
    }

    /// The result, which is returned once; `None` while the work continues.
    #[must_use]
    pub fn result(&self) -> Option<io::Result<T>> {
        match self.0.try_recv() {
            Ok(result) => Some(Ok(result)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(panicked())),
        }
    }
}

/// A thread that writes the latest value. During a write a new value replaces the one that waits.
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

    /// Queues a value without waiting.
    pub fn put(&mut self, value: T) {
        let Err(TrySendError::Full(value) | TrySendError::Disconnected(value)) = self.values.try_send(value)
        else {
            return;
        };
        self.skipped += u64::from(self.waiting.try_recv().is_ok());
        // There is no other sender, so there is room now unless the thread has panicked.
        self.skipped += u64::from(self.values.try_send(value).is_err());
    }

    /// The number of values that were replaced before they could be written.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Waits until the last value is written, at most until `limit`; false if it is still not written.
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
    fn the_wait_for_work_that_hangs_is_limited() {
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
    fn the_latest_value_is_written_and_the_replaced_ones_are_counted() {
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
    fn a_writer_that_hangs_does_not_delay_the_end() {
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
