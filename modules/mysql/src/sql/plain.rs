//! Statements that have no effect: most of what clients say.
//!
//! Whatever stands in a SELECT, SHOW, INSERT, REPLACE, UPDATE or DELETE, it has an effect only by a variable (`@`), by a
//! second statement (`;`), by an executable comment (`/*!`), or by one of a few functions, all of which have `_` in their
//! names. Where none of these bytes is, there is nothing to be read. Where they are, they are mostly in strings: then the
//! tokens tell. Only writes to the tables of accounts need a look at the names of tables.

use super::dialect::Dialect;
use super::lexer::{Kind, Lexer, Token};
use super::script::{Class, Script, Statement};
use super::targets::Targets;

/// The tables of a write are named within so many tokens.
const TARGET_TOKENS: usize = 16;

/// The script, if it is one statement without effects. `None`: it must be read.
pub(super) fn read(text: &[u8], dialect: Dialect) -> Option<Script<'_>> {
    let (class, verb_end, lexer) = head(text, 0, dialect)?;
    let end = match harmless_end(text, verb_end) {
        Some(end) => end,
        // Only one of the possible readings is tried here.
        None if dialect.candidates(text).nth(1).is_some() => return None,
        None => plain_end(lexer).filter(|end| is_end(&text[*end..]))?,
    };
    Some(Script::one(Statement { range: 0..end, class, effects: Vec::new() }))
}

/// The same for the first of several statements, from `start` on.
pub(super) fn first(text: &[u8], start: usize, dialect: Dialect) -> Option<Statement<'_>> {
    let (class, _, lexer) = head(text, start, dialect)?;
    let end = plain_end(lexer)?;
    Some(Statement { range: start..end, class, effects: Vec::new() })
}

/// The class of a statement that is mostly plain, the end of its first word, and what is behind.
fn head(text: &[u8], start: usize, dialect: Dialect) -> Option<(Class, usize, Lexer<'_>)> {
    let mut lexer = Lexer::new(text, start, dialect.modes());
    let verb = lexer.next();
    if verb.kind != Kind::Word || lexer.in_executable() {
        return None;
    }
    let class = class(verb.bytes)?;
    if class == Class::Writes && (dialect.in_mysql || may_name_accounts(&verb, lexer)) {
        return None;
    }
    Some((class, verb.end(), lexer))
}

fn class(verb: &[u8]) -> Option<Class> {
    let is = |word: &[u8]| verb.eq_ignore_ascii_case(word);
    match verb.len() {
        6 if is(b"SELECT") => Some(Class::Reads),
        6 if is(b"INSERT") || is(b"UPDATE") || is(b"DELETE") => Some(Class::Writes),
        7 if is(b"REPLACE") => Some(Class::Writes),
        4 if is(b"SHOW") => Some(Class::Reads),
        _ => None,
    }
}

/// The database of accounts may be named where the statement names what it writes.
fn may_name_accounts(verb: &Token<'_>, mut lexer: Lexer<'_>) -> bool {
    let targets = Targets::of(verb.bytes);
    for _ in 0..TARGET_TOKENS {
        let token = lexer.next();
        if targets.end_at(&token) {
            return false;
        }
        match token.kind {
            Kind::Word if token.is("mysql") => return true,
            Kind::QuotedName if token.bytes[1..].to_ascii_lowercase().starts_with(b"mysql") => return true,
            // A string may be a name, if the mode is unknown.
            Kind::Text | Kind::Unfinished => return true,
            Kind::End => return false,
            _ => {}
        }
    }
    true
}

/// The end of the statement, if no byte from `start` on can have an effect.
fn harmless_end(text: &[u8], start: usize) -> Option<usize> {
    let mut end = text.len();
    for at in memchr::memchr3_iter(b';', b'@', b'_', &text[start..]) {
        let at = start + at;
        match text[at] {
            b'_' if !is_in_function(text, at) => {}
            b';' if is_end(&text[at..]) => {
                end = at;
                break;
            }
            _ => return None,
        }
    }
    let is_executable = |at: usize| text[..at].ends_with(b"/*") || text[..at].ends_with(b"/*M");
    if memchr::memchr_iter(b'!', &text[start..]).any(|at| is_executable(start + at)) {
        return None;
    }
    Some(end)
}

fn is_end(rest: &[u8]) -> bool {
    rest.iter().all(|byte| byte.is_ascii_whitespace() || *byte == b';')
}

/// The `_` at `at` may be in the name of a function that matters.
fn is_in_function(text: &[u8], at: usize) -> bool {
    let letter = |at: usize| text.get(at).copied().unwrap_or_default().to_ascii_lowercase();
    // GET_LOCK, RELEASE_LOCK, RELEASE_ALL_LOCKS, LAST_INSERT_ID, ROW_COUNT, FOUND_ROWS: mostly these letters decide.
    if !matches!(
        (letter(at.wrapping_sub(1)), letter(at + 1)),
        (b't' | b'e' | b'l', b'l') | (b't', b'i') | (b'w', b'c') | (b'd', b'r')
    ) {
        return false;
    }
    let (before, behind) = (&text[..at], &text[at + 1..]);
    let is = |prefix: &[u8], suffix: &[u8]| {
        behind.get(..suffix.len()).is_some_and(|bytes| bytes.eq_ignore_ascii_case(suffix))
            && before.len() >= prefix.len()
            && before[before.len() - prefix.len()..].eq_ignore_ascii_case(prefix)
    };
    is(b"GET", b"LOCK")
        || is(b"RELEASE", b"LOCK")
        || is(b"ALL", b"LOCKS")
        || is(b"LAST", b"INSERT_ID")
        || is(b"ROW", b"COUNT")
        || is(b"FOUND", b"ROWS")
}

/// The end of the statement, if none of its tokens has an effect.
fn plain_end(mut lexer: Lexer<'_>) -> Option<usize> {
    loop {
        let token = lexer.next();
        match token.kind {
            Kind::Text | Kind::Number => {}
            Kind::Mark(b';') => return (!lexer.in_executable()).then_some(token.start),
            Kind::Mark(_) | Kind::Assign => {}
            Kind::Word | Kind::QuotedName => {
                if memchr::memchr_iter(b'_', token.bytes).any(|at| is_in_function(token.bytes, at)) {
                    return None;
                }
            }
            Kind::UserVariable | Kind::SystemVariable | Kind::Unfinished => return None,
            Kind::End => return Some(token.start),
        }
    }
}
