//! Takes connections as they come, and waits where the host has none to give.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use common_core::time::Time;
use mio::net::TcpStream;

/// What keeps connections from being accepted is said this often.
const PERIOD: Duration = Duration::from_secs(60);

/// Whether there may be connections to accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// An event will tell of the next one.
    Idle,
    /// There may be some.
    Ready,
    /// The last attempt failed, out of files, say: events tell nothing new, the tick tries again.
    Failed,
}

/// When a listening socket, or what stands for it, is asked for connections.
#[derive(Debug)]
pub(super) struct Acceptor {
    stage: Stage,
    /// Until then nothing is said of failures.
    quiet: Time,
}

impl Acceptor {
    /// There may be connections from before.
    pub(super) fn new() -> Self {
        Self { stage: Stage::Ready, quiet: Time::ZERO }
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

    /// There may be connections, for which no event will come.
    pub(super) fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// The next connection that `accept` gives, its address without the disguise that IPv4 wears on a socket for both
    /// families; none if there is none for now.
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
                // One that was reset before it was accepted; the next one may be fine.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stage = Stage::Idle,
                Err(error) => {
                    self.stage = Stage::Failed;
                    if self.quiet <= now {
                        self.quiet = now + PERIOD;
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

    /// How often the acceptor asks for a connection, and finds it to be so.
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
    fn a_flood_while_there_are_no_files_is_asked_for_and_told_of_no_more_than_the_clock_allows() {
        let mut acceptor = Acceptor::new();
        let (mut asked, mut told) = (0, 0);
        for tick in 0..120 {
            let now = Time::ZERO + Duration::from_secs(tick);
            for _ in 0..50 {
                acceptor.handle_event();
                let quiet = acceptor.quiet;
                let errors: &[i32] = if acceptor.is_ready() { &[EMFILE] } else { &[] };
                asked += asks(&mut acceptor, now, errors);
                told += u32::from(acceptor.quiet != quiet);
            }
            assert!(!acceptor.is_ready(), "it must not keep the loop from sleeping");
            acceptor.handle_tick();
        }
        assert_eq!((asked, told), (120, 2));
    }
}
