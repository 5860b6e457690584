//! What the online server answered: the ids that it gave, and its errors.
//!
//! Its packets are followed by their lengths, in what was captured of its answers; behind a gap, a packet begins where
//! the next bytes do, as it mostly does with a segment.

use crate::answers::{Answers, HEAD, Prepared, Seen, To};
use crate::auth::admission::Admission;
use crate::statements::Serial;
use crate::wire::capabilities::Capabilities;
use crate::wire::packet::{HEADER, Header, Reader};

/// The place in the online server's stream, and the answers that are expected there.
#[derive(Debug)]
pub(crate) struct Online {
    answers: Answers,
    admission: Admission,
    /// Its greeting was heard: so will be what it says to a login.
    greeted: bool,
    /// Nothing was heard, and nothing missed, of a session that was seen from its beginning: a greeting comes first.
    silent: bool,
    /// Payload bytes of the present packet that still come.
    left: usize,
    /// The beginning of the present packet, until it is looked at.
    head: Vec<u8>,
    /// Something came, or was lost, since the client said its last command.
    heard: bool,
    /// What comes answers commands that were lost, until the client says another.
    deaf: bool,
    /// Something came while commands were held: it may have answered them.
    early: bool,
    /// And it was an error.
    early_error: bool,
    /// Which of them, or of those that are not answered, what comes then names cannot be told.
    confused: bool,
}

/// What the online server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Its own name for the connection, and what it can do.
    Greeting {
        id: u32,
        capabilities: Capabilities,
    },
    Answer(Seen),
    /// A statement was prepared, perhaps this one.
    PreparedPerhaps {
        serial: Serial,
        id: u32,
    },
    /// The answer to a PREPARE that waits here for something else; the first of several, if there was no error before.
    PreparedEarly {
        id: u32,
    },
}

/// The version of the protocol, with which a greeting begins.
const GREETING: u8 = 10;

impl Online {
    /// The online server's side of a session; `from_start`: it was seen from its beginning.
    pub(crate) fn new(from_start: bool) -> Self {
        Self {
            answers: Answers::all_seen(),
            admission: Admission::new(from_start),
            greeted: false,
            silent: from_start,
            left: 0,
            head: Vec::new(),
            heard: false,
            deaf: false,
            early: false,
            early_error: false,
            confused: false,
        }
    }

