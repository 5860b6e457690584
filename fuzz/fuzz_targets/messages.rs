//! The control codec, both directions: what is read can be written and read again.

#![no_main]

use common::control::{FrameBuffer, FromIntercept, ToIntercept};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(message) = ToIntercept::decode(body) {
        let mut frame = Vec::new();
        message.encode(&mut frame);
        assert_eq!(ToIntercept::decode(whole(&frame)), Ok(message));
    }
    if let Ok(message) = FromIntercept::decode(body) {
        let mut frame = Vec::new();
        message.encode(&mut frame);
        assert_eq!(FromIntercept::decode(whole(&frame)), Ok(message));
        // No peer that keeps to the protocol is cut off for a message of ours.
        let mut buffer = FrameBuffer::new();
        for piece in frame.chunks(4096) {
            buffer.space()[..piece.len()].copy_from_slice(piece);
            buffer.filled(piece.len());
        }
        if frame.len() <= 64 {
            assert_eq!(buffer.next_frame(), Ok(Some(whole(&frame))));
        }
    }
});

/// The body of the only frame.
fn whole(frame: &[u8]) -> &[u8] {
    let (length, body) = frame.split_first_chunk::<4>().expect("a length comes first");
    assert_eq!(u32::from_be_bytes(*length) as usize, body.len());
    body
}
