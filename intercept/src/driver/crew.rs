//! Who works where: one worker in the main thread, several in a thread each while the main thread listens to tcpcopies
//! and signals.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use common::process::signals::{Signal, Signals};
use common::share::Share;
use common::time::{Clock, Time};
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
        let mut shares = Share::each(config.workers).zip(captures);
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
        let mut hands = Vec::new();
        for (index, (worker, inbox)) in workers.into_iter().enumerate() {
            // Should this fail, the process ends, and those that work already with it.
            hands.push(Hand::start(index, worker, inbox, Arc::clone(&main))?);
        }
        let clock = Clock::start();
        let mut events = Events::with_capacity(64);
        let mut next_tick = Time::ZERO + TICK;
        // One that is over unbidden has failed: its clients' answers would be lost.
        while !hands.iter().any(Hand::is_over) {
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
                    Signal::End => hands.iter().for_each(Hand::stop),
                }
            }
        }
        hands.iter().for_each(Hand::stop);
        let results: Vec<_> = hands.into_iter().map(Hand::join).collect();
        log::info!("{}", board.sum().report());
        results.into_iter().collect()
    }
}

/// What the main thread and a worker's say to each other, beside the connections.
#[derive(Default)]
struct Flags {
    /// The worker is to stop.
    stop: AtomicBool,
    /// It does no more.
    over: AtomicBool,
}

/// A worker in a thread of its own, as the main thread sees it.
struct Hand {
    flags: Arc<Flags>,
    inbox: Arc<Inbox>,
    thread: JoinHandle<io::Result<()>>,
}

impl Hand {
    /// `main` is woken when the worker is over, however that came.
    fn start(index: usize, mut worker: Driver, inbox: Arc<Inbox>, main: Arc<Waker>) -> io::Result<Self> {
        let flags = Arc::new(Flags::default());
        let over = Over { flags: Arc::clone(&flags), main };
        let thread = Builder::new()
            .name(format!("worker-{}", index + 1))
            .spawn(move || worker.run_until(&over.flags.stop))?;
        Ok(Self { flags, inbox, thread })
    }

    fn is_over(&self) -> bool {
        self.flags.over.load(Ordering::Relaxed)
    }

    fn stop(&self) {
        self.flags.stop.store(true, Ordering::Relaxed);
        self.inbox.wake();
    }

    fn join(self) -> io::Result<()> {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Says that a worker is over, also when it panics.
struct Over {
    flags: Arc<Flags>,
    main: Arc<Waker>,
}

impl Drop for Over {
    fn drop(&mut self) {
        self.flags.over.store(true, Ordering::Relaxed);
        // Unheard, it is noticed a second later.
        let _ = self.main.wake();
    }
}
