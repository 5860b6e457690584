//! Cuts the byte stream of a control connection into frames.

use thiserror::Error;

/// The largest frame body, in bytes.
pub const MAX_FRAME: usize = 128 * 1024;

/// The largest body of the first frame of a connection, in bytes. A hello is far shorter, and the first four bytes of nearly
/// every other protocol would be a larger length.
pub const MAX_FIRST_FRAME: usize = 64;

/// Bytes of the length before each body.
const PREFIX: usize = 4;

/// A length of one byte has this bit; the first byte of a length of four bytes never has it.
pub(super) const SHORT_FORM: u8 = 0x80;

/// The longest body of that form, in bytes.
pub(super) const SHORT_MAX: usize = 127;

/// The initial size of a buffer: enough for some hundred answers.
const INITIAL: usize = 16 * 1024;

/// Why a stream cannot be cut into frames any further.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum FrameError {
    /// The first frame cannot be a hello.
    #[error("not the control protocol of tcpcopy (its first message would be {0} bytes long)")]
    First(usize),
    /// A body of more than [`MAX_FRAME`] bytes.
    #[error("a message of {0} bytes, more than the limit of {MAX_FRAME}")]
    TooLong(usize),
    /// A body without even a type.
    #[error("an empty message")]
    Empty,
}

/// Takes bytes and returns frame bodies. It grows with the traffic, up to the largest frame.
#[derive(Debug)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    first: bool,
}

impl Default for FrameBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameBuffer {
    /// A buffer for a new stream.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: vec![0; INITIAL], start: 0, end: 0, first: true }
    }

    /// The place for the next bytes of the stream. It is never empty if [`Self::next_frame`] has been called until it returned
    /// `None`.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.bytes.len() {
            let larger = (self.bytes.len() * 2).min(PREFIX + MAX_FRAME);
            self.bytes.resize(larger, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// The first `count` bytes of [`Self::space`] are filled.
    pub fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Appends bytes of the stream that have come by other means than [`Self::space`].
    pub fn push(&mut self, bytes: &[u8]) {
        self.space();
        if self.bytes.len() - self.end < bytes.len() {
            self.bytes.resize(self.end + bytes.len(), 0);
        }
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// All bytes have been returned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The body of the next complete frame.
    ///
    /// # Errors
    /// [`FrameError`]: nothing more can be read from this stream.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let pending = &self.bytes[self.start..self.end];
        let (prefix, length) = match pending {
            // The first frame must be recognised by four bytes, so it has no short form.
            [short, ..] if short & SHORT_FORM != 0 && !self.first => (1, usize::from(short & !SHORT_FORM)),
            [a, b, c, d, ..] => (PREFIX, u32::from_be_bytes([*a, *b, *c, *d]) as usize),
            _ => return Ok(None),
        };
        if length == 0 {
            return Err(FrameError::Empty);
        }
        if self.first && length > MAX_FIRST_FRAME {
            return Err(FrameError::First(length));
        }
        if length > MAX_FRAME {
            return Err(FrameError::TooLong(length));
        }
        let body = self.start + prefix;
        if self.end - body < length {
            return Ok(None);
        }
        self.start = body + length;
        self.first = false;
        Ok(Some(&self.bytes[body..body + length]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `stream` in pieces of at most `piece` bytes.
    fn cut(stream: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut buffer = FrameBuffer::new();
        let mut bodies = Vec::new();
        let mut rest = stream;
        while !rest.is_empty() {
            let space = buffer.space();
            let count = piece.min(space.len()).min(rest.len());
            assert!(count > 0, "no room in the buffer");
            space[..count].copy_from_slice(&rest[..count]);
            buffer.filled(count);
            rest = &rest[count..];
            while let Some(body) = buffer.next_frame()? {
                bodies.push(body.to_vec());
            }
        }
        Ok(bodies)
    }

    fn join(bodies: &[Vec<u8>]) -> Vec<u8> {
        bodies.iter().flat_map(|body| frame(body)).collect()
    }

    fn frame(body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32).to_be_bytes()[..], body].concat()
    }

    /// The frame, in the short form if it has one.
    fn shortest(body: &[u8]) -> Vec<u8> {
        match u8::try_from(body.len()) {
            Ok(length @ 1..SHORT_FORM) => [&[SHORT_FORM | length], body].concat(),
            _ => frame(body),
        }
    }

    #[test]
    fn frames_up_to_the_limit_pass() {
        let bodies = vec![vec![1; MAX_FIRST_FRAME], vec![2; MAX_FRAME], vec![3], vec![4; MAX_FRAME - 1]];
        for piece in [1, 3, 1000, usize::MAX] {
            assert_eq!(cut(&join(&bodies), piece).as_ref(), Ok(&bodies));
        }
    }

    #[test]
    fn a_stream_without_frames_is_recognised_by_the_length() {
        let first = vec![1; 3];
        assert_eq!(cut(&[0, 0, 0, 65], 1), Err(FrameError::First(65)));
        assert_eq!(cut(b"GET / HTTP/1.1\r\n", 1), Err(FrameError::First(0x4745_5420)));
        assert_eq!(cut(&[0, 0, 0, 0], 1), Err(FrameError::Empty));
        assert_eq!(cut(&[0x83, 1, 2, 3], 1), Err(FrameError::First(0x8301_0203)));
        assert_eq!(
            cut(&[join(std::slice::from_ref(&first)), vec![SHORT_FORM]].concat(), 1),
            Err(FrameError::Empty)
        );
        let too_long = [join(&[first]), vec![0, 2, 0, 1]].concat();
        assert_eq!(cut(&too_long, 1), Err(FrameError::TooLong(MAX_FRAME + 1)));
    }

    proptest! {
        #[test]
        fn any_cut_of_the_stream_gives_the_same_frames(
            first in prop::collection::vec(any::<u8>(), 1..=MAX_FIRST_FRAME),
            others in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..3000), 0..20),
            piece in 1_usize..5000,
        ) {
            let short: Vec<u8> =
                frame(&first).into_iter().chain(others.iter().flat_map(|body| shortest(body))).collect();
            let bodies: Vec<_> = std::iter::once(first).chain(others).collect();
            prop_assert_eq!(cut(&join(&bodies), piece), Ok(bodies.clone()));
            prop_assert_eq!(cut(&short, piece), Ok(bodies));
        }

        #[test]
        fn any_bytes_are_cut_or_refused(stream in prop::collection::vec(any::<u8>(), 0..5000), piece in 1_usize..500) {
            let frames: Vec<_> = cut(&stream, piece).unwrap_or_default();
            let least: usize = frames.iter().map(|body| shortest(body).len()).sum();
            prop_assert!(least <= stream.len());
        }
    }
}
