//! Who works where: one worker in the main thread, several in a thread each while the main thread listens to signals
//! and writes the account.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use common::io::Inject;
use common::process::signals::{Signal, Signals};
use common::time::{Clock, Time};
use mio::{Events, Interest, Poll, Token, Waker};

use super::StartError;
use super::desk::Desk;
use super::worker::{CALLER, Worker};
use crate::report::Part;

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
    mut desk: Desk,
    signals: Signals,
) -> Result<Vec<Worker<I>>, StartError> {
    if let [only] = &mut workers[..] {
        run_here(only, &mut desk, signals)?;
    } else {
        workers = run_in_threads(workers, clock, &mut desk, signals)?;
    }
    let parts: Vec<Part> = workers.iter_mut().map(Worker::last_account).collect();
    desk.close(&parts);
    Ok(workers)
}

fn run_here<I: Inject>(
    worker: &mut Worker<I>,
    desk: &mut Desk,
    mut signals: Signals,
) -> Result<(), StartError> {
    worker.settle();
    // Signals may have come while it was getting ready.
    let mut called = true;
    while !worker.has_ended() {
        while called && let Some(signal) = fetch(&mut signals)? {
            match signal {
                Signal::Report => desk.report(&[worker.account()]),
                Signal::End => {
                    desk.ending();
                    worker.end();
                }
            }
        }
        let round = worker.round(Time::NEVER)?;
        called = round.called;
        if round.ticked {
            desk.tick(&[worker.account()]);
        }
    }
    Ok(())
}

fn fetch(signals: &mut Signals) -> Result<Option<Signal>, StartError> {
    signals.fetch().map_err(StartError::system("read a signal"))
}

/// What the main thread and a worker's say to each other. The worker looks at it when it is woken and writes its account
/// once a second: nothing here is touched for a packet.
#[derive(Default)]
struct Post {
    /// How often the worker was told to end.
    ends: AtomicU32,
    /// It does no more.
    over: AtomicBool,
    /// Its latest account.
    account: Mutex<Part>,
}

impl Post {
    fn put(&self, account: Part) {
        *self.account.lock().unwrap_or_else(PoisonError::into_inner) = account;
    }

    fn account(&self) -> Part {
        self.account.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A worker in a thread of its own, as the main thread sees it.
struct Hand<I> {
    post: Arc<Post>,
    waker: Waker,
    thread: JoinHandle<Result<Worker<I>, StartError>>,
}

impl<I: Inject + Send + 'static> Hand<I> {
    /// `main` is woken when the worker is over, however that came.
    fn start(index: usize, worker: Worker<I>, main: Arc<Waker>) -> Result<Self, StartError> {
        let waker =
            Waker::new(worker.registry(), CALLER).map_err(StartError::system("make an event loop"))?;
        let post = Arc::new(Post::default());
        let over = Over { post: Arc::clone(&post), main };
        let thread = Builder::new().name(format!("worker-{}", index + 1));
        let thread =
            thread.spawn(move || work(worker, &over.post)).map_err(StartError::system("start a thread"))?;
        Ok(Self { post, waker, thread })
    }

    fn end(&self, times: u32) {
        self.post.ends.fetch_add(times, Ordering::Relaxed);
        if let Err(error) = self.waker.wake() {
            log::error!("cannot wake a worker: {error}");
        }
    }

    fn is_over(&self) -> bool {
        self.post.over.load(Ordering::Relaxed)
    }
}

/// Says that a worker is over, also when it panics.
struct Over {
    post: Arc<Post>,
    main: Arc<Waker>,
}

impl Drop for Over {
    fn drop(&mut self) {
        self.post.over.store(true, Ordering::Relaxed);
        // Unheard, it is noticed a second later.
        let _ = self.main.wake();
    }
}

fn work<I: Inject>(mut worker: Worker<I>, post: &Post) -> Result<Worker<I>, StartError> {
    worker.settle();
    let mut ends = 0;
    while !worker.has_ended() {
        let round = worker.round(Time::NEVER)?;
        if round.called {
            while ends < post.ends.load(Ordering::Relaxed) {
                ends += 1;
                worker.end();
            }
        }
        if round.ticked {
            post.put(worker.account());
        }
    }
    Ok(worker)
}

fn run_in_threads<I: Inject + Send + 'static>(
    workers: Vec<Worker<I>>,
    clock: Clock,
    desk: &mut Desk,
    mut signals: Signals,
) -> Result<Vec<Worker<I>>, StartError> {
    let set_up = |signals: &mut Signals| -> io::Result<(Poll, Arc<Waker>)> {
        let poll = Poll::new()?;
        poll.registry().register(signals, SIGNALS, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WORKERS)?;
        Ok((poll, Arc::new(waker)))
    };
    let (mut poll, main) = set_up(&mut signals).map_err(StartError::system("make an event loop"))?;
    let mut hands = Vec::new();
    for (index, worker) in workers.into_iter().enumerate() {
        // Should this fail, the process ends, and those that work already with it.
        hands.push(Hand::start(index, worker, Arc::clone(&main))?);
    }
    let accounts =
        |hands: &[Hand<I>]| -> Vec<Part> { hands.iter().map(|hand| hand.post.account()).collect() };
    let mut events = Events::with_capacity(4);
    let mut next_tick = clock.now() + TICK;
    let mut ending = false;
    while !hands.iter().all(Hand::is_over) {
        match poll.poll(&mut events, Some(next_tick.since(clock.now()))) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(StartError::system("wait for events")(error));
            }
            _ => {}
        }
        while let Some(signal) = fetch(&mut signals)? {
            match signal {
                Signal::Report => desk.report(&accounts(&hands)),
                Signal::End => {
                    ending = true;
                    desk.ending();
                    hands.iter().for_each(|hand| hand.end(1));
                }
            }
        }
        // One that is over unbidden has failed: half of the clients would not be copied.
        if !ending && hands.iter().any(Hand::is_over) {
            ending = true;
            hands.iter().for_each(|hand| hand.end(2));
        }
        if next_tick <= clock.now() {
            next_tick = clock.now() + TICK;
            desk.tick(&accounts(&hands));
        }
    }
    hands.into_iter().map(join).collect()
}

fn join<I>(hand: Hand<I>) -> Result<Worker<I>, StartError> {
    hand.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
