//! What clients say (RESP, <https://redis.io/docs/latest/develop/reference/protocol-spec/>): arrays of bulk strings, and
//! inline commands.

use crate::command::Command;

/// An inline command is no longer (`PROTO_INLINE_MAX_SIZE` of the server), nor is a command that must be read whole, in
/// bytes.
pub(crate) const LENGTH_MAX: usize = 64 << 10;

/// Digits of a number, with sign and line end, are no more.
const NUMBER_MAX: usize = 24;

/// This is not RESP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotResp;

/// Where in a command the client is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Arguments that have not begun.
    arguments: u64,
    /// Bytes left of the one that has, line end included.
    body: u64,
}

/// The beginning of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) command: Command,
    /// Up to and including its name; of an inline command, all.
    pub(crate) length: usize,
    pub(crate) is_inline: bool,
    /// The place behind.
    pub(crate) place: Place,
}

impl Place {
    /// Between two commands.
    pub(crate) fn is_start(self) -> bool {
        self.arguments == 0 && self.body == 0
    }

    /// Goes on in a command; returns how many bytes belong to it. Less than there are: the command ends there, or what
    /// follows is an incomplete length.
    #[inline]
    pub(crate) fn skip(&mut self, bytes: &[u8]) -> Result<usize, NotResp> {
        let mut at = 0;
        loop {
            if self.body > 0 {
                let left = (bytes.len() - at) as u64;
                if self.body > left {
                    self.body -= left;
                    return Ok(bytes.len());
                }
                // No more than a slice has.
                at += self.body as usize;
                self.body = 0;
            }
            if self.arguments == 0 {
                return Ok(at);
            }
            let Some((length, used)) = number(b'$', &bytes[at..])? else { return Ok(at) };
            self.begin_argument(length)?;
            at += used;
        }
    }

    #[inline]
    fn begin_argument(&mut self, length: i64) -> Result<(), NotResp> {
        self.arguments -= 1;
        self.body = u64::try_from(length).map_err(|_| NotResp)?.saturating_add(2);
        Ok(())
    }
}

/// Passes over commands that do not matter, from the start of one; returns how many bytes belong to them, and where in the
/// last of them the client is. 0 if the first does matter, or is incomplete, or no array.
pub(crate) fn skip_others(bytes: &[u8]) -> (usize, Place) {
    let mut at = skip_short(bytes);
    if at > 0 && at == bytes.len() {
        return (at, Place::default());
    }
    loop {
        let Ok(Some(head)) = array(&bytes[at..]) else { return (at, Place::default()) };
        if head.command != Command::Other {
            return (at, Place::default());
        }
        let mut place = head.place;
        let begins = at;
        at += head.length;
        match place.skip(&bytes[at..]) {
            Ok(length) => at += length,
            // For whoever looks closer.
            Err(NotResp) => return (begins, Place::default()),
        }
        if !place.is_start() || at == bytes.len() {
            return (at, place);
        }
    }
}

/// The same for whole commands with few and short arguments, which are nearly all, quickly; the rest is left.
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

/// Where an argument of less than 100 bytes ends that begins at `at`. There may be less bytes.
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

/// Reads the beginning of a command; `None` if it is incomplete.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head>, NotResp> {
    match bytes.first() {
        None => Ok(None),
        Some(b'*') => array(bytes),
        Some(byte) if byte.is_ascii_alphabetic() || byte.is_ascii_whitespace() => inline(bytes),
        Some(_) => Err(NotResp),
    }
}

#[inline]
fn array(bytes: &[u8]) -> Result<Option<Head>, NotResp> {
    let Some((count, mut length)) = number(b'*', bytes)? else { return Ok(None) };
    let Ok(arguments @ 1..) = u64::try_from(count) else {
        // The server passes over it.
        let place = Place::default();
        return Ok(Some(Head { command: Command::Other, length, is_inline: false, place }));
    };
    let Some((name_length, used)) = number(b'$', &bytes[length..])? else { return Ok(None) };
    length += used;
    let mut place = Place { arguments, body: 0 };
    place.begin_argument(name_length)?;
    // As long as no name that matters, it may be of any length.
    let Some(name) = usize::try_from(name_length).ok().and_then(|name| bytes[length..].get(..name)) else {
        return if name_length > 64 {
            Ok(Some(Head { command: Command::Other, length, is_inline: false, place }))
        } else {
            Ok(None)
        };
    };
    let end = length + name.len() + 2;
    if end > bytes.len() {
        return Ok(None);
    }
    place.body = 0;
    Ok(Some(Head { command: Command::of(name), length: end, is_inline: false, place }))
}

fn inline(bytes: &[u8]) -> Result<Option<Head>, NotResp> {
    let Some(end) = bytes.iter().take(LENGTH_MAX).position(|byte| *byte == b'\n') else {
        return if bytes.len() >= LENGTH_MAX { Err(NotResp) } else { Ok(None) };
    };
    let name = words(&bytes[..end]).next().unwrap_or_default();
    let place = Place::default();
    Ok(Some(Head { command: Command::of(name), length: end + 1, is_inline: true, place }))
}

/// The words of an inline command. Quoted ones are not: see [`is_quoted`].
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// The arguments of a command, and its length.
pub(crate) type Arguments<'b> = (Vec<&'b [u8]>, usize);

