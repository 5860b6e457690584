//! Runs the workers: a single one in the main thread, several in a thread each. Then the main thread waits for signals and
//! writes the report.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common_core::time::Time;
use common_os::clock::Clock;
use common_os::process::signals::{Signal, Signals};
use common_os::process::start::{Process, StartError};
use common_os::process::worker_thread::WorkerThread;
use mio::{Events, Interest, Poll, Token, Waker};

use super::reporter::{Outcome, Reporter};
use super::worker::{CALLER, Worker};
use crate::report::WorkerStats;

/// Between two reports of statistics.
const TICK: Duration = Duration::from_secs(1);

const SIGNALS: Token = Token(0);
const WORKERS: Token = Token(1);

/// Runs the workers until a signal ends them, and writes the reports. For a single worker, signals must be registered as its
/// [`CALLER`].
///
/// Returns the workers with their open sockets, and the outcome.
pub(super) fn run(
    mut workers: Vec<Worker>,
    clock: Clock,
    mut reporter: Reporter,
    process: &mut Process,
) -> Result<(Vec<Worker>, Outcome), StartError> {
    if let [only] = &mut workers[..] {
        run_here(only, &mut reporter, process)?;
    } else {
        workers = run_in_threads(workers, clock, &mut reporter, process)?;
    }
    let stats: Vec<WorkerStats> = workers.iter_mut().map(Worker::last_stats).collect();
    let outcome = reporter.close(&stats);
    Ok((workers, outcome))
}

fn run_here(worker: &mut Worker, reporter: &mut Reporter, process: &mut Process) -> Result<(), StartError> {
    worker.settle();
    // Signals may have come during the start.
    let mut called = true;
    while !worker.has_ended() {
        if called && fetch_all(process, || reporter.report(&[worker.stats()]))? {
            process.service_manager.stopping();
            reporter.ending();
            worker.end();
        }
        let round = worker.round(Time::NEVER)?;
        called = round.called;
        if round.ticked {
            reporter.tick(&[worker.stats()]);
            process.service_manager.alive();
        }
    }
    Ok(())
}

/// Reports for each signal that asks for it; returns whether the process must end. Signals that came together count as one,
/// whatever their kinds: only a signal that comes after the end has begun is a second one.
fn fetch_all(process: &mut Process, report: impl Fn()) -> Result<bool, StartError> {
    let mut end = false;
    while let Some(signal) = process.signals.fetch().map_err(StartError::system("read a signal"))? {
        match signal {
            Signal::Report => report(),
            Signal::Reopen => process.reopen_files(),
            Signal::End => end = true,
        }
    }
    Ok(end)
}

/// Shared by the main thread and one worker. The worker reads it when it is woken and writes it once a second, never for a
/// packet.
#[derive(Default)]
struct Mailbox {
    /// How often the main thread has asked the worker to end.
    ends: AtomicU32,
    /// How often the worker has written its statistics.
    beats: AtomicU32,
    /// The latest statistics of the worker.
    stats: Mutex<WorkerStats>,
}

impl Mailbox {
    fn put(&self, stats: WorkerStats) {
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner) = stats;
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    fn stats(&self) -> WorkerStats {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A worker in a thread of its own, as the main thread sees it.
struct WorkerHandle {
    thread: WorkerThread<Result<Worker, StartError>>,
    mailbox: Arc<Mailbox>,
    waker: Waker,
    /// The beats at the last question.
    beats: u32,
}

impl WorkerHandle {
    fn start(index: usize, worker: Worker, main: Arc<Waker>) -> Result<Self, StartError> {
        let waker =
            Waker::new(worker.registry(), CALLER).map_err(StartError::system("make an event loop"))?;
        let mailbox = Arc::new(Mailbox::default());
        let own = Arc::clone(&mailbox);
        let thread = WorkerThread::start(index, main, move || work(worker, &own));
        Ok(Self { thread: thread.map_err(StartError::system("start a thread"))?, mailbox, waker, beats: 0 })
    }

    fn end(&self, times: u32) {
        self.mailbox.ends.fetch_add(times, Ordering::Relaxed);
        if let Err(error) = self.waker.wake() {
            log::error!("cannot wake a worker: {error}");
        }
    }

    fn is_over(&self) -> bool {
        self.thread.is_over()
    }

    /// Whether it has worked since the last question.
    fn has_beaten(&mut self) -> bool {
        let beats = self.mailbox.beats.load(Ordering::Relaxed);
        std::mem::replace(&mut self.beats, beats) != beats
    }
}

fn work(mut worker: Worker, mailbox: &Mailbox) -> Result<Worker, StartError> {
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
            mailbox.put(worker.stats());
        }
    }
    Ok(worker)
}

fn run_in_threads(
    workers: Vec<Worker>,
    clock: Clock,
    reporter: &mut Reporter,
    process: &mut Process,
) -> Result<Vec<Worker>, StartError> {
    let set_up = |signals: &mut Signals| -> io::Result<(Poll, Arc<Waker>)> {
        let poll = Poll::new()?;
        poll.registry().register(signals, SIGNALS, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WORKERS)?;
        Ok((poll, Arc::new(waker)))
    };
    let (mut poll, main) = set_up(&mut process.signals).map_err(StartError::system("make an event loop"))?;
    let mut handles = Vec::new();
    for (index, worker) in workers.into_iter().enumerate() {
        // If this fails, the process ends, and with it the workers that have started.
        handles.push(WorkerHandle::start(index, worker, Arc::clone(&main))?);
    }
    let stats = |handles: &[WorkerHandle]| -> Vec<WorkerStats> {
        handles.iter().map(|each| each.mailbox.stats()).collect()
    };
    let mut events = Events::with_capacity(4);
    let mut next_tick = clock.now() + TICK;
    let mut ending = false;
    while !handles.iter().all(WorkerHandle::is_over) {
        match poll.poll(&mut events, Some(next_tick.since(clock.now()))) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(StartError::system("wait for events")(error));
            }
            _ => {}
        }
        if fetch_all(process, || reporter.report(&stats(&handles)))? {
            ending = true;
            process.service_manager.stopping();
            reporter.ending();
            handles.iter().for_each(|each| each.end(1));
        }
        // A worker that ends by itself has failed: a part of the clients would no longer be copied.
        if !ending && handles.iter().any(WorkerHandle::is_over) {
            ending = true;
            handles.iter().for_each(|each| each.end(2));
        }
        if next_tick <= clock.now() {
            next_tick = clock.now() + TICK;
            reporter.tick(&stats(&handles));
            // One that hangs is a part of the clients that is not copied: then the service manager must not hear of life.
            if handles.iter_mut().filter_map(|each| each.has_beaten().then_some(())).count() == handles.len()
            {
                process.service_manager.alive();
            }
        }
    }
    handles.into_iter().map(|each| each.thread.join()).collect()
}
