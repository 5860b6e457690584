//! RESP (<https://redis.io/docs/latest/develop/reference/protocol-spec/>): requests of clients, which are arrays of bulk
//! strings or inline commands, and replies of servers.

use module_kit::framing::{Frame, Framing, OutOfStep, Place};

use crate::command::Command;

/// The longest inline command (`PROTO_INLINE_MAX_SIZE` of the server), and the longest command that is read whole, in
/// bytes.
pub(crate) const LENGTH_MAX: usize = 64 << 10;

/// The longest number, with its kind and sign, in bytes.
const NUMBER_MAX: usize = 24;

/// The longest first line of a reply, in bytes.
const LINE_MAX: usize = 4 << 10;

/// Writes a request.
pub(crate) fn request(words: &[&[u8]], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Requests: the head of one ends with its name; its arguments are frames that belong to it.
pub(crate) struct Requests;

impl Framing for Requests {
    #[inline]
    fn frame(bytes: &[u8], continues: bool) -> Result<Option<Frame>, OutOfStep> {
        if !continues {
            return Ok(head(bytes)?.map(|head| head.frame));
        }
        let Some((length, head)) = number(b'$', bytes)? else { return Ok(None) };
        Ok(Some(Frame { head, body: string_length(length)?, more: 0 }))
    }
}

/// The beginning of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) command: Command,
    pub(crate) is_inline: bool,
    pub(crate) frame: Frame,
}

/// Reads the beginning of a request; `None` if it is incomplete.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head>, OutOfStep> {
    match bytes.first() {
        None => Ok(None),
        Some(b'*') => array(bytes),
        Some(byte) if byte.is_ascii_alphabetic() || byte.is_ascii_whitespace() => inline(bytes),
        Some(_) => Err(OutOfStep),
    }
}

#[inline]
fn array(bytes: &[u8]) -> Result<Option<Head>, OutOfStep> {
    let head =
        |command, head, body, more| Head { command, is_inline: false, frame: Frame { head, body, more } };
    let Some((count, start)) = number(b'*', bytes)? else { return Ok(None) };
    let Ok(arguments @ 1..) = u64::try_from(count) else {
        // The server ignores it.
        return Ok(Some(head(Command::Other, start, 0, 0)));
    };
    let Some((length, used)) = number(b'$', &bytes[start..])? else { return Ok(None) };
    let (start, body) = (start + used, string_length(length)?);
    if length > 64 {
        // Too long for a name that matters.
        return Ok(Some(head(Command::Other, start, body, arguments - 1)));
    }
    let Some(name) = bytes.get(start..start + body as usize) else { return Ok(None) };
    let command = Command::of(&name[..name.len() - 2]);
    Ok(Some(head(command, start + name.len(), 0, arguments - 1)))
}

fn inline(bytes: &[u8]) -> Result<Option<Head>, OutOfStep> {
    let Some(end) = bytes.iter().take(LENGTH_MAX).position(|byte| *byte == b'\n') else {
        return if bytes.len() >= LENGTH_MAX { Err(OutOfStep) } else { Ok(None) };
    };
    let command = Command::of(words(&bytes[..end]).next().unwrap_or_default());
    Ok(Some(Head { command, is_inline: true, frame: Frame { head: end + 1, body: 0, more: 0 } }))
}

/// The words of an inline command, if no quotes are in it.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// The arguments of a request.
pub(crate) enum Arguments<'b> {
    /// These, of a request of this length.
    Whole(Vec<&'b [u8]>, usize),
    /// More bytes are needed.
    Incomplete,
    /// They cannot be read: the request is too long, or inline with quotes.
    Unclear,
}

/// Reads the arguments of the request that begins `bytes`.
pub(crate) fn arguments<'b>(head: &Head, bytes: &'b [u8]) -> Result<Arguments<'b>, OutOfStep> {
    let mut length = head.frame.head;
    if head.is_inline {
        let line = bytes.get(..length).unwrap_or_default();
        let is_quoted = line.iter().any(|byte| matches!(byte, b'"' | b'\''));
        return Ok(if is_quoted {
            Arguments::Unclear
        } else {
            Arguments::Whole(words(line).skip(1).collect(), length)
        });
    }
    let incomplete = if bytes.len() < LENGTH_MAX { Arguments::Incomplete } else { Arguments::Unclear };
    let mut arguments = Vec::new();
    for _ in 0..head.frame.more {
        let rest = bytes.get(length..).unwrap_or_default();
        let Some(Frame { head, body, .. }) = Requests::frame(rest, true)? else { return Ok(incomplete) };
        let end = usize::try_from(body).map_err(|_| OutOfStep)?.saturating_add(head);
        let Some(argument) = rest.get(head..end) else { return Ok(incomplete) };
        arguments.push(&argument[..argument.len() - 2]);
        length += end;
    }
    Ok(Arguments::Whole(arguments, length))
}

