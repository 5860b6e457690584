//! The end of an answer, as the last bytes of a segment show it: a server ends its answers with a segment.

use postgres_wire::backend::TransactionStatus;
use postgres_wire::framing::{HEAD, Head};
use postgres_wire::server_error::{ServerError, SqlState};

/// Bytes at the end of a segment that show how an answer ends: room for the fields of a usual error.
pub(crate) const TAIL: u8 = 96;

/// How a segment ends. Data may end with the same bytes: then an answer is taken to end too early, and the place in the stream
/// is found again at the next end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End<'b> {
    /// With ReadyForQuery.
    Ready { status: TransactionStatus, last: Last<'b> },
    /// The server waits for the data of a COPY.
    CopyIn,
}

/// The message before ReadyForQuery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last<'b> {
    /// CommandComplete, with its tag.
    Complete(&'b [u8]),
    /// An error, with its code if that is there.
    Error(Option<SqlState>),
    Other,
}

/// A COPY into a table of more columns is not found.
const COLUMNS_MAX: usize = 40;

impl<'b> End<'b> {
    /// The end that `bytes`, the last of a segment, have. What a server tells unasked may follow it.
    pub(crate) fn last(bytes: &'b [u8]) -> Option<Self> {
        Self::first_before(bytes, is_unasked).map(|(end, _)| end)
    }

    /// The first end in `bytes`, which are a segment whose beginning is anywhere in a message; and the bytes behind it, all
    /// of which are messages.
    pub(crate) fn first(bytes: &'b [u8]) -> Option<(Self, &'b [u8])> {
        Self::first_before(bytes, are_messages)
    }

    fn first_before(bytes: &'b [u8], may_follow: fn(&[u8]) -> bool) -> Option<(Self, &'b [u8])> {
        let alike = bytes.windows(READY.len() + 1).enumerate().filter_map(|(at, message)| {
            let status = TransactionStatus::read(*message.strip_prefix(READY)?.first()?)?;
            Some((status, bytes.get(..at)?, bytes.get(at + message.len()..)?))
        });
        let ready = alike
            .take(ALIKE_MAX)
            .find(|(_, _, rest)| may_follow(rest))
            .map(|(status, before, rest)| (Self::Ready { status, last: Last::of(before) }, rest));
        ready.or_else(|| is_copy_in(bytes).then_some((Self::CopyIn, &[])))
    }
}

/// So many places that look like an end are followed. Data may consist of such places: then each would be followed to the end.
const ALIKE_MAX: usize = 32;

/// ReadyForQuery without its letter.
const READY: &[u8] = b"Z\0\0\0\x05";

