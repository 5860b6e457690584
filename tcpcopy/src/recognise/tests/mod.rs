//! Streams as real clients send them.

mod beginnings;
mod binding;
mod continuations;
mod robust;
mod speed;

use super::{Protocol, Recogniser, Resume};

/// A stream that is seen from its start, by its turns.
fn from_start(turns: &[&[u8]]) -> Recogniser {
    let mut recogniser = Recogniser::new(true);
    for turn in turns {
        recogniser.see(turn, true);
    }
    recogniser
}

/// A stream that was joined late, by its turns.
fn joined(turns: &[&[u8]]) -> Recogniser {
    let mut recogniser = Recogniser::new(false);
    for turn in turns {
        recogniser.see(turn, true);
    }
    recogniser
}

/// A turn in two pieces, wherever it is cut.
fn in_pieces(turn: &[u8], from_start: bool) -> impl Iterator<Item = Recogniser> {
    (1..turn.len()).map(move |cut| {
        let mut recogniser = Recogniser::new(from_start);
        recogniser.see(&turn[..cut], true);
        recogniser.see(&turn[cut..], false);
        recogniser
    })
}

fn byte_by_byte(turn: &[u8], from_start: bool) -> Recogniser {
    let mut recogniser = Recogniser::new(from_start);
    for (at, byte) in turn.iter().enumerate() {
        recogniser.see(&[*byte], at == 0);
    }
    recogniser
}

/// The turn is known as a whole.
fn resumes(mut recogniser: Recogniser, turn: &[u8]) -> Resume {
    recogniser.resume_at(turn, turn.len())
}