/// Moves over requests that do not matter, from the start of one. Returns how many bytes belong to them, and the place in
/// the last of them. 0 if the first does matter, or is incomplete, or is no array.
pub(crate) fn skip_others(bytes: &[u8]) -> (usize, Place) {
    let mut at = skip_short(bytes);
    while at < bytes.len() {
        let Ok(Some(Head { command: Command::Other, frame, .. })) = array(&bytes[at..]) else { break };
        let mut place = Place::behind_head(&frame);
        // An error is for the caller to find.
        let Ok(length) = place.skip::<Requests>(&bytes[at + frame.head..]) else { break };
        at += frame.head + length;
        if !place.is_boundary() {
            return (at, place);
        }
    }
    (at, Place::default())
}

/// The same for whole requests with few and short arguments, which are nearly all, quickly; the rest is left.
fn skip_short(bytes: &[u8]) -> usize {
    // `*3\r\n$3\r\n`, but for the digits.
    const BEGINNING: u64 = u64::from_le_bytes(*b"*\0\r\n$\0\r\n");
    const DIGITS: u64 = u64::from_le_bytes([0, 0xFF, 0, 0, 0, 0xFF, 0, 0]);
    let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let digit = |word: u64, place: u32| (word >> (8 * place) & 0xFF).wrapping_sub(u64::from(b'0'));
    let mut end = 0;
    while let Some(beginning) = word(end) {
        let (count, name) = (digit(beginning, 1), digit(beginning, 5));
        if beginning & !DIGITS != BEGINNING || count.wrapping_sub(1) > 8 || name > 9 {
            break;
        }
        let mut at = end + 8;
        if bytes.get(at..at + name as usize).is_none_or(Command::may_matter) {
            break;
        }
        at += name as usize + 2;
        for _ in 1..count {
            match short_argument(bytes, at) {
                Some(next) => at = next,
                None => return end,
            }
        }
        if at > bytes.len() {
            break;
        }
        end = at;
    }
    end
}

/// The end of an argument of less than 100 bytes that begins at `at`. There may be fewer bytes.
#[inline]
fn short_argument(bytes: &[u8], at: usize) -> Option<usize> {
    match *bytes.get(at..)?.first_chunk::<5>()? {
        [b'$', a @ b'0'..=b'9', b'\r', b'\n', _] => Some(at + usize::from(a - b'0') + 6),
        [b'$', a @ b'0'..=b'9', b @ b'0'..=b'9', b'\r', b'\n'] => {
            Some(at + usize::from(a - b'0') * 10 + usize::from(b - b'0') + 7)
        }
        _ => None,
    }
}

/// Whether a request may begin here, where the place in the stream is not known. Inline commands, which may be anything, do
/// not count.
pub(crate) fn is_likely(bytes: &[u8]) -> bool {
    match array(bytes) {
        Ok(Some(head)) => {
            let name = bytes[..head.frame.head].split(|byte| *byte == b'\n').nth(2);
            name.and_then(|name| name.first()).is_some_and(u8::is_ascii_alphabetic)
        }
        Ok(None) => true,
        Err(OutOfStep) => false,
    }
}

/// Reads `kind`, a number and a line end; returns the number, and the length of it all. `None` if it is incomplete.
#[inline]
fn number(kind: u8, bytes: &[u8]) -> Result<Option<(i64, usize)>, OutOfStep> {
    // Short lengths, which are nearly all.
    match *bytes {
        [first, a @ b'0'..=b'9', b'\r', b'\n', ..] if first == kind => {
            return Ok(Some((i64::from(a - b'0'), 4)));
        }
        [first, a @ b'0'..=b'9', b @ b'0'..=b'9', b'\r', b'\n', ..] if first == kind => {
            return Ok(Some((i64::from(a - b'0') * 10 + i64::from(b - b'0'), 5)));
        }
        [] => return Ok(None),
        [first, ..] if first != kind => return Err(OutOfStep),
        _ => {}
    }
    // The server does not look at the byte after the carriage return.
    match bytes.iter().take(NUMBER_MAX).position(|byte| *byte == b'\r') {
        Some(end) if bytes.len() >= end + 2 => Ok(Some((parse(&bytes[1..end])?, end + 2))),
        None if bytes.len() >= NUMBER_MAX => Err(OutOfStep),
        _ => Ok(None),
    }
}

