//! The answers that a server still owes, and how they begin, as far as the first bytes of its segments show it.
//!
//! Once a session is logged in, only the first [`HEAD`] bytes of each segment of the test server are requested. They show
//! how an answer begins, because a server begins each answer in a segment of its own. Where a client sends a command before
//! the last one is answered, an answer may begin inside a segment and is not seen. So commands whose answers must be seen
//! wait until all commands before are answered; the order of ids supplies what is missed nevertheless (see
//! [`crate::statements::table`]).

use std::collections::VecDeque;

use crate::answers::end::{End, TAIL};
use crate::answers::files::Files;
use crate::session::connection_state::ChangeId;
use crate::statements::table::Serial;
use crate::wire::packet::{HEADER, Header, Reader};
use crate::wire::prepare_ok::PrepareOk;
use crate::wire::server_error::PROGRESS;

/// Bytes of each segment that are needed: a whole answer to PREPARE, and the longest beginning of an OK up to its status.
pub(crate) const HEAD: u16 = 25;

/// A request for a file has come unseen, if so many segments have come that could have held it.
const FILE_UNSEEN_MAX: u32 = 64;

/// More answers than this are not expected at the same time.
const EXPECTED_MAX: usize = 128;

/// The command that an answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Prepare(Serial),
    Query,
    /// A change of the connection's state, which must be taken back if it is refused.
    Change(ChangeId),
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
    ChangeFailed(ChangeId),
    /// An error, whatever command it belongs to.
    Error(u16),
    /// The server asks for the file of a LOAD DATA LOCAL, whose first packet has this sequence id.
    FileWanted {
        first: u8,
    },
    /// A success without a result set; `more` results follow, or may follow.
    /// `id`: that of the inserted row, 0 for none, unless it is cut off.
    Ok {
        in_transaction: bool,
        more: bool,
        id: Option<u64>,
    },
    /// The beginning of something else.
    Result,
    /// The end of the last result of an answer that has begun before, or with this segment.
    End {
        in_transaction: bool,
    },
}

impl AnswerStart {
    /// The answer has no more bytes.
    pub(crate) fn ends_answer(self) -> bool {
        matches!(
            self,
            Self::Error(_)
                | Self::PrepareFailed(_)
                | Self::ChangeFailed(_)
                | Self::Ok { more: false, .. }
                | Self::Prepared { whole: true, .. }
                | Self::End { .. }
        )
    }
}

/// An answer that has begun, and ends with a result.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    /// The sequence id of the packet that looks like the end of the result, and ends the definitions of its columns.
    columns_end: Option<u8>,
}

