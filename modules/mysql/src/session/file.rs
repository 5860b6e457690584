//! The file that a client sends for a LOAD DATA LOCAL: packets whose ids count on from the server's request, wherever they
//! pass 255, and an empty packet at the end.

use module_kit::Loss;
use module_kit::edits::{Edits, Fate};

use crate::wire::packet::{HEADER, Header};

/// The place inside a file, and what becomes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct File {
    fate: FileFate,
    /// The sequence id of the next packet.
    next: u8,
    /// Payload bytes of the present packet that still come.
    left: usize,
    /// The present packet has the greatest length: the next one continues it, and does not end the file if it is empty.
    goes_on: bool,
}

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileFate {
    /// The test server gets it, its packets with ids that are greater by this.
    Pass {
        shift: u8,
    },
    LeaveOut,
    /// It is left out, and may be no file at all: the beginning was not seen.
    Unknown,
}

/// What was found of a file in some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FilePart {
    /// The file goes on behind these bytes.
    GoesOn,
    /// It has ended.
    End,
    /// What follows is no packet of the file.
    Broken,
}

impl File {
    /// A file whose first packet has this sequence id.
    pub(super) fn new(first: u8, fate: FileFate) -> Self {
        Self { fate, next: first, left: 0, goes_on: false }
    }

    pub(super) fn fate(&self) -> FileFate {
        self.fate
    }

    /// The connection that got the beginning is lost, or the place of its beginning is.
    pub(super) fn leave_out(&mut self) {
        if let FileFate::Pass { .. } = self.fate {
            self.fate = FileFate::LeaveOut;
        }
    }

    /// Moves over the bytes of the file. Returns how many they are; the last header may be held until it is whole.
    pub(super) fn follow(&mut self, bytes: &[u8], edits: &mut Edits<'_>) -> (usize, FilePart) {
        let shift = match self.fate {
            FileFate::Pass { shift } => Some(shift),
            FileFate::LeaveOut | FileFate::Unknown => None,
        };
        let fate = shift.map_or(Fate::LeaveOut(Loss::LeftOut), |_| Fate::Pass);
        let mut at = 0;
        loop {
            let taken = self.left.min(bytes.len() - at);
            edits.take(taken, fate);
            self.left -= taken;
            at += taken;
            if self.left > 0 {
                return (at, FilePart::GoesOn);
            }
            let Some(header) = Header::read(&bytes[at..]) else { return (at, FilePart::GoesOn) };
            if header.sequence != self.next {
                return (at, FilePart::Broken);
            }
            match shift {
                Some(shift @ 1..) => {
                    edits.take(HEADER, Fate::Replace);
                    let sequence = header.sequence.wrapping_add(shift);
                    edits.send(&Header { sequence, ..header }.bytes());
                }
                _ => edits.take(HEADER, fate),
            }
            at += HEADER;
            let is_end = header.length == 0 && !self.goes_on;
            self.next = self.next.wrapping_add(1);
            self.left = header.length;
            self.goes_on = header.goes_on();
            if is_end {
                return (at, FilePart::End);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use module_kit::{Action, Actions};

    use super::*;
    use crate::wire::packet::{CHUNK_MAX, packet};

    /// Follows a file in pieces. Returns what was sent, and the bytes that are behind the file.
    fn follow(stream: &[u8], piece: usize, fate: FileFate) -> (Vec<u8>, usize) {
        let (mut file, mut held, mut sent, mut rest) = (File::new(2, fate), Vec::new(), Vec::new(), stream);
        loop {
            let (bytes, behind) = rest.split_at(rest.len().min(piece));
            rest = behind;
            held.extend_from_slice(bytes);
            let mut actions = Actions::new();
            let mut edits = Edits::new(&mut actions);
            let (taken, part) = file.follow(&held, &mut edits);
            assert_eq!(edits.taken(), taken);
            drop(edits);
            for action in actions.list() {
                match action {
                    Action::Pass(bytes) => sent.extend(held.drain(..*bytes)),
                    Action::Replace(bytes) | Action::LeaveOut(bytes, _) => drop(held.drain(..*bytes)),
                    Action::Send(range) => sent.extend_from_slice(&actions.own_bytes()[range.clone()]),
                    other => panic!("{other:?}"),
                }
            }
            match part {
                FilePart::End => return (sent, held.len() + rest.len()),
                FilePart::GoesOn => assert!(!rest.is_empty(), "it has an end"),
                FilePart::Broken => panic!("its ids are in order"),
            }
        }
    }

    #[test]
    fn the_ids_of_a_file_pass_255_and_its_end_is_the_empty_packet() {
        let mut stream: Vec<u8> =
            (0..600u32).flat_map(|at| packet(at.wrapping_add(2) as u8, b"\x03DO 1")).collect();
        stream.extend(packet((602 % 256) as u8, b""));
        let file = stream.len();
        stream.extend(packet(0, b"\x03DO 1"));
        for piece in [1, 3, 4, 5, 7, 100, stream.len()] {
            let (sent, behind) = follow(&stream, piece, FileFate::Pass { shift: 0 });
            assert!(sent == stream[..file] && behind == stream.len() - file, "{piece}");
            let (sent, behind) = follow(&stream, piece, FileFate::LeaveOut);
            assert!(sent.is_empty() && behind == stream.len() - file, "{piece}");
            let (sent, _) = follow(&stream, piece, FileFate::Pass { shift: 253 });
            assert_eq!((sent.len(), sent[3], sent[12]), (file, 255, 0), "{piece}");
        }
    }

    #[test]
    fn an_empty_packet_behind_one_of_the_greatest_length_is_no_end() {
        let mut stream = packet(2, &vec![b'x'; CHUNK_MAX]);
        stream.extend(packet(3, b""));
        stream.extend(packet(4, b"more"));
        stream.extend(packet(5, b""));
        let (sent, behind) = follow(&stream, 1 << 20, FileFate::Pass { shift: 0 });
        assert!(sent == stream && behind == 0);
    }

    #[test]
    fn what_does_not_count_on_is_no_file() {
        let mut actions = Actions::new();
        let mut edits = Edits::new(&mut actions);
        let bytes = [packet(2, b"a reply to a login"), packet(0, b"\x03DO 1")].concat();
        let (taken, part) = File::new(2, FileFate::Unknown).follow(&bytes, &mut edits);
        assert_eq!((taken, part), (22, FilePart::Broken));
    }
}
