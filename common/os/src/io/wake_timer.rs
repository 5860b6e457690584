//! A timer that is waited for beside sockets (timerfd_create(2)).
//!
//! A timeout given to a wait is set before and taken back after it, by each wait anew: in a virtual machine that can mean
//! leaving it twice, 20 us where a packet takes 4. This timer stays set until it rings. Deadlines mostly move away, so
//! it rarely has to be set.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::clock::Clock;
use common_core::time::Time;

/// The shortest time that it can be set to: none at all would stop it.
const SHORTEST: Duration = Duration::from_micros(1);

/// A timer of a process's [`Clock`].
#[derive(Debug)]
pub struct WakeTimer {
    timer: TimerFd,
    clock: Clock,
    /// When it rings.
    set_to: Time,
}

impl WakeTimer {
    /// A timer that is not set.
    ///
    /// # Errors
    /// The operating system's error: no more files can be opened.
    pub fn new(clock: Clock) -> io::Result<Self> {
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        Ok(Self { timer, clock, set_to: Time::NEVER })
    }

    /// Has a poll report `token` when it rings.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.timer.as_fd().as_raw_fd()), token, Interest::READABLE)
    }

    /// Makes sure that it rings at `deadline`, or before: at an earlier deadline of which nothing has come.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn set(&mut self, deadline: Time) -> io::Result<()> {
        if deadline >= self.set_to {
            return Ok(());
        }
        let left = deadline.since(self.clock.now()).max(SHORTEST);
        // Being set, it forgets that it has rung: there is nothing to read.
        self.timer.set(Expiration::OneShot(TimeSpec::from_duration(left)), TimerSetTimeFlags::empty())?;
        self.set_to = deadline;
        Ok(())
    }

    /// It was reported to have rung.
    pub fn rang(&mut self) {
        self.set_to = Time::NEVER;
    }
}

#[cfg(test)]
mod tests {
    use mio::{Events, Poll};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// When it rings, each time, until it has been silent for 50 ms.
    fn rings(timer: &mut WakeTimer, poll: &mut Poll) -> Vec<Duration> {
        let start = timer.clock.now();
        let mut events = Events::with_capacity(4);
        let mut times = Vec::new();
        loop {
            poll.poll(&mut events, Some(50 * MS)).unwrap();
            if events.is_empty() {
                return times;
            }
            times.push(timer.clock.now().since(start));
            timer.rang();
        }
    }

    #[test]
    fn it_rings_at_the_earliest_deadline_and_can_be_set_again() {
        let clock = Clock::start();
        let mut poll = Poll::new().unwrap();
        let mut timer = WakeTimer::new(clock).unwrap();
        timer.register(poll.registry(), Token(7)).unwrap();
        assert!(rings(&mut timer, &mut poll).is_empty());
        for _ in 0..2 {
            let now = clock.now();
            for deadline in [Time::NEVER, now + 30 * MS, now + 10 * MS, now + 20 * MS] {
                timer.set(deadline).unwrap();
            }
            let rings = rings(&mut timer, &mut poll);
            assert!(matches!(rings[..], [once] if once >= 9 * MS), "{rings:?}");
        }
        // What is overdue rings at once, and not never.
        timer.set(Time::ZERO).unwrap();
        assert_eq!(rings(&mut timer, &mut poll).len(), 1);
    }
}