/// The line that begins `bytes`, without its end; `None` if it is incomplete.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, OutOfStep> {
    match bytes.iter().take(LINE_MAX).position(|byte| *byte == b'\n') {
        Some(end) => bytes[..end].strip_suffix(b"\r").map(Some).ok_or(OutOfStep),
        None if bytes.len() >= LINE_MAX => Err(OutOfStep),
        None => Ok(None),
    }
}

fn parse(digits: &[u8]) -> Result<i64, OutOfStep> {
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(OutOfStep)
}

/// The bytes of a string, line end included.
fn string_length(length: i64) -> Result<u64, OutOfStep> {
    u64::try_from(length).map(|length| length + 2).map_err(|_| OutOfStep)
}

/// Parts of replies, RESP2 and RESP3: the head of each is a line; the elements of an aggregate are frames that belong to it.
struct Replies;

impl Framing for Replies {
    fn frame(bytes: &[u8], _: bool) -> Result<Option<Frame>, OutOfStep> {
        let Some(line) = line(bytes)? else { return Ok(None) };
        let (kind, rest) = line.split_first().ok_or(OutOfStep)?;
        // Of null it is negative.
        let count = || Ok(u64::try_from(parse(rest)?).ok());
        let pairs = || Ok(count()?.unwrap_or(0).saturating_mul(2));
        let (body, more) = match kind {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => (0, 0),
            b'$' | b'!' | b'=' => (count()?.map_or(0, |length| length.saturating_add(2)), 0),
            b'*' | b'~' | b'>' => (0, count()?.unwrap_or(0)),
            b'%' => (0, pairs()?),
            // An attribute stands before the value that it describes.
            b'|' => (0, pairs()?.saturating_add(1)),
            _ => return Err(OutOfStep),
        };
        Ok(Some(Frame { head: line.len() + 2, body, more }))
    }
}

/// Finds the ends of replies and does not keep them.
#[derive(Debug, Default)]
pub(crate) struct ReplyReader {
    /// The beginning of a line.
    partial: Vec<u8>,
    place: Place,
    /// The first line of the reply, if it has begun.
    first: Option<Vec<u8>>,
    is_lost: bool,
}

impl ReplyReader {
    /// Forgets what it has read.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Bytes are missing before the next.
    pub(crate) fn lose_place(&mut self) {
        self.is_lost = true;
    }

    /// Reads on, and adds the first lines of the replies that are complete now. Pushes are left out.
    pub(crate) fn read(&mut self, bytes: &[u8], replies: &mut Vec<Vec<u8>>) -> Result<(), OutOfStep> {
        if self.is_lost {
            return Err(OutOfStep);
        }
        self.partial.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.partial);
        let mut at = 0;
        loop {
            if self.first.is_none() {
                let Some(frame) = Replies::frame(&bytes[at..], false)? else { break };
                self.first = Some(bytes[at..at + frame.head - 2].to_vec());
                (self.place, at) = (Place::behind_head(&frame), at + frame.head);
            }
            at += self.place.skip::<Replies>(&bytes[at..])?;
            if !self.place.is_boundary() {
                break;
            }
            replies.extend(self.first.take().filter(|line| !line.starts_with(b">")));
        }
        self.partial = bytes[at..].to_vec();
        Ok(())
    }
}

/// The code of an error, given its line without the `-`: the first word, in capitals, of a line that has more to say or
/// ends there. `None` if it has none.
pub(crate) fn code(error: &[u8]) -> Option<&[u8]> {
    /// The longest code.
    const CODE_MAX: usize = 20;
    let length = error.iter().position(|byte| !byte.is_ascii_uppercase())?;
    let ends = matches!(error[length], b' ' | b'\r');
    (ends && (2..=CODE_MAX).contains(&length)).then(|| &error[..length])
}