    /// What it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(self) + self.answers.memory() + self.head.capacity()
    }

    /// The client has said a packet of a login, with this sequence id.
    pub(crate) fn asked(&mut self, sequence: u8) {
        self.admission = match self.admission {
            Admission::Refused => Admission::Refused,
            _ if self.early_error => Admission::Refused,
            // The answer may have come.
            _ if self.early || !self.greeted => Admission::Unheard(sequence),
            _ => Admission::Awaited(sequence),
        };
        (self.early, self.early_error) = (false, false);
    }

    /// Whether it lets the client in.
    pub(crate) fn admission(&self) -> Admission {
        self.admission
    }

    /// The client has said a command that is answered: what comes next is the answer, and what was expected before has
    /// come, or been lost. Only what is said in one breath is answered one after the other. `held`: the command may have been
    /// held until now. Returns whether its answer, which names a statement, may have come already, and be lost.
    pub(crate) fn expect(&mut self, to: To, sequence: Option<u8>, held: bool) -> bool {
        if !held {
            (self.early, self.early_error, self.confused) = (false, false, false);
        }
        self.admission.command();
        // An answer that has come does not come again; the next would be taken for it.
        let missed = self.early && matches!(to, To::Prepare(_));
        self.confused |= missed;
        let to = if missed { To::Other } else { to };
        if std::mem::take(&mut self.heard) {
            self.answers = Answers::all_seen();
            self.left = 0;
            self.head.clear();
        }
        self.deaf = false;
        self.answers.expect(to, sequence);
        missed
    }

    /// Commands of the client were lost, or their answers were: an answer to a PREPARE may be to one of them.
    pub(crate) fn lost(&mut self) {
        let Self { admission, greeted, .. } = *self;
        *self = Self { deaf: true, admission, greeted, ..Self::new(self.silent) };
    }

    /// More of the stream, `skipped` bytes after the last. `see` gets what is heard. `held`: the client has said something
    /// that waits here for something else, which may be what is answered.
    pub(crate) fn bytes(&mut self, skipped: u64, mut bytes: &[u8], held: bool, mut see: impl FnMut(Heard)) {
        if held && self.heard && self.answers.expects_prepare() {
            // To the one that was never answered, or to the one that waits.
            self.lost();
        }
        self.heard = true;
        // What is said to a login answers no command that waits for it.
        let early = held && !matches!(self.admission, Admission::Awaited(_));
        self.early |= early;
        if bytes.is_empty() && skipped > self.left as u64 {
            self.admission.missed();
        }
        if skipped > 0 {
            (self.silent, self.left) = (false, 0);
            self.head.clear();
        }
        while !bytes.is_empty() {
            if self.left > 0 && self.head.is_empty() {
                let taken = bytes.len().min(self.left);
                self.left -= taken;
                bytes = &bytes[taken..];
                continue;
            }
            let missing = self.head_length().saturating_sub(self.head.len()).max(1);
            let taken = bytes.len().min(missing);
            self.head.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.head.len() == self.head_length() {
                self.packet(held, early, &mut see);
            }
        }
    }

    /// How many bytes of the present packet are looked at.
    fn head_length(&self) -> usize {
        let looked_at = if self.silent { GREETING_HEAD } else { usize::from(HEAD) };
        Header::read(&self.head).map_or(HEADER, |header| (HEADER + header.length).min(looked_at))
    }

    fn packet(&mut self, held: bool, early: bool, see: &mut impl FnMut(Heard)) {
        let Some(header) = Header::read(&self.head) else { return };
        let payload = &self.head[HEADER..];
        self.left = header.length.saturating_sub(payload.len());
        self.admission.heard(header.sequence, payload);
        self.early_error |= early && payload.first() == Some(&0xFF);
        let first = std::mem::take(&mut self.silent);
        match header.sequence {
            // Rows count their packets beyond 255 from 0 again, and may say anything.
            0 => {
                if let Some((id, capabilities)) = read_greeting(payload).filter(|_| first) {
                    self.greeted = true;
                    see(Heard::Greeting { id, capabilities });
                }
            }
            _ => {
                let mut expected = false;
                let unsure = self.answers.is_unsure();
                self.answers.segment(&self.head, true, |seen| {
                    expected |= matches!(seen, Seen::Prepared { .. });
                    self.confused |= held && matches!(seen, Seen::Error(_));
                    see(match seen {
                        Seen::Prepared { serial, id, .. } if unsure => Heard::PreparedPerhaps { serial, id },
                        seen => Heard::Answer(seen),
                    });
                });
                if let Some(Prepared { id, .. }) = Prepared::read(header, payload)
                    && header.sequence == 1
                    && held
                    && !expected
                    && !self.deaf
                    && !self.confused
                {
                    see(Heard::PreparedEarly { id });
                }
            }
        }
        self.head.clear();
    }
}

/// Enough of a greeting to find the id behind the version.
const GREETING_HEAD: usize = 128;

