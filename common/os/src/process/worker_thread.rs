//! A worker's thread, as the main thread sees it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use mio::Waker;

/// A worker in a thread of its own, and what it leaves.
#[derive(Debug)]
pub struct WorkerThread<T> {
    over: Arc<AtomicBool>,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> WorkerThread<T> {
    /// Starts the thread of the worker with this index, counted from 0. `main` is woken when the work is over, however that
    /// came.
    ///
    /// # Errors
    /// The operating system's error: there can be no more threads.
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

    /// It does no more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Waits until it is over; a panic goes on here.
    #[must_use]
    pub fn join(self) -> T {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Says that a worker is over, also when it panics.
struct End {
    over: Arc<AtomicBool>,
    main: Arc<Waker>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Unheard, it is noticed a second later.
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
        // The event is gone with the last of its wakers.
        let hand = WorkerThread::start(0, Arc::clone(&main), work).unwrap();
        let mut events = Events::with_capacity(1);
        poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
        assert!(!events.is_empty() && hand.is_over());
        hand
    }

    #[test]
    fn the_main_thread_is_woken_at_the_end_of_the_work() {
        assert_eq!(ended(|| 5).join(), 5);
    }

    #[test]
    fn a_panic_wakes_it_too_and_goes_on_there() {
        let hand = ended(|| panic!("a worker that fails"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hand.join())).is_err());
    }
}
