//! The answers that a server still owes, and how they begin, as far as the first bytes of its segments show it.
//!
//! Once a session is logged in, only the first [`HEAD`] bytes of each segment of the test server are requested. They show
//! how an answer begins, because a server begins each answer in a segment of its own. Where a client sends a command before
//! the last one is answered, an answer may begin inside a segment and is not seen. So commands whose answers must be seen
//! wait until all commands before are answered; the order of ids supplies what is missed nevertheless (see
//! [`crate::statements::table`]).

use std::collections::VecDeque;

use crate::statements::table::Serial;
use crate::wire::packet::{HEADER, Header, Reader};
use crate::wire::prepare_ok::PrepareOk;
use crate::wire::server_error::PROGRESS;

/// Bytes of each segment that are needed: a whole answer to PREPARE.
pub(crate) const HEAD: u16 = 16;

/// More answers than this are not expected at the same time.
const EXPECTED_MAX: usize = 128;

/// The command that an answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Prepare(Serial),
    Query,
    /// A change of the database.
    Use,
    Other,
}

#[derive(Debug, Clone, Copy)]
struct Expected {
    request: Request,
    /// The sequence id that the answer begins with, if that is known.
    sequence: Option<u8>,
}

/// The beginning of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerStart {
    /// A statement was prepared. Definitions of parameters or columns follow if the answer is not `whole`.
    Prepared {
        serial: Serial,
        id: u32,
        parameters: u16,
        whole: bool,
    },
    PrepareFailed(Serial),
    UseFailed,
    /// An error, whatever command it belongs to.
    Error(u16),
    /// The server asks for the file of a LOAD DATA LOCAL.
    FileWanted {
        sequence: u8,
    },
    /// A success without a result set; `more` results follow, or may follow.
    Ok {
        in_transaction: bool,
        more: bool,
    },
    /// The beginning of something else.
    Result,
}

impl AnswerStart {
    /// The answer has no more bytes.
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
    /// An expected answer may have come unseen, or an answer may come that is not expected. So an error may belong to
    /// another command than it seems.
    unsure: bool,
    /// Every answer to a PREPARE is captured, but for accidents: an answer belongs to the first PREPARE that waits, not to
    /// the last.
    all_seen: bool,
}

impl Answers {
    /// The answers of a server whose packets are followed.
    pub(crate) fn all_seen() -> Self {
        Self { all_seen: true, ..Self::default() }
    }

    /// A command was sent that is answered.
    pub(crate) fn expect(&mut self, request: Request, sequence: Option<u8>) {
        if self.expected.len() == EXPECTED_MAX {
            self.expected.pop_front();
        }
        if self.segments > 0 {
            // Those expected have come unseen, or something else has come.
            self.unsure |= !self.expected.is_empty();
            self.expected.clear();
        }
        self.pipelined = self.is_waiting();
        self.expected.push_back(Expected { request, sequence });
        self.segments = 0;
    }

