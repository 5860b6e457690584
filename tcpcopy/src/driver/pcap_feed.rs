//! A capture by libpcap, which a thread of its own reads. Its packets wait in libpcap's buffer (`-B`) while the worker is busy,
//! because the channel to the worker is short: so there is one place where packets are dropped, and libpcap counts them.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common_os::io::pcap_live::PcapLive;
use common_os::io::{Capture, CaptureCounters, Captured};
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::offline::batch::Batch;

/// Batches on the way to the worker.
const BATCHES: usize = 8;

/// Packets that the thread reads before it passes a batch on.
const BUDGET: usize = 256;

/// The thread wakes at least this often, to read libpcap's counters and what an interface that was down has again.
const WAKE: Duration = Duration::from_millis(200);

/// Under load libpcap's counters are read once in so many times.
const COUNTED: u8 = 128;

/// Batches that are read after the end of the capture, at most. So the end comes even if the capture has not stopped.
const LAST_BATCHES: usize = 4096;

/// A capture by libpcap.
pub(super) struct PcapFeed {
    state: State,
    shared: Arc<Shared>,
    /// The batch whose packets are handed over, and the next of them.
    batch: Batch,
    next: usize,
}

enum State {
    /// Opened, and not read yet.
    Waiting(Box<PcapLive>),
    Running(Feed),
    /// All packets were handed over, or the thread could not be started.
    Ended,
}

/// The worker's end of a running thread.
struct Feed {
    batches: Receiver<Batch>,
    /// Batches that are used up, for their memory.
    used: Sender<Batch>,
    /// Wakes the thread.
    waker: Waker,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    received: AtomicU64,
    dropped: AtomicU64,
}

impl PcapFeed {
    pub(super) fn new(capture: PcapLive) -> Self {
        let state = State::Waiting(Box::new(capture));
        Self { state, shared: Arc::default(), batch: Batch::default(), next: 0 }
    }

    /// Starts the thread, which wakes the worker by `waker`.
    pub(super) fn start(&mut self, waker: Arc<Waker>) -> io::Result<()> {
        let State::Waiting(capture) = std::mem::replace(&mut self.state, State::Ended) else {
            return Err(io::ErrorKind::AlreadyExists.into());
        };
        let poll = Poll::new()?;
        poll.registry().register(&mut SourceFd(&capture.as_raw_fd()), Token(0), Interest::READABLE)?;
        let (sender, batches) = bounded(BATCHES);
        let (used, reused) = bounded(BATCHES + 2);
        let waker_of_thread = Waker::new(poll.registry(), Token(1))?;
        let reader = Reader {
            capture: *capture,
            poll,
            sender: Some(sender),
            reused,
            shared: Arc::clone(&self.shared),
            waker,
            batch: Batch::default(),
            is_failing: false,
        };
        thread::Builder::new().name("pcap".to_owned()).spawn(move || reader.run())?;
        self.state = State::Running(Feed { batches, used, waker: waker_of_thread });
        Ok(())
    }

    /// The thread reads what libpcap still has, and ends.
    pub(super) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        if let State::Running(feed) = &self.state
            && let Err(error) = feed.waker.wake()
        {
            log::debug!("the thread of libpcap sees the end late: {error}");
        }
    }

    /// After a stop, [`Self::receive`] has returned all packets.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended) && self.batch.packet(self.next).is_none()
    }

    /// Takes the next batch, if all packets of this one were handed over; false if there is none.
    fn fetch(&mut self) -> bool {
        let State::Running(feed) = &self.state else { return false };
        match feed.batches.try_recv() {
            Ok(batch) => {
                // If this fails, the thread has enough memory.
                drop(feed.used.try_send(std::mem::replace(&mut self.batch, batch)));
                self.next = 0;
                true
            }
            Err(TryRecvError::Empty) => false,
            Err(TryRecvError::Disconnected) => {
                self.state = State::Ended;
                false
            }
        }
    }
}

impl Capture for PcapFeed {
    fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(Captured<'_>)) -> io::Result<usize> {
        let mut taken = 0;
        while taken < budget {
            if let Some(captured) = self.batch.packet(self.next) {
                sink(captured);
                self.next += 1;
                taken += 1;
            } else if !self.fetch() {
                break;
            }
        }
        Ok(taken)
    }

    fn counters(&mut self) -> io::Result<CaptureCounters> {
        let Shared { received, dropped, .. } = &*self.shared;
        Ok(CaptureCounters {
            received: received.load(Ordering::Relaxed),
            dropped: dropped.load(Ordering::Relaxed),
        })
    }
}

/// The thread.
struct Reader {
    capture: PcapLive,
    poll: Poll,
    /// Dropped before the last wake-up, so that the worker sees the end.
    sender: Option<Sender<Batch>>,
    reused: Receiver<Batch>,
    shared: Arc<Shared>,
    waker: Arc<Waker>,
    batch: Batch,
    /// The last read failed, and that has been logged.
    is_failing: bool,
}

impl Reader {
    fn run(mut self) {
        let mut events = Events::with_capacity(4);
        let mut rounds = 0_u8;
        while !self.shared.stopped.load(Ordering::Relaxed) {
            let is_all = self.read() < BUDGET;
            if !self.pass() {
                return;
            }
            rounds = rounds.wrapping_add(1);
            if is_all && events.is_empty() || rounds.is_multiple_of(COUNTED) {
                self.count();
            }
            // An overload does not end here: the end and the counters are looked at in the middle of it.
            if !is_all {
                continue;
            }
            if let Err(error) = self.poll.poll(&mut events, Some(WAKE))
                && error.kind() != io::ErrorKind::Interrupted
            {
                log::error!("cannot wait for packets of libpcap: {error}");
                break;
            }
        }
        for _ in 0..LAST_BATCHES {
            let is_last = self.read() < BUDGET;
            if !self.pass() || is_last {
                break;
            }
        }
        self.count();
        self.sender = None;
        self.wake();
    }

    /// Reads packets into the batch; returns how many.
    fn read(&mut self) -> usize {
        let batch = &mut self.batch;
        let mut sink = |captured: Captured<'_>| {
            batch.push(captured.stamp.as_nanos(), captured.packet, captured.outgoing)
        };
        match self.capture.receive(BUDGET, &mut sink) {
            Ok(count) => {
                self.is_failing = false;
                count
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    log::warn!("cannot capture with libpcap: {error}; trying again");
                }
                0
            }
        }
    }

    /// Passes the batch on; false if nobody wants it any more.
    fn pass(&mut self) -> bool {
        if self.batch.is_empty() {
            return true;
        }
        let mut next = self.reused.try_recv().unwrap_or_default();
        next.clear();
        let full = std::mem::replace(&mut self.batch, next);
        let sent = self.sender.as_ref().is_some_and(|sender| sender.send(full).is_ok());
        self.wake();
        sent
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("cannot wake the worker: {error}");
        }
    }

    fn count(&mut self) {
        if let Ok(counters) = self.capture.counters() {
            self.shared.received.store(counters.received, Ordering::Relaxed);
            self.shared.dropped.store(counters.dropped, Ordering::Relaxed);
        }
    }
}
