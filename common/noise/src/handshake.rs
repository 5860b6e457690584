//! The messages that open a channel.
//!
//! ```text
//! tcpcopy                                      intercept
//!    | opening: magic, version                     |
//!    |-------------------------------------------->|  keeps nothing
//!    |                      challenge: 32 bytes    |
//!    |<--------------------------------------------|  random, in the prologue of the handshake
//!    | proof: Noise message 1 (psk, e)             |
//!    |-------------------------------------------->|  a tag that only the key gives
//!    |                reply: Noise message 2 (e, ee)|
//!    |<--------------------------------------------|
//!    |                  records                    |
//! ```
//!
//! Without the challenge a recorded message 1 would pass, because nothing in it comes from the responder: each replay would
//! cost it two multiplications on the curve. With it a replay fails at the tag, after a few hashes. The ephemeral keys
//! give forward secrecy: who learns the key later cannot read what was recorded.
//!
//! Each message is a frame, like those of the messages of the control protocol, with types of its own.

use common_core::control::MAGIC;
use snow::{Builder, HandshakeState};
use thiserror::Error;

use crate::key::{Key, Keys};
use crate::record::{Opener, Sealer};

/// The Noise protocol.
const PATTERN: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";

/// Length of the challenge in bytes.
const CHALLENGE: usize = 32;

/// Length of both Noise messages in bytes: a key of X25519 and a tag.
const MESSAGE: usize = 32 + 16;

/// Types of the messages.
mod kind {
    pub(super) const OPENING: u8 = 0x71;
    pub(super) const PROOF: u8 = 0x72;
    pub(super) const CHALLENGE: u8 = 0xf1;
    pub(super) const REPLY: u8 = 0xf2;
}

/// Why no channel is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// The peer speaks another version of the control protocol.
    #[error("it speaks version {0} of the protocol")]
    Version(u16),
    /// The peer has none of our keys, or repeats what it has recorded.
    #[error("wrong key")]
    WrongKey,
    /// A message that does not belong to the handshake, or not at this point.
    #[error("something other than the next message of the handshake")]
    Unexpected,
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers")]
    Random,
}

/// What follows a message.
#[derive(Debug)]
pub enum Step<S> {
    /// Another message.
    Next(S),
    /// The channel is open: records follow.
    Open(Sealer, Opener),
}

/// The side of tcpcopy.
#[derive(Debug)]
pub struct Initiator {
    version: u16,
    stage: InitiatorStage,
}

enum InitiatorStage {
    /// The challenge is to come.
    Opened(Key),
    /// Intercept's half is to come.
    Proved(Box<HandshakeState>),
}

impl std::fmt::Debug for InitiatorStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Opened(_)) { "Opened" } else { "Proved" })
    }
}

impl Initiator {
    /// Begins a handshake: appends the first message to `out`. `version` is that of the control protocol.
    #[must_use]
    pub fn new(key: Key, version: u16, out: &mut Vec<u8>) -> Self {
        frame(out, kind::OPENING, &[&MAGIC[..], &version.to_be_bytes()].concat());
        Self { version, stage: InitiatorStage::Opened(key) }
    }

    /// The body belongs to the handshake. If not, it may be a refusal, which comes without secrecy.
    #[must_use]
    pub fn is_mine(body: &[u8]) -> bool {
        matches!(body.first(), Some(&(kind::CHALLENGE | kind::REPLY)))
    }

    /// Handles the body of a frame, and appends the next message to `out`.
    ///
    /// # Errors
    /// [`HandshakeError::WrongKey`] if intercept does not have the key.
    pub fn handle(self, body: &[u8], out: &mut Vec<u8>) -> Result<Step<Self>, HandshakeError> {
        match (self.stage, body) {
            (InitiatorStage::Opened(key), [kind::CHALLENGE, challenge @ ..])
                if challenge.len() == CHALLENGE =>
            {
                let mut noise = builder(&key, &prologue(self.version, challenge), Builder::build_initiator)?;
                write(&mut noise, kind::PROOF, out)?;
                Ok(Step::Next(Self { stage: InitiatorStage::Proved(Box::new(noise)), ..self }))
            }
            (InitiatorStage::Proved(mut noise), [kind::REPLY, reply @ ..]) if reply.len() == MESSAGE => {
                noise.read_message(reply, &mut [0; MESSAGE]).map_err(|_| HandshakeError::WrongKey)?;
                channel(*noise)
            }
            _ => Err(HandshakeError::Unexpected),
        }
    }
}

