//! TCP flags and the options that matter here.

use std::fmt;
use std::ops::BitOr;

use crate::wire::Seq;

/// TCP control bits (RFC 9293 section 3.1), as in byte 13 of the header.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push: the sender's write ended here.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number is significant.
    pub const ACK: Self = Self(0x10);

    /// All bits of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            [(Self::SYN, 'S'), (Self::FIN, 'F'), (Self::RST, 'R'), (Self::PSH, 'P'), (Self::ACK, '.')];
        names.iter().filter(|(flag, _)| self.has(*flag)).try_for_each(|(_, name)| write!(f, "{name}"))
    }
}

/// The timestamps option (RFC 7323 section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timestamps {
    /// TSval: the sender's clock.
    pub value: u32,
    /// TSecr: the peer's clock, echoed.
    pub echo: u32,
}

/// The TCP options that the engines read or write; all others are skipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Maximum segment size in bytes; on SYN segments only (RFC 9293 section 3.7.1).
    pub mss: Option<u16>,
    /// Window scale shift, 0 to 14; on SYN segments only (RFC 7323 section 2).
    pub window_scale: Option<u8>,
    /// Timestamps (RFC 7323 section 3).
    pub timestamps: Option<Timestamps>,
}

/// The sequence space that a segment takes up: its payload, and one each for SYN and FIN.
#[must_use]
pub(super) const fn sequence_length(flags: Flags, payload: u32) -> u32 {
    let control = flags.has(Flags::SYN) as u32 + flags.has(Flags::FIN) as u32;
    payload.wrapping_add(control)
}

/// The first sequence number after a segment.
pub(super) fn sequence_end(seq: Seq, flags: Flags, payload: u32) -> Seq {
    seq + sequence_length(flags, payload)
}
