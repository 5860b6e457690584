//! The pcapng format (draft-ietf-opsawg-pcapng).

use pcap_parser::pcapng::{
    InterfaceDescriptionBlock, OptionCode, parse_interfacedescriptionblock_be,
    parse_interfacedescriptionblock_le, parse_sectionheaderblock,
};

use super::{CHAIN, Chain, PACKET_MAX, Step, resynchronise};
use crate::counters::Counters;
use common_core::wire::LinkType;

/// Block types.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Name resolution, statistics, journal, secrets and custom blocks: they are skipped.
const OTHERS: [u32; 6] = [4, 5, 9, 10, 0xbad, 0x4000_0bad];

/// The byte-order magic of a section header, in the byte order of the section.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Type and length at the start of a block; with the length at its end this is the smallest block.
const HEADER: usize = 8;
const BLOCK_MIN: usize = HEADER + 4;
/// Packets have some fields and options beside their data.
const BLOCK_MAX: usize = PACKET_MAX + 64 * 1024;

/// Interfaces of a section that are kept; packets of others are damaged.
const INTERFACES_MAX: usize = 65_536;

/// Where the packet begins in a block, in bytes: enhanced and obsolete, simple.
const ENHANCED_DATA: usize = 28;
const SIMPLE_DATA: usize = 12;

const NANOS: u128 = 1_000_000_000;

/// A pcapng file.
#[derive(Debug, Default)]
pub(super) struct PcapNg {
    big_endian: bool,
    /// Interfaces of the section, in the order of their blocks; `None` for one that cannot be read.
    interfaces: Vec<Option<Interface>>,
    /// Time of the last packet, in nanoseconds since 1970; a simple packet has no time of its own.
    last: u64,
    is_skipping: bool,
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link: LinkType,
    snap: u32,
    /// Units of a timestamp in a second.
    units: u64,
    /// Seconds to add.
    offset: i64,
}

/// The file begins with a section header.
pub(super) fn begins(input: &[u8]) -> bool {
    section_order(input, 0).is_some()
}

/// The byte order of the section header at this place; true for big endian. `None` if there is none.
fn section_order(input: &[u8], at: usize) -> Option<bool> {
    let header = input.get(at..at + 12)?;
    let order: [u8; 4] = header[8..12].try_into().ok()?;
    let is_section = header[..4] == SECTION_HEADER.to_be_bytes();
    match (is_section, u32::from_le_bytes(order), u32::from_be_bytes(order)) {
        (true, BYTE_ORDER, _) => Some(false),
        (true, _, BYTE_ORDER) => Some(true),
        _ => None,
    }
}

impl PcapNg {
    pub(super) fn decode(&mut self, input: &[u8], ended: bool, counters: &mut Counters) -> Step {
        if self.is_skipping {
            return self.skip(input, ended, counters);
        }
        if input.len() < 12 && !ended {
            return Step::More(12);
        }
        if let Some(big_endian) = section_order(input, 0) {
            self.big_endian = big_endian;
        }
        let Some((kind, length)) = self.block_at(input, 0) else { return Self::cut(input, counters) };
        if !is_length(length) {
            return self.skip(input, ended, counters);
        }
        if input.len() < length {
            return match ended {
                false => Step::More(length),
                true if self.has_successor(input) => self.skip(input, ended, counters),
                true => Self::cut(input, counters),
            };
        }
        if self.field(input, length - 4) as usize != length {
            return self.skip(input, ended, counters);
        }
        let block = &input[..length];
        let read = match kind {
            SECTION_HEADER => self.section(block),
            INTERFACE => self.interface(block),
            ENHANCED_PACKET | OBSOLETE_PACKET => return self.enhanced(block, kind, counters),
            SIMPLE_PACKET => return self.simple(block, counters),
            _ => true,
        };
        if !read {
            Self::damaged(block, counters);
        }
        Step::Skip(length)
    }

    /// The rest of the file is less than a block.
    fn cut(input: &[u8], counters: &mut Counters) -> Step {
        if input.is_empty() {
            return Step::End;
        }
        counters.cut += 1;
        Step::Skip(input.len())
    }

    /// The frame of the block is right, and its contents are not.
    fn damaged(block: &[u8], counters: &mut Counters) -> Step {
        counters.damaged += 1;
        counters.skipped_bytes += block.len() as u64;
        Step::Skip(block.len())
    }

    fn section(&mut self, block: &[u8]) -> bool {
        self.interfaces.clear();
        parse_sectionheaderblock(block).is_ok_and(|(_, section)| section.major_version == 1)
    }

    fn interface(&mut self, block: &[u8]) -> bool {
        if self.interfaces.len() >= INTERFACES_MAX {
            return false;
        }
        let parsed = if self.big_endian {
            parse_interfacedescriptionblock_be(block)
        } else {
            parse_interfacedescriptionblock_le(block)
        };
        let interface = parsed.ok().and_then(|(_, parsed)| {
            Some(Interface {
                link: LinkType(u16::try_from(parsed.linktype.0).ok()?),
                snap: parsed.snaplen,
                units: units(parsed.if_tsresol)?,
                offset: offset(&parsed, self.big_endian),
            })
        });
        // Packets name an interface by its position, so one that cannot be read has a position, too.
        self.interfaces.push(interface);
        interface.is_some()
    }

