//! One peer on the control port.

use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::time::Duration;

use common_core::control::{DecodeError, FromIntercept, RefuseReason};
use common_core::time::Time;
use common_os::io::control_conn::{ConnError, ControlConn, Received};
use thiserror::Error;

use super::inbox::Inbox;
use crate::router::Host;

/// How long a peer may take to send its hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// How long, and for how many bytes, the driver reads from a refused peer: unread bytes would reset the connection before
/// the peer has read the refusal.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);
const FAREWELL_BYTES: usize = 1 << 20;

/// Bytes read from one peer in a round.
const BUDGET: usize = 16 * 1024;

/// The same of a peer that sends packets of copies.
const TUNNEL_BUDGET: usize = 256 * 1024;

/// How long a peer may take nothing of what is queued for it. A tcpcopy notices the silence of its intercept after 6 s.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);

/// A peer, from its connection to its removal.
pub(super) struct Peer {
    /// The remote address of its connection.
    pub(super) address: SocketAddr,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// Its host has copied before, or it has proved the key.
    pub(super) is_known: bool,
    /// It sends packets of copies.
    pub(super) tunnels: bool,
    /// Answers queued.
    pub(super) answers: u64,
    /// Answers for which the queue had no room.
    pub(super) overflowed: u64,
    since: Time,
    /// It has taken nothing of its queue since then.
    stalled: Option<Time>,
    connection: ControlConn,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its hello has not come yet.
    Connected { deadline: Time },
    /// Its hello was accepted.
    Greeted,
    /// It was refused; whatever else it sends is discarded.
    Refused { deadline: Time, discarded: usize, finished: bool },
}

/// Why a peer is removed.
#[derive(Debug, Error)]
pub(super) enum PeerError {
    #[error("{0}")]
    ControlConn(#[from] ConnError),
    #[error("{0}")]
    Decode(#[from] DecodeError),
    #[error("no hello within {} seconds", HELLO_TIMEOUT.as_secs())]
    NoHello,
    #[error("it has read nothing for {} seconds", STALL_TIMEOUT.as_secs())]
    Stalled,
    #[error("displaced by a host that has fewer connections")]
    Displaced,
    #[error("refused")]
    Refused,
}

impl Peer {
    pub(super) fn new(connection: ControlConn, address: SocketAddr, now: Time) -> Self {
        let stage = Stage::Connected { deadline: now + HELLO_TIMEOUT };
        Self {
            address,
            readable: true,
            writable: true,
            is_known: false,
            tunnels: false,
            answers: 0,
            overflowed: 0,
            since: now,
            stalled: None,
            connection,
            stage,
        }
    }

    pub(super) fn host(&self) -> Host {
        self.ip().into()
    }

    /// When it connected.
    pub(super) fn since(&self) -> Time {
        self.since
    }

    /// Bytes queued for it.
    pub(super) fn queued(&self) -> usize {
        self.connection.queued()
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        self.connection.set_limit(limit);
    }

    /// It has proved the key, or has read answers to connections of its own.
    pub(super) fn proves_itself(&self) -> bool {
        self.greeted() && (self.is_secret() || (self.answers > 0 && !self.connection.wants_write()))
    }

    pub(super) fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    pub(super) fn connection_mut(&mut self) -> &mut ControlConn {
        &mut self.connection
    }

    pub(super) fn greeted(&self) -> bool {
        self.stage == Stage::Greeted
    }

    /// It has proved that it has the key.
    pub(super) fn is_secret(&self) -> bool {
        self.connection.is_secret()
    }

    pub(super) fn greet(&mut self) {
        self.stage = Stage::Greeted;
    }

    /// Bytes read since the last call.
    pub(super) fn take_received(&mut self) -> usize {
        self.connection.take_received()
    }

    /// Puts what has come into the inbox, also what comes before an error.
    pub(super) fn receive(&mut self, inbox: &mut Inbox) -> Result<(), PeerError> {
        if let Stage::Refused { discarded, .. } = &mut self.stage {
            *discarded += BUDGET;
            if *discarded > FAREWELL_BYTES {
                return Err(PeerError::Refused);
            }
            self.readable = self.connection.discard(BUDGET)? == Received::More;
            return Ok(());
        }
        let mut undecodable = None;
        let budget = if self.tunnels { TUNNEL_BUDGET } else { BUDGET };
        let received = self.connection.receive(budget, &mut |body| match inbox.push(body) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                undecodable = Some(error);
                ControlFlow::Break(())
            }
        })?;
        self.readable = received == Received::More;
        undecodable.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Sends the peer the reason of its first refusal; its further messages are discarded.
    pub(super) fn refuse(&mut self, now: Time, reason: RefuseReason) {
        if matches!(self.stage, Stage::Refused { .. }) {
            return;
        }
        self.connection.queue(|out| FromIntercept::Refuse(reason).encode(out));
        self.stage = Stage::Refused { deadline: now + FAREWELL_TIMEOUT, discarded: 0, finished: false };
        self.readable = true;
    }

    /// Writes the queue, as far as the connection takes it.
    pub(super) fn flush(&mut self, now: Time) -> Result<(), PeerError> {
        if self.writable && self.connection.wants_write() {
            self.connection.flush().map_err(ConnError::from)?;
            self.writable = !self.connection.wants_write();
            // An event says when it takes more.
            self.stalled = (!self.writable).then_some(now);
        }
        match &mut self.stage {
            Stage::Refused { finished, .. } if !*finished && !self.connection.wants_write() => {
                *finished = true;
                self.connection.finish().map_err(ConnError::from)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Fails if a deadline of the peer has passed.
    pub(super) fn check(&self, now: Time) -> Result<(), PeerError> {
        match self.stage {
            Stage::Connected { deadline } if deadline <= now => Err(PeerError::NoHello),
            Stage::Refused { deadline, .. } if deadline <= now => Err(PeerError::Refused),
            _ if self.stalled.is_some_and(|since| since + STALL_TIMEOUT <= now) => Err(PeerError::Stalled),
            _ => Ok(()),
        }
    }
}
