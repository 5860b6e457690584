//! PostgreSQL, MySQL and MongoDB: logins, and the shape of messages in mid-stream.

use super::head::{Head, Match};

/// The length of a request for TLS or GSSAPI before the login, in bytes.
pub(super) const POSTGRES_REQUEST: usize = 8;

/// The longest login that is recognised, in bytes.
const LOGIN_MAX: u32 = 10_000;

/// The length of MySQL's packet before the `ClientHello`, header included.
pub(super) const MYSQL_SSL_REQUEST: u32 = 36;

/// `CLIENT_PROTOCOL_41`: set by all clients of this century.
const PROTOCOL_41: u32 = 0x200;

/// The first message of a client, which has no type byte: a login, a cancellation, or a request for encryption.
pub(super) fn postgres_begins(head: &Head<'_>) -> Match {
    let (Some(length), Some(code)) = (head.be32(0), head.be32(4)) else {
        return Match::of(head.bytes.iter().take(2).all(|byte| *byte == 0)).so_far();
    };
    match code {
        80_877_103 | 80_877_104 => Match::of(length == 8),
        80_877_102 => Match::of((12..=268).contains(&length)),
        // Version 3: a parameter name or the end follows.
        code if code >> 16 == 3 && (9..=LOGIN_MAX).contains(&length) => match head.u8(8) {
            None => Match::SoFar,
            Some(first) => {
                Match::of(first.is_ascii_lowercase() || first == b'_' || first == 0 && length == 9)
            }
        },
        _ => Match::No,
    }
}

/// The client asks for TLS or GSSAPI, and logs in afterwards.
pub(super) fn postgres_asks_for_encryption(request: &[u8]) -> bool {
    request == [0, 0, 0, 8, 4, 210, 22, 47] || request == [0, 0, 0, 8, 4, 210, 22, 48]
}

/// Messages whose total length is that of the turn.
pub(super) fn postgres_continues(head: &Head<'_>) -> Match {
    head.frames(|bytes| {
        let kind = *bytes.first()?;
        if !b"QPBEDSXCHFpdcf".contains(&kind) {
            return Some(0);
        }
        // Messages of 16 MB and more are not recognised.
        if bytes.get(1).is_some_and(|first| *first != 0) {
            return Some(0);
        }
        let length = u32::from_be_bytes(bytes.get(1..5)?.try_into().ok()?);
        let fits = match kind {
            b'S' | b'X' | b'H' | b'c' => length == 4,
            b'Q' | b'P' | b'D' | b'C' | b'f' => length > 4,
            _ => length >= 4,
        };
        Some(if fits { length as usize + 1 } else { 0 })
    })
}

/// The answer to the server's greeting: a login, or a request for TLS.
pub(super) fn mysql_begins(head: &Head<'_>) -> Match {
    let bytes = head.bytes;
    let later = bytes.get(13..24.min(bytes.len())).unwrap_or_default();
    let zeros = later.iter().all(|byte| *byte == 0);
    let header = head.u8(2).is_none_or(|high| high == 0) && head.u8(3).is_none_or(|sequence| sequence == 1);
    let flags = head.le32(4).is_none_or(|flags| flags & PROTOCOL_41 != 0);
    match mysql_length(bytes) {
        _ if !zeros || !header || !flags => Match::No,
        Some(length) if length < 32 => Match::No,
        _ if bytes.len() < 24 => Match::SoFar,
        _ => Match::Yes,
    }
}

/// The client continues with TLS.
pub(super) fn is_mysql_ssl_request(head: &[u8]) -> bool {
    mysql_length(head) == Some(MYSQL_SSL_REQUEST - 4)
}

fn mysql_length(bytes: &[u8]) -> Option<u32> {
    let [a, b, c] = bytes.first_chunk::<3>()?;
    Some(u32::from_le_bytes([*a, *b, *c, 0]))
}

/// Commands whose total length is that of the turn.
pub(super) fn mysql_continues(head: &Head<'_>) -> Match {
    head.frames(|bytes| {
        let length = mysql_length(bytes)?;
        let sequence = *bytes.get(3)?;
        if sequence != 0 || length == 0 {
            return Some(0);
        }
        let command = *bytes.get(4)?;
        let is_one = match command {
            // Without arguments: quit, statistics, ping, reset.
            0x01 | 0x09 | 0x0e | 0x1f => length == 1,
            // A statement is text; attributes may precede it.
            0x03 | 0x16 => bytes.get(5).is_none_or(|first| *first < 0x80),
            0x17 => length >= 10,
            0x18 => length >= 7,
            0x19 | 0x1a => length == 5,
            0x1c => length == 9,
            0x1b => length == 3,
            0x02 | 0x11 => length > 1,
            _ => false,
        };
        Some(if is_one { length as usize + 4 } else { 0 })
    })
}

/// The header of any message (`MsgHeader`).
pub(super) fn mongo(head: &Head<'_>) -> Match {
    let length = head.le32(0).is_none_or(|length| (17..=48_000_000 + 16_384).contains(&length));
    let answers = head.bytes.get(8..12.min(head.bytes.len())).unwrap_or_default();
    if !length || answers.iter().any(|byte| *byte != 0) {
        return Match::No;
    }
    head.le32(12)
        .map_or(Match::SoFar, |code| Match::of(matches!(code, 2001 | 2002 | 2004..=2007 | 2010..=2013)))
}
