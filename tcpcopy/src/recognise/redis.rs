//! Redis: which commands bind the connection.

use super::head::{Buffer, Head, KEPT, Match, begins_with_one_of};

/// Commands that health checks and people send without RESP at the start of a connection.
const INLINE: &[&str] = &["PING", "AUTH", "SELECT", "INFO"];

/// Commands after which the server treats the connection differently.
const BINDING: &[&str] = &[
    "AUTH",
    "HELLO",
    "MULTI",
    "WATCH",
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
    "MONITOR",
    "READONLY",
    "READWRITE",
    "ASKING",
    "RESET",
    "SYNC",
    "PSYNC",
    "REPLCONF",
];

/// Subcommands of `CLIENT` that do not bind the connection.
const HARMLESS: &[&str] =
    &["SETINFO", "ID", "INFO", "LIST", "GETNAME", "KILL", "PAUSE", "UNPAUSE", "UNBLOCK", "HELP"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Command,
    Count,
    Dollar,
    Length,
    Argument,
    Inline,
}

/// The meaning of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    Name,
    Database,
    Subcommand,
    Nothing,
}

/// Examines the commands of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Commands {
    step: Step,
    looked: Looked,
    /// How many arguments of the command follow.
    arguments: u32,
    /// The number that is being read, or how many bytes of the argument follow, line end included.
    number: u32,
}

impl Commands {
    pub(super) const fn new() -> Self {
        Self { step: Step::Command, looked: Looked::Name, arguments: 0, number: 0 }
    }

    /// The next byte begins a command.
    pub(super) fn between(&self) -> bool {
        self.step == Step::Command
    }

    /// Returns whether the connection is bound: by a command, or by bytes that are not a command.
    pub(super) fn see(&mut self, bytes: &[u8], kept: &mut Buffer) -> bool {
        let mut rest = bytes;
        while let [first, after @ ..] = rest {
            if self.step == Step::Command
                && let Some(after) = after_harmless(rest)
            {
                rest = after;
                continue;
            }
            match self.step {
                Step::Argument | Step::Inline => {
                    let (piece, after) = self.piece(rest);
                    if self.take(piece, kept) {
                        return true;
                    }
                    rest = after;
                }
                _ => {
                    if self.byte(*first, kept).is_none() {
                        return true;
                    }
                    rest = after;
                }
            }
        }
        false
    }

    /// Takes a byte before an argument. `None` if it is not valid there.
    fn byte(&mut self, byte: u8, kept: &mut Buffer) -> Option<()> {
        self.step = match (self.step, byte) {
            (Step::Command, b'*') => {
                self.number = 0;
                Step::Count
            }
            (Step::Command, b'\r' | b'\n') => Step::Command,
            (Step::Command, byte) if byte.is_ascii_alphabetic() => {
                kept.clear();
                kept.fill(&[byte], KEPT);
                Step::Inline
            }
            (Step::Count | Step::Length, b'0'..=b'9') => {
                self.number = self.number.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
                self.step
            }
            (Step::Count | Step::Length, b'\r') => self.step,
            (Step::Count, b'\n') => {
                self.arguments = self.number;
                self.looked = Looked::Name;
                if self.number == 0 { Step::Command } else { Step::Dollar }
            }
            (Step::Dollar, b'$') => {
                self.number = 0;
                Step::Length
            }
            (Step::Length, b'\n') => {
                self.number = self.number.saturating_add(2);
                kept.clear();
                Step::Argument
            }
            _ => return None,
        };
        Some(())
    }