/// Whether `bytes` are messages, the last of which may be cut.
fn are_messages(mut bytes: &[u8]) -> bool {
    loop {
        match Head::of_backend(bytes) {
            Ok(Some(head)) => bytes = bytes.get(head.message()..).unwrap_or_default(),
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Whether `bytes` are messages that answer nothing: NotificationResponse, NoticeResponse, ParameterStatus.
fn is_unasked(mut bytes: &[u8]) -> bool {
    while let Ok(Some(head)) = Head::of_backend(bytes) {
        match bytes.get(head.message()..) {
            Some(rest) if matches!(head.kind, b'A' | b'N' | b'S') => bytes = rest,
            _ => return false,
        }
    }
    bytes.is_empty()
}

impl<'b> Last<'b> {
    /// The message that `bytes` end with.
    fn of(bytes: &'b [u8]) -> Self {
        let complete = (HEAD + 1..bytes.len().min(HEAD + 40) + 1).find_map(|length| {
            let message = bytes.get(bytes.len() - length..)?;
            match message.split_first_chunk::<HEAD>()? {
                ([b'C', 0, 0, 0, count], [tag @ .., 0]) if usize::from(*count) == length - 1 => Some(tag),
                _ => None,
            }
        });
        match complete {
            Some(tag) => Self::Complete(tag),
            None if ends_with_routine(bytes) => Self::Error(code(bytes)),
            None => Self::Other,
        }
    }
}

/// Whether `bytes` end with the last field of an error, the name of a function of the server. The end of a RowDescription
/// has zero bytes as well.
fn ends_with_routine(bytes: &[u8]) -> bool {
    let Some(fields) = bytes.strip_suffix(b"\0\0") else { return false };
    let start = fields.iter().rposition(|byte| *byte == 0).map_or(0, |at| at + 1);
    let routine = fields.get(start..).unwrap_or_default();
    matches!(routine, [b'R', name @ ..] if !name.is_empty() && name.iter().all(u8::is_ascii_graphic))
}

/// The code of the error that `bytes` end with.
fn code(bytes: &[u8]) -> Option<SqlState> {
    let at = bytes.windows(2).rposition(|pair| pair == b"\0C")?;
    ServerError::read(bytes.get(at + 1..)?).map(|error| error.code)
}

fn is_copy_in(bytes: &[u8]) -> bool {
    (0..=COLUMNS_MAX).any(|columns| {
        let length = HEAD + 3 + 2 * columns;
        let message =
            bytes.len().checked_sub(length).and_then(|start| bytes.get(start..)).unwrap_or_default();
        matches!(message, [b'G', 0, 0, 0, count, 0 | 1, 0, number, ..]
            if usize::from(*count) == length - 1 && usize::from(*number) == columns)
    })
}

#[cfg(test)]
mod tests {
    use postgres_wire::backend::Backend;

    use super::*;

    fn ending(messages: &[Backend<'_>]) -> Vec<u8> {
        let mut bytes = [b'x'; TAIL as usize].to_vec();
        messages.iter().for_each(|message| message.write(&mut bytes));
        bytes
    }

    fn ready(last: Last<'_>) -> Option<End<'_>> {
        Some(End::Ready { status: TransactionStatus::Open, last })
    }

    #[test]
    fn the_end_of_an_answer_shows_in_its_last_bytes() {
        let is_ready = Backend::ReadyForQuery(TransactionStatus::Open);
        let tag = b"INSERT 0 123456789012";
        let complete = ending(&[Backend::CommandComplete(tag), is_ready]);
        assert_eq!(End::last(&complete), ready(Last::Complete(tag)));
        let fields = b"SERROR\0VERROR\0C22012\0Mdivision by zero\0Fint.c\0L846\0Rint4div\0\0";
        let error = ending(&[Backend::ErrorResponse(fields), is_ready]);
        assert_eq!(End::last(&error), ready(Last::Error(Some(*b"22012"))));
        assert_eq!(End::last(&error[error.len() - 40..]), ready(Last::Error(None)));
        let column = b"\0\x01a\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
        for other in [Backend::RowDescription(column), Backend::PortalSuspended, Backend::EmptyQuery] {
            assert_eq!(End::last(&ending(&[other, is_ready])), ready(Last::Other));
        }
        assert_eq!(End::last(b"Z\0\0\0\x05T"), ready(Last::Other));
        assert_eq!(End::last(b"Z\0\0\0\x05X"), None);
        assert_eq!(End::last(b""), None);
    }

    #[test]
    fn data_that_look_like_many_ends_are_followed_a_few_times() {
        let mut bytes = b"Z\0\0\0\x05I".repeat(10_000);
        assert_eq!(End::first(&bytes).map(|(_, rest)| rest.len()), Some(bytes.len() - 6));
        bytes.extend(b"data");
        assert_eq!(End::first(&bytes), None);
        thread_local!(static FOLLOWED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) });
        let count = |_: &[u8]| {
            FOLLOWED.set(FOLLOWED.get() + 1);
            false
        };
        assert_eq!(End::first_before(&bytes, count), None);
        assert_eq!(FOLLOWED.get(), ALIKE_MAX);
    }

    #[test]
    fn a_copy_that_the_server_takes_shows_in_its_last_bytes() {
        for columns in [0, 1, 40] {
            let mut bytes = ending(&[]);
            bytes.extend([b'G', 0, 0, 0, 7 + 2 * columns, 0, 0, columns]);
            bytes.extend(vec![0; 2 * usize::from(columns)]);
            assert_eq!(End::last(&bytes), Some(End::CopyIn), "{columns}");
            assert_eq!(End::last(&bytes[..bytes.len() - 1]), None, "{columns}");
        }
    }
}