/// Reads a command to its end; `None` if it is incomplete.
pub(crate) fn arguments<'b>(head: &Head, bytes: &'b [u8]) -> Result<Option<Arguments<'b>>, NotResp> {
    let mut length = head.length;
    let mut arguments = Vec::new();
    if head.is_inline {
        arguments.extend(words(bytes.get(..length).unwrap_or_default()).skip(1));
        return Ok(Some((arguments, length)));
    }
    for _ in 0..head.place.arguments {
        let Some((argument, used)) = number(b'$', bytes.get(length..).unwrap_or_default())? else {
            return Ok(None);
        };
        length += used;
        let argument = usize::try_from(argument).map_err(|_| NotResp)?;
        let Some(argument) = bytes[length..].get(..argument) else { return Ok(None) };
        length += argument.len() + 2;
        if length > bytes.len() {
            return Ok(None);
        }
        arguments.push(argument);
    }
    Ok(Some((arguments, length)))
}

/// The words of an inline command cannot be told by its spaces.
pub(crate) fn is_quoted(line: &[u8]) -> bool {
    line.iter().any(|byte| matches!(byte, b'"' | b'\''))
}

/// Reads `kind`, a number and a line end; returns the number, and the length of it all. `None` if it is incomplete.
#[inline]
fn number(kind: u8, bytes: &[u8]) -> Result<Option<(i64, usize)>, NotResp> {
    // Short lengths, which are nearly all.
    match *bytes {
        [first, a @ b'0'..=b'9', b'\r', b'\n', ..] if first == kind => {
            return Ok(Some((i64::from(a - b'0'), 4)));
        }
        [first, a @ b'0'..=b'9', b @ b'0'..=b'9', b'\r', b'\n', ..] if first == kind => {
            return Ok(Some((i64::from(a - b'0') * 10 + i64::from(b - b'0'), 5)));
        }
        _ => {}
    }
    let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
    if *first != kind {
        return Err(NotResp);
    }
    let Some(digits) = rest.iter().take(NUMBER_MAX).position(|byte| *byte == b'\r') else {
        return if rest.len() >= NUMBER_MAX { Err(NotResp) } else { Ok(None) };
    };
    if rest.len() < digits + 2 {
        return Ok(None);
    }
    let text = std::str::from_utf8(&rest[..digits]).map_err(|_| NotResp)?;
    let number = text.parse().map_err(|_| NotResp)?;
    Ok(Some((number, digits + 3)))
}

/// Is this, where a command may begin, the beginning of one? Used where the place in the stream is not known: so inline
/// commands, which may be anything, are none.
pub(crate) fn is_likely(bytes: &[u8]) -> bool {
    match array(bytes) {
        Ok(Some(head)) => {
            let name = bytes[..head.length].split(|byte| *byte == b'\n').nth(2);
            name.and_then(|name| name.first()).is_some_and(u8::is_ascii_alphabetic)
        }
        Ok(None) => true,
        Err(NotResp) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n";

    #[test]
    fn commands_that_do_not_matter_are_passed_over() {
        let many = [SET, SET, b"*2\r\n$6\r\nselect\r\n$1\r\n3\r\n", SET].concat();
        assert_eq!(skip_others(&many), (2 * SET.len(), Place::default()));
        for cut in 0..SET.len() {
            let (length, place) = skip_others(&SET[..cut]);
            assert_eq!(skip_short(&[SET, &SET[..cut]].concat()), SET.len());
            assert!(length <= cut);
            let mut place = place;
            // What is held comes again with the rest.
            if length > 0 {
                assert_eq!(place.skip(&SET[length..]), Ok(SET.len() - length), "{cut}");
            }
            assert!(place.is_start(), "{cut}");
        }
    }

    #[test]
    fn a_value_may_look_like_a_command() {
        let value = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$23\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n\r\n";
        assert_eq!(skip_others(value), (value.len(), Place::default()));
    }

    #[test]
    fn arguments_are_read_whole() {
        let select = b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n";
        let read = head(select).unwrap().unwrap();
        assert_eq!(read.command, Command::Select);
        assert_eq!(arguments(&read, select).unwrap(), Some((vec![&b"3"[..]], select.len())));
        for cut in read.length..select.len() {
            assert_eq!(arguments(&read, &select[..cut]).unwrap(), None);
        }
        let inline = b"auth  user pass\r\nGET x\r\n";
        let read = head(inline).unwrap().unwrap();
        assert_eq!((read.command, read.length), (Command::Auth, 17));
        assert_eq!(arguments(&read, inline).unwrap().unwrap().0, [&b"user"[..], b"pass"]);
    }

    #[test]
    fn what_is_no_resp_is_told() {
        for wrong in [
            &b"\x16\x03\x01"[..],
            b"*x\r\n",
            b"*1\r\n+OK\r\n",
            b"*1\r\n$-1\r\n",
            b"$3\r\nSET\r\n",
            b"*1111111111111111111111111",
        ] {
            assert_eq!(head(wrong), Err(NotResp), "{}", wrong.escape_ascii());
        }
        assert_eq!(head(&[b'a'; LENGTH_MAX]), Err(NotResp));
        for none in [&b"*0\r\n"[..], b"*-1\r\n", b"\r\n"] {
            assert_eq!(head(none).unwrap().unwrap().command, Command::Other);
        }
    }

    #[test]
    fn a_likely_command_is_an_array_with_a_name() {
        for likely in [SET, &SET[..5], b"*1\r\n$4\r\nPING\r\n"] {
            assert!(is_likely(likely));
        }
        for not in [&b"PING\r\n"[..], b"value", b"*0\r\n", b"*1\r\n$3\r\n123\r\n"] {
            assert!(!is_likely(not), "{}", not.escape_ascii());
        }
    }
}
