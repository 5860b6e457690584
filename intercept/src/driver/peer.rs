//! One peer on the control port.

use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::time::Duration;

use common_core::control::{DecodeError, FromIntercept, RefuseReason, ToIntercept};
use common_core::time::Time;
use common_os::io::control_conn::{ConnError, ControlConn, Received};
use thiserror::Error;

/// How long a peer may take to say hello. With several workers, this is the time until it gets to one.
pub(super) const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// How long, and for how many bytes, a refused peer is listened to, so that it reads the refusal before the
/// connection is reset under it.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);
const FAREWELL_BYTES: usize = 1 << 20;

/// Bytes read from one peer before it is the others' turn.
const BUDGET: usize = 64 * 1024;

/// A peer, from its connection to its end.
pub(super) struct Peer {
    /// Where it comes from.
    pub(super) address: SocketAddr,
    pub(super) readable: bool,
    pub(super) writable: bool,
    link: ControlConn,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its hello is waited for.
    Connected { deadline: Time },
    /// It has said hello.
    Greeted,
    /// It was refused; what it still sends is not listened to.
    Refused { deadline: Time, discarded: usize, finished: bool },
}

/// Why a peer is at its end.
#[derive(Debug, Error)]
pub(super) enum PeerError {
    #[error("{0}")]
    ControlConn(#[from] ConnError),
    #[error("{0}")]
    Decode(#[from] DecodeError),
    #[error("no hello within {} seconds", HELLO_TIMEOUT.as_secs())]
    NoHello,
    #[error("refused")]
    Refused,
}

impl Peer {
    pub(super) fn new(link: ControlConn, address: SocketAddr, now: Time) -> Self {
        let stage = Stage::Connected { deadline: now + HELLO_TIMEOUT };
        Self { address, readable: true, writable: true, link, stage }
    }

    pub(super) fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    pub(super) fn link_mut(&mut self) -> &mut ControlConn {
        &mut self.link
    }

    pub(super) fn greeted(&self) -> bool {
        self.stage == Stage::Greeted
    }

    pub(super) fn greet(&mut self) {
        self.stage = Stage::Greeted;
    }

    /// Appends what has come in to `messages`, which may be filled even if there is an error.
    pub(super) fn receive(&mut self, messages: &mut Vec<ToIntercept>) -> Result<(), PeerError> {
        if let Stage::Refused { discarded, .. } = &mut self.stage {
            *discarded += BUDGET;
            if *discarded > FAREWELL_BYTES {
                return Err(PeerError::Refused);
            }
            self.readable = self.link.discard(BUDGET)? == Received::More;
            return Ok(());
        }
        let mut undecodable = None;
        let received = self.link.receive(BUDGET, &mut |body| match ToIntercept::decode(body) {
            Ok(message) => {
                messages.push(message);
                ControlFlow::Continue(())
            }
            Err(error) => {
                undecodable = Some(error);
                ControlFlow::Break(())
            }
        })?;
        self.readable = received == Received::More;
        undecodable.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Tells the peer why it will be cut off, and stops listening to it.
    pub(super) fn refuse(&mut self, now: Time, reason: RefuseReason) {
        self.link.queue(|out| FromIntercept::Refuse(reason).encode(out));
        self.stage = Stage::Refused { deadline: now + FAREWELL_TIMEOUT, discarded: 0, finished: false };
        self.readable = true;
    }

    /// Sends what is queued, as far as the connection takes it.
    pub(super) fn flush(&mut self) -> Result<(), PeerError> {
        if self.writable && self.link.wants_write() {
            self.link.flush().map_err(ConnError::from)?;
            self.writable = !self.link.wants_write();
        }
        match &mut self.stage {
            Stage::Refused { finished, .. } if !*finished && !self.link.wants_write() => {
                *finished = true;
                self.link.finish().map_err(ConnError::from)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether a deadline of the peer has passed.
    pub(super) fn check(&self, now: Time) -> Result<(), PeerError> {
        match self.stage {
            Stage::Connected { deadline } if deadline <= now => Err(PeerError::NoHello),
            Stage::Refused { deadline, .. } if deadline <= now => Err(PeerError::Refused),
            _ => Ok(()),
        }
    }
}
