//! The online server's answers: the ids that it gives, and its errors.
//!
//! The lengths of packets lead from one to the next in what was captured of its answers. After a gap, a packet is taken to
//! begin with the next bytes, as it mostly does with a segment.

use crate::answers::expected::{AnswerStart, Answers, HEAD, Request, is_progress};
use crate::answers::files::Files;
use crate::auth::admission::Admission;
use crate::auth::greeting;
use crate::statements::table::Serial;
use crate::wire::capabilities::Capabilities;
use crate::wire::packet::{HEADER, Header};
use crate::wire::prepare_ok::PrepareOk;

/// The place in the online server's stream, and the answers that are expected there.
#[derive(Debug)]
pub(crate) struct OnlineAnswers {
    answers: Answers,
    admission: Admission,
    greeting: Greeting,
    since: SinceCommand,
    early: Early,
    /// Several PREPAREs may be held here, or have no answer yet. If an answer comes while commands are held, it is unknown
    /// to which PREPARE it belongs.
    is_ambiguous: bool,
    /// Bytes that are missing before the next ones.
    skipped: u64,
    /// Payload bytes of the present packet that still come.
    left: usize,
    /// The beginning of the present packet, until it is read.
    head: Vec<u8>,
}

/// The online server's greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greeting {
    /// The session was captured from its start, and the server has sent nothing: the next packet is the greeting.
    Expected,
    /// It was captured: so will be the answer to a login.
    Seen,
    /// It was not captured.
    Missed,
}

/// The bytes of the online server since the client's last command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SinceCommand {
    Nothing,
    /// Bytes, captured or not.
    Bytes,
    /// Commands were lost after it, and everything that comes answers those.
    Lost,
}

/// The bytes of the online server while commands were held, which they may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Early {
    Nothing,
    Bytes,
    /// Bytes, an error among them.
    Error,
}

/// A packet of the online server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnlineEvent {
    /// Its own id of the connection, and its capabilities.
    Greeting {
        id: u32,
        capabilities: Capabilities,
    },
    Answer(AnswerStart),
    /// A statement was prepared, perhaps this one.
    PreparedPerhaps {
        serial: Serial,
        id: u32,
    },
    /// The server asks for a file, most likely: of a command that is held here, or was lost. The file's first packet has this
    /// sequence id.
    FileWantedPerhaps {
        first: u8,
    },
    /// A statement is still being executed.
    Progress,
    /// The answer to a PREPARE that is held here; to the first of several, unless an error came before.
    PreparedEarly {
        id: u32,
    },
}

impl OnlineAnswers {
    /// The online server's side of a session; `from_start`: it was captured from its start.
    pub(crate) fn new(from_start: bool) -> Self {
        Self {
            answers: Answers::all_seen(),
            admission: Admission::new(from_start),
            greeting: if from_start { Greeting::Expected } else { Greeting::Missed },
            since: SinceCommand::Nothing,
            early: Early::Nothing,
            is_ambiguous: false,
            skipped: 0,
            left: 0,
            head: Vec::new(),
        }
    }

