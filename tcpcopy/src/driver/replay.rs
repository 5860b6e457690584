//! Capture files as the input of a worker: packets are handed over when they are due.

use std::io;
use std::time::Duration;

use common_core::time::Time;
use common_os::io::Captured;
use crossbeam_channel::TryRecvError;
use mio::{Registry, Token, Waker};

use super::pressure::Pressure;
use crate::engine::Load;
use crate::offline::FileStats;
use crate::offline::batch::Batch;
use crate::offline::reader::{Feed, Reader, real_time};

/// The replay of capture files.
pub(super) struct Replay {
    token: Token,
    speed: u32,
    source: Source,
    pressure: Pressure,
    /// The batch whose packets are handed over, and the next of them.
    batch: Batch,
    next: usize,
    state: State,
    /// The time of the current round.
    now: Time,
    longest_delay: Duration,
    handed_over: u64,
}

enum Source {
    Waiting(Box<Reader>),
    Running(Feed),
    /// It could not be started; the error was returned.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The control connections are not up yet.
    NotBegun,
    /// The first packet of the files was due at this time.
    Running(Time),
    /// All packets were handed over.
    Read,
    /// A signal ended it.
    Stopped,
}

impl Replay {
    pub(super) fn new(reader: Reader, speed: u32, token: Token) -> Self {
        Self {
            token,
            speed,
            source: Source::Waiting(Box::new(reader)),
            pressure: Pressure::new(speed),
            batch: Batch::default(),
            next: 0,
            state: State::NotBegun,
            now: Time::ZERO,
            longest_delay: Duration::ZERO,
            handed_over: 0,
        }
    }

    /// Starts to read the files.
    pub(super) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        let Source::Waiting(reader) = std::mem::replace(&mut self.source, Source::Failed) else {
            return Err(io::ErrorKind::AlreadyExists.into());
        };
        self.source = Source::Running(reader.start(Waker::new(registry, self.token)?)?);
        Ok(())
    }

    /// The event of the reading thread needs no reaction but the next round.
    pub(super) fn handle_event(&self, token: Token) -> bool {
        token == self.token
    }

    /// The first packet is due now.
    pub(super) fn begin(&mut self, now: Time) {
        if self.state == State::NotBegun {
            self.state = State::Running(now);
        }
    }

    /// Takes the time, and how much the copies lag. Call it whenever either may have changed.
    pub(super) fn observe(&mut self, now: Time, load: Load) {
        self.now = now;
        self.pressure.update(now, load);
        self.fetch();
    }

    /// A packet is due, and need not wait.
    pub(super) fn any_ready(&self) -> bool {
        !self.pressure.waits() && self.due().is_some_and(|due| due <= self.now)
    }

    /// When there may be a packet that no event reports.
    pub(super) fn poll_timeout(&self) -> Time {
        match self.due() {
            Some(due) if self.pressure.waits() => due.max(self.pressure.deadline()),
            Some(due) => due,
            None => Time::NEVER,
        }
    }

    /// Passes at most `budget` packets that are due to `sink`; returns how many there were.
    pub(super) fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(Captured<'_>)) -> usize {
        let mut count = 0;
        while count < budget && self.any_ready() {
            if let Some(due) = self.due() {
                self.longest_delay = self.longest_delay.max(self.now.since(due));
            }
            self.batch.packet(self.next).into_iter().for_each(&mut *sink);
            self.next += 1;
            count += 1;
            self.fetch();
        }
        self.handed_over += count as u64;
        count
    }

    /// All packets of the files were handed over.
    pub(super) fn is_read(&self) -> bool {
        self.state == State::Read
    }

    /// Hands over no more packets.
    pub(super) fn stop(&mut self) {
        self.state = State::Stopped;
    }

    pub(super) fn speed(&self) -> u32 {
        self.speed
    }

    /// Packets handed over.
    pub(super) fn handed_over(&self) -> u64 {
        self.handed_over
    }

    pub(super) fn stats(&self) -> FileStats {
        let mut stats = match &self.source {
            Source::Running(feed) => feed.stats(),
            _ => FileStats::default(),
        };
        stats.longest_delay_ms = u64::try_from(self.longest_delay.as_millis()).unwrap_or(u64::MAX);
        stats
    }

    /// When the next packet is due, if one was read.
    fn due(&self) -> Option<Time> {
        let State::Running(began) = self.state else { return None };
        Some(began + real_time(self.batch.time(self.next)?, self.speed))
    }

    /// Takes the next batch, if all packets of this one were handed over.
    fn fetch(&mut self) {
        if self.batch.time(self.next).is_some() || !matches!(self.state, State::Running(_)) {
            return;
        }
        let Source::Running(feed) = &self.source else { return };
        match feed.batches.try_recv() {
            Ok(batch) => {
                // If this fails, the thread has read all, and needs no memory.
                drop(feed.used.try_send(std::mem::replace(&mut self.batch, batch)));
                self.next = 0;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => self.state = State::Read,
        }
    }
}
