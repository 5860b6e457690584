//! Who works where: one worker in the main thread, several in a thread each while the main thread listens to tcpcopies
//! and signals.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common_core::shard::Shard;
use common_core::time::Time;
use common_os::clock::Clock;
use common_os::process::logging;
use common_os::process::signals::{Signal, Signals};
use common_os::process::worker_thread::WorkerThread;
use mio::{Events, Interest, Poll, Token, Waker};

use super::board::Board;
use super::captures::Captures;
use super::door::{Door, Inbox};
use super::reception::Reception;
use super::{Driver, StartError, TICK, listen};
use crate::cli::Config;

const SIGNALS: Token = Token(0);
const WORKERS: Token = Token(1);
const FIRST_GUEST: usize = 2;

/// All workers of an intercept.
pub struct Crew(Kind);

enum Kind {
    One(Box<Driver>),
    Several(Box<Several>),
}

struct Several {
    workers: Vec<(Driver, Arc<Inbox>)>,
    reception: Reception,
    board: Arc<Board>,
}

impl Crew {
    /// Opens the captures and the control port.
    ///
    /// # Errors
    /// [`StartError`] is one line for the user.
    pub fn open(config: &Config) -> Result<Self, StartError> {
        let captures = Captures::open(&config.interfaces, config.filter.as_deref(), config.workers)?;
        let listener = listen::open(config.bind, config.port)?;
        let board = Arc::new(Board::new(config.workers));
        let worker = |(share, captures), door| {
            Driver::with(captures, door, share, Arc::clone(&board)).map_err(StartError::EventLoop)
        };
        let mut shares = Shard::each(config.workers).zip(captures);
        if config.workers == 1
            && let Some(all) = shares.next()
        {
            return Ok(Self(Kind::One(Box::new(worker(all, Door::Port(listener))?))));
        }
        let with_inbox = |share| {
            let inbox = Arc::new(Inbox::default());
            Ok((worker(share, Door::Inbox(Arc::clone(&inbox)))?, inbox))
        };
        let workers: Vec<_> = shares.map(with_inbox).collect::<Result<_, StartError>>()?;
        let inboxes = workers.iter().map(|(_, inbox)| Arc::clone(inbox)).collect();
        let reception = Reception::new(listener, FIRST_GUEST, inboxes);
        Ok(Self(Kind::Several(Box::new(Several { workers, reception, board }))))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let address = match &self.0 {
            Kind::One(worker) => worker.address(),
            Kind::Several(several) => several.reception.address().ok(),
        };
        address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
    }

    /// Works until a signal ends it.
    ///
    /// # Errors
    /// An event loop failed: nothing that peers or packets can bring about.
    pub fn run(self, signals: Signals) -> io::Result<()> {
        match self.0 {
            Kind::One(mut worker) => worker.run(signals),
            Kind::Several(several) => several.run(signals),
        }
    }
}

impl Several {
    fn run(self, mut signals: Signals) -> io::Result<()> {
        let Self { workers, mut reception, board } = self;
        let mut poll = Poll::new()?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        let main = Arc::new(Waker::new(poll.registry(), WORKERS)?);
        reception.register(poll.registry())?;
        let mut members = Vec::new();
        for (index, (worker, inbox)) in workers.into_iter().enumerate() {
            // Should this fail, the process ends, and those that work already with it.
            members.push(Member::start(index, worker, inbox, Arc::clone(&main))?);
        }
        let clock = Clock::start();
        let mut events = Events::with_capacity(64);
        let mut next_tick = Time::ZERO + TICK;
        // One that is over unbidden has failed: its clients' answers would be lost.
        while !members.iter().any(|each| each.hand.is_over()) {
            match poll.poll(&mut events, Some(next_tick.since(clock.now()))) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let now = clock.now();
            for event in &events {
                if event.token().0 >= FIRST_GUEST {
                    reception.handle_event(now, event, poll.registry());
                }
            }
            if next_tick <= now {
                next_tick = now + TICK;
                reception.handle_time(now, poll.registry());
            }
            while let Some(signal) = signals.fetch()? {
                match signal {
                    Signal::Report => log::info!("{}", board.sum().report()),
                    Signal::End => members.iter().for_each(Member::stop),
                }
            }
        }
        members.iter().for_each(Member::stop);
        let results: Vec<_> = members.into_iter().map(|each| each.hand.join()).collect();
        logging::flush();
        log::info!("{}", board.sum().report());
        results.into_iter().collect()
    }
}

/// A worker in a thread of its own, and what the main thread says to it beside the connections.
struct Member {
    hand: WorkerThread<io::Result<()>>,
    inbox: Arc<Inbox>,
    stop: Arc<AtomicBool>,
}

impl Member {
    fn start(index: usize, mut worker: Driver, inbox: Arc<Inbox>, main: Arc<Waker>) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let hand = WorkerThread::start(index, main, move || worker.run_until(&stopped))?;
        Ok(Self { hand, inbox, stop })
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.inbox.wake();
    }
}
