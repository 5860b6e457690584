//! Signals as events of the event loop.

use std::io;
use std::os::fd::AsRawFd;

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::sys::signal::{SigSet, Signal as Number};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// A request of the user or the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End cleanly: SIGINT, SIGTERM.
    End,
    /// Open the log again: SIGHUP. It never ends a process, because logrotate sends it to all.
    Reopen,
    /// Report the statistics: SIGUSR1.
    Report,
}

/// The signals of this process; readable when one is pending.
///
/// SIGPIPE never comes: Rust's runtime ignores it, and a write to a closed connection returns an error.
#[derive(Debug)]
pub struct Signals {
    file: SignalFd,
}

impl Signals {
    /// Blocks the signals and takes them over.
    ///
    /// Call this before any thread is started, because threads inherit the mask. Register with an event loop only after
    /// [`super::daemon::daemonize`], because the kernel wakes the process that has registered.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn take() -> io::Result<Self> {
        let mut wanted = SigSet::empty();
        for number in [Number::SIGINT, Number::SIGTERM, Number::SIGUSR1, Number::SIGHUP] {
            wanted.add(number);
        }
        wanted.thread_block()?;
        Ok(Self { file: SignalFd::with_flags(&wanted, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)? })
    }

    /// The next pending signal, without waiting; `None` if there is none.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn fetch(&mut self) -> io::Result<Option<Signal>> {
        let Some(info) = self.file.read_signal()? else { return Ok(None) };
        let is = |number: Number| info.ssi_signo == number as u32;
        Ok(Some(match () {
            () if is(Number::SIGUSR1) => Signal::Report,
            () if is(Number::SIGHUP) => Signal::Reopen,
            () => Signal::End,
        }))
    }
}

impl Source for Signals {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.file.as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.file.as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.file.as_raw_fd()).deregister(registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use nix::sys::signal::raise;

    /// `raise` sends to this thread alone. The other threads of a test process have not blocked the signal.
    #[test]
    fn signals_wake_the_event_loop_and_are_distinguished() {
        let mut signals = Signals::take().unwrap();
        assert_eq!(signals.fetch().unwrap(), None);
        let mut poll = Poll::new().unwrap();
        poll.registry().register(&mut signals, Token(7), Interest::READABLE).unwrap();
        for (number, meaning) in [
            (Number::SIGTERM, Signal::End),
            (Number::SIGUSR1, Signal::Report),
            (Number::SIGHUP, Signal::Reopen),
            (Number::SIGINT, Signal::End),
        ] {
            raise(number).unwrap();
            let mut events = Events::with_capacity(4);
            poll.poll(&mut events, None).unwrap();
            assert_eq!(events.iter().next().unwrap().token(), Token(7));
            assert_eq!(signals.fetch().unwrap(), Some(meaning));
            assert_eq!(signals.fetch().unwrap(), None);
        }
    }
}
