//! The life of one link, free of I/O: when to connect, when to ask, when to give up.

use std::time::Duration;

use common_core::time::Time;

use super::problem::{LONG_PAUSE, Problem};

/// How long a connection, and then its hello, may take.
pub(super) const ATTEMPT: Duration = Duration::from_secs(3);
/// A link that says nothing for so long is dead.
pub(super) const SILENCE: Duration = Duration::from_secs(6);
/// Between two pings.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// Before the first new attempt; doubled with each one that fails.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Between two attempts at most.
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// What is to be done with the connection.
#[derive(Debug)]
pub(super) enum Order {
    /// Open one, then call [`ConnState::handle_connecting`] or [`ConnState::handle_problem`].
    Connect,
    /// Send a ping.
    Ping {
        /// To be sent.
        nonce: u32,
    },
    /// Close it, and call [`ConnState::handle_problem`].
    GiveUp(Problem),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No connection.
    Waiting { until: Time },
    /// TCP is at work.
    Connecting { until: Time },
    /// Our hello is on its way.
    Greeting { until: Time },
    /// Intercept has accepted us.
    Up { heard: Time, next_ping: Time },
}

/// The life of one link. Call [`Self::handle_timeout`] until it has no order left whenever [`Self::poll_timeout`] is
/// reached, after reading what has come in: a process that was stopped for a while must not take that for silence.
#[derive(Debug)]
pub(super) struct ConnState {
    phase: Phase,
    pause: Duration,
    nonce: u32,
}

impl ConnState {
    /// A link to be connected at once.
    pub(super) fn new(now: Time) -> Self {
        Self { phase: Phase::Waiting { until: now }, pause: FIRST_PAUSE, nonce: 0 }
    }

