//! The test server's messages, in a stream that is cut anywhere. Of data only the heads are looked at.
//!
//! Of long segments only the ends are there. What is between may be in one message, or in many: then the place is lost, until
//! a segment shows an end.

pub(crate) mod end;

use postgres_wire::backend::TransactionStatus;
use postgres_wire::framing::{HEAD, Head, NotPostgres};

use self::end::{End, Last, TAIL};

/// The beginnings of segments that are needed: room for most answers, which are whole then, in bytes.
pub(crate) const BEGINNING: u16 = 128;

/// Reads the stream.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Bytes left of a message that was reported.
    skip: u64,
    /// The beginning of a message, which is too short to be reported.
    partial: Vec<u8>,
    /// It is complete, and was reported.
    is_reported: bool,
    gaps: Gaps,
}

/// What is not there of the stream.
#[derive(Debug, Default)]
struct Gaps {
    /// There were any: bytes that are no message are no fault of the server.
    any: bool,
    /// The place is not known.
    is_lost: bool,
    /// Bytes of the next gap that were read as the end of a segment.
    read: u64,
    /// A message begins behind the next gap.
    ends_at_boundary: bool,
    /// How the last segment with a gap has ended: a server's buffer may end inside of ReadyForQuery.
    cut: Vec<u8>,
}

/// The length of ReadyForQuery, in bytes.
const READY: usize = HEAD + 1;

/// So much of an error is read: its code comes early, in the longest of languages.
const ERROR_KEPT: usize = 1024;

/// A request in a login is no longer, in bytes.
const REQUEST_MAX: usize = 4096;

/// Whether ReadyForQuery begins in `before` and ends with `rest`.
fn ends_with_ready(before: &[u8], rest: &[u8]) -> bool {
    let missing = READY - rest.len().min(READY);
    let begun = before.get(before.len().saturating_sub(missing)..).unwrap_or_default();
    matches!([begun, rest].concat()[..], [b'Z', 0, 0, 0, 5, _])
}

/// Whether this is the whole end of a segment: a shorter one is all that is left of it.
pub(crate) fn may_have_gap(tail: &[u8]) -> bool {
    tail.len() >= TAIL.into()
}

/// The longest BackendKeyData: a number, and a key, in bytes.
const KEY_MAX: usize = 4 + 256;

/// How many bytes of a message's body are reported.
fn kept(head: Head) -> usize {
    let most = match head.kind {
        b'Z' | b'C' => 64,
        b'R' => REQUEST_MAX,
        b'K' => KEY_MAX,
        b'E' => ERROR_KEPT,
        _ => 0,
    };
    most.min(head.body as usize)
}

impl Answers {
    /// Whether the next byte begins a message.
    #[cfg(test)]
    fn is_at_boundary(&self) -> bool {
        self.skip == 0 && (self.partial.is_empty() || self.is_reported)
    }

