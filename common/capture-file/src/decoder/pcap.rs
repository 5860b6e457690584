//! The pcap format (draft-ietf-opsawg-pcap).

use pcap_parser::parse_pcap_header;

use super::{CHAIN, Chain, PACKET_MAX, Step, resynchronise};
use crate::counters::Counters;
use common_core::wire::LinkType;

/// Length of a record's header, in bytes; and of the one with three more fields, which some old kernels wrote.
const HEADER: usize = 16;
const MODIFIED_HEADER: usize = 24;

const NANOS: u64 = 1_000_000_000;

/// Records that are this far from the last good one are no reason to read on after damage, in seconds.
const NEAR: u32 = 7 * 24 * 3600;

/// The first number of a file, as little endian: microseconds or nanoseconds in either byte order, and the modified format.
pub(super) fn is_magic(magic: u32) -> bool {
    matches!(magic, 0xa1b2_c3d4 | 0xa1b2_3c4d | 0xd4c3_b2a1 | 0x4d3c_b2a1 | 0xa1b2_cd34)
}

/// A pcap file after its header.
#[derive(Debug)]
pub(super) struct Pcap {
    big_endian: bool,
    /// Nanoseconds of one unit of the fraction of a second.
    unit: u64,
    header: usize,
    snap: u32,
    link: LinkType,
    /// Seconds of the last record.
    last: Option<u32>,
    is_skipping: bool,
}

/// The fields of a record's header.
#[derive(Debug, Clone, Copy)]
struct Header {
    seconds: u32,
    fraction: u32,
    captured: u32,
    original: u32,
}

impl Pcap {
    /// Reads the header of the file; returns its length, too. The error is the number of bytes needed, if more could help.
    pub(super) fn begin(input: &[u8]) -> Result<(Self, usize), Option<usize>> {
        let (rest, header) = parse_pcap_header(input).map_err(|error| match error {
            nom_error if nom_error.is_incomplete() => Some(24),
            _ => None,
        })?;
        let pcap = Self {
            big_endian: header.is_bigendian(),
            unit: if header.is_nanosecond_precision() { 1 } else { 1000 },
            header: if header.is_modified_format() { MODIFIED_HEADER } else { HEADER },
            snap: header.snaplen,
            // The upper bits have the length of the frame check sequence.
            link: LinkType((header.network.0 & 0xffff) as u16),
            last: None,
            is_skipping: false,
        };
        Ok((pcap, input.len() - rest.len()))
    }

    pub(super) fn decode(&mut self, input: &[u8], ended: bool, counters: &mut Counters) -> Step {
        if self.is_skipping {
            return self.skip(input, ended, counters);
        }
        let Some(header) = self.header_at(input, 0) else {
            return self.too_short(input, ended, counters, self.header);
        };
        if !self.is_valid(header) {
            return self.skip(input, ended, counters);
        }
        let end = self.header + header.captured as usize;
        let lookahead = end + self.header;
        if input.len() < lookahead && !ended {
            return Step::More(lookahead);
        }
        if input.len() < end {
            // A record whose length is damaged claims bytes after the end of the file.
            return match self.chain(input, ended, 1) {
                Chain::Yes => self.skip(input, ended, counters),
                _ if self.has_successor(input) => self.skip(input, ended, counters),
                _ => self.too_short(input, ended, counters, end),
            };
        }
        // If no record follows, this length or the next header is damaged. Packets that are captured whole, or up to the snap
        // length, show that theirs is right.
        let is_followed = self.header_at(input, end).is_none_or(|next| self.is_valid(next));
        if !is_followed && header.captured != header.original && header.captured != self.snap {
            return self.skip(input, ended, counters);
        }
        self.last = Some(header.seconds);
        Step::Packet {
            consumed: end,
            data: self.header..end,
            time: u64::from(header.seconds) * NANOS + u64::from(header.fraction) * self.unit,
            link: self.link,
            original_len: header.original,
        }
    }

    /// Some later place in the rest of the file begins records up to its end.
    fn has_successor(&self, input: &[u8]) -> bool {
        (1..input.len()).any(|at| self.chain(input, true, at) == Chain::Yes)
    }

    /// The file ends before the record does.
    fn too_short(&mut self, input: &[u8], ended: bool, counters: &mut Counters, needed: usize) -> Step {
        match (ended, input.len()) {
            (false, _) => Step::More(needed),
            (true, 0) => Step::End,
            (true, length) => {
                counters.cut += 1;
                Step::Skip(length)
            }
        }
    }

    fn skip(&mut self, input: &[u8], ended: bool, counters: &mut Counters) -> Step {
        let mut is_skipping = self.is_skipping;
        let step = resynchronise(input, ended, counters, &mut is_skipping, |at| self.chain(input, ended, at));
        self.is_skipping = is_skipping;
        step
    }

    /// Whether records follow one another from here on: some of them, or all up to the end of the file.
    fn chain(&self, input: &[u8], ended: bool, mut at: usize) -> Chain {
        for _ in 0..CHAIN {
            let Some(header) = self.header_at(input, at) else {
                return match ended {
                    true if at == input.len() => Chain::Yes,
                    true => Chain::No,
                    false => Chain::More(at + self.header),
                };
            };
            if !self.is_likely(header) {
                return Chain::No;
            }
            at += self.header + header.captured as usize;
        }
        Chain::Yes
    }

    fn header_at(&self, input: &[u8], at: usize) -> Option<Header> {
        let bytes = input.get(at..at + self.header)?;
        let field = |index: usize| {
            let bytes = [bytes[index], bytes[index + 1], bytes[index + 2], bytes[index + 3]];
            if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        Some(Header { seconds: field(0), fraction: field(4), captured: field(8), original: field(12) })
    }

    /// The header can be that of a record.
    fn is_valid(&self, header: Header) -> bool {
        u64::from(header.fraction) * self.unit < NANOS && header.captured as usize <= PACKET_MAX
    }

    /// The header looks like that of a record where nothing else says that there is one.
    fn is_likely(&self, header: Header) -> bool {
        self.is_valid(header)
            && header.captured > 0
            && header.captured <= header.original
            && header.original as usize <= PACKET_MAX
            && (header.captured == header.original || self.snap == 0 || header.captured <= self.snap)
            && self.last.is_none_or(|last| last.abs_diff(header.seconds) <= NEAR)
    }
}
