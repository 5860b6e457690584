//! The state of one control connection, free of I/O: when to connect, when to ping, when to give up.

use std::time::Duration;

use common_core::time::Time;

use super::error::{ControlError, LONG_PAUSE};

/// Limit for the establishment of a connection, and again for its hello.
pub(super) const ATTEMPT: Duration = Duration::from_secs(3);
/// A connection on which nothing is received for this long is dead.
pub(super) const SILENCE: Duration = Duration::from_secs(6);
/// Between two pings.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// Pause before the first new attempt; each failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between two attempts.
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// What the owner of the connection must do.
#[derive(Debug)]
pub(super) enum Order {
    /// Open a connection, then call [`ConnState::handle_connecting`] or [`ConnState::handle_error`].
    Connect,
    /// Send a ping.
    Ping {
        /// To be sent with it.
        nonce: u32,
    },
    /// Close it, then call [`ConnState::handle_error`].
    GiveUp(ControlError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No connection.
    Waiting { until: Time },
    /// TCP is establishing it.
    Connecting { until: Time },
    /// Our hello is sent.
    Greeting { until: Time },
    /// Intercept has accepted us.
    Up { received: Time, next_ping: Time },
}

/// The state of one connection. At [`Self::poll_timeout`], read what has come in and then call [`Self::handle_timeout`] until
/// it returns no order. In this order, a process that was stopped for a while does not mistake the pause for silence.
#[derive(Debug)]
pub(super) struct ConnState {
    phase: Phase,
    pause: Duration,
    nonce: u32,
}

impl ConnState {
    /// Connects at once.
    pub(super) fn new(now: Time) -> Self {
        Self { phase: Phase::Waiting { until: now }, pause: FIRST_PAUSE, nonce: 0 }
    }

    /// Intercept has accepted us.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up { .. })
    }

    /// TCP has not established the connection yet.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.phase, Phase::Connecting { .. })
    }

    /// When [`Self::handle_timeout`] returns an order.
    pub(super) fn poll_timeout(&self) -> Time {
        match self.phase {
            Phase::Waiting { until } | Phase::Connecting { until } | Phase::Greeting { until } => until,
            Phase::Up { received, next_ping } => next_ping.min(received + SILENCE),
        }
    }

    /// The order that is due.
    pub(super) fn handle_timeout(&mut self, now: Time) -> Option<Order> {
        if now < self.poll_timeout() {
            return None;
        }
        Some(match &mut self.phase {
            Phase::Waiting { .. } => Order::Connect,
            Phase::Connecting { .. } => Order::GiveUp(ControlError::NoAnswer),
            Phase::Greeting { .. } => Order::GiveUp(ControlError::NoHello),
            Phase::Up { received, .. } if now >= *received + SILENCE => Order::GiveUp(ControlError::Silent),
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

    /// The connection is established; our hello is sent.
    pub(super) fn handle_connected(&mut self, now: Time) {
        self.phase = Phase::Greeting { until: now + ATTEMPT };
    }

    /// Intercept has accepted us.
    pub(super) fn handle_hello(&mut self, now: Time) {
        self.phase = Phase::Up { received: now, next_ping: now + PING_INTERVAL };
    }

    /// A message was received.
    pub(super) fn handle_received(&mut self, now: Time) {
        if let Phase::Up { received, .. } = &mut self.phase {
            *received = now;
        }
    }

    /// A pong was received, so the connection has lasted for a while: the next loss may be followed by a quick attempt. A
    /// connection that breaks as soon as it is up must not be opened ten times a second.
    pub(super) fn handle_pong(&mut self) {
        self.pause = FIRST_PAUSE;
    }

    /// The connection is closed or could not be opened.
    pub(super) fn handle_error(&mut self, now: Time, error: &ControlError) {
        let pause = if error.is_lasting() { LONG_PAUSE } else { self.pause };
        self.pause = (self.pause * 2).min(LAST_PAUSE);
        self.phase = Phase::Waiting { until: now + pause };
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    const START: Time = Time::from_micros(5_000_000);

    fn refused() -> ControlError {
        ControlError::Connect(ErrorKind::ConnectionRefused.into())
    }

    /// A connection that is up at [`START`].
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
                state.handle_error(now, &refused());
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
    fn only_a_connection_that_lasted_resets_the_back_off() {
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
    fn a_lasting_error_is_followed_by_a_long_pause() {
        let mut state = ConnState::new(START);
        state.handle_error(START, &ControlError::Version { theirs: 9 });
        assert_eq!(state.poll_timeout() - START, Duration::from_secs(10));
    }

    #[test]
    fn attempts_and_hellos_have_a_time_limit() {
        let mut state = ConnState::new(START);
        state.handle_connecting(START);
        assert!(state.is_connecting());
        assert!(matches!(state.handle_timeout(START + ATTEMPT), Some(Order::GiveUp(ControlError::NoAnswer))));
        state.handle_connected(START);
        assert!(!state.is_connecting() && !state.is_up());
        assert!(matches!(state.handle_timeout(START + ATTEMPT), Some(Order::GiveUp(ControlError::NoHello))));
    }

    #[test]
    fn a_connection_is_pinged_and_silence_ends_it() {
        let mut state = up();
        let mut pings = Vec::new();
        loop {
            let now = state.poll_timeout();
            match state.handle_timeout(now) {
                Some(Order::Ping { nonce }) => pings.push((nonce, (now - START).as_secs())),
                Some(Order::GiveUp(ControlError::Silent)) => {
                    assert_eq!(now - START, SILENCE);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(pings, [(1, 2), (2, 4)]);
    }

    #[test]
    fn every_message_keeps_it_alive() {
        let mut state = up();
        let received = START + Duration::from_secs(5);
        state.handle_received(received);
        assert!(matches!(state.handle_timeout(START + SILENCE), Some(Order::Ping { .. })));
        assert!(matches!(
            state.handle_timeout(received + SILENCE),
            Some(Order::GiveUp(ControlError::Silent))
        ));
        assert!(state.is_up());
    }
}
