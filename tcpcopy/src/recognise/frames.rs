//! Requests with a length field: whether one of them binds its connection.

use super::head::Buffer;

/// The result of examining frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frames {
    Fine,
    /// One of the frames binds the connection.
    Binds,
    /// The bytes are not frames.
    Lost,
}

/// Examines the frames in `bytes`, after `left` bytes that belong to the frame before. `parse` takes a header of `header`
/// bytes; it returns how many bytes follow, and whether the frame binds the connection.
pub(super) fn follow(
    left: &mut u32,
    kept: &mut Buffer,
    bytes: &[u8],
    header: usize,
    parse: fn(&[u8]) -> Option<(u32, bool)>,
) -> Frames {
    let mut rest = bytes;
    loop {
        let skipped = rest.len().min(*left as usize);
        *left -= skipped as u32;
        rest = rest.get(skipped..).unwrap_or_default();
        if rest.is_empty() {
            return Frames::Fine;
        }
        let taken = kept.fill(rest, header);
        rest = rest.get(taken..).unwrap_or_default();
        if kept.bytes().len() < header {
            return Frames::Fine;
        }
        match parse(kept.bytes()) {
            None => return Frames::Lost,
            Some((_, true)) => return Frames::Binds,
            Some((length, false)) => *left = length,
        }
        kept.clear();
    }
}