    /// Intercept has accepted us.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up { .. })
    }

    /// TCP has yet to say whether there is a connection.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.phase, Phase::Connecting { .. })
    }

    /// When [`Self::handle_timeout`] has an order.
    pub(super) fn poll_timeout(&self) -> Time {
        match self.phase {
            Phase::Waiting { until } | Phase::Connecting { until } | Phase::Greeting { until } => until,
            Phase::Up { heard, next_ping } => next_ping.min(heard + SILENCE),
        }
    }

    /// What is due.
    pub(super) fn handle_timeout(&mut self, now: Time) -> Option<Order> {
        if now < self.poll_timeout() {
            return None;
        }
        Some(match &mut self.phase {
            Phase::Waiting { .. } => Order::Connect,
            Phase::Connecting { .. } => Order::GiveUp(Problem::NoAnswer),
            Phase::Greeting { .. } => Order::GiveUp(Problem::NoHello),
            Phase::Up { heard, .. } if now >= *heard + SILENCE => Order::GiveUp(Problem::Silent),
            Phase::Up { next_ping, .. } => {
                *next_ping = now + PING_INTERVAL;
                self.nonce = self.nonce.wrapping_add(1);
                Order::Ping { nonce: self.nonce }
            }
        })
    }

    /// A connection is being opened.
    pub(super) fn handle_connecting(&mut self, now: Time) {
        self.phase = Phase::Connecting { until: now + ATTEMPT };
    }

    /// The connection stands; our hello is sent.
    pub(super) fn handle_connected(&mut self, now: Time) {
        self.phase = Phase::Greeting { until: now + ATTEMPT };
    }

    /// Intercept has accepted us.
    pub(super) fn handle_hello(&mut self, now: Time) {
        self.phase = Phase::Up { heard: now, next_ping: now + PING_INTERVAL };
    }

    /// Something came in.
    pub(super) fn handle_heard(&mut self, now: Time) {
        if let Phase::Up { heard, .. } = &mut self.phase {
            *heard = now;
        }
    }

    /// A ping came back. The link has lived for a while: only now may the next loss be followed by a quick attempt,
    /// so that a link that breaks as soon as it is made is not made ten times a second.
    pub(super) fn handle_pong(&mut self) {
        self.pause = FIRST_PAUSE;
    }

    /// There is no connection any more.
    pub(super) fn handle_problem(&mut self, now: Time, problem: &Problem) {
        let pause = if problem.lasts() { LONG_PAUSE } else { self.pause };
        self.pause = (self.pause * 2).min(LAST_PAUSE);
        self.phase = Phase::Waiting { until: now + pause };
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    const START: Time = Time::from_micros(5_000_000);

    fn refused() -> Problem {
        Problem::Connect(ErrorKind::ConnectionRefused.into())
    }

    /// A link that is up at [`START`].
    fn up() -> ConnState {
        let mut state = ConnState::new(START);
        assert!(matches!(state.handle_timeout(START), Some(Order::Connect)));
        state.handle_connecting(START);
        state.handle_connected(START);
        state.handle_hello(START);
        state
    }

    /// The pauses in milliseconds after each of `count` failed attempts.
    fn pauses(state: &mut ConnState, mut now: Time, count: usize) -> Vec<u128> {
        (0..count)
            .map(|_| {
                state.handle_problem(now, &refused());
                let pause = state.poll_timeout() - now;
                assert!(state.handle_timeout(now).is_none(), "no attempt before its time");
                now = state.poll_timeout();
                assert!(matches!(state.handle_timeout(now), Some(Order::Connect)));
                pause.as_millis()
            })
            .collect()
    }

    #[test]
    fn attempts_back_off() {
        assert_eq!(pauses(&mut ConnState::new(START), START, 7), [100, 200, 400, 800, 1600, 2000, 2000]);
    }

    #[test]
    fn only_a_link_that_lived_resets_the_back_off() {
        let mut state = up();
        assert_eq!(pauses(&mut state, START, 3), [100, 200, 400]);
        state.handle_connecting(START);
        state.handle_connected(START);
        state.handle_hello(START);
        assert_eq!(pauses(&mut state, START, 1), [800]);
        state.handle_connecting(START);
        state.handle_connected(START);
        state.handle_hello(START);
        state.handle_pong();
        assert_eq!(pauses(&mut state, START, 2), [100, 200]);
    }

    #[test]
    fn what_lasts_is_tried_again_slowly() {
        let mut state = ConnState::new(START);
        state.handle_problem(START, &Problem::Version { theirs: 9 });
        assert_eq!(state.poll_timeout() - START, Duration::from_secs(10));
    }

    #[test]
    fn attempts_and_hellos_are_not_waited_for_forever() {
        let mut state = ConnState::new(START);
        state.handle_connecting(START);
        assert!(state.is_connecting());
        assert!(matches!(state.handle_timeout(START + ATTEMPT), Some(Order::GiveUp(Problem::NoAnswer))));
        state.handle_connected(START);
        assert!(!state.is_connecting() && !state.is_up());
        assert!(matches!(state.handle_timeout(START + ATTEMPT), Some(Order::GiveUp(Problem::NoHello))));
    }

    #[test]
    fn a_link_is_pinged_and_silence_ends_it() {
        let mut state = up();
        let mut pings = Vec::new();
        loop {
            let now = state.poll_timeout();
            match state.handle_timeout(now) {
                Some(Order::Ping { nonce }) => pings.push((nonce, (now - START).as_secs())),
                Some(Order::GiveUp(Problem::Silent)) => {
                    assert_eq!(now - START, SILENCE);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(pings, [(1, 2), (2, 4)]);
    }

    #[test]
    fn whatever_comes_in_keeps_it_alive() {
        let mut state = up();
        let heard = START + Duration::from_secs(5);
        state.handle_heard(heard);
        assert!(matches!(state.handle_timeout(START + SILENCE), Some(Order::Ping { .. })));
        assert!(matches!(state.handle_timeout(heard + SILENCE), Some(Order::GiveUp(Problem::Silent))));
        assert!(state.is_up());
    }
}
