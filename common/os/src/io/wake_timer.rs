//! A timer that wakes an event loop (timerfd_create(2)).
//!
//! A timeout of a wait is set before each wait and cancelled after it. In a virtual machine each of these may cause an exit
//! to the host: 20 us, where a packet takes 4. This timer stays set until it expires. Most deadlines move into the future, so
//! it is rarely set.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::clock::Clock;
use common_core::time::Time;

/// The shortest time to set: zero would stop the timer.
const SHORTEST: Duration = Duration::from_micros(1);

/// A timer by the process's [`Clock`].
#[derive(Debug)]
pub struct WakeTimer {
    timer: TimerFd,
    clock: Clock,
    /// When it expires.
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

    /// Makes a poll report `token` when it expires.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.timer.as_fd().as_raw_fd()), token, Interest::READABLE)
    }

    /// Ensures that it expires at `deadline` or before: it may still be set to an earlier deadline that has become void.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn set(&mut self, deadline: Time) -> io::Result<()> {
        if deadline >= self.set_to {
            return Ok(());
        }
        let left = deadline.since(self.clock.now()).max(SHORTEST);
        // Setting it clears an earlier expiration, so it need not be read.
        self.timer.set(Expiration::OneShot(TimeSpec::from_duration(left)), TimerSetTimeFlags::empty())?;
        self.set_to = deadline;
        Ok(())
    }

    /// The poll has reported its expiration.
    pub fn handle_expired(&mut self) {
        self.set_to = Time::NEVER;
    }
}

#[cfg(test)]
mod tests {
    use mio::{Events, Poll};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// All expirations until none comes for 50 ms.
    fn expirations(timer: &mut WakeTimer, poll: &mut Poll) -> Vec<Duration> {
        let start = timer.clock.now();
        let mut events = Events::with_capacity(4);
        let mut times = Vec::new();
        loop {
            poll.poll(&mut events, Some(50 * MS)).unwrap();
            if events.is_empty() {
                return times;
            }
            times.push(timer.clock.now().since(start));
            timer.handle_expired();
        }
    }

    #[test]
    fn it_expires_at_the_earliest_deadline_and_can_be_set_again() {
        let clock = Clock::start();
        let mut poll = Poll::new().unwrap();
        let mut timer = WakeTimer::new(clock).unwrap();
        timer.register(poll.registry(), Token(7)).unwrap();
        assert!(expirations(&mut timer, &mut poll).is_empty());
        for _ in 0..2 {
            let now = clock.now();
            for deadline in [Time::NEVER, now + 30 * MS, now + 10 * MS, now + 20 * MS] {
                timer.set(deadline).unwrap();
            }
            let times = expirations(&mut timer, &mut poll);
            assert!(matches!(times[..], [once] if once >= 9 * MS), "{times:?}");
        }
        // An overdue deadline expires at once.
        timer.set(Time::ZERO).unwrap();
        assert_eq!(expirations(&mut timer, &mut poll).len(), 1);
    }
}
