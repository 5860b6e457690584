//! What the server answers, as far as it must be read: where each reply ends, and which are errors.

/// Bytes kept of a reply's first line.
const LINE_MAX: usize = 96;

/// Nothing that a reply could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// A reply that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Begins with this byte.
    Fine(u8),
    /// An error: the beginning of its line.
    Error(Vec<u8>),
}

/// Finds the ends of replies, RESP2 and RESP3, without keeping them.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    /// The line that is being read.
    line: Vec<u8>,
    /// It is longer than what is kept of it.
    is_cut: bool,
    /// Bytes left of a string, line end included.
    body: u64,
    /// Elements left of the reply; 0 between two replies.
    elements: u64,
    /// How the reply begins.
    first: Vec<u8>,
    is_push: bool,
}

impl Replies {
    /// Forgets what it has read.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Reads on; returns the next reply that is complete, and how many bytes were read. Pushes are passed over.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(Option<Reply>, usize), Unreadable> {
        let mut at = 0;
        while at < bytes.len() {
            if self.body > 0 {
                let taken = self.body.min((bytes.len() - at) as u64);
                self.body -= taken;
                at += taken as usize;
                if self.body > 0 {
                    break;
                }
            } else {
                let Some(end) = bytes[at..].iter().position(|byte| *byte == b'\n') else {
                    self.keep(&bytes[at..]);
                    at = bytes.len();
                    break;
                };
                self.keep(&bytes[at..at + end]);
                at += end + 1;
                self.take_line()?;
            }
            if self.body == 0 && self.elements == 0 {
                let first = std::mem::take(&mut self.first);
                if !std::mem::take(&mut self.is_push) {
                    return Ok((Some(reply(first)), at));
                }
            }
        }
        Ok((None, at))
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_MAX - self.line.len();
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.is_cut |= bytes.len() > room;
    }

    fn take_line(&mut self) -> Result<(), Unreadable> {
        let mut line = std::mem::take(&mut self.line);
        let is_cut = std::mem::take(&mut self.is_cut);
        if !is_cut && line.pop() != Some(b'\r') {
            return Err(Unreadable);
        }
        let kind = *line.first().ok_or(Unreadable)?;
        let begins = self.elements == 0;
        if begins {
            self.elements = 1;
            self.is_push = kind == b'>';
        }
        let count = || -> Result<Option<u64>, Unreadable> {
            let text = std::str::from_utf8(&line[1..]).map_err(|_| Unreadable)?;
            let count: i64 = text.parse().map_err(|_| Unreadable)?;
            // Null.
            Ok(u64::try_from(count).ok())
        };
        let add = |elements: u64, more: u64| elements.checked_add(more).ok_or(Unreadable);
        let mut is_attribute = false;
        match kind {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => {}
            b'$' | b'!' | b'=' => self.body = count()?.map_or(0, |length| length.saturating_add(2)),
            b'*' | b'~' | b'>' => self.elements = add(self.elements, count()?.unwrap_or(0))?,
            b'%' => self.elements = add(self.elements, count()?.unwrap_or(0).saturating_mul(2))?,
            b'|' => {
                // It stands before what it says something of.
                is_attribute = true;
                self.elements = add(self.elements, count()?.unwrap_or(0).saturating_mul(2))?;
            }
            _ => return Err(Unreadable),
        }
        if !is_attribute {
            self.elements -= 1;
        }
        if begins {
            self.first = line;
        }
        Ok(())
    }
}

fn reply(first: Vec<u8>) -> Reply {
    match first.first() {
        Some(b'-') => Reply::Error(first[1..].to_vec()),
        Some(byte) => Reply::Fine(*byte),
        None => Reply::Fine(b'+'),
    }
}

/// Says that no password is set.
pub(crate) fn is_without_password(error: &[u8]) -> bool {
    error.starts_with(b"ERR AUTH <password> called without any password")
        || error.starts_with(b"ERR Client sent AUTH, but no password is set")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All replies in `bytes`, read in pieces of this size.
    fn replies(bytes: &[u8], piece: usize) -> Result<Vec<Reply>, Unreadable> {
        let mut replies = Replies::default();
        let mut found = Vec::new();
        for mut chunk in bytes.chunks(piece) {
            while !chunk.is_empty() {
                let (reply, used) = replies.read(chunk)?;
                found.extend(reply);
                chunk = &chunk[used..];
            }
        }
        Ok(found)
    }

    #[test]
    fn replies_end_where_they_end() {
        let bytes = b"+OK\r\n-WRONGPASS invalid\r\n$5\r\nab\r\nc\r\n$-1\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n*0\r\n*-1\r\n\
            %1\r\n$1\r\na\r\n:1\r\n>2\r\n+message\r\n+x\r\n~1\r\n#t\r\n|1\r\n+ttl\r\n:5\r\n_\r\n,1.5\r\n(12\r\n=5\r\ntxt:a\r\n";
        let expected = [
            Reply::Fine(b'+'),
            Reply::Error(b"WRONGPASS invalid".to_vec()),
            Reply::Fine(b'$'),
            Reply::Fine(b'$'),
            Reply::Fine(b'*'),
            Reply::Fine(b'*'),
            Reply::Fine(b'*'),
            Reply::Fine(b'%'),
            Reply::Fine(b'~'),
            Reply::Fine(b'|'),
            Reply::Fine(b','),
            Reply::Fine(b'('),
            Reply::Fine(b'='),
        ];
        for piece in 1..bytes.len() {
            assert_eq!(replies(bytes, piece).unwrap(), expected, "{piece}");
        }
    }

    #[test]
    fn long_lines_are_cut_and_what_is_no_reply_is_told() {
        let long = [b"-ERR ".as_slice(), &[b'x'; 1000], b"\r\n+OK\r\n"].concat();
        let found = replies(&long, 7).unwrap();
        assert_eq!(found.len(), 2);
        assert!(matches!(&found[0], Reply::Error(line) if line.len() == LINE_MAX - 1));
        for wrong in [&b"hello\r\n"[..], b"*x\r\n", b"\n", b"+OK\n", b"*2\r\n?\r\n", b"*?\r\n"] {
            assert_eq!(replies(wrong, 1), Err(Unreadable), "{}", wrong.escape_ascii());
        }
    }
}
