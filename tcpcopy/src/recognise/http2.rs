//! HTTP/2 and WebSocket: the preface of HTTP/2, and the shape of frames in mid-stream.

use super::head::{Head, Match};

/// The preface of a client (RFC 9113, section 3.4).
pub(super) fn begins(head: &Head<'_>) -> Match {
    head.starts_with(b"PRI * HTTP/2.0\r\n")
}

/// Frames of a client (RFC 9113, sections 4.1 and 6). Few bytes of other protocols look like a frame header.
pub(super) fn continues(head: &Head<'_>) -> Match {
    if head.bytes.len() < 9 && head.u8(0) == Some(0) && head.u8(3).is_none_or(|kind| kind <= 9) {
        return Match::SoFar;
    }
    match frame(head.bytes) {
        Some(length) if length > 0 => {
            // If the header of a second frame is known, it must be valid, too.
            let second = head.bytes.get(length..).filter(|rest| rest.len() >= 9);
            Match::of(second.is_none_or(|rest| frame(rest).is_some_and(|length| length > 0)))
        }
        _ => Match::No,
    }
}

/// The length of a frame, header included; 0 if it is no frame.
fn frame(bytes: &[u8]) -> Option<usize> {
    let [a, b, c, kind, flags, stream @ ..] = bytes.first_chunk::<9>()?;
    let length = u32::from_be_bytes([0, *a, *b, *c]);
    let stream = u32::from_be_bytes(*stream);
    let of_client = stream % 2 == 1 && stream < 1 << 31;
    let is_one = match kind {
        0 => of_client && flags & !0x09 == 0,
        1 => of_client && flags & !0x2d == 0 && length > 0,
        2 => of_client && length == 5,
        3 => of_client && length == 4,
        4 => stream == 0 && length.is_multiple_of(6) && flags & !0x01 == 0 && (*flags == 0 || length == 0),
        6 => stream == 0 && length == 8 && flags & !0x01 == 0,
        7 => stream == 0 && length >= 8,
        8 => (stream == 0 || of_client) && length == 4 && *flags == 0,
        9 => of_client && flags & !0x04 == 0,
        _ => false,
    };
    // Larger frames need the consent of the other side, and are rare.
    Some(if is_one && length <= 1 << 20 { 9 + length as usize } else { 0 })
}

/// Masked frames (RFC 6455, section 5.2) whose total length is that of the turn.
pub(super) fn is_websocket(head: &Head<'_>) -> Match {
    if head.seen < 6 {
        return if head.bytes.first().is_some_and(|first| is_opcode(*first)) {
            Match::SoFar
        } else {
            Match::No
        };
    }
    head.frames(|bytes| {
        let first = *bytes.first()?;
        let second = match bytes.get(1) {
            _ if !is_opcode(first) => return Some(0),
            Some(second) => *second,
            None => return None,
        };
        let length = match second & 0x7f {
            126 => usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)).saturating_add(2),
            127 => usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?))
                .ok()?
                .saturating_add(8),
            short => usize::from(short),
        };
        let minimal = match second & 0x7f {
            126 => length >= 2 + 126,
            127 => length >= 8 + (1 << 16),
            _ => true,
        };
        Some(if second & 0x80 != 0 && minimal { length.saturating_add(6) } else { 0 })
    })
}

/// A message, a fragment of one, or a control frame. The first two may be compressed.
fn is_opcode(first: u8) -> bool {
    match first & 0x0f {
        0..=2 => first & 0x30 == 0,
        8..=10 => first & 0xf0 == 0x80,
        _ => false,
    }
}
