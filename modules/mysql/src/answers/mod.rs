//! The beginnings of the test server's answers, as far as they can be seen in the first bytes of its segments.
//!
//! Once a session is logged in, only the first [`HEAD`] bytes of each segment are asked for: enough to see what an
//! answer begins with, for a server begins each in a segment of its own. Where a client does not wait for one answer
//! before it says more, the beginning of the next may lie inside a segment and is not seen. So commands whose answers
//! must be seen wait until all before is answered; and what is missed all the same is told by order (see
//! [`crate::statements`]).

pub(crate) mod online;

use std::collections::VecDeque;

use crate::statements::Serial;
use crate::wire::packet::{HEADER, Header, Reader};
use crate::wire::server_error::PROGRESS;

/// Bytes of each segment that are needed: a whole answer to PREPARE.
pub(crate) const HEAD: u16 = 16;

/// More answers than this are not waited for at the same time.
const EXPECTED_MAX: usize = 128;

/// What an answer is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    Prepare(Serial),
    Query,
    /// A change of the database.
    Use,
    Other,
}

/// An answer that is expected.
#[derive(Debug, Clone, Copy)]
struct Expected {
    to: To,
    /// The sequence id that it begins with, if that is known.
    sequence: Option<u8>,
}

/// What is seen at the beginning of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A statement was prepared; it takes parameters, or gives columns, if the answer is not `whole`.
    Prepared {
        serial: Serial,
        id: u32,
        parameters: u16,
        whole: bool,
    },
    PrepareFailed(Serial),
    /// The client is not let into another database.
    UseFailed,
    /// An error, whatever it is an answer to.
    Error(u16),
    /// The server wants the file of a LOAD DATA LOCAL.
    FileWanted {
        sequence: u8,
    },
    /// A success without a result set; `more` results follow, or may.
    Ok {
        in_transaction: bool,
        more: bool,
    },
    /// The beginning of something else.
    Result,
}

impl Seen {
    /// There is no more of the answer.
    pub(crate) fn ends_answer(self) -> bool {
        matches!(
            self,
            Self::Error(_)
                | Self::PrepareFailed(_)
                | Self::UseFailed
                | Self::Ok { more: false, .. }
                | Self::Prepared { whole: true, .. }
        )
    }
}

/// The answers that are still to come.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    expected: VecDeque<Expected>,
    /// Segments since the last command was sent that can have held the beginning of its answer.
    segments: u32,
    /// The last command was sent before the answer to the one before had begun.
    pipelined: bool,
    /// Answers are no more expected that may still come, or still expected that have come: an error may be one of them.
    unsure: bool,
    /// All answers to PREPAREs are seen, but for accidents: what comes answers the first, not the last of several.
    all_seen: bool,
}

impl Answers {
    /// Those of a server whose packets are followed.
    pub(crate) fn all_seen() -> Self {
        Self { all_seen: true, ..Self::default() }
    }

    /// A command was sent that is answered.
    pub(crate) fn expect(&mut self, to: To, sequence: Option<u8>) {
        if self.expected.len() == EXPECTED_MAX {
            self.expected.pop_front();
        }
        if self.segments > 0 {
            // They came, unseen; or something else did.
            self.unsure |= !self.expected.is_empty();
            self.expected.clear();
        }
        self.pipelined = self.is_waiting();
        self.expected.push_back(Expected { to, sequence });
        self.segments = 0;
    }