    /// The memory that it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(self) + self.answers.memory() + self.head.capacity()
    }

    /// The client sends a packet of a login with this sequence id.
    pub(crate) fn login_packet(&mut self, sequence: u8) {
        self.admission = match (self.admission, self.early) {
            (Admission::Refused, _) | (_, Early::Error) => Admission::Refused,
            (_, Early::Nothing) if self.greeting == Greeting::Seen => Admission::Awaited(sequence),
            // The answer may have come.
            _ => Admission::Unconfirmed(sequence),
        };
        self.early = Early::Nothing;
    }

    /// An error has come while commands were held, which it may answer.
    pub(crate) fn has_early_error(&self) -> bool {
        self.early == Early::Error
    }

    /// Whether the online server lets the client in.
    pub(crate) fn admission(&self) -> Admission {
        self.admission
    }

    /// The client sends a command that is answered. The answer comes next: those expected before have come or are lost,
    /// unless the client did not wait for them. `held`: the command may have been held until now. Returns whether its
    /// answer, which names a statement, may have come already and be lost.
    pub(crate) fn expect(&mut self, request: Request, sequence: Option<u8>, held: bool) -> bool {
        if !held {
            (self.early, self.is_ambiguous) = (Early::Nothing, false);
        }
        self.admission.command();
        // An answer that has come does not come again; the next one would be taken for it.
        let missed = self.early != Early::Nothing && matches!(request, Request::Prepare(_));
        self.is_ambiguous |= missed;
        if self.since != SinceCommand::Nothing {
            self.since = SinceCommand::Nothing;
            self.answers = Answers::all_seen();
            self.left = 0;
            self.head.clear();
        }
        self.answers.expect(if missed { Request::Other } else { request }, sequence);
        missed
    }

    /// The last command asks for these files.
    pub(crate) fn expect_files(&mut self, files: Files) {
        self.answers.expect_files(files);
    }

    /// Commands of the client were lost, or their answers were: the next answer to a PREPARE may be to one of them.
    pub(crate) fn lost(&mut self) {
        let Self { admission, greeting, .. } = *self;
        *self = Self { since: SinceCommand::Lost, admission, greeting, ..Self::new(false) };
    }

    /// So many bytes are missing before the next ones.
    pub(crate) fn missed(&mut self, bytes: u64) {
        self.skipped = bytes;
    }

    /// The client goes on, and nothing has come after the bytes that are missing.
    pub(crate) fn settle(&mut self, held: bool) {
        if self.skipped > 0 {
            self.bytes(&[], held, |_| {});
        }
    }

    /// More of the stream. Calls `see` for each packet that means something. `held`: the module holds commands of the
    /// client, and the bytes may answer them.
    pub(crate) fn bytes(&mut self, mut bytes: &[u8], held: bool, mut see: impl FnMut(OnlineEvent)) {
        let skipped = std::mem::take(&mut self.skipped);
        if held && self.since == SinceCommand::Bytes && self.answers.expects_prepare() {
            // They answer the PREPARE that was never answered, or the one that is held.
            self.lost();
        }
        if self.since == SinceCommand::Nothing {
            self.since = SinceCommand::Bytes;
        }
        // The answer to a login answers none of the commands that wait for it.
        let early = held && !matches!(self.admission, Admission::Awaited(_));
        if early && self.early == Early::Nothing {
            self.early = Early::Bytes;
        }
        if bytes.is_empty() && skipped > self.left as u64 {
            self.admission.missed();
        }
        if skipped > 0 {
            self.miss_greeting();
            self.left = 0;
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

    /// The next packet is not the greeting.
    fn miss_greeting(&mut self) {
        if self.greeting == Greeting::Expected {
            self.greeting = Greeting::Missed;
        }
    }

    /// How many bytes of the present packet are read.
    fn head_length(&self) -> usize {
        let read = if self.greeting == Greeting::Expected { GREETING_HEAD } else { usize::from(HEAD) };
        Header::read(&self.head).map_or(HEADER, |header| (HEADER + header.length).min(read))
    }

    fn packet(&mut self, held: bool, early: bool, see: &mut impl FnMut(OnlineEvent)) {
        let Some(header) = Header::read(&self.head) else { return };
        let payload = &self.head[HEADER..];
        self.left = header.length.saturating_sub(payload.len());
        self.admission.packet(header.sequence, payload);
        if early && payload.first() == Some(&0xFF) {
            self.early = Early::Error;
        }
        if header.sequence > 0 {
            let mut is_expected = false;
            let unsure = self.answers.is_unsure();
            if is_progress(&self.head) {
                see(OnlineEvent::Progress);
            } else if header.length > 1 && payload.first() == Some(&0xFB) {
                see(OnlineEvent::FileWantedPerhaps { first: header.sequence.wrapping_add(1) });
            }
            self.answers.segment(&self.head, true, |start| {
                is_expected |= matches!(start, AnswerStart::Prepared { .. });
                self.is_ambiguous |= held && matches!(start, AnswerStart::Error(_));
                see(match start {
                    AnswerStart::Prepared { serial, id, .. } if unsure => {
                        OnlineEvent::PreparedPerhaps { serial, id }
                    }
                    start => OnlineEvent::Answer(start),
                });
            });
            let may_be_early = held && !self.is_ambiguous && self.since != SinceCommand::Lost;
            if let Some(PrepareOk { id, .. }) = PrepareOk::recognise(header, payload)
                && header.sequence == 1
                && !is_expected
                && may_be_early
            {
                see(OnlineEvent::PreparedEarly { id });
            }
        } else if let Some((id, capabilities)) = greeting::read_head(payload)
            // Long results count their packets from 0 again, and rows may look like anything.
            && self.greeting == Greeting::Expected
        {
            self.greeting = Greeting::Seen;
            see(OnlineEvent::Greeting { id, capabilities });
        }
        self.miss_greeting();
        self.head.clear();
    }
}

/// The beginning of a greeting that holds the id of the connection, after the server's version, in bytes.
const GREETING_HEAD: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::table::{Statements, UNKNOWN_NATURE};
    use crate::wire::packet::packet;

    #[test]
    fn ids_are_found_however_the_stream_is_cut() {
        let mut stream = Vec::new();
        stream.extend(packet(0, b"\x0a11.4\0\x2a\0\0\0nonce...\0\xff\xff\x21\x02\0\xff\x15 and so on"));
        stream.extend(packet(2, b"\0\0\0\x02\0\0\0")); // the login's end
        stream.extend(packet(1, b"\x01")); // rows
        stream.extend(packet(2, &[b'x'; 300]));
        stream.extend(packet(1, b"\0\x09\0\0\0\x01\0\x02\0\0\0\0"));
        stream.extend(packet(1, b"\xff\x7a\x04#42S02no such table"));
        for cut in 0..stream.len() {
            let mut statements = Statements::new(true);
            let serial = statements.prepare(None, UNKNOWN_NATURE).unwrap();
            let mut online = OnlineAnswers::new(true);
            let mut heard = Vec::new();
            online.expect(Request::Query, Some(1), false);
            online.expect(Request::Prepare(serial), Some(1), false);
            online.expect(Request::Query, Some(1), false);
            for part in [&stream[..cut], &stream[cut..]] {
                online.bytes(part, false, |what| heard.push(what));
            }
            let [OnlineEvent::Greeting { id: 42, capabilities }, answers @ ..] = &heard[..] else {
                panic!("a greeting comes first: {heard:?}")
            };
            assert_eq!(capabilities.low(), 0x15ff_ffff);
            let prepared = AnswerStart::Prepared { serial, id: 9, parameters: 2, whole: false };
            let answers: Vec<_> = answers.to_vec();
            assert_eq!(
                answers,
                [AnswerStart::Result, prepared, AnswerStart::Error(1146)].map(OnlineEvent::Answer),
                "cut at {cut}"
            );
        }
    }

    /// The answer to a PREPARE: it is the statement 10.
    const TENTH: &[u8] = b"\x0c\0\0\x01\0\x0a\0\0\0\0\0\0\0\0\0\0";

    /// The events that an answer to a PREPARE causes.
    fn hear(online: &mut OnlineAnswers, held: bool) -> Vec<OnlineEvent> {
        let mut heard = Vec::new();
        online.missed(1000);
        online.bytes(TENTH, held, |what| heard.push(what));
        heard
    }

    #[test]
    fn an_answer_to_what_is_held_comes_early_and_what_only_looks_like_one_does_not() {
        let mut online = OnlineAnswers::new(true);
        online.expect(Request::Query, Some(1), false);
        assert_eq!(hear(&mut online, true).last(), Some(&OnlineEvent::PreparedEarly { id: 10 }));
        let mut online = OnlineAnswers::new(true);
        online.expect(Request::Query, Some(1), false);
        assert!(!hear(&mut online, false).contains(&OnlineEvent::PreparedEarly { id: 10 }));
    }

    #[test]
    fn an_answer_that_may_be_to_another_prepare_is_to_none() {
        let prepare =
            || (OnlineAnswers::new(true), Statements::new(true).prepare(None, UNKNOWN_NATURE).unwrap());
        let answered = |serial| {
            OnlineEvent::Answer(AnswerStart::Prepared { serial, id: 10, parameters: 0, whole: true })
        };
        let (mut online, serial) = prepare();
        online.expect(Request::Prepare(serial), Some(1), false);
        assert_eq!(hear(&mut online, false), [answered(serial)]);
        // Its answer was never captured; the next PREPARE waits.
        let (mut online, serial) = prepare();
        online.expect(Request::Prepare(serial), Some(1), false);
        online.missed(1000);
        online.settle(false);
        assert_eq!(hear(&mut online, true), []);
        // The next PREPARE was lost.
        let (mut online, serial) = prepare();
        online.expect(Request::Prepare(serial), Some(1), false);
        online.lost();
        assert_eq!(hear(&mut online, false), []);
        online.expect(Request::Prepare(serial), Some(1), false);
        assert_eq!(hear(&mut online, false), [answered(serial)]);
    }
}
