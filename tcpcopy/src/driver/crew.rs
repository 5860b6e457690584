//! Who works where: one worker in the main thread, several in a thread each while the main thread listens to signals
//! and writes the account.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common_core::time::Time;
use common_os::clock::Clock;
use common_os::io::Inject;
use common_os::process::hand::Hand;
use common_os::process::signals::{Signal, Signals};
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
        if called && fetch_all(&mut signals, || desk.report(&[worker.account()]))? {
            desk.ending();
            worker.end();
        }
        let round = worker.round(Time::NEVER)?;
        called = round.called;
        if round.ticked {
            desk.tick(&[worker.account()]);
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
struct Post {
    /// How often the worker was told to end.
    ends: AtomicU32,
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
struct Member<I> {
    hand: Hand<Result<Worker<I>, StartError>>,
    post: Arc<Post>,
    waker: Waker,
}

impl<I: Inject + Send + 'static> Member<I> {
    fn start(index: usize, worker: Worker<I>, main: Arc<Waker>) -> Result<Self, StartError> {
        let waker =
            Waker::new(worker.registry(), CALLER).map_err(StartError::system("make an event loop"))?;
        let post = Arc::new(Post::default());
        let own = Arc::clone(&post);
        let hand = Hand::start(index, main, move || work(worker, &own));
        Ok(Self { hand: hand.map_err(StartError::system("start a thread"))?, post, waker })
    }

    fn end(&self, times: u32) {
        self.post.ends.fetch_add(times, Ordering::Relaxed);
        if let Err(error) = self.waker.wake() {
            log::error!("cannot wake a worker: {error}");
        }
    }

    fn is_over(&self) -> bool {
        self.hand.is_over()
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
    let mut members = Vec::new();
    for (index, worker) in workers.into_iter().enumerate() {
        // Should this fail, the process ends, and those that work already with it.
        members.push(Member::start(index, worker, Arc::clone(&main))?);
    }
    let accounts =
        |members: &[Member<I>]| -> Vec<Part> { members.iter().map(|each| each.post.account()).collect() };
    let mut events = Events::with_capacity(4);
    let mut next_tick = clock.now() + TICK;
    let mut ending = false;
    while !members.iter().all(Member::is_over) {
        match poll.poll(&mut events, Some(next_tick.since(clock.now()))) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(StartError::system("wait for events")(error));
            }
            _ => {}
        }
        if fetch_all(&mut signals, || desk.report(&accounts(&members)))? {
            ending = true;
            desk.ending();
            members.iter().for_each(|each| each.end(1));
        }
        // One that is over unbidden has failed: half of the clients would not be copied.
        if !ending && members.iter().any(Member::is_over) {
            ending = true;
            members.iter().for_each(|each| each.end(2));
        }
        if next_tick <= clock.now() {
            next_tick = clock.now() + TICK;
            desk.tick(&accounts(&members));
        }
    }
    members.into_iter().map(|each| each.hand.join()).collect()
}
