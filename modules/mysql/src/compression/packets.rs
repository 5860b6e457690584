//! The packets of a compressed client.
//!
//! A compressed packet has a header of seven bytes. Its content is a part of the stream of ordinary packets, compressed as
//! a whole or not at all. Source: dev.mysql.com, "Compressed Packet".

use module_kit::Loss;

use crate::compression::inflate::{Inflating, Method, PIECE, Unreadable};
use crate::wire::command::looks_like_command;
use crate::wire::packet::{HEADER, Header};

/// Whether a client compresses.
#[derive(Debug)]
pub(crate) enum Compression {
    /// Its first command decides.
    Undecided,
    No,
    Yes(Inflated),
}

/// The inflated stream of a client.
#[derive(Debug)]
pub(crate) struct Inflated {
    method: Method,
    /// Inflated bytes that are not done with.
    pub(crate) plain: Vec<u8>,
    /// The packet that comes next, if a part of it is inflated.
    packet: Packet,
    /// Inflated commands were left out, and none of the client's bytes were counted as lost for that.
    pub(crate) loss: Option<Loss>,
    /// All inflated bytes, rounded up.
    pub(crate) work: usize,
}

/// The next compressed packet.
#[derive(Debug)]
enum Packet {
    Untouched,
    Begun(Inflating),
    /// Its beginning went to a lost connection.
    Void,
}

/// Bytes of a compressed packet's header.
const COMPRESSED_HEADER: usize = 7;

/// Bytes that are needed to decide.
const TELLING: usize = COMPRESSED_HEADER + HEADER + 1;

impl Compression {
    /// Decides by the beginning of the client's first command, if enough of it is here.
    pub(crate) fn decide(&mut self, bytes: &[u8]) {
        let whole =
            |header: usize| Header::read(bytes).is_some_and(|read| bytes.len() == header + read.length);
        if !matches!(self, Self::Undecided) {
            return;
        }
        if looks_like_command(bytes) == Some(true) && whole(HEADER) {
            *self = Self::No;
        } else if bytes.len() >= TELLING {
            *self = match method(bytes) {
                Some(method) => Self::Yes(Inflated::new(method)),
                None => Self::No,
            };
        }
    }
}

/// How the compressed packet was compressed that begins here, if it is one.
fn method(bytes: &[u8]) -> Option<Method> {
    let (header, inflated, content) = read_header(bytes)?;
    if header.sequence != 0 {
        return None;
    }
    match content {
        _ if inflated == 0 && looks_like_command(content)? => Some(Method::Zlib),
        // RFC 1950 section 2.2.
        [method @ 0x78, flags, ..] if u16::from_be_bytes([*method, *flags]) % 31 == 0 => Some(Method::Zlib),
        // RFC 8878 section 3.1.1.
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Method::Zstd),
        _ => None,
    }
}

/// The header of a compressed packet, how long its content is once inflated (0: it is not compressed), and what is
/// here of the content.
fn read_header(bytes: &[u8]) -> Option<(Header, usize, &[u8])> {
    let header = Header::read(bytes)?;
    let &[low, middle, high] = bytes.get(HEADER..)?.first_chunk::<3>()?;
    Some((header, u32::from_le_bytes([low, middle, high, 0]) as usize, &bytes[COMPRESSED_HEADER..]))
}

impl Inflated {
    fn new(method: Method) -> Self {
        Self { method, plain: Vec::new(), packet: Packet::Untouched, loss: None, work: 0 }
    }

    /// The memory that is allocated for it, roughly, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let decoder = match &self.packet {
            Packet::Begun(inflating) => inflating.memory(),
            Packet::Untouched | Packet::Void => 0,
        };
        self.plain.capacity() + decoder
    }

    /// Inflates the compressed packet that `bytes` begins with, or a piece of it. Returns how long it is, 0 if it is not
    /// done yet and must be offered again, `None` if more of it is needed.
    pub(crate) fn packet(&mut self, bytes: &[u8]) -> Result<Option<usize>, Unreadable> {
        let Some((header, inflated, content)) = read_header(bytes) else { return Ok(None) };
        let Some(content) = content.get(..header.length) else { return Ok(None) };
        self.work = self.work.wrapping_add(if inflated == 0 { content.len() } else { inflated.min(PIECE) });
        let mut inflating = match std::mem::replace(&mut self.packet, Packet::Untouched) {
            Packet::Void => return Ok(Some(COMPRESSED_HEADER + header.length)),
            Packet::Begun(inflating) => inflating,
            Packet::Untouched if inflated == 0 => {
                self.plain.extend_from_slice(content);
                return Ok(Some(COMPRESSED_HEADER + header.length));
            }
            Packet::Untouched => {
                // Either method may be what a joined client's first bytes did not tell.
                let is_zstd = content.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]);
                Inflating::new(if is_zstd { Method::Zstd } else { self.method }, content, inflated)?
            }
        };
        if !inflating.step(content, &mut self.plain)? {
            self.packet = Packet::Begun(inflating);
            return Ok(Some(0));
        }
        Ok(Some(COMPRESSED_HEADER + header.length))
    }

    /// The connection to the test server is a new one: bytes that were not sent on the old one are dropped.
    pub(crate) fn connection_lost(&mut self) {
        self.plain.clear();
        if let Packet::Begun(_) = self.packet {
            self.packet = Packet::Void;
        }
    }

    /// Bytes of the client were lost. Returns the inflated content of `due`, the known ones among them, if these are whole
    /// packets, and not too many.
    pub(crate) fn client_lost(&mut self, due: &[u8]) -> Option<Vec<u8>> {
        let mut rest = due;
        // The beginning of a packet in progress is not known any more.
        let mut whole = matches!(std::mem::replace(&mut self.packet, Packet::Untouched), Packet::Untouched);
        while whole && !rest.is_empty() {
            let length = self.packet(rest).ok().flatten();
            whole = length.is_some() && self.plain.len() <= LEARNED_MAX;
            rest = &rest[length.unwrap_or_default()..];
        }
        self.packet = Packet::Untouched;
        Some(std::mem::take(&mut self.plain)).filter(|_| whole)
    }

    /// Removes bytes that are done with.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.plain.drain(..bytes.min(self.plain.len()));
        if self.plain.is_empty() && self.plain.capacity() > KEPT {
            self.plain = Vec::new();
        }
    }
}

