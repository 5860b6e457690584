use super::*;
use crate::record::{MAX_PLAIN, RecordError};
use common_core::control::FrameBuffer;
use proptest::prelude::*;

const VERSION: u16 = 5;

fn key(byte: u8) -> Key {
    keys(&[byte]).first().clone()
}

fn keys(bytes: &[u8]) -> Keys {
    let lines: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}").repeat(32)).collect();
    Keys::parse(lines.join("\n").as_bytes()).unwrap()
}

/// The body of the only frame in `bytes`, which are taken.
fn body(bytes: &mut Vec<u8>) -> Vec<u8> {
    let mut frames = FrameBuffer::new();
    frames.space()[..bytes.len()].copy_from_slice(bytes);
    frames.filled(bytes.len());
    bytes.clear();
    frames.next_frame().unwrap().unwrap().to_vec()
}

type Channel = (Sealer, Opener);

/// Both ends of a channel, and the bodies that opened it.
fn open(near: Key, far: &Keys) -> Result<(Channel, Channel, [Vec<u8>; 4]), HandshakeError> {
    let mut wire = Vec::new();
    let initiator = Initiator::new(near, VERSION, &mut wire);
    let opening = body(&mut wire);
    assert!(Responder::is_opening(&opening));
    let responder = Responder::new(&opening, VERSION, &mut wire)?;
    let challenge = body(&mut wire);
    let Step::Next(initiator) = initiator.handle(&challenge, &mut wire)? else { panic!("no proof") };
    let proof = body(&mut wire);
    let far = responder.handle(&proof, far, &mut wire)?;
    let reply = body(&mut wire);
    let Step::Open(sealer, opener) = initiator.handle(&reply, &mut wire)? else { panic!("not open") };
    Ok(((sealer, opener), far, [opening, challenge, proof, reply]))
}

fn feed(opener: &mut Opener, mut wire: &[u8]) -> Result<Vec<u8>, RecordError> {
    let mut plain = Vec::new();
    while !wire.is_empty() {
        let space = opener.space();
        let count = space.len().min(wire.len());
        space[..count].copy_from_slice(&wire[..count]);
        opener.filled(count);
        wire = &wire[count..];
        while let Some(piece) = opener.open()? {
            plain.extend_from_slice(piece);
        }
    }
    Ok(plain)
}

#[test]
fn both_ends_understand_each_other_and_nobody_else_does() {
    let (mut near, mut far, _) = open(key(1), &keys(&[1])).unwrap();
    let text = vec![7; 3 * MAX_PLAIN + 5];
    let mut wire = Vec::new();
    near.0.seal(&text, &mut wire).unwrap();
    assert_eq!(wire.len(), text.len() + 4 * 18);
    assert!(!wire.windows(8).any(|window| window == [7; 8]));
    assert_eq!(feed(&mut far.1, &wire).unwrap(), text);
    wire.clear();
    far.0.seal(b"back", &mut wire).unwrap();
    assert_eq!(feed(&mut near.1, &wire).unwrap(), b"back");
}

#[test]
fn each_key_of_the_file_is_accepted() {
    open(key(2), &keys(&[1, 2, 3])).unwrap();
    assert_eq!(open(key(9), &keys(&[1, 2, 3])).unwrap_err(), HandshakeError::WrongKey);
}

#[test]
fn a_recorded_handshake_is_worth_nothing() {
    let (_, _, [opening, challenge, proof, reply]) = open(key(1), &keys(&[1])).unwrap();
    let mut wire = Vec::new();
    let responder = Responder::new(&opening, VERSION, &mut wire).unwrap();
    assert_ne!(body(&mut wire), challenge);
    assert_eq!(responder.handle(&proof, &keys(&[1]), &mut wire).unwrap_err(), HandshakeError::WrongKey);
    assert!(wire.is_empty(), "nothing is computed for it");

    // Nor is a recorded intercept.
    let initiator = Initiator::new(key(1), VERSION, &mut wire);
    let Ok(Step::Next(initiator)) = initiator.handle(&challenge, &mut wire) else { panic!("no proof") };
    assert_eq!(initiator.handle(&reply, &mut wire).unwrap_err(), HandshakeError::WrongKey);
}