    /// The next message: its type, and the beginning of its body if that matters. `None` if `bytes`, from which it takes, are
    /// used up.
    pub(crate) fn next<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
    ) -> Result<Option<(u8, &'a [u8])>, NotPostgres> {
        if std::mem::take(&mut self.is_reported) {
            self.partial.clear();
        }
        if self.gaps.is_lost {
            *bytes = &[];
            return Ok(None);
        }
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skipped as u64;
        *bytes = bytes.get(skipped..).unwrap_or_default();
        if !self.partial.is_empty() {
            return self.complete(bytes);
        }
        let Some(head) = self.head(Head::of_backend(bytes), bytes)? else {
            self.keep(bytes, HEAD);
            return Ok(None);
        };
        let kept = kept(head);
        let Some(body) = bytes.get(HEAD..HEAD + kept) else {
            self.keep(bytes, HEAD + kept);
            return Ok(None);
        };
        *bytes = bytes.get(HEAD + kept..).unwrap_or_default();
        self.skip = u64::from(head.body) - kept as u64;
        Ok(Some((head.kind, body)))
    }

    /// After a gap, bytes that are no message show that the place is lost.
    fn head(
        &mut self,
        read: Result<Option<Head>, NotPostgres>,
        bytes: &mut &[u8],
    ) -> Result<Option<Head>, NotPostgres> {
        if read.is_err() && self.gaps.any {
            self.lose_place();
            *bytes = &[];
            return Ok(None);
        }
        read
    }

    /// Completes the message that has begun.
    fn complete<'a>(&'a mut self, bytes: &mut &[u8]) -> Result<Option<(u8, &'a [u8])>, NotPostgres> {
        self.keep(bytes, HEAD);
        let Some(head) = self.head(Head::of_backend(&self.partial), bytes)? else { return Ok(None) };
        let whole = HEAD + kept(head);
        self.keep(bytes, whole);
        if self.partial.len() < whole {
            return Ok(None);
        }
        self.skip = u64::from(head.body) - kept(head) as u64;
        self.is_reported = true;
        Ok(Some((head.kind, self.partial.get(HEAD..).unwrap_or_default())))
    }

    fn keep(&mut self, bytes: &mut &[u8], whole: usize) {
        let length = whole.saturating_sub(self.partial.len()).min(bytes.len());
        let (kept, rest) = bytes.split_at(length);
        self.partial.extend_from_slice(kept);
        *bytes = rest;
    }

    /// The error whose beginning ends the bytes that were read, as far as it is there: the rest of it may be missing.
    pub(crate) fn cut_error(&mut self) -> Option<(u8, &[u8])> {
        let head = Head::of_backend(&self.partial).ok().flatten().filter(|head| head.kind == b'E')?;
        if self.is_reported {
            return None;
        }
        self.skip = (head.message() - self.partial.len()) as u64;
        self.is_reported = true;
        Some((head.kind, self.partial.get(HEAD..).unwrap_or_default()))
    }

    /// A segment is read, of which `bytes` were there and `tail`, its last: the end of an answer in it, if that must be known
    /// from them, and the bytes behind it that were not read yet.
    pub(crate) fn segment_end<'b>(&mut self, bytes: &'b [u8], tail: &'b [u8]) -> Option<(End<'b>, &'b [u8])> {
        let (last, found) = match tail {
            // Nothing is missing in it: it may hold several ends.
            [] if self.gaps.is_lost => (bytes, End::first(bytes)),
            [] => return None,
            tail => (tail, End::last(tail).map(|end| (end, &[][..]))),
        };
        let found = match found {
            Some(found) => found,
            None if last.len() < READY && ends_with_ready(&self.gaps.cut, last) => {
                let status = last.last().and_then(|letter| TransactionStatus::read(*letter))?;
                (End::Ready { status, last: Last::Other }, &[][..])
            }
            None => {
                let start = last.len().saturating_sub(READY - 1);
                self.gaps.cut.clear();
                self.gaps.cut.extend_from_slice(last.get(start..).unwrap_or_default());
                return None;
            }
        };
        (self.skip, self.is_reported) = (0, false);
        self.partial.clear();
        self.gaps.is_lost = false;
        self.gaps.ends_at_boundary = !tail.is_empty();
        Some(found)
    }

    /// So many bytes at the end of the segment were read, although they count as missing.
    pub(crate) fn was_read(&mut self, bytes: usize) {
        self.gaps.read = bytes as u64;
    }

    /// So many bytes are missing before the next.
    pub(crate) fn missing(&mut self, bytes: u64) {
        let bytes = bytes.saturating_sub(std::mem::take(&mut self.gaps.read));
        if bytes == 0 {
            return;
        }
        self.gaps.any = true;
        if std::mem::take(&mut self.gaps.ends_at_boundary) || self.gaps.is_lost {
            return;
        }
        if !std::mem::take(&mut self.is_reported) && !self.partial.is_empty() {
            match Head::of_backend(&self.partial) {
                Ok(Some(head)) => self.skip = (head.message() - self.partial.len()) as u64,
                _ => return self.lose_place(),
            }
        }
        self.partial.clear();
        match self.skip.checked_sub(bytes) {
            Some(rest) => self.skip = rest,
            None => self.lose_place(),
        }
    }

    /// Whether the place in the stream is not known.
    pub(crate) fn is_lost(&self) -> bool {
        self.gaps.is_lost
    }

    fn lose_place(&mut self) {
        (self.skip, self.is_reported, self.gaps.is_lost) = (0, false, true);
        self.partial.clear();
    }

    pub(crate) fn memory(&self) -> usize {
        self.partial.capacity() + self.gaps.cut.capacity()
    }
}

#[cfg(test)]
mod tests {
    use postgres_wire::backend::{Authentication, Backend};

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<(u8, Vec<u8>)> {
        let (mut answers, mut messages) = (Answers::default(), Vec::new());
        for piece in pieces {
            let mut rest = *piece;
            while let Some((kind, body)) = answers.next(&mut rest).unwrap() {
                messages.push((kind, body.to_vec()));
            }
        }
        assert!(answers.is_at_boundary());
        messages
    }

    #[test]
    fn messages_are_found_however_the_stream_is_cut() {
        let mut stream = Vec::new();
        let error = [&b"SERROR\0C42601\0M"[..], &[b'x'; 3000], b"\0\0"].concat();
        for message in [
            Backend::Authentication(Authentication::Md5([1, 2, 3, 4])),
            Backend::RowDescription(b"\0\0"),
            Backend::CopyData(b"Z\0\0\0\x05I"),
            Backend::ErrorResponse(&error),
            Backend::CommandComplete(b"SELECT 1"),
            Backend::ReadyForQuery(TransactionStatus::Open),
        ] {
            message.write(&mut stream);
        }
        let expected = read(&[&stream]);
        let kinds: Vec<_> = expected.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, b"RTdECZ");
        assert_eq!((expected[3].1.len(), &expected[4].1[..]), (ERROR_KEPT, &b"SELECT 1\0"[..]));
        for piece in 1..200 {
            let pieces: Vec<_> = stream.chunks(piece).collect();
            assert_eq!(read(&pieces), expected, "{piece}");
        }
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let mut answers = Answers::default();
        assert!(answers.next(&mut &b"HTTP/1.1"[..]).is_err());
        let mut answers = Answers::default();
        assert_eq!(answers.next(&mut &b"R"[..]), Ok(None));
        assert!(answers.next(&mut &b"\xff\0\0\0"[..]).is_err());
    }
}
