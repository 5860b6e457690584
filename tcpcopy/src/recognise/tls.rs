//! TLS: its records (RFC 8446, section 5.1).

use super::head::{Head, Match};

/// The longest record, including the overhead of encryption.
const RECORD_MAX: u16 = (1 << 14) + 2048;

/// A record with a `ClientHello`.
pub(super) fn begins(head: &Head<'_>) -> Match {
    match record(head) {
        Match::Yes if head.u8(0) != Some(22) => Match::No,
        Match::Yes => head.u8(5).map_or(Match::SoFar, |message| Match::of(message == 1)),
        Match::SoFar if head.u8(0) == Some(22) => Match::SoFar,
        _ => Match::No,
    }
}

/// A record of any kind.
pub(super) fn record(head: &Head<'_>) -> Match {
    let kind = head.u8(0).is_none_or(|kind| (20..=24).contains(&kind));
    let version = head.u8(1).is_none_or(|major| major == 3) && head.u8(2).is_none_or(|minor| minor <= 4);
    match head.be16(3) {
        _ if !kind || !version => Match::No,
        None => Match::SoFar,
        Some(length) => Match::of((1..=RECORD_MAX).contains(&length)),
    }
}
