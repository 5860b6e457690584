//! Whether what passes on a connection is secret, and how it becomes so.

use std::sync::Arc;

use common_core::control::{FromIntercept, VERSION};
use common_noise::handshake::{HandshakeError, Initiator, Responder, Step};
use common_noise::key::{Key, Keys};
use common_noise::record::{Opener, RecordError, Sealer};
use thiserror::Error;

/// Why the key, or the want of one, ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SecrecyError {
    /// This end has a key, and the peer that has connected began without one.
    #[error("it has no key")]
    PeerHasNone,
    /// The peer that has connected began with a key, and this end has none.
    #[error("it has a key, and this end has none")]
    WeHaveNone,
    /// The peer that was connected to goes on without a key.
    #[error("it does not prove that it has the key")]
    Unproven,
    /// The handshake failed.
    #[error("{0}")]
    Handshake(#[from] HandshakeError),
    /// What followed it is not from the peer, or damaged.
    #[error("{0}")]
    Record(#[from] RecordError),
}

/// The state of a connection.
#[derive(Debug)]
pub(super) enum Secrecy {
    /// Frames pass as they are.
    Plain,
    /// An accepted connection: the first frame decides.
    Fresh(Option<Arc<Keys>>),
    /// An accepted connection that awaits the proof.
    Challenged(Responder, Arc<Keys>),
    /// Our own handshake: nothing else is sent until it is complete.
    Initiating(Initiator),
    /// Frames pass in records.
    Open { sealer: Sealer, opener: Opener },
    /// The handshake failed.
    Failed,
}

/// For whom a frame is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// For the user of the connection.
    User,
    /// It was a part of the handshake.
    Handshake,
}

impl Secrecy {
    /// Begins a handshake, whose frames are appended to `wire`.
    pub(super) fn initiate(key: Key, wire: &mut Vec<u8>) -> Self {
        Self::Initiating(Initiator::new(key, VERSION, wire))
    }

    /// Decides for whom the body of a frame is, and appends the next frame of the handshake to `wire`.
    ///
    /// # Errors
    /// [`SecrecyError`]: the connection has ended.
    pub(super) fn handle(&mut self, body: &[u8], wire: &mut Vec<u8>) -> Result<Reader, SecrecyError> {
        if let Self::Open { .. } | Self::Plain = self {
            return Ok(Reader::User);
        }
        let next = match std::mem::replace(self, Self::Failed) {
            Self::Fresh(None) if Responder::is_opening(body) => return Err(SecrecyError::WeHaveNone),
            Self::Fresh(None) => {
                *self = Self::Plain;
                return Ok(Reader::User);
            }
            Self::Fresh(Some(_)) if !Responder::is_opening(body) => return Err(SecrecyError::PeerHasNone),
            Self::Fresh(Some(keys)) => Self::Challenged(Responder::new(body, VERSION, wire)?, keys),
            Self::Challenged(responder, keys) => {
                let (sealer, opener) = responder.handle(body, &keys, wire)?;
                Self::Open { sealer, opener }
            }
            Self::Initiating(initiator) if Initiator::is_mine(body) => match initiator.handle(body, wire)? {
                Step::Next(initiator) => Self::Initiating(initiator),
                Step::Open(sealer, opener) => Self::Open { sealer, opener },
            },
            // Intercept may refuse before the handshake is complete. Anybody could say that, but it only ends the connection.
            Self::Initiating(_) if matches!(FromIntercept::decode(body), Ok(FromIntercept::Refuse(_))) => {
                return Ok(Reader::User);
            }
            Self::Initiating(_) => return Err(SecrecyError::Unproven),
            Self::Plain | Self::Open { .. } | Self::Failed => return Err(HandshakeError::Unexpected.into()),
        };
        *self = next;
        Ok(Reader::Handshake)
    }
}