/// Id of the connection and capabilities, from the beginning of a greeting.
fn read_greeting(greeting: &[u8]) -> Option<(u32, Capabilities)> {
    let mut reader = Reader::new(greeting);
    reader.u8().filter(|&version| version == GREETING)?;
    reader.terminated()?; // the server's version
    let id = reader.u32()?;
    reader.take(9)?; // nonce
    let low = u32::from(reader.u16()?);
    reader.take(3)?; // character set, status
    Some((id, Capabilities::new(low | u32::from(reader.u16()?) << 16, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::Statements;
    use crate::wire::packet::write_packet;

    #[test]
    fn ids_are_found_however_the_stream_is_cut() {
        let mut stream = Vec::new();
        write_packet(0, b"\x0a11.4\0\x2a\0\0\0nonce...\0\xff\xff\x21\x02\0\xff\x15 and so on", &mut stream);
        write_packet(2, b"\0\0\0\x02\0\0\0", &mut stream); // the login's end
        write_packet(1, b"\x01", &mut stream); // rows
        write_packet(2, &[b'x'; 300], &mut stream);
        write_packet(1, b"\0\x09\0\0\0\x01\0\x02\0\0\0\0", &mut stream);
        write_packet(1, b"\xff\x7a\x04#42S02no such table", &mut stream);
        for cut in 0..stream.len() {
            let mut statements = Statements::new(true);
            let serial = statements.prepare(None).unwrap();
            let mut online = Online::new(true);
            let mut heard = Vec::new();
            online.expect(To::Query, Some(1), false);
            online.expect(To::Prepare(serial), Some(1), false);
            online.expect(To::Query, Some(1), false);
            for part in [&stream[..cut], &stream[cut..]] {
                online.bytes(0, part, false, |what| heard.push(what));
            }
            let [Heard::Greeting { id: 42, capabilities }, answers @ ..] = &heard[..] else {
                panic!("a greeting comes first: {heard:?}")
            };
            assert_eq!(capabilities.low(), 0x15ff_ffff);
            let prepared = Seen::Prepared { serial, id: 9, parameters: 2, whole: false };
            let answers: Vec<_> = answers.to_vec();
            assert_eq!(
                answers,
                [Seen::Result, prepared, Seen::Error(1146)].map(Heard::Answer),
                "cut at {cut}"
            );
        }
    }

    /// The answer to a PREPARE: it is the statement 10.
    const TENTH: &[u8] = b"\x0c\0\0\x01\0\x0a\0\0\0\0\0\0\0\0\0\0";

    /// What is heard of an answer to a PREPARE.
    fn hear(online: &mut Online, held: bool) -> Vec<Heard> {
        let mut heard = Vec::new();
        online.bytes(1000, TENTH, held, |what| heard.push(what));
        heard
    }

    #[test]
    fn an_answer_to_what_is_held_comes_early_and_what_only_looks_like_one_does_not() {
        let mut online = Online::new(true);
        online.expect(To::Query, Some(1), false);
        assert_eq!(hear(&mut online, true).last(), Some(&Heard::PreparedEarly { id: 10 }));
        let mut online = Online::new(true);
        online.expect(To::Query, Some(1), false);
        assert!(!hear(&mut online, false).contains(&Heard::PreparedEarly { id: 10 }));
    }

    #[test]
    fn an_answer_that_may_be_to_another_prepare_is_to_none() {
        let prepare = || (Online::new(true), Statements::new(true).prepare(None).unwrap());
        let answered = |serial| Heard::Answer(Seen::Prepared { serial, id: 10, parameters: 0, whole: true });
        let (mut online, serial) = prepare();
        online.expect(To::Prepare(serial), Some(1), false);
        assert_eq!(hear(&mut online, false), [answered(serial)]);
        // Its answer was never captured; the next PREPARE waits.
        let (mut online, serial) = prepare();
        online.expect(To::Prepare(serial), Some(1), false);
        online.bytes(1000, &[], false, |_| ());
        assert_eq!(hear(&mut online, true), []);
        // The next PREPARE was lost.
        let (mut online, serial) = prepare();
        online.expect(To::Prepare(serial), Some(1), false);
        online.lost();
        assert_eq!(hear(&mut online, false), []);
        online.expect(To::Prepare(serial), Some(1), false);
        assert_eq!(hear(&mut online, false), [answered(serial)]);
    }
}
