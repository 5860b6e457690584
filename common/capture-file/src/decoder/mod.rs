//! Decodes the bytes of a capture file, without I/O.

mod pcap;
mod pcapng;

use std::ops::Range;

use self::pcap::Pcap;
use self::pcapng::PcapNg;
use crate::counters::Counters;
use common_core::wire::LinkType;

/// Largest packet, in bytes; a record with a larger one is damaged. It is above the largest packet that a kernel hands out
/// (512 KiB with BIG TCP).
const PACKET_MAX: usize = 1024 * 1024;

/// Consecutive headers that must fit together before reading continues after damage.
const CHAIN: usize = 3;

/// Bytes that decide about the format.
const MAGIC: usize = 12;

/// The result of one [`Decoder::decode`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The input must have at least this many bytes.
    More(usize),
    /// These bytes at the beginning of the input are done with.
    Skip(usize),
    /// A packet.
    Packet {
        /// Bytes at the beginning of the input that are done with.
        consumed: usize,
        /// The captured bytes of the packet, as a part of the input.
        data: Range<usize>,
        /// When it was captured, in nanoseconds since 1970.
        time: u64,
        /// The link layer of the packet.
        link: LinkType,
        /// Length of the packet on the wire, in bytes.
        original_len: u32,
    },
    /// The input is no capture file.
    Unknown,
    /// The file ends here.
    End,
}

/// Decodes a capture file.
#[derive(Debug, Default)]
pub struct Decoder {
    format: Format,
    counters: Counters,
}

#[derive(Debug, Default)]
enum Format {
    /// The file has not begun.
    #[default]
    Sniffing,
    Pcap(Pcap),
    PcapNg(PcapNg),
}

/// Whether records follow one another from some place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chain {
    Yes,
    No,
    /// The input must be this long to tell.
    More(usize),
}

impl Decoder {
    /// A decoder at the beginning of a file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the next record. `input` begins where the last step ended; `ended` tells that no more bytes follow it. After
    /// [`Step::More`], call it with more input, or with `ended`.
    ///
    /// It asks for 4 MiB of input at most.
    pub fn decode(&mut self, input: &[u8], ended: bool) -> Step {
        let step = match &mut self.format {
            Format::Sniffing => return self.sniff(input, ended),
            Format::Pcap(pcap) => pcap.decode(input, ended, &mut self.counters),
            Format::PcapNg(ng) => ng.decode(input, ended, &mut self.counters),
        };
        if matches!(step, Step::Packet { .. }) {
            self.counters.packets += 1;
        }
        step
    }

    /// What was read so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn sniff(&mut self, input: &[u8], ended: bool) -> Step {
        if input.len() < MAGIC && !ended {
            return Step::More(MAGIC);
        }
        if pcapng::begins(input) {
            self.format = Format::PcapNg(PcapNg::default());
            return self.decode(input, ended);
        }
        match Pcap::begin(input) {
            Ok((pcap, consumed)) => {
                self.format = Format::Pcap(pcap);
                Step::Skip(consumed)
            }
            Err(Some(needed)) if !ended => Step::More(needed),
            Err(_) => Step::Unknown,
        }
    }
}

/// The file begins like a capture file.
pub(crate) fn is_capture(start: &[u8]) -> bool {
    let magic = start.first_chunk().copied().map(u32::from_le_bytes);
    pcapng::begins(start) || magic.is_some_and(pcap::is_magic)
}

/// The first place after the beginning of the input where records follow one another, or [`Step::More`]. What is before it
/// is skipped and counted.
fn resynchronise(
    input: &[u8],
    ended: bool,
    counters: &mut Counters,
    is_skipping: &mut bool,
    chain: impl Fn(usize) -> Chain,
) -> Step {
    if !std::mem::replace(is_skipping, true) {
        counters.damaged += 1;
    }
    let from = 1;
    for at in from..input.len() {
        match chain(at) {
            Chain::Yes => {
                *is_skipping = false;
                counters.skipped_bytes += at as u64;
                return Step::Skip(at);
            }
            Chain::No => {}
            Chain::More(_) if ended => {}
            // The bytes before this place need not be searched again.
            Chain::More(_) if at > from => {
                counters.skipped_bytes += (at - from) as u64;
                return Step::Skip(at - from);
            }
            Chain::More(needed) => return Step::More(needed),
        }
    }
    if ended {
        *is_skipping = false;
        counters.skipped_bytes += input.len() as u64;
        return if input.is_empty() { Step::End } else { Step::Skip(input.len()) };
    }
    match input.len() {
        0 | 1 => Step::More(2),
        // The last byte stays: the search begins one byte after the beginning.
        length => {
            counters.skipped_bytes += (length - 1) as u64;
            Step::Skip(length - 1)
        }
    }
}