/// The most that is inflated of lost bytes, and a piece.
const LEARNED_MAX: usize = 1 << 20;

/// An empty buffer keeps no more than this, in bytes.
const KEPT: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::ZlibEncoder;

    use super::*;

    fn compressed(content: &[u8], inflated: usize) -> Vec<u8> {
        let mut packet = Header { length: content.len(), sequence: 0 }.bytes().to_vec();
        packet.extend_from_slice(&inflated.to_le_bytes()[..3]);
        packet.extend_from_slice(content);
        packet
    }

    fn zlib(plain: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn decided(bytes: &[u8]) -> Compression {
        let mut compression = Compression::Undecided;
        compression.decide(bytes);
        compression
    }

    #[test]
    fn the_first_command_tells() {
        let ping = b"\x01\0\0\0\x0e";
        assert!(matches!(decided(ping), Compression::No));
        assert!(matches!(decided(&compressed(ping, 0)), Compression::Yes(_)));
        assert!(matches!(decided(&compressed(&zlib(&[b'x'; 100]), 100)), Compression::Yes(_)));
        assert!(matches!(decided(&ping[..4]), Compression::Undecided));
        assert!(matches!(decided(b"\x40\0\0\0\x03SELECT 'long and cut'"), Compression::No));
    }

    #[test]
    fn what_is_inflated_is_as_long_as_it_says() {
        let mut inflated = Inflated::new(Method::Zlib);
        let packet = compressed(&zlib(&[b'x'; 100]), 100);
        assert_eq!(inflated.packet(&packet[..packet.len() - 1]), Ok(None));
        assert_eq!(inflated.packet(&packet), Ok(Some(packet.len())));
        assert_eq!(inflated.plain, [b'x'; 100]);
        assert_eq!(inflated.packet(&compressed(&zlib(&[b'x'; 100]), 99)), Err(Unreadable));
        assert_eq!(inflated.packet(&compressed(&zlib(&[b'x'; 100]), 101)), Err(Unreadable));
        assert_eq!(inflated.packet(&compressed(b"no zlib", 99)), Err(Unreadable));
        assert_eq!(inflated.packet(&compressed(b"\x28\xb5\x2f\xfd\0\0", 99)), Err(Unreadable));
    }

    /// A frame with one block that repeats a byte (RFC 8878 section 3.1.1).
    fn zstd(byte: u8, times: u8) -> Vec<u8> {
        let block = u32::from(times) << 3 | 0b011;
        [&[0x28, 0xB5, 0x2F, 0xFD, 0x20, times], &block.to_le_bytes()[..3], &[byte]].concat()
    }

    #[test]
    fn zstd_is_inflated_and_believed_as_little() {
        let packet = compressed(&zstd(b'x', 100), 100);
        let Compression::Yes(mut inflated) = decided(&packet) else { panic!("its magic number tells") };
        assert_eq!(inflated.packet(&packet[..packet.len() - 1]), Ok(None));
        assert_eq!(inflated.packet(&packet), Ok(Some(packet.len())));
        assert_eq!(inflated.plain, [b'x'; 100]);
        for (content, length) in [
            (zstd(b'x', 100), 99),
            (zstd(b'x', 100), 101),
            (zlib(&[b'x'; 100]), 100),
            (zstd(b'x', 9)[..8].to_vec(), 9),
        ] {
            assert_eq!(inflated.packet(&compressed(&content, length)), Err(Unreadable), "{length}");
        }
        // Short ones are bare.
        inflated.plain.clear();
        assert_eq!(inflated.packet(&compressed(b"bare", 0)), Ok(Some(11)));
        assert_eq!(inflated.plain, b"bare");
    }
}
