//! The frame splitter: the same frames come out of a stream however it is cut into pieces, in bounded memory.

#![no_main]

use common_core::control::{FrameBuffer, FrameError, MAX_FIRST_FRAME, MAX_FRAME};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (stream, pieces) = input;
    let expected = plain(&stream);
    let mut buffer = FrameBuffer::new();
    let mut bodies = Vec::new();
    let mut rest = &stream[..];
    let mut pieces = pieces.iter().cycle();
    let mut error = None;
    while error.is_none() && !rest.is_empty() {
        let space = buffer.space();
        assert!(!space.is_empty(), "no room for the rest of a frame");
        assert!(space.len() <= 4 + MAX_FRAME, "the buffer grows without bound");
        let piece = usize::from(*pieces.next().unwrap_or(&255)).max(1).min(rest.len()).min(space.len());
        space[..piece].copy_from_slice(&rest[..piece]);
        buffer.filled(piece);
        rest = &rest[piece..];
        loop {
            match buffer.next_frame() {
                Ok(Some(body)) => bodies.push(body.to_vec()),
                Ok(None) => break,
                Err(problem) => {
                    error = Some(problem);
                    break;
                }
            }
        }
    }
    assert_eq!((bodies, error), expected);
});

/// The frames of a stream, in the plainest way.
fn plain(mut stream: &[u8]) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    loop {
        let (length, rest) = match stream {
            [short @ 0x80..=0xff, rest @ ..] if !bodies.is_empty() => (usize::from(short & 0x7f), rest),
            [a, b, c, d, rest @ ..] => (u32::from_be_bytes([*a, *b, *c, *d]) as usize, rest),
            _ => break,
        };
        let error = match length {
            0 => Some(FrameError::Empty),
            _ if bodies.is_empty() && length > MAX_FIRST_FRAME => Some(FrameError::First(length)),
            _ if length > MAX_FRAME => Some(FrameError::TooLong(length)),
            _ => None,
        };
        if error.is_some() {
            return (bodies, error);
        }
        let Some((body, rest)) = rest.split_at_checked(length) else { break };
        bodies.push(body.to_vec());
        stream = rest;
    }
    (bodies, None)
}
