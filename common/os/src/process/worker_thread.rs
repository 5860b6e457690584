//! The thread of a worker.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use mio::Waker;

/// A thread of a worker, and the result of its work.
#[derive(Debug)]
pub struct WorkerThread<T> {
    over: Arc<AtomicBool>,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> WorkerThread<T> {
    /// Starts the thread of the worker with this index, counted from 0. It wakes `main` when the work has ended, also by a
    /// panic.
    ///
    /// # Errors
    /// The operating system's error: no more threads can be started.
    pub fn start(
        index: usize,
        main: Arc<Waker>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let end = End { over: Arc::clone(&over), main };
        let thread = Builder::new().name(format!("worker-{}", index + 1)).spawn(move || {
            let _end = end;
            work()
        })?;
        Ok(Self { over, thread })
    }

    /// The work has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Waits for the result; a panic of the thread continues here.
    #[must_use]
    pub fn join(self) -> T {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Marks the end of the work when it is dropped, also by a panic.
struct End {
    over: Arc<AtomicBool>,
    main: Arc<Waker>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // If this fails, the main thread notices the end a second later.
        let _ = self.main.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll, Token};

    use super::*;

    fn ended(work: impl FnOnce() -> u32 + Send + 'static) -> WorkerThread<u32> {
        let mut poll = Poll::new().unwrap();
        let main = Arc::new(Waker::new(poll.registry(), Token(7)).unwrap());
        // The event is lost when the last of its wakers is dropped.
        let thread = WorkerThread::start(0, Arc::clone(&main), work).unwrap();
        let mut events = Events::with_capacity(1);
        poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
        assert!(!events.is_empty() && thread.is_over());
        thread
    }

    #[test]
    fn the_main_thread_is_woken_at_the_end_of_the_work() {
        assert_eq!(ended(|| 5).join(), 5);
    }

    #[test]
    fn a_panic_wakes_it_too_and_continues_there() {
        let thread = ended(|| panic!("a worker that fails"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| thread.join())).is_err());
    }
}