/// Whether an error says that no password is set.
pub(crate) fn is_without_password(error: &[u8]) -> bool {
    error.starts_with(b"ERR AUTH <password> called without any password")
        || error.starts_with(b"ERR Client sent AUTH, but no password is set")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n";

    #[test]
    fn requests_that_do_not_matter_are_skipped() {
        let many = [SET, SET, b"*2\r\n$6\r\nselect\r\n$1\r\n3\r\n", SET].concat();
        assert_eq!(skip_others(&many), (2 * SET.len(), Place::default()));
        for cut in 0..SET.len() {
            let (length, mut place) = skip_others(&SET[..cut]);
            assert_eq!(skip_short(&[SET, &SET[..cut]].concat()), SET.len());
            assert!(length <= cut);
            // Bytes that are held come again with the rest.
            if length > 0 {
                assert_eq!(place.skip::<Requests>(&SET[length..]), Ok(SET.len() - length), "{cut}");
            }
            assert!(place.is_boundary(), "{cut}");
        }
    }

    #[test]
    fn a_value_may_look_like_a_request() {
        let value = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$23\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n\r\n";
        assert_eq!(skip_others(value), (value.len(), Place::default()));
    }

    #[test]
    fn arguments_are_read_whole() {
        let select = b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n";
        let read = head(select).unwrap().unwrap();
        assert_eq!(read.command, Command::Select);
        let Ok(Arguments::Whole(words, length)) = arguments(&read, select) else { panic!("it is whole") };
        assert_eq!((words, length), (vec![&b"3"[..]], select.len()));
        for cut in read.frame.head..select.len() {
            assert!(matches!(arguments(&read, &select[..cut]), Ok(Arguments::Incomplete)));
        }
        let inline = b"auth  user pass\r\nGET x\r\n";
        let read = head(inline).unwrap().unwrap();
        assert_eq!((read.command, read.frame.head), (Command::Auth, 17));
        let Ok(Arguments::Whole(words, 17)) = arguments(&read, inline) else { panic!("it is whole") };
        assert_eq!(words, [&b"user"[..], b"pass"]);
    }

    #[test]
    fn what_is_no_resp_is_an_error() {
        for wrong in [
            &b"\x16\x03\x01"[..],
            b"*x\r\n",
            b"*1\r\n+OK\r\n",
            b"*1\r\n$-1\r\n",
            b"$3\r\nSET\r\n",
            b"*1111111111111111111111111",
        ] {
            assert_eq!(head(wrong), Err(OutOfStep), "{}", wrong.escape_ascii());
        }
        assert_eq!(head(&[b'a'; LENGTH_MAX]), Err(OutOfStep));
        for none in [&b"*0\r\n"[..], b"*-1\r\n", b"\r\n"] {
            assert_eq!(head(none).unwrap().unwrap().command, Command::Other);
        }
    }

    #[test]
    fn a_likely_request_is_an_array_with_a_name() {
        for likely in [SET, &SET[..5], b"*1\r\n$4\r\nPING\r\n"] {
            assert!(is_likely(likely));
        }
        for not in [&b"PING\r\n"[..], b"value", b"*0\r\n", b"*1\r\n$3\r\n123\r\n"] {
            assert!(!is_likely(not), "{}", not.escape_ascii());
        }
    }

    /// All replies in `bytes`, read in pieces of this size.
    fn replies(bytes: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, OutOfStep> {
        let mut reader = ReplyReader::default();
        let mut all = Vec::new();
        bytes.chunks(piece).try_for_each(|chunk| reader.read(chunk, &mut all))?;
        Ok(all)
    }

    #[test]
    fn replies_end_where_they_end() {
        let bytes = b"+OK\r\n-WRONGPASS invalid\r\n$5\r\nab\r\nc\r\n$-1\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n*0\r\n*-1\r\n\
            %1\r\n$1\r\na\r\n:1\r\n>2\r\n+message\r\n+x\r\n~1\r\n#t\r\n|1\r\n+ttl\r\n:5\r\n_\r\n,1.5\r\n(12\r\n=5\r\ntxt:a\r\n";
        let expected: [&[u8]; 13] = [
            b"+OK",
            b"-WRONGPASS invalid",
            b"$5",
            b"$-1",
            b"*2",
            b"*0",
            b"*-1",
            b"%1",
            b"~1",
            b"|1",
            b",1.5",
            b"(12",
            b"=5",
        ];
        for piece in 1..bytes.len() {
            assert_eq!(replies(bytes, piece).unwrap(), expected, "{piece}");
        }
    }

    #[test]
    fn long_lines_have_a_limit_and_what_is_no_reply_is_an_error() {
        let long = [b"-ERR ".as_slice(), &[b'x'; 1000], b"\r\n+OK\r\n"].concat();
        assert_eq!(replies(&long, 7).unwrap().len(), 2);
        let endless = [b'+'; LINE_MAX];
        for wrong in [&b"hello\r\n"[..], b"*x\r\n", b"\n", b"+OK\n", b"*2\r\n?\r\n", b"*?\r\n", &endless] {
            assert_eq!(replies(wrong, 1), Err(OutOfStep), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn a_value_is_no_error() {
        for text in [&b"ERR"[..], b"ERRor ", b"1 ", b"", b"A b", b"AVERYLONGWORDTHATISNOCODEATALL "] {
            assert_eq!(code(text), None);
        }
        assert_eq!(code(b"EXECABORT\r\n"), Some(&b"EXECABORT"[..]));
    }
}