/// The side of intercept. It has sent the challenge and awaits the proof.
#[derive(Debug)]
pub struct Responder {
    prologue: Vec<u8>,
}

impl Responder {
    /// The body is the first message of a peer that has a key.
    #[must_use]
    pub fn is_opening(body: &[u8]) -> bool {
        body.first() == Some(&kind::OPENING)
    }

    /// Answers the first message of a peer: appends the challenge to `out`.
    ///
    /// # Errors
    /// [`HandshakeError`].
    pub fn new(body: &[u8], version: u16, out: &mut Vec<u8>) -> Result<Self, HandshakeError> {
        let opening = body.strip_prefix(&[kind::OPENING]).and_then(|rest| rest.strip_prefix(&MAGIC));
        // Another version may have more fields.
        let Some(&[major, minor, ..]) = opening else { return Err(HandshakeError::Unexpected) };
        let theirs = u16::from_be_bytes([major, minor]);
        if theirs != version {
            return Err(HandshakeError::Version(theirs));
        }
        let mut challenge = [0; CHALLENGE];
        getrandom::fill(&mut challenge).map_err(|_| HandshakeError::Random)?;
        frame(out, kind::CHALLENGE, &challenge);
        Ok(Self { prologue: prologue(version, &challenge) })
    }

    /// Handles the proof, and appends the reply to `out`. The peer has one of `keys`: nobody else could have computed the
    /// answer to this challenge.
    ///
    /// # Errors
    /// [`HandshakeError`].
    pub fn handle(
        self,
        body: &[u8],
        keys: &Keys,
        out: &mut Vec<u8>,
    ) -> Result<(Sealer, Opener), HandshakeError> {
        let Some(proof) = body.strip_prefix(&[kind::PROOF]).filter(|proof| proof.len() == MESSAGE) else {
            return Err(HandshakeError::Unexpected);
        };
        for key in keys.iter() {
            let mut noise = builder(key, &self.prologue, Builder::build_responder)?;
            if noise.read_message(proof, &mut [0; MESSAGE]).is_ok() {
                write(&mut noise, kind::REPLY, out)?;
                let Step::Open(sealer, opener) = channel::<()>(noise)? else {
                    return Err(HandshakeError::Unexpected);
                };
                return Ok((sealer, opener));
            }
        }
        Err(HandshakeError::WrongKey)
    }
}

/// What both ends must agree on before they use the key.
fn prologue(version: u16, challenge: &[u8]) -> Vec<u8> {
    [&MAGIC[..], &version.to_be_bytes(), challenge].concat()
}

fn builder<'b>(
    key: &'b Key,
    prologue: &'b [u8],
    build: impl FnOnce(Builder<'b>) -> Result<HandshakeState, snow::Error>,
) -> Result<HandshakeState, HandshakeError> {
    // The pattern is constant and has room for one key and one prologue: nothing else can fail.
    let params = PATTERN.parse().map_err(|_| HandshakeError::Unexpected)?;
    let builder = Builder::new(params).psk(0, key.bytes()).and_then(|builder| builder.prologue(prologue));
    builder.and_then(build).map_err(|_| HandshakeError::Random)
}

/// Appends the next Noise message.
fn write(noise: &mut HandshakeState, kind: u8, out: &mut Vec<u8>) -> Result<(), HandshakeError> {
    let mut message = [0; MESSAGE];
    let length = noise.write_message(&[], &mut message).map_err(|_| HandshakeError::Random)?;
    frame(out, kind, &message[..length]);
    Ok(())
}

fn channel<S>(noise: HandshakeState) -> Result<Step<S>, HandshakeError> {
    let noise = noise.into_stateless_transport_mode().map_err(|_| HandshakeError::Unexpected)?;
    let noise = std::sync::Arc::new(noise);
    Ok(Step::Open(Sealer::new(noise.clone()), Opener::new(noise)))
}

fn frame(out: &mut Vec<u8>, kind: u8, fields: &[u8]) {
    let length = u32::try_from(1 + fields.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.push(kind);
    out.extend_from_slice(fields);
}

#[cfg(test)]
mod tests;