/// The answers that are still to come.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    expected: VecDeque<Expected>,
    under_way: Option<UnderWay>,
    /// A command was sent since the end of its answer was promised last.
    unpromised: bool,
    /// Segments since the last command was sent that can have held the beginning of its answer.
    segments: u32,
    /// The last command was sent before the answer to the one before had begun.
    pipelined: bool,
    /// The last command was sent while an answer had begun whose end was not seen.
    overtakes: bool,
    /// Since nothing was owed, the end of each answer was seen before the next one began: the server executes the first command
    /// of `expected`.
    followed: bool,
    /// An expected answer may have come unseen, or an answer may come that is not expected. So an error may belong to
    /// another command than it seems.
    unsure: bool,
    /// The files that the last command may still ask for: the beginnings of their names.
    files: Files,
    /// The last command was sent before all answers to others had been seen: the next one may not be its own.
    in_doubt: bool,
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
        self.files.clear();
        self.in_doubt = self.is_waiting();
        self.expect_next(request, sequence);
    }

    /// A file was sent: the command that has asked for it goes on, and may ask for another.
    pub(crate) fn expect_after_file(&mut self) {
        self.expect_next(Request::Other, None);
    }

    fn expect_next(&mut self, request: Request, sequence: Option<u8>) {
        let is_begun = self.under_way.take().is_some();
        let owes_nothing = self.expected.is_empty() && !is_begun;
        if self.expected.len() == EXPECTED_MAX {
            self.expected.pop_front();
            self.followed = false;
        }
        if self.segments > 0 {
            // Those expected have come unseen, or something else has come.
            self.unsure |= !self.expected.is_empty();
            self.followed &= self.expected.is_empty();
            self.expected.clear();
        }
        self.pipelined = self.is_waiting();
        self.overtakes = is_begun || self.overtakes && self.pipelined;
        self.followed = owes_nothing || self.followed && !is_begun;
        self.unpromised = true;
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

    /// The last command asks for these files, unless one of its statements fails.
    pub(crate) fn expect_files(&mut self, files: Files) {
        self.files = files;
    }

    /// Whether the answer to the last command can be mistaken for another.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// The server may ask for a file of the last command.
    pub(crate) fn may_ask_for_file(&self) -> bool {
        !self.files.is_empty() && self.segments < FILE_UNSEEN_MAX
    }

    /// The answer to a PREPARE has not come.
    pub(crate) fn expects_prepare(&self) -> bool {
        self.expected.iter().any(|expected| matches!(expected.request, Request::Prepare(_)))
    }

    /// Whether the end of the answer to what was sent since the last call will be seen: it is the answer to one command, and
    /// has an end of a known form.
    pub(crate) fn promises_end(&mut self) -> bool {
        let is_seen = |expected: &Expected| !matches!(expected.request, Request::Prepare(_));
        std::mem::take(&mut self.unpromised) && self.expected.len() == 1 && self.expected.iter().all(is_seen)
    }

    /// Everything that was sent is answered, as far as can be seen: the next answer begins with a segment.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.is_waiting() || self.segments > 0
    }

    /// How many commands the server has not answered; `None` if it may execute any of several.
    pub(crate) fn unanswered(&self) -> Option<u64> {
        let is_alone = !self.pipelined && !self.overtakes;
        let is_followed = is_alone || self.followed;
        let is_over = match is_alone {
            true => self.is_quiet(),
            false => !self.is_waiting() && (is_followed || self.under_way.is_none()),
        };
        match is_over {
            true => Some(0),
            false => is_followed.then_some(self.expected.len() as u64),
        }
    }

    /// The number of segments that may have held the beginning of the last command's answer, unseen.
    pub(crate) fn segments(&self) -> u32 {
        self.segments
    }

    /// The last command was sent before the answer to the one before had begun: one segment may have held both answers.
    pub(crate) fn is_pipelined(&self) -> bool {
        self.pipelined
    }

    /// The end of a segment whose first `bytes` were read: an answer may end with it. `as_ok` as for [`End::find`].
    pub(crate) fn segment_end(&mut self, bytes: &[u8], tail: &[u8], as_ok: bool) -> Option<AnswerStart> {
        let UnderWay { columns_end } = self.under_way?;
        let joined;
        let last = match tail {
            [] => bytes,
            // Nothing is missing before it.
            _ if tail.len() < TAIL.into() => {
                joined = [bytes, tail].concat();
                &joined
            }
            _ => tail,
        };
        let or_ok = if columns_end.is_none() { End::find_ok(last) } else { None };
        let end = End::find(last, as_ok).or(or_ok)?;
        if end.has_more_results() {
            self.under_way = Some(UnderWay { columns_end: None });
            return None;
        }
        if !as_ok && !end.has_cursor() && columns_end == Some(end.sequence) {
            return None;
        }
        self.under_way = None;
        Some(AnswerStart::End { in_transaction: end.is_in_transaction() })
    }

    /// A new segment, or its beginning as intercept sent it. `had_all`: the server had received the last command when it
    /// sent the segment. Calls `see` for each answer that begins here, in order.
    pub(crate) fn segment(&mut self, mut bytes: &[u8], had_all: bool, mut see: impl FnMut(AnswerStart)) {
        let expected = self.expected.len();
        while let Some((start, rest)) = self.packet(bytes) {
            if matches!(start, AnswerStart::PrepareFailed(_) | AnswerStart::ChangeFailed(_)) {
                see(AnswerStart::Error(error_code(bytes).unwrap_or_default()));
            }
            see(start);
            bytes = rest;
        }
        // Nobody knows what has come.
        self.followed &= self.expected.len() < expected || expected < 2;
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
            if !self.in_doubt {
                // The statements behind the wrong one are not executed.
                self.files.clear();
            }
            return Some((self.error(header, code), rest));
        }
        if let Some(start) = self.prepared(header, payload) {
            // Definitions of parameters and columns follow, which begin no answer.
            return Some((start, &[]));
        }
        if first == 0xFB && header.length > 1 && self.files.take(&payload[1..], header.length - 1) {
            // It may come behind other results, whose beginnings need not have been seen.
            self.expected.clear();
            return Some((AnswerStart::FileWanted { first: header.sequence.wrapping_add(1) }, &[]));
        }
        let expected = *self.expected.front()?;
        if expected.sequence.is_some_and(|sequence| sequence != header.sequence) {
            return None;
        }
        let start = match (expected.request, first) {
            (Request::Prepare(_), _) => return None,
            // No result begins so.
            (_, 0xFB) if header.length > 1 => {
                AnswerStart::FileWanted { first: header.sequence.wrapping_add(1) }
            }
            (_, 0x00) if header.length >= 7 => ok(payload),
            _ => AnswerStart::Result,
        };
        self.expected.pop_front();
        // The answer to the next command may begin in the same segment.
        self.followed &= start.ends_answer() || self.expected.is_empty();
        self.under_way = match start {
            AnswerStart::Result => {
                let columns =
                    (header.length == 1).then(|| header.sequence.wrapping_add(first).wrapping_add(1));
                Some(UnderWay { columns_end: columns })
            }
            AnswerStart::Ok { more: true, .. } => Some(UnderWay { columns_end: None }),
            _ => None,
        };
        let is_asked = matches!(start, AnswerStart::FileWanted { .. });
        if is_asked || start.ends_answer() && !self.in_doubt {
            self.files.clear();
        }
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
            Request::Change(change) if !was_unsure => AnswerStart::ChangeFailed(change),
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
        let whole = columns == 0 && parameters == 0;
        self.followed &= self.expected.is_empty() || whole && at == 0;
        Some(AnswerStart::Prepared { serial, id, parameters, whole })
    }

    pub(crate) fn memory(&self) -> usize {
        self.expected.capacity() * size_of::<Expected>() + self.files.memory()
    }
}

/// A report of a statement's progress, which looks like an error.
pub(crate) fn is_progress(bytes: &[u8]) -> bool {
    error_code(bytes) == Some(PROGRESS)
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
    let id = reader.u8().and(reader.length()).and_then(|_| reader.length());
    let status = id.and_then(|_| reader.u16());
    let has = |flag| status.is_some_and(|status| status & flag != 0);
    AnswerStart::Ok {
        in_transaction: has(SERVER_STATUS_IN_TRANS),
        more: status.is_none() || has(SERVER_MORE_RESULTS_EXISTS),
        id,
    }
}
