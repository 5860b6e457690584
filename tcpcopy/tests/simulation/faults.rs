//! Faulty packets and answers.

use common_core::control::ServerSegment;
use common_core::wire::{Flags, Seq};

use crate::rng::Rng;

/// A packet of no session.
pub(crate) fn noise(packet: &[u8], rng: &mut Rng) -> Vec<u8> {
    match rng.below(4) {
        0 => (0..rng.below(100)).map(|_| rng.next() as u8).collect(),
        1 => packet[..rng.below(50) as usize].to_vec(),
        2 => {
            // Another port of the online server.
            let mut other = packet.to_vec();
            let tcp = if other[0] >> 4 == 4 { 20 } else { 40 };
            other[tcp..tcp + 4].copy_from_slice(&[1, 1, 1, 1]);
            other
        }
        _ => {
            // Another protocol.
            let mut other = packet.to_vec();
            let at = if other[0] >> 4 == 4 { 9 } else { 6 };
            other[at] = 17;
            other
        }
    }
}

/// A faulty answer.
pub(crate) fn forge<'a>(answer: &ServerSegment<'a>, rng: &mut Rng) -> ServerSegment<'a> {
    let mut forged = *answer;
    for _ in 0..=rng.below(3) {
        match rng.below(8) {
            0 => forged.seq = Seq(rng.next() as u32),
            1 => forged.ack = Seq(rng.next() as u32),
            2 => forged.seq = forged.seq + rng.below(5000) as u32 - 2500,
            3 => forged.ack = forged.ack + rng.below(5000) as u32 - 2500,
            4 => forged.flags = Flags(rng.next() as u8),
            5 => forged.window = rng.pick(&[0, 1, u16::MAX]),
            6 => forged.payload_len = rng.pick(&[0, 1, 100_000, u32::MAX]),
            _ => forged.options.timestamps = None,
        }
    }
    forged
}