    /// The answer to the last command has not begun.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.expected.is_empty()
    }

    /// What is seen may answer something else.
    pub(crate) fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// The answer to a PREPARE has not come.
    pub(crate) fn expects_prepare(&self) -> bool {
        self.expected.iter().any(|expected| matches!(expected.to, To::Prepare(_)))
    }

    /// Is all answered that was sent, as far as can be seen? Then the next answer begins with a segment.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.is_waiting() || self.segments > 0
    }

    /// How many segments may have held the beginning of the answer to the last command, unseen.
    pub(crate) fn segments(&self) -> u32 {
        self.segments
    }

    /// The last command was sent before the answer to the one before had begun: both may have come in one segment.
    pub(crate) fn is_pipelined(&self) -> bool {
        self.pipelined
    }

    /// A new segment, or what intercept sent of it; `had_all`: its sender had the last command. `see` gets what is seen, in
    /// order.
    pub(crate) fn segment(&mut self, mut bytes: &[u8], had_all: bool, mut see: impl FnMut(Seen)) {
        let expected = self.expected.len();
        while let Some((seen, rest)) = self.packet(bytes) {
            if matches!(seen, Seen::PrepareFailed(_) | Seen::UseFailed) {
                see(Seen::Error(error_code(bytes).unwrap_or_default()));
            }
            see(seen);
            bytes = rest;
        }
        // An answer that was seen is no other, unless one follows it out of sight.
        if had_all && (self.expected.len() == expected || self.pipelined) {
            self.segments = self.segments.saturating_add(1);
        }
    }

    /// Looks at what may be the first packet of an answer. Returns also what follows, if that may be another.
    fn packet<'b>(&mut self, bytes: &'b [u8]) -> Option<(Seen, &'b [u8])> {
        let header = Header::read(bytes)?;
        let payload = &bytes[HEADER..];
        let first = *payload.first()?;
        let rest = payload.get(header.length..).unwrap_or_default();
        if let Some(code) = error_code(bytes) {
            if code == PROGRESS {
                return None;
            }
            return Some((self.error(header, code), rest));
        }
        if let Some(seen) = self.prepared(header, payload) {
            // Definitions of parameters and columns follow: no answer to anything.
            return Some((seen, &[]));
        }
        let expected = *self.expected.front()?;
        if expected.sequence.is_some_and(|sequence| sequence != header.sequence) {
            return None;
        }
        let seen = match (expected.to, first) {
            (To::Prepare(_), _) => return None,
            (To::Query, 0xFB) if header.length > 1 => Seen::FileWanted { sequence: header.sequence },
            (_, 0x00) if header.length >= 7 => ok(payload),
            _ => Seen::Result,
        };
        self.expected.pop_front();
        Some((seen, if matches!(seen, Seen::Ok { .. }) { rest } else { &[] }))
    }

    fn error(&mut self, header: Header, code: u16) -> Seen {
        let begins =
            |expected: &&Expected| expected.sequence.is_none_or(|sequence| sequence == header.sequence);
        match self.expected.front().filter(begins).map(|expected| expected.to) {
            Some(To::Prepare(_)) if self.unsure && !self.all_seen => Seen::Error(code),
            Some(to) => {
                self.expected.pop_front();
                let sure = !self.unsure;
                // Or to one behind it, if the answer to this one is none that is captured.
                self.unsure |= self.all_seen && self.expects_prepare();
                match to {
                    To::Prepare(serial) => Seen::PrepareFailed(serial),
                    To::Use if sure => Seen::UseFailed,
                    _ => Seen::Error(code),
                }
            }
            // Behind rows that were sent.
            None => Seen::Error(code),
        }
    }

    /// The answer to a PREPARE cannot be mistaken: what is expected before it has passed unseen.
    fn prepared(&mut self, header: Header, payload: &[u8]) -> Option<Seen> {
        let Prepared { id, columns, parameters } = Prepared::read(header, payload)?;
        let is_prepare = |expected: &Expected| matches!(expected.to, To::Prepare(_));
        let at = match self.all_seen {
            true => self.expected.iter().position(is_prepare)?,
            false => self.expected.iter().rposition(is_prepare)?,
        };
        let Expected { to: To::Prepare(serial), sequence } = *self.expected.get(at)? else { return None };
        if sequence.is_some_and(|sequence| sequence != header.sequence) {
            return None;
        }
        self.expected.drain(..=at);
        self.unsure &= self.all_seen;
        Some(Seen::Prepared { serial, id, parameters, whole: columns == 0 && parameters == 0 })
    }

    pub(crate) fn memory(&self) -> usize {
        self.expected.capacity() * size_of::<Expected>()
    }
}

/// The first packet of an answer to PREPARE ("COM_STMT_PREPARE_OK").
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prepared {
    pub(crate) id: u32,
    pub(crate) columns: u16,
    pub(crate) parameters: u16,
}

impl Prepared {
    /// Reads the beginning of a packet, if it looks like one.
    pub(crate) fn read(header: Header, payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        reader.u8().filter(|&status| status == 0 && matches!(header.length, 12 | 13))?;
        let (id, columns, parameters) = (reader.u32()?, reader.u16()?, reader.u16()?);
        reader.u8().filter(|&filler| filler == 0)?;
        Some(Self { id, columns, parameters })
    }
}

/// The code of an error packet, whose marker of an SQL state cannot be mistaken.
fn error_code(bytes: &[u8]) -> Option<u16> {
    const LONGEST: usize = 1024;
    let header = Header::read(bytes)?;
    match *bytes.get(HEADER..)? {
        [0xFF, 0xFF, 0xFF, ..] => Some(PROGRESS),
        [0xFF, low, high, b'#', ..] if (9..LONGEST).contains(&header.length) => {
            Some(u16::from_le_bytes([low, high]))
        }
        _ => None,
    }
}

/// Reads the status flags of an OK packet; without them, where they lie too far behind, more may follow.
fn ok(payload: &[u8]) -> Seen {
    const SERVER_STATUS_IN_TRANS: u16 = 1;
    const SERVER_MORE_RESULTS_EXISTS: u16 = 8;
    let mut reader = Reader::new(payload);
    let status = reader.u8().and(reader.length()).and(reader.length()).and_then(|_| reader.u16());
    let has = |flag| status.is_some_and(|status| status & flag != 0);
    Seen::Ok {
        in_transaction: has(SERVER_STATUS_IN_TRANS),
        more: status.is_none() || has(SERVER_MORE_RESULTS_EXISTS),
    }
}