    /// The answer to the last command has not begun.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.expected.is_empty()
    }

    /// The next answer may belong to another command than it seems.
    pub(crate) fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// The answer to a PREPARE has not come.
    pub(crate) fn expects_prepare(&self) -> bool {
        self.expected.iter().any(|expected| matches!(expected.request, Request::Prepare(_)))
    }

    /// Everything that was sent is answered, as far as can be seen: the next answer begins with a segment.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.is_waiting() || self.segments > 0
    }

    /// The number of segments that may have held the beginning of the last command's answer, unseen.
    pub(crate) fn segments(&self) -> u32 {
        self.segments
    }

    /// The last command was sent before the answer to the one before had begun: one segment may have held both answers.
    pub(crate) fn is_pipelined(&self) -> bool {
        self.pipelined
    }

    /// A new segment, or its beginning as intercept sent it. `had_all`: the server had received the last command when it
    /// sent the segment. Calls `see` for each answer that begins here, in order.
    pub(crate) fn segment(&mut self, mut bytes: &[u8], had_all: bool, mut see: impl FnMut(AnswerStart)) {
        let expected = self.expected.len();
        while let Some((start, rest)) = self.packet(bytes) {
            if matches!(start, AnswerStart::PrepareFailed(_) | AnswerStart::UseFailed) {
                see(AnswerStart::Error(error_code(bytes).unwrap_or_default()));
            }
            see(start);
            bytes = rest;
        }
        // A segment whose answer was seen holds no other, unless one follows that was cut off.
        if had_all && (self.expected.len() == expected || self.pipelined) {
            self.segments = self.segments.saturating_add(1);
        }
    }

    /// Reads what may be the first packet of an answer. Returns also the bytes after it, if they may begin another answer.
    fn packet<'b>(&mut self, bytes: &'b [u8]) -> Option<(AnswerStart, &'b [u8])> {
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
        if let Some(start) = self.prepared(header, payload) {
            // Definitions of parameters and columns follow, which begin no answer.
            return Some((start, &[]));
        }
        let expected = *self.expected.front()?;
        if expected.sequence.is_some_and(|sequence| sequence != header.sequence) {
            return None;
        }
        let start = match (expected.request, first) {
            (Request::Prepare(_), _) => return None,
            (Request::Query, 0xFB) if header.length > 1 => {
                AnswerStart::FileWanted { sequence: header.sequence }
            }
            (_, 0x00) if header.length >= 7 => ok(payload),
            _ => AnswerStart::Result,
        };
        self.expected.pop_front();
        Some((start, if matches!(start, AnswerStart::Ok { .. }) { rest } else { &[] }))
    }

    fn error(&mut self, header: Header, code: u16) -> AnswerStart {
        let begins =
            |expected: &&Expected| expected.sequence.is_none_or(|sequence| sequence == header.sequence);
        // Without one, the error comes after rows that were sent.
        let request = self.expected.front().filter(begins).map(|expected| expected.request);
        let Some(request) = request else { return AnswerStart::Error(code) };
        let was_unsure = self.unsure;
        if was_unsure && !self.all_seen && matches!(request, Request::Prepare(_)) {
            return AnswerStart::Error(code);
        }
        self.expected.pop_front();
        // The error may belong to a later PREPARE, if the answer to this command is not captured.
        self.unsure |= self.all_seen && self.expects_prepare();
        match request {
            Request::Prepare(serial) => AnswerStart::PrepareFailed(serial),
            Request::Use if !was_unsure => AnswerStart::UseFailed,
            _ => AnswerStart::Error(code),
        }
    }

    /// The answer to a PREPARE cannot be mistaken: the answers expected before it have passed unseen.
    fn prepared(&mut self, header: Header, payload: &[u8]) -> Option<AnswerStart> {
        let PrepareOk { id, columns, parameters, .. } = PrepareOk::recognise(header, payload)?;
        let is_prepare = |expected: &Expected| matches!(expected.request, Request::Prepare(_));
        let at = match self.all_seen {
            true => self.expected.iter().position(is_prepare)?,
            false => self.expected.iter().rposition(is_prepare)?,
        };
        let Expected { request: Request::Prepare(serial), sequence } = *self.expected.get(at)? else {
            return None;
        };
        if sequence.is_some_and(|sequence| sequence != header.sequence) {
            return None;
        }
        self.expected.drain(..=at);
        self.unsure &= self.all_seen;
        Some(AnswerStart::Prepared { serial, id, parameters, whole: columns == 0 && parameters == 0 })
    }

    pub(crate) fn memory(&self) -> usize {
        self.expected.capacity() * size_of::<Expected>()
    }
}

/// The code of an error packet, recognised by its marker of an SQL state.
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

/// Reads the status flags of an OK packet. If they are cut off, more results may follow.
fn ok(payload: &[u8]) -> AnswerStart {
    const SERVER_STATUS_IN_TRANS: u16 = 1;
    const SERVER_MORE_RESULTS_EXISTS: u16 = 8;
    let mut reader = Reader::new(payload);
    let status = reader.u8().and(reader.length()).and(reader.length()).and_then(|_| reader.u16());
    let has = |flag| status.is_some_and(|status| status & flag != 0);
    AnswerStart::Ok {
        in_transaction: has(SERVER_STATUS_IN_TRANS),
        more: status.is_none() || has(SERVER_MORE_RESULTS_EXISTS),
    }
}
