//! Reads packets from a stream of bytes.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;

use crate::counters::Counters;
use crate::decoder::{Decoder, Step};
use common_core::wire::{LinkType, ip_packet};

/// Bytes read at once.
const CHUNK: usize = 256 * 1024;

/// One packet of a capture file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// When it was captured, in nanoseconds since 1970.
    pub time: u64,
    /// Its link layer.
    pub link: LinkType,
    /// The captured bytes, from the link layer on.
    pub data: &'a [u8],
    /// Length on the wire in bytes: more than `data.len()` where the snap length has cut the packet.
    pub original_len: u32,
}

impl<'a> Packet<'a> {
    /// The IP packet, without link layer and VLAN tags; see [`ip_packet`].
    #[must_use]
    pub fn ip(&self) -> Option<&'a [u8]> {
        ip_packet(self.link, self.data)
    }
}

/// Reads the packets of a decompressed capture file, in their order.
///
/// Memory is limited: some MiB, whatever the file says.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    decoder: Decoder,
    buffer: Vec<u8>,
    /// The bytes of the buffer that are not decoded yet.
    filled: Range<usize>,
    ended: bool,
    error: Option<io::Error>,
    is_unknown: bool,
}

impl<R: Read> Reader<R> {
    /// Reads from `source`, which needs no buffer.
    pub fn new(source: R) -> Self {
        Self {
            source,
            decoder: Decoder::new(),
            buffer: Vec::new(),
            filled: 0..0,
            ended: false,
            error: None,
            is_unknown: false,
        }
    }

    /// The next packet; `None` at the end.
    ///
    /// An error of the source ends the file, as [`Self::error`] tells.
    pub fn next_packet(&mut self) -> Option<Packet<'_>> {
        loop {
            match self.decoder.decode(&self.buffer[self.filled.clone()], self.ended) {
                Step::More(needed) => self.fill(needed),
                Step::Skip(count) => self.filled.start += count,
                Step::Packet { consumed, data, time, link, original_len } => {
                    let start = self.filled.start;
                    self.filled.start += consumed;
                    let data = &self.buffer[start + data.start..start + data.end];
                    return Some(Packet { time, link, data, original_len });
                }
                Step::Unknown => {
                    self.is_unknown = true;
                    return None;
                }
                Step::End => return None,
            }
        }
    }

    /// What was read so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.decoder.counters()
    }

    /// Why reading ended early: the source failed, or its compressed data are damaged or cut.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// The bytes are no capture file.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// Reads until at least `needed` bytes are there, or the source ends.
    fn fill(&mut self, needed: usize) {
        self.buffer.copy_within(self.filled.clone(), 0);
        self.filled = 0..self.filled.len();
        let room = needed.max(CHUNK);
        if self.buffer.len() < room {
            self.buffer.resize(room, 0);
        }
        while self.filled.end < needed && !self.ended {
            match self.source.read(&mut self.buffer[self.filled.end..]) {
                Ok(0) => self.ended = true,
                Ok(count) => self.filled.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = true;
                    self.error = Some(error);
                }
            }
        }
    }
}
