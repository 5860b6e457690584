//! Bytes of any kind.

use proptest::prelude::*;

use super::{Protocol, Recogniser, resumes};

proptest! {
    #[test]
    fn no_bytes_cause_a_panic(
        from_start: bool,
        pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..60), any::<bool>()), 0..12),
    ) {
        let mut recogniser = Recogniser::new(from_start);
        for (bytes, begins_turn) in &pieces {
            resumes(recogniser, bytes);
            recogniser.see(bytes, *begins_turn);
        }
    }

    /// Beginnings of real protocols, with something after and inside that is not theirs.
    #[test]
    fn no_broken_stream_causes_a_panic(
        which in 0..9usize,
        from_start: bool,
        bytes in prop::collection::vec(prop::sample::select(b"*$0129\r\n \x00\x01\xffGETUpgrade:".to_vec()), 0..200),
        cuts in prop::collection::vec(1..40usize, 1..20),
    ) {
        let beginnings: [&[u8]; 9] = [
            b"*", b"*3\r\n$", b"GET / HTTP/1.1\r\n", b"\x80\x00", b"\0\0\0\x24\0\x12\0\x03\0\0\0\x01\0\x07a", b"\0\0\0\x08\x04\xd2\x16\x2f",
            b"\x20\0\0\x01\x85\xae\xff\x01\0\0\0\x01\x2d\0\0\0\0\0\0\0\0\0\0\0\0", b"get ", b"\x81\x85",
        ];
        let stream = [beginnings[which], &bytes].concat();
        let mut rest = stream.as_slice();
        let mut recogniser = Recogniser::new(from_start);
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            resumes(recogniser, piece);
            recogniser.see(piece, cut % 3 == 0);
            rest = after;
        }
    }
}

/// Of a million turns of noise; the generator is xorshift, so that the counts are the same in each run.
#[test]
fn noise_is_unknown() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for from_start in [true, false] {
        let mut recognised = 0;
        for _ in 0..100_000 {
            let length = 4 + next() as usize % 200;
            let noise: Vec<u8> = (0..length).map(|_| (next() >> 32) as u8).collect();
            let mut recogniser = Recogniser::new(from_start);
            recogniser.see(&noise, true);
            recognised += u32::from(recogniser.protocol() != Protocol::Unknown);
        }
        assert!(recognised < if from_start { 20 } else { 200 }, "{recognised} from the start: {from_start}");
    }
}

#[test]
fn it_is_small() {
    assert!(size_of::<Recogniser>() <= 48, "{}", size_of::<Recogniser>());
}
