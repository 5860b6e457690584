//! memcached: its commands, as text and binary.

use super::head::{Head, Match, begins_with_one_of};

#[rustfmt::skip]
const COMMANDS: &[&str] = &[
    "get", "gets", "set", "add", "replace", "append", "prepend", "cas", "delete", "incr", "decr", "touch",
    "gat", "gats", "mg", "ms", "md", "ma", "mn", "me", "stats", "version", "verbosity", "flush_all",
    "cache_memlimit", "lru_crawler",
];

/// `watch` turns the connection into a log. The other commands are Redis in lower case.
const BINDING: &[&str] = &["watch", "select", "auth", "hello", "multi", "subscribe", "psubscribe", "monitor"];

/// The header of a binary request, in bytes.
pub(super) const HEADER: usize = 24;

/// A text command. memcached has no upper case.
pub(super) fn is_command(head: &Head<'_>) -> Match {
    if !is_lower(head.bytes) {
        return Match::No;
    }
    begins_with_one_of(head.bytes, COMMANDS)
}

/// A command that binds the connection.
pub(super) fn binds(head: &[u8]) -> Match {
    if is_lower(head) { begins_with_one_of(head, BINDING) } else { Match::No }
}

fn is_lower(head: &[u8]) -> bool {
    let word = head.iter().take_while(|byte| !b" \r\n".contains(byte)).count();
    head.get(..word).is_some_and(|word| !word.iter().any(u8::is_ascii_uppercase))
}

/// A binary request.
pub(super) fn is_binary(head: &Head<'_>) -> Match {
    match request(head.bytes) {
        Some(_) => Match::Yes,
        None if head.bytes.len() < HEADER && head.starts_with(&[0x80]) == Match::Yes => {
            Match::of(head.u8(1).is_none_or(is_opcode) && head.u8(5).is_none_or(|kind| kind == 0)).so_far()
        }
        None => Match::No,
    }
}

/// The number of bytes after the header, and whether the request binds the connection. `None` if it is no request.
pub(super) fn request(header: &[u8]) -> Option<(u32, bool)> {
    let header = Head { bytes: header.get(..HEADER)?, seen: HEADER };
    let opcode = header.u8(1)?;
    let body = header.be32(8)?;
    let within = u32::from(header.be16(2)?) + u32::from(header.u8(4)?);
    let is_one = header.u8(0)? == 0x80
        && header.u8(5)? == 0
        && is_opcode(opcode)
        && within <= body
        && body <= 128 << 20;
    // 0x20 to 0x22: SASL.
    is_one.then_some((body, (0x20..=0x22).contains(&opcode)))
}

fn is_opcode(opcode: u8) -> bool {
    opcode <= 0x4a
}
