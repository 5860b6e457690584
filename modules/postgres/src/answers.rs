//! The test server's messages, in a stream that is cut anywhere. Of data only the heads are looked at.

use postgres_wire::framing::{HEAD, Head, NotPostgres};

/// Reads the stream.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Bytes left of a message that was reported.
    skip: u64,
    /// The beginning of a message, which is too short to be reported.
    partial: Vec<u8>,
    /// It is complete, and was reported.
    is_reported: bool,
}

/// So much of an error is read: its code comes early, in the longest of languages.
const ERROR_KEPT: usize = 1024;

/// A request in a login is no longer, in bytes.
const REQUEST_MAX: usize = 4096;

/// How many bytes of a message's body are reported.
fn kept(head: Head) -> usize {
    let most = match head.kind {
        b'Z' | b'C' => 64,
        b'R' => REQUEST_MAX,
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
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skipped as u64;
        *bytes = bytes.get(skipped..).unwrap_or_default();
        if !self.partial.is_empty() {
            return self.complete(bytes);
        }
        let Some(head) = Head::of_backend(bytes)? else {
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

    /// Completes the message that has begun.
    fn complete<'a>(&'a mut self, bytes: &mut &[u8]) -> Result<Option<(u8, &'a [u8])>, NotPostgres> {
        self.keep(bytes, HEAD);
        let Some(head) = Head::of_backend(&self.partial)? else { return Ok(None) };
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

    pub(crate) fn memory(&self) -> usize {
        self.partial.capacity()
    }
}

#[cfg(test)]
mod tests {
    use postgres_wire::backend::{Authentication, Backend, TransactionStatus};

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