#[test]
fn an_intercept_without_the_key_cannot_open() {
    let mut wire = Vec::new();
    let initiator = Initiator::new(key(1), VERSION, &mut wire);
    let responder = Responder::new(&body(&mut wire), VERSION, &mut wire).unwrap();
    let Ok(Step::Next(initiator)) = initiator.handle(&body(&mut wire), &mut wire) else { panic!("no proof") };
    assert!(responder.handle(&body(&mut wire), &keys(&[2]), &mut Vec::new()).is_err());
    let mut forged = vec![kind::REPLY];
    forged.extend_from_slice(&[5; MESSAGE]);
    assert_eq!(initiator.handle(&forged, &mut wire).unwrap_err(), HandshakeError::WrongKey);
}

#[test]
fn other_versions_and_other_messages_are_told_apart() {
    let mut wire = Vec::new();
    let _ = Initiator::new(key(1), VERSION, &mut wire);
    let mut opening = body(&mut wire);
    assert_eq!(Responder::new(&opening, 6, &mut wire).unwrap_err(), HandshakeError::Version(VERSION));
    opening.truncate(10);
    assert_eq!(Responder::new(&opening, VERSION, &mut wire).unwrap_err(), HandshakeError::Unexpected);
    let initiator = Initiator::new(key(1), VERSION, &mut wire);
    assert!(!Initiator::is_mine(&[0x81]) && Initiator::is_mine(&[kind::REPLY]));
    assert_eq!(initiator.handle(&[kind::REPLY], &mut wire).unwrap_err(), HandshakeError::Unexpected);
}

#[test]
fn records_cannot_be_changed_repeated_or_left_out() {
    let channel = || open(key(1), &keys(&[1])).unwrap();
    let (mut near, mut far, _) = channel();
    let mut wire = Vec::new();
    near.0.seal(b"one", &mut wire).unwrap();
    let first = wire.clone();
    assert_eq!(feed(&mut far.1, &wire).unwrap(), b"one");
    assert_eq!(feed(&mut far.1, &first), Err(RecordError::Forged), "repeated");

    let (mut near, mut far, _) = channel();
    near.0.seal(b"one", &mut Vec::new()).unwrap();
    wire.clear();
    near.0.seal(b"two", &mut wire).unwrap();
    assert_eq!(feed(&mut far.1, &wire), Err(RecordError::Forged), "left out");

    let (mut near, mut far, _) = channel();
    wire.clear();
    near.0.seal(b"one", &mut wire).unwrap();
    wire[4] ^= 1;
    assert_eq!(feed(&mut far.1, &wire), Err(RecordError::Forged), "changed");
    let (_, mut far, _) = channel();
    assert_eq!(feed(&mut far.1, &[0, 3]), Err(RecordError::Length(3)));
    let (_, mut far, _) = channel();
    assert_eq!(feed(&mut far.1, &[0xff, 0xff]), Err(RecordError::Length(65535)));
}

#[test]
fn the_pattern_is_the_one_of_the_specification() {
    let document = include_str!("../../../../docs/CONTROL_PROTOCOL.md");
    assert!(document.contains(PATTERN));
}

proptest! {
    #[test]
    fn any_stream_passes_whatever_its_pieces(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40_000), 0..6),
    ) {
        let (mut near, mut far, _) = open(key(1), &keys(&[1])).unwrap();
        let mut wire = Vec::new();
        pieces.iter().for_each(|piece| near.0.seal(piece, &mut wire).unwrap());
        prop_assert_eq!(feed(&mut far.1, &wire).unwrap(), pieces.concat());
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        let mut wire = Vec::new();
        let _ = Responder::new(&bytes, VERSION, &mut wire).map(|responder| responder.handle(&bytes, &keys(&[1]), &mut wire));
        let _ = Initiator::new(key(1), VERSION, &mut wire).handle(&bytes, &mut wire);
        let (_, mut far, _) = open(key(1), &keys(&[1])).unwrap();
        let _ = feed(&mut far.1, &bytes).map(|plain| assert!(plain.is_empty()));
    }
}
