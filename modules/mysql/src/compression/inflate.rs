//! Inflates a compressed packet piece by piece: a few hundred bytes can inflate to megabytes, which one call must not do.

use std::fmt;
use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// How a client compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Zlib,
    Zstd,
}

/// The compressed bytes cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Inflated in one step, in bytes; zstd decodes up to a block more.
pub(crate) const PIECE: usize = 128 << 10;

/// The memory of a decoder without its window, roughly, in bytes.
const DECODER: usize = 48 << 10;

/// A packet that is being inflated; it stays with the engine meanwhile.
#[derive(Debug)]
pub(crate) struct Inflating {
    decoder: Decoder,
    /// Its inflated length, from its header.
    length: usize,
    /// Its bytes that were read, and the inflated ones.
    read: usize,
    inflated: usize,
}

enum Decoder {
    Zlib(Box<Decompress>),
    /// With its window, in bytes; it is ready once the frame's header was read.
    Zstd {
        decoder: Box<FrameDecoder>,
        window: usize,
        pieces: usize,
    },
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zlib(_) => "zlib",
            Self::Zstd { .. } => "zstd",
        })
    }
}

impl Inflating {
    /// The packet with this content, which is to become `length` bytes.
    pub(crate) fn new(method: Method, mut content: &[u8], length: usize) -> Result<Self, Unreadable> {
        let whole = content.len();
        let decoder = match method {
            Method::Zlib => Decoder::Zlib(Box::new(Decompress::new(true))),
            Method::Zstd => {
                let window = window(content).ok_or(Unreadable)?;
                let mut decoder = Box::new(FrameDecoder::new());
                decoder.init(&mut content).map_err(|_| Unreadable)?;
                Decoder::Zstd { decoder, window, pieces: 0 }
            }
        };
        Ok(Self { decoder, length, read: whole - content.len(), inflated: 0 })
    }

    /// The memory that it takes, roughly, in bytes.
    pub(crate) fn memory(&self) -> usize {
        match self.decoder {
            Decoder::Zlib(_) => DECODER,
            Decoder::Zstd { window, .. } => DECODER + window,
        }
    }

    /// Appends the next piece to `plain`. Returns whether that was the last.
    pub(crate) fn step(&mut self, content: &[u8], plain: &mut Vec<u8>) -> Result<bool, Unreadable> {
        let content = content.get(self.read..).ok_or(Unreadable)?;
        let before = plain.len();
        let (read, is_last) = match &mut self.decoder {
            Decoder::Zlib(decoder) => zlib(decoder, content, self.length - self.inflated, plain)?,
            Decoder::Zstd { decoder, pieces, .. } => {
                if !decoder.is_finished() {
                    // The bytes within the window are not counted yet.
                    if *pieces * PIECE > self.length {
                        return Err(Unreadable);
                    }
                    *pieces += 1;
                }
                zstd(decoder, content, plain)?
            }
        };
        self.read += read;
        self.inflated += plain.len() - before;
        if self.inflated > self.length || is_last && self.inflated < self.length {
            return Err(Unreadable);
        }
        Ok(is_last)
    }
}

/// Inflates one piece. Returns how many bytes of `content` were read, and whether the packet is complete. `missing`
/// inflated bytes are still expected.
fn zlib(
    decoder: &mut Decompress,
    content: &[u8],
    missing: usize,
    plain: &mut Vec<u8>,
) -> Result<(usize, bool), Unreadable> {
    let (read, inflated, before) = (decoder.total_in(), decoder.total_out(), plain.len());
    // One byte more detects a content longer than announced, and lets the checksum be read.
    plain.resize(before + (missing + 1).min(PIECE), 0);
    let status = decoder.decompress(content, &mut plain[before..], FlushDecompress::None);
    let (read, inflated) = (decoder.total_in() - read, decoder.total_out() - inflated);
    let lengths = (usize::try_from(read), usize::try_from(inflated));
    let (Ok(read), Ok(inflated)) = lengths else { return Err(Unreadable) };
    plain.truncate(before + inflated);
    match status {
        Ok(Status::StreamEnd) => Ok((read, true)),
        Ok(Status::Ok | Status::BufError) if read + inflated > 0 => Ok((read, false)),
        _ => Err(Unreadable),
    }
}

/// The same for zstd. The packet may be incomplete although all of `content` was read.
fn zstd(
    decoder: &mut FrameDecoder,
    mut content: &[u8],
    plain: &mut Vec<u8>,
) -> Result<(usize, bool), Unreadable> {
    let whole = content.len();
    if !decoder.is_finished() {
        let strategy = BlockDecodingStrategy::UptoBytes(PIECE);
        decoder.decode_blocks(&mut content, strategy).map_err(|_| Unreadable)?;
    }
    let before = plain.len();
    plain.resize(before + decoder.can_collect().min(PIECE), 0);
    let inflated = decoder.read(&mut plain[before..]).map_err(|_| Unreadable)?;
    plain.truncate(before + inflated);
    let is_last = decoder.is_finished() && decoder.can_collect() == 0;
    if is_last && !content.is_empty() {
        return Err(Unreadable);
    }
    Ok((whole - content.len(), is_last))
}

/// How much a zstd frame's decoder must remember, in bytes (RFC 8878 section 3.1.1.1).
fn window(frame: &[u8]) -> Option<usize> {
    let &[_, _, _, _, descriptor, ref fields @ ..] = frame else { return None };
    if descriptor & 0x20 == 0 {
        let &window = fields.first()?;
        let base = 1usize.checked_shl(10 + u32::from(window >> 3))?;
        return Some(base.saturating_add(base / 8 * usize::from(window & 7)));
    }
    // A single segment is as long as its content.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let length = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let mut size = [0; 8];
    size.get_mut(..length)?.copy_from_slice(fields.get(dictionary..dictionary + length)?);
    let extra = if length == 2 { 256 } else { 0 };
    usize::try_from(u64::from_le_bytes(size).saturating_add(extra)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_tells_its_window() {
        assert_eq!(window(b"\x28\xb5\x2f\xfd\x20\x64"), Some(100));
        assert_eq!(window(b"\x28\xb5\x2f\xfd\x60\x01\0"), Some(257));
        assert_eq!(window(b"\x28\xb5\x2f\xfd\xa0\xff\xff\xff\0"), Some(0xFF_FFFF));
        assert_eq!(window(b"\x28\xb5\x2f\xfd\0\x58"), Some(2 << 20));
        assert_eq!(window(b"\x28\xb5\x2f\xfd\xa0\xff"), None);
        for descriptor in 0..=u8::MAX {
            for last in 0..=u8::MAX {
                let _ = window(&[0, 0, 0, 0, descriptor, last]);
            }
        }
    }
}
