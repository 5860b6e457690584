//! Records: what passes through an open channel. A record is the length of its ciphertext (2 bytes, big-endian) and the
//! ciphertext: some bytes of the stream and a tag of 16 bytes. Records are numbered, so none can be repeated, left out or moved.

use std::fmt;
use std::sync::Arc;

use snow::StatelessTransportState;
use thiserror::Error;

/// The most bytes of the stream in one record. Noise allows 65 519: more than this gains nothing and costs memory.
pub const MAX_PLAIN: usize = 16 * 1024;

/// Bytes of the length before each record.
const PREFIX: usize = 2;

/// Bytes that ChaCha20-Poly1305 adds (RFC 8439 section 2.8).
const TAG: usize = 16;

/// The initial size of the buffer of received records.
const INITIAL: usize = 2048;

/// Why a channel cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RecordError {
    /// A record that the peer has not sealed, or not as its next one.
    #[error("a record that is not genuine")]
    Forged,
    /// A length that no record has.
    #[error("a record of {0} bytes")]
    Length(usize),
}

/// Seals what is sent.
pub struct Sealer {
    noise: Arc<StatelessTransportState>,
    next: u64,
}

impl Sealer {
    pub(crate) fn new(noise: Arc<StatelessTransportState>) -> Self {
        Self { noise, next: 0 }
    }

    /// Appends records with the bytes of `plain` to `out`.
    ///
    /// # Errors
    /// Not even a peer that receives a million records a second lives to see one.
    pub fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), RecordError> {
        for piece in plain.chunks(MAX_PLAIN) {
            let start = out.len();
            let length = piece.len() + TAG;
            out.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
            out.resize(start + PREFIX + length, 0);
            self.noise
                .write_message(self.next, piece, &mut out[start + PREFIX..])
                .map_err(|_| RecordError::Length(length))?;
            self.next += 1;
        }
        Ok(())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("next", &self.next).finish_non_exhaustive()
    }
}

/// Opens what is received.
pub struct Opener {
    noise: Arc<StatelessTransportState>,
    next: u64,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    plain: Vec<u8>,
}

impl Opener {
    pub(crate) fn new(noise: Arc<StatelessTransportState>) -> Self {
        Self { noise, next: 0, bytes: vec![0; INITIAL], start: 0, end: 0, plain: Vec::new() }
    }

    /// The place for the next bytes that arrive. It is never empty if [`Self::open`] has been called until it returned
    /// `None`.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.bytes.len() {
            let larger = (self.bytes.len() * 2).min(2 * (PREFIX + MAX_PLAIN + TAG));
            self.bytes.resize(larger, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// The first `count` bytes of [`Self::space`] are filled.
    pub fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// The bytes of the next complete record.
    ///
    /// # Errors
    /// [`RecordError`]: nothing more can be read.
    pub fn open(&mut self) -> Result<Option<&[u8]>, RecordError> {
        let pending = &self.bytes[self.start..self.end];
        let [high, low, rest @ ..] = pending else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if !(TAG..=MAX_PLAIN + TAG).contains(&length) {
            return Err(RecordError::Length(length));
        }
        let Some(record) = rest.get(..length) else { return Ok(None) };
        let plain = length - TAG;
        if self.plain.len() < plain {
            self.plain.resize(plain, 0);
        }
        // Only genuine records are counted.
        let opened = self.noise.read_message(self.next, record, &mut self.plain[..plain]);
        opened.map_err(|_| RecordError::Forged)?;
        self.next += 1;
        self.start += PREFIX + length;
        Ok(Some(&self.plain[..plain]))
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("next", &self.next).finish_non_exhaustive()
    }
}
