//! Who works where: one worker in the main thread, several in a thread each while the main thread listens to signals
//! and writes the account.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common_core::time::Time;
use common_os::clock::Clock;
use common_os::io::Inject;
use common_os::process::signals::{Signal, Signals};
use common_os::process::worker_thread::WorkerThread;
use mio::{Events, Interest, Poll, Token, Waker};

use super::StartError;
use super::reporter::Reporter;
use super::worker::{CALLER, Worker};
use crate::report::WorkerStats;

/// Between two accounts.
const TICK: Duration = Duration::from_secs(1);

const SIGNALS: Token = Token(0);
const WORKERS: Token = Token(1);

/// Lets the workers work until a signal ends them, and writes the account of it all. Signals must be registered as the
/// [`CALLER`] of an only worker.
///
/// Returns the workers, with all that they have open.
pub(super) fn run<I: Inject + Send + 'static>(
    mut workers: Vec<Worker<I>>,
    clock: Clock,
    mut reporter: Reporter,
    signals: Signals,
) -> Result<Vec<Worker<I>>, StartError> {
    if let [only] = &mut workers[..] {
        run_here(only, &mut reporter, signals)?;
    } else {
        workers = run_in_threads(workers, clock, &mut reporter, signals)?;
    }
    let parts: Vec<WorkerStats> = workers.iter_mut().map(Worker::last_account).collect();
    reporter.close(&parts);
    Ok(workers)
}

fn run_here<I: Inject>(
    worker: &mut Worker<I>,
    reporter: &mut Reporter,
    mut signals: Signals,
) -> Result<(), StartError> {
    worker.settle();
    // Signals may have come while it was getting ready.
    let mut called = true;
    while !worker.has_ended() {
        if called && fetch_all(&mut signals, || reporter.report(&[worker.account()]))? {
            reporter.ending();
            worker.end();
        }
        let round = worker.round(Time::NEVER)?;
        called = round.called;
        if round.ticked {
            reporter.tick(&[worker.account()]);
        }
    }
    Ok(())
}

/// Reports once for each signal that asks for it; returns whether the process is to end. Signals that came together are
/// one, of whatever kinds they are: only one that comes after the end has begun is a second one.
fn fetch_all(signals: &mut Signals, report: impl Fn()) -> Result<bool, StartError> {
    let mut end = false;
    while let Some(signal) = signals.fetch().map_err(StartError::system("read a signal"))? {
        match signal {
            Signal::Report => report(),
            Signal::End => end = true,
        }
    }
    Ok(end)
}

/// What the main thread and a worker's say to each other. The worker looks at it when it is woken and writes its account
/// once a second: nothing here is touched for a packet.
#[derive(Default)]
struct Mailbox {
    /// How often the worker was told to end.
    ends: AtomicU32,
    /// Its latest account.
    account: Mutex<WorkerStats>,
}

impl Mailbox {
    fn put(&self, account: WorkerStats) {
        *self.account.lock().unwrap_or_else(PoisonError::into_inner) = account;
    }

    fn account(&self) -> WorkerStats {
        self.account.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A worker in a thread of its own, as the main thread sees it.
struct WorkerHandle<I> {
    hand: WorkerThread<Result<Worker<I>, StartError>>,
    mailbox: Arc<Mailbox>,
    waker: Waker,
}

impl<I: Inject + Send + 'static> WorkerHandle<I> {
    fn start(index: usize, worker: Worker<I>, main: Arc<Waker>) -> Result<Self, StartError> {
        let waker =
            Waker::new(worker.registry(), CALLER).map_err(StartError::system("make an event loop"))?;
        let mailbox = Arc::new(Mailbox::default());
        let own = Arc::clone(&mailbox);
        let hand = WorkerThread::start(index, main, move || work(worker, &own));
        Ok(Self { hand: hand.map_err(StartError::system("start a thread"))?, mailbox, waker })
    }

    fn end(&self, times: u32) {
        self.mailbox.ends.fetch_add(times, Ordering::Relaxed);
        if let Err(error) = self.waker.wake() {
            log::error!("cannot wake a worker: {error}");
        }
    }

    fn is_over(&self) -> bool {
        self.hand.is_over()
    }
}

fn work<I: Inject>(mut worker: Worker<I>, mailbox: &Mailbox) -> Result<Worker<I>, StartError> {
    worker.settle();
    let mut ends = 0;
    while !worker.has_ended() {
        let round = worker.round(Time::NEVER)?;
        if round.called {
            while ends < mailbox.ends.load(Ordering::Relaxed) {
                ends += 1;
                worker.end();
            }
        }
        if round.ticked {
            mailbox.put(worker.account());
        }
    }
    Ok(worker)
}

fn run_in_threads<I: Inject + Send + 'static>(
    workers: Vec<Worker<I>>,
    clock: Clock,
    reporter: &mut Reporter,
    mut signals: Signals,
) -> Result<Vec<Worker<I>>, StartError> {
    let set_up = |signals: &mut Signals| -> io::Result<(Poll, Arc<Waker>)> {
        let poll = Poll::new()?;
        poll.registry().register(signals, SIGNALS, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WORKERS)?;
        Ok((poll, Arc::new(waker)))
    };
    let (mut poll, main) = set_up(&mut signals).map_err(StartError::system("make an event loop"))?;
    let mut members = Vec::new();
    for (index, worker) in workers.into_iter().enumerate() {
        // Should this fail, the process ends, and those that work already with it.
        members.push(WorkerHandle::start(index, worker, Arc::clone(&main))?);
    }
    let accounts = |members: &[WorkerHandle<I>]| -> Vec<WorkerStats> {
        members.iter().map(|each| each.mailbox.account()).collect()
    };
    let mut events = Events::with_capacity(4);
    let mut next_tick = clock.now() + TICK;
    let mut ending = false;
    while !members.iter().all(WorkerHandle::is_over) {
        match poll.poll(&mut events, Some(next_tick.since(clock.now()))) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(StartError::system("wait for events")(error));
            }
            _ => {}
        }
        if fetch_all(&mut signals, || reporter.report(&accounts(&members)))? {
            ending = true;
            reporter.ending();
            members.iter().for_each(|each| each.end(1));
        }
        // One that is over unbidden has failed: half of the clients would not be copied.
        if !ending && members.iter().any(WorkerHandle::is_over) {
            ending = true;
            members.iter().for_each(|each| each.end(2));
        }
        if next_tick <= clock.now() {
            next_tick = clock.now() + TICK;
            reporter.tick(&accounts(&members));
        }
    }
    members.into_iter().map(|each| each.hand.join()).collect()
}
