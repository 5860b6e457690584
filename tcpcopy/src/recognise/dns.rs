//! DNS over TCP (RFC 1035, section 4.2.2): messages are independent.

use super::head::{Head, Match};

/// The length and the header of a query with one question.
pub(super) fn query(head: &Head<'_>) -> Match {
    let length = head.be16(0).is_none_or(|length| (17..=4096).contains(&length));
    // Not an answer, and one of the operations query, notify, update.
    let flags = head.u8(4).is_none_or(|flags| matches!(flags & 0xf8, 0x00 | 0x20 | 0x28));
    let second = head.u8(5).is_none_or(|flags| flags & 0xcf == 0);
    let question = head.be16(6).is_none_or(|count| count == 1);
    let answers = head.be16(8).is_none_or(|count| count <= 1);
    let rest = head.be16(10).is_none_or(|count| count <= 16) && head.be16(12).is_none_or(|count| count <= 4);
    match head.u8(14) {
        _ if !(length && flags && second && question && answers && rest) => Match::No,
        None => Match::SoFar,
        // The first label of the name.
        Some(label) => Match::of(label < 64),
    }
}
