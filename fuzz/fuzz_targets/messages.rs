//! The control codec, both directions: what is read can be written and read again.

#![no_main]

use common_core::control::{FrameBuffer, FromIntercept, ToIntercept, Tunnelled, VERSION};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(Some(packet)) = Tunnelled::decode(body) {
        assert!(!packet.packet.is_empty() && packet.packet.len() < body.len());
        assert!(ToIntercept::decode(body).is_err(), "no body is both");
    }
    if let Ok(message) = ToIntercept::decode(body) {
        let mut frame = Vec::new();
        message.encode(&mut frame);
        assert_eq!(ToIntercept::decode(whole(&frame)), Ok(message));
    }
    if let Ok(message) = FromIntercept::decode(body) {
        let mut frame = Vec::new();
        message.encode(&mut frame);
        assert_eq!(FromIntercept::decode(whole(&frame)), Ok(message));
        // No peer that keeps to the protocol is cut off for a message of ours, which comes behind a hello.
        let mut buffer = FrameBuffer::new();
        let mut stream = Vec::new();
        FromIntercept::Hello { version: VERSION }.encode(&mut stream);
        stream.extend_from_slice(&frame);
        let mut last = Vec::new();
        for piece in stream.chunks(4096) {
            buffer.space()[..piece.len()].copy_from_slice(piece);
            buffer.filled(piece.len());
            while let Some(body) = buffer.next_frame().expect("a frame of ours") {
                last = body.to_vec();
            }
        }
        assert_eq!(last, whole(&frame));
    }
});

/// The body of the only frame, whichever of its two forms the length has.
fn whole(frame: &[u8]) -> &[u8] {
    let (length, body) = match frame {
        [short @ 0x80..=0xff, body @ ..] => (usize::from(short & 0x7f), body),
        [a, b, c, d, body @ ..] => (u32::from_be_bytes([*a, *b, *c, *d]) as usize, body),
        _ => panic!("no length comes first"),
    };
    assert_eq!(length, body.len());
    body
}