    /// An enhanced packet block; or its predecessor, whose number of the interface is half as long.
    fn enhanced(&mut self, block: &[u8], kind: u32, counters: &mut Counters) -> Step {
        if block.len() < ENHANCED_DATA + 4 {
            return Self::damaged(block, counters);
        }
        let index = match kind {
            OBSOLETE_PACKET if self.big_endian => self.field(block, 8) >> 16,
            OBSOLETE_PACKET => self.field(block, 8) & 0xffff,
            _ => self.field(block, 8),
        };
        let captured = self.field(block, 20) as usize;
        let interface = self.interfaces.get(index as usize).copied().flatten();
        let Some(interface) = interface.filter(|_| captured <= block.len() - ENHANCED_DATA - 4) else {
            return Self::damaged(block, counters);
        };
        let stamp = u64::from(self.field(block, 12)) << 32 | u64::from(self.field(block, 16));
        self.last = nanoseconds(stamp, interface);
        Step::Packet {
            consumed: block.len(),
            data: ENHANCED_DATA..ENHANCED_DATA + captured,
            time: self.last,
            link: interface.link,
            original_len: self.field(block, 24),
        }
    }

    fn simple(&mut self, block: &[u8], counters: &mut Counters) -> Step {
        let Some(Some(interface)) = self.interfaces.first().copied() else {
            return Self::damaged(block, counters);
        };
        if block.len() < SIMPLE_DATA + 4 {
            return Self::damaged(block, counters);
        }
        let original = self.field(block, 8);
        let snap = if interface.snap == 0 { u32::MAX } else { interface.snap };
        let captured = (original.min(snap) as usize).min(block.len() - SIMPLE_DATA - 4);
        Step::Packet {
            consumed: block.len(),
            data: SIMPLE_DATA..SIMPLE_DATA + captured,
            time: self.last,
            link: interface.link,
            original_len: original,
        }
    }

    fn has_successor(&self, input: &[u8]) -> bool {
        (1..input.len()).any(|at| self.chain(input, true, at) == Chain::Yes)
    }

    fn skip(&mut self, input: &[u8], ended: bool, counters: &mut Counters) -> Step {
        let mut is_skipping = self.is_skipping;
        let step = resynchronise(input, ended, counters, &mut is_skipping, |at| self.chain(input, ended, at));
        self.is_skipping = is_skipping;
        step
    }

    /// Whether known blocks follow one another from here on: some of them, or all up to the end of the file.
    fn chain(&self, input: &[u8], ended: bool, mut at: usize) -> Chain {
        let mut big_endian = self.big_endian;
        for _ in 0..CHAIN {
            big_endian = section_order(input, at).unwrap_or(big_endian);
            let Some((kind, length)) = block_at(input, at, big_endian) else {
                return match ended {
                    true if at == input.len() => Chain::Yes,
                    true => Chain::No,
                    false => Chain::More(at + HEADER),
                };
            };
            let is_known = kind == SECTION_HEADER
                || [INTERFACE, OBSOLETE_PACKET, SIMPLE_PACKET, ENHANCED_PACKET].contains(&kind)
                || OTHERS.contains(&kind);
            if !is_known || !is_length(length) {
                return Chain::No;
            }
            if input.len() < at + length {
                return if ended { Chain::No } else { Chain::More(at + length) };
            }
            if field(input, at + length - 4, big_endian) as usize != length {
                return Chain::No;
            }
            at += length;
        }
        Chain::Yes
    }

    fn block_at(&self, input: &[u8], at: usize) -> Option<(u32, usize)> {
        block_at(input, at, self.big_endian)
    }

    fn field(&self, input: &[u8], at: usize) -> u32 {
        field(input, at, self.big_endian)
    }
}

/// Type and length of the block at this place.
fn block_at(input: &[u8], at: usize, big_endian: bool) -> Option<(u32, usize)> {
    (input.len() >= at + HEADER)
        .then(|| (field(input, at, big_endian), field(input, at + 4, big_endian) as usize))
}

fn is_length(length: usize) -> bool {
    length.is_multiple_of(4) && (BLOCK_MIN..=BLOCK_MAX).contains(&length)
}

/// Four bytes; zero beyond the end.
fn field(input: &[u8], at: usize, big_endian: bool) -> u32 {
    let bytes = input.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
    if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}

/// Units in a second of the option `if_tsresol`: a negative power of 10, or of 2 if the highest bit is set.
fn units(resolution: u8) -> Option<u64> {
    match resolution & 0x80 {
        0 => 10_u64.checked_pow(resolution.into()),
        _ => 1_u64.checked_shl((resolution & 0x7f).into()),
    }
}

/// The option `if_tsoffset`, in seconds. `pcap-parser` 0.17 reads it as little endian in every section.
fn offset(interface: &InterfaceDescriptionBlock<'_>, big_endian: bool) -> i64 {
    let option = interface.options.iter().find(|option| option.code == OptionCode::IfTsoffset);
    let bytes = option.and_then(|option| option.as_bytes().ok()?.try_into().ok()).unwrap_or_default();
    if big_endian { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) }
}

fn nanoseconds(stamp: u64, interface: Interface) -> u64 {
    let since = u128::from(stamp) * NANOS / u128::from(interface.units.max(1));
    let offset = i128::from(interface.offset) * NANOS.cast_signed();
    u64::try_from(since.cast_signed().saturating_add(offset).max(0)).unwrap_or(u64::MAX)
}
