//! The client's messages as frames.

use module_kit::framing::{Frame, Framing, OutOfStep};
use postgres_wire::framing::{HEAD, Head};

/// A message that must be read is read up to this length, in bytes.
pub(super) const READ_MAX: u32 = 64 << 10;

/// A longer message is not looked for where the place is not known.
const LIKELY_MAX: u32 = 1 << 20;

#[derive(Debug)]
pub(super) struct Messages;

impl Framing for Messages {
    fn frame(bytes: &[u8], _: bool) -> Result<Option<Frame>, OutOfStep> {
        let Some(head) = Head::of_frontend(bytes).map_err(|_| OutOfStep)? else { return Ok(None) };
        let read = match head.kind {
            b'Q' | b'P' | b'B' | b'D' | b'C' | b'E' => head.body.min(READ_MAX),
            _ => 0,
        };
        let frame = Frame { head: HEAD + read as usize, body: u64::from(head.body - read), more: 0 };
        Ok((bytes.len() >= frame.head).then_some(frame))
    }
}

/// Whether these bytes, at an unknown place, most likely begin with a message.
pub(super) fn is_likely(bytes: &[u8]) -> bool {
    matches!(Head::of_frontend(bytes), Ok(Some(head)) if head.body <= LIKELY_MAX)
}
