//! When the control port is asked for connections: after each event, and after a failure once a second.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use common_core::log_limiter::{Limits, LogLimiter};
use common_core::time::Time;
use mio::net::TcpStream;

/// A failure is logged once a minute.
const LIMITS: Limits = Limits { lines: 1, period: Duration::from_secs(60), keys: 1 };

/// Whether there may be connections to accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// An event will report the next connection.
    Idle,
    /// There may be connections.
    Ready,
    /// The last attempt failed, perhaps for lack of files. Events report nothing new; the next tick tries again.
    Failed,
}

/// When a listening socket is asked for connections.
#[derive(Debug)]
pub(super) struct Acceptor {
    stage: Stage,
    failures: LogLimiter<()>,
}

impl Acceptor {
    /// Connections may have come in before.
    pub(super) fn new() -> Self {
        Self { stage: Stage::Ready, failures: LogLimiter::new(LIMITS) }
    }

    /// An event has come.
    pub(super) fn handle_event(&mut self) {
        if self.stage == Stage::Idle {
            self.stage = Stage::Ready;
        }
    }

    /// A second has passed.
    pub(super) fn handle_tick(&mut self) {
        self.stage = Stage::Ready;
    }

    /// There may be connections that no event will report.
    pub(super) fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// The next connection that `accept` returns; `None` if there is none for now. An IPv4 address that is mapped to IPv6
    /// is returned as IPv4.
    pub(super) fn next(
        &mut self,
        now: Time,
        mut accept: impl FnMut() -> io::Result<(TcpStream, SocketAddr)>,
    ) -> Option<(TcpStream, SocketAddr)> {
        while self.is_ready() {
            match accept() {
                Ok((stream, address)) => {
                    return Some((stream, SocketAddr::new(address.ip().to_canonical(), address.port())));
                }
                // The peer reset this connection before it was accepted; the next one may be fine.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stage = Stage::Idle,
                Err(error) => {
                    self.stage = Stage::Failed;
                    if self.failures.admit(now, ()).is_some() {
                        log::warn!(
                            "cannot accept connections: {error}; raise the limit of open files (ulimit -n)"
                        );
                    }
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use nix::libc::{EAGAIN, ECONNABORTED, EMFILE};

    use super::*;

    /// Counts how often the acceptor asks, while each attempt returns the next of `errors`.
    fn asks(acceptor: &mut Acceptor, now: Time, errors: &[i32]) -> usize {
        let mut answers = errors.iter();
        let accepted = acceptor.next(now, || Err(io::Error::from_raw_os_error(*answers.next().unwrap())));
        assert!(accepted.is_none());
        errors.len() - answers.len()
    }

    #[test]
    fn it_asks_until_there_is_none() {
        let mut acceptor = Acceptor::new();
        assert_eq!(asks(&mut acceptor, Time::ZERO, &[ECONNABORTED, EAGAIN, EAGAIN]), 2);
        assert_eq!(asks(&mut acceptor, Time::ZERO, &[]), 0);
        acceptor.handle_event();
        assert_eq!(asks(&mut acceptor, Time::ZERO, &[EAGAIN]), 1);
    }

    #[test]
    fn without_files_it_asks_once_a_second_and_logs_once_a_minute() {
        let mut acceptor = Acceptor::new();
        let mut asked = 0;
        for tick in 0..120 {
            let now = Time::ZERO + Duration::from_secs(tick);
            for _ in 0..50 {
                acceptor.handle_event();
                let errors: &[i32] = if acceptor.is_ready() { &[EMFILE] } else { &[] };
                asked += asks(&mut acceptor, now, errors);
            }
            assert!(!acceptor.is_ready(), "it must not keep the loop from sleeping");
            acceptor.handle_tick();
        }
        assert_eq!(asked, 120);
        let third_line = acceptor.failures.admit(Time::ZERO + LIMITS.period * 2, ()).unwrap();
        assert_eq!(third_line.left_out, 59, "the second line was logged after a minute");
    }
}
