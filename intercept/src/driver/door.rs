//! Where a worker's peers come from: the control port, or the thread that listens on it for all.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token, Waker};

/// Connections that a worker has not fetched: it does so at once, unless it is stopped.
const WAITING_MAX: usize = 128;

/// Connections that are new to a worker.
pub(super) enum Door {
    /// It listens itself.
    Port(TcpListener),
    /// Another thread listens, and hands over what is for this worker.
    Inbox(Arc<Inbox>),
}

impl Door {
    /// Registers it: an event says that [`Self::accept`] has something.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Self::Port(listener) => listener.register(registry, token, Interest::READABLE),
            Self::Inbox(inbox) => {
                inbox.lock().waker = Some(Waker::new(registry, token)?);
                Ok(())
            }
        }
    }

    /// The next connection, registered nowhere.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if there is none; and the operating system's.
    pub(super) fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self {
            Self::Port(listener) => listener.accept(),
            Self::Inbox(inbox) => inbox.lock().waiting.pop_front().ok_or(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Where it listens itself.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Port(listener) => listener.local_addr().ok(),
            Self::Inbox(_) => None,
        }
    }
}

/// Connections on their way from the thread that listens to a worker. Both look here when one is handed over, and for
/// nothing else.
#[derive(Default)]
pub(super) struct Inbox(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    waiting: VecDeque<(TcpStream, SocketAddr)>,
    waker: Option<Waker>,
}

impl Inbox {
    /// Hands a connection over; false, and it is closed, if the worker does not fetch what it has.
    pub(super) fn put(&self, stream: TcpStream, address: SocketAddr) -> bool {
        let mut contents = self.lock();
        if contents.waiting.len() >= WAITING_MAX {
            return false;
        }
        contents.waiting.push_back((stream, address));
        contents.wake();
        true
    }

    /// Wakes the worker.
    pub(super) fn wake(&self) {
        self.lock().wake();
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn wake(&self) {
        // Unheard, it is noticed a second later.
        let _ = self.waker.as_ref().map(Waker::wake);
    }
}
