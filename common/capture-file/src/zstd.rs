//! Decompresses zstd (RFC 8878): all frames of a stream, one after the other.

use std::io::{self, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Largest window in bytes, which is the memory that a frame needs: that of `zstd -19`.
const WINDOW_MAX: u64 = 8 * 1024 * 1024;

/// A reader of the decompressed bytes.
pub(crate) struct Zstd<R> {
    source: Peeked<R>,
    decoder: FrameDecoder,
    state: State,
}

enum State {
    BetweenFrames,
    InFrame,
    Ended,
}

impl<R: Read> Zstd<R> {
    pub(crate) fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_MAX);
        Self { source: Peeked { source, first: None }, decoder, state: State::BetweenFrames }
    }

    /// Begins the next frame, if there is one.
    fn begin(&mut self) -> io::Result<State> {
        loop {
            if self.source.is_at_end()? {
                return Ok(State::Ended);
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(State::InFrame),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.state {
                State::Ended => return Ok(0),
                State::BetweenFrames => self.state = self.begin()?,
                State::InFrame if self.decoder.can_collect() > 0 => return self.decoder.read(buffer),
                State::InFrame if self.decoder.is_finished() => {
                    // The last bytes of a frame leave the window only when it is read to the end.
                    match self.decoder.read(buffer)? {
                        0 => self.state = State::BetweenFrames,
                        count => return Ok(count),
                    }
                }
                State::InFrame => {
                    let strategy = BlockDecodingStrategy::UptoBlocks(1);
                    self.decoder.decode_blocks(&mut self.source, strategy).map_err(io::Error::other)?;
                }
            }
        }
    }
}

/// A source of which one byte can be looked at.
struct Peeked<R> {
    source: R,
    first: Option<u8>,
}

impl<R: Read> Peeked<R> {
    fn is_at_end(&mut self) -> io::Result<bool> {
        if self.first.is_none() {
            let mut byte = [0];
            loop {
                match self.source.read(&mut byte) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(0) => break,
                    Ok(_) => {
                        self.first = Some(byte[0]);
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(self.first.is_none())
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let (Some(byte), Some(place)) = (self.first, buffer.first_mut()) {
            *place = byte;
            self.first = None;
            return Ok(1);
        }
        self.source.read(buffer)
    }
}