    /// Splits `rest` at the end of the argument or line.
    fn piece<'b>(&self, rest: &'b [u8]) -> (&'b [u8], &'b [u8]) {
        let length = if self.step == Step::Inline {
            memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1)
        } else {
            rest.len().min(self.number as usize)
        };
        rest.split_at(length)
    }

    /// Takes a piece of an argument or line, and judges it when it is complete.
    fn take(&mut self, piece: &[u8], kept: &mut Buffer) -> bool {
        if self.step == Step::Inline {
            kept.fill(piece, KEPT);
            if piece.last() != Some(&b'\n') {
                return false;
            }
            self.step = Step::Command;
            return self.line(kept.bytes());
        }
        if self.looked != Looked::Nothing {
            kept.fill(piece, KEPT);
        }
        self.number = self.number.saturating_sub(piece.len() as u32);
        if self.number > 0 {
            return false;
        }
        self.arguments = self.arguments.saturating_sub(1);
        self.step = if self.arguments == 0 { Step::Command } else { Step::Dollar };
        self.looked != Looked::Nothing && self.judge(kept.bytes().trim_ascii_end())
    }

    fn line(&mut self, line: &[u8]) -> bool {
        self.looked = Looked::Name;
        line.split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .take(2)
            .any(|word| self.judge(word))
    }

    fn judge(&mut self, argument: &[u8]) -> bool {
        match std::mem::replace(&mut self.looked, Looked::Nothing) {
            Looked::Name if argument.eq_ignore_ascii_case(b"SELECT") => self.looked = Looked::Database,
            Looked::Name if argument.eq_ignore_ascii_case(b"CLIENT") => self.looked = Looked::Subcommand,
            Looked::Name => return is_one_of(argument, BINDING),
            // Each connection begins in database 0.
            Looked::Database => return argument != b"0",
            Looked::Subcommand => return !is_one_of(argument, HARMLESS),
            Looked::Nothing => {}
        }
        false
    }
}

/// The bytes after a command that is complete and does not bind. Most commands are, so this path is fast.
fn after_harmless(bytes: &[u8]) -> Option<&[u8]> {
    let (arguments, rest) = number(bytes.strip_prefix(b"*")?)?;
    let (name, mut rest) = argument(rest)?;
    if !is_harmless(name) {
        return None;
    }
    for _ in 1..arguments {
        (_, rest) = argument(rest)?;
    }
    (arguments > 0).then_some(rest)
}

fn argument(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number(bytes.strip_prefix(b"$")?)?;
    let (argument, rest) = rest.split_at_checked(length as usize)?;
    Some((argument, rest.get(2..)?))
}

/// A number and its line's end.
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0_u32;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        match byte {
            b'0'..=b'9' => number = number.checked_mul(10)?.checked_add(u32::from(byte - b'0'))?,
            b'\r' => return Some((number, bytes.get(at + 2..)?)),
            _ => return None,
        }
    }
    None
}

/// Length and first letter decide for most commands.
fn is_harmless(name: &[u8]) -> bool {
    if !(4..=10).contains(&name.len()) {
        return true;
    }
    match name.first().map(u8::to_ascii_uppercase) {
        Some(b'A' | b'C' | b'H' | b'M' | b'P' | b'R' | b'S' | b'W') => {
            !is_one_of(name, BINDING) && !is_one_of(name, &["SELECT", "CLIENT"])
        }
        _ => true,
    }
}

fn is_one_of(word: &[u8], words: &[&str]) -> bool {
    words.iter().any(|other| word.eq_ignore_ascii_case(other.as_bytes()))
}

/// A command as an array of strings.
pub(super) fn is_command(head: &Head<'_>) -> Match {
    let [b'*', count @ ..] = head.bytes else {
        return Match::No;
    };
    let digits = count.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match count.get(digits..) {
        None | Some([]) if digits < 8 => Match::SoFar,
        Some(rest) if digits > 0 => match rest {
            [b'\r'] | [b'\r', b'\n'] => Match::SoFar,
            [b'\r', b'\n', b'$', ..] => Match::Yes,
            _ => Match::No,
        },
        _ => Match::No,
    }
}

/// A command as a line.
pub(super) fn is_inline(head: &Head<'_>) -> Match {
    if head.u8(0).is_some_and(|first| first.is_ascii_uppercase()) {
        begins_with_one_of(head.bytes, INLINE)
    } else {
        Match::No
    }
}

/// Whether a turn can begin a command.
pub(super) fn begins_command(head: &[u8]) -> bool {
    head.first().is_some_and(|first| *first == b'*' || first.is_ascii_alphabetic())
}
