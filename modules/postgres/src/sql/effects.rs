//! What statements do to the state of a connection.

use super::Reading;
use super::setting;
use postgres_wire::tokens::{Token, Tokens};

/// An effect on the state of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A transaction begins.
    Begin,
    /// It ends. If it is chained, the next begins.
    End {
        commits: bool,
        chained: bool,
    },
    Savepoint(Vec<u8>),
    RollbackTo(Vec<u8>),
    Release(Vec<u8>),
    /// A setting gets a value for the session.
    Set(Setting),
    /// The same, with a value that is not known.
    SetUnknown(Vec<u8>),
    /// `set_config`: name, value, and whether it is for the transaction only.
    SetConfig([Argument; 3]),
    /// A setting gets the value that it had at first.
    Reset(Vec<u8>),
    ResetAll,
    DiscardAll,
    DiscardTemporary,
    Listen(Vec<u8>),
    Unlisten(Vec<u8>),
    UnlistenAll,
    /// SQL's own prepared statements, with the text that prepares it.
    Prepare {
        name: Vec<u8>,
        text: Vec<u8>,
    },
    Deallocate(Vec<u8>),
    DeallocateAll,
    CreateTemporary(Vec<u8>),
    Drop(Vec<u8>),
    /// Whether it `is_certain` that the session has the lock afterwards.
    AdvisoryLock {
        is_certain: bool,
    },
    AdvisoryUnlock,
    AdvisoryUnlockAll,
    /// A cursor that outlives its transaction.
    DeclareHeld(Vec<u8>),
    CloseCursor(Vec<u8>),
    CloseAllCursors,
}

impl Effect {
    /// What is allocated for it, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let argument = |argument: &Argument| match argument {
            Argument::Constant(text) => text.capacity(),
            Argument::Parameter(_) | Argument::Unknown => 0,
        };
        match self {
            Self::Set(setting) => setting.name.capacity() + setting.text.capacity(),
            Self::Prepare { name, text } => name.capacity() + text.capacity(),
            Self::SetConfig(arguments) => arguments.iter().map(argument).sum(),
            Self::Savepoint(name)
            | Self::RollbackTo(name)
            | Self::Release(name)
            | Self::SetUnknown(name)
            | Self::Reset(name)
            | Self::Listen(name)
            | Self::Unlisten(name)
            | Self::Deallocate(name)
            | Self::CreateTemporary(name)
            | Self::Drop(name)
            | Self::DeclareHeld(name)
            | Self::CloseCursor(name) => name.capacity(),
            _ => 0,
        }
    }
}

/// What is allocated for a list of them, in bytes.
pub(crate) fn memory(effects: &Vec<Effect>) -> usize {
    effects.capacity() * size_of::<Effect>() + effects.iter().map(Effect::memory).sum::<usize>()
}

/// A setting, and the text that sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// In lower case.
    pub(crate) name: Vec<u8>,
    pub(crate) text: Vec<u8>,
}

/// An argument of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Argument {
    /// A constant, as it is written.
    Constant(Vec<u8>),
    /// A parameter, counted from 1.
    Parameter(u16),
    /// An expression.
    Unknown,
}

/// The effects of the statements of a text.
pub(super) fn read(text: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let mut tokens = Tokens::new(text);
    loop {
        let start = tokens.at();
        let mut statement = Vec::new();
        let mut end = None;
        while let Some(token) = tokens.next() {
            if token == Token::Other(b';') && !has_body(&statement) {
                end = Some(tokens.at() - 1);
                break;
            }
            statement.push(token);
        }
        let text = text.get(start..end.unwrap_or(text.len())).unwrap_or_default();
        let before = reading.effects.len();
        of_statement(&statement, text.trim_ascii(), &mut reading.effects);
        reading.has_others |= !statement.is_empty() && reading.effects.len() == before;
        if end.is_none() {
            return reading;
        }
    }
}

/// The body of a function in SQL has semicolons.
fn has_body(statement: &[Token<'_>]) -> bool {
    statement.first().is_some_and(|verb| verb.is("create"))
        && statement.windows(2).any(|pair| pair[0].is("begin") && pair[1].is("atomic"))
        && !statement.last().is_some_and(|last| last.is("end"))
}

fn of_statement(statement: &[Token<'_>], text: &[u8], effects: &mut Vec<Effect>) {
    let Some((verb, rest)) = statement.split_first() else { return };
    let Token::Word(verb) = verb else { return of_functions(statement, effects) };
    let verb = verb.to_ascii_lowercase();
    let has = |word: &str| rest.iter().any(|token| token.is(word));
    let is_first = |word: &str| rest.first().is_some_and(|token| token.is(word));
    let name_after = |words: &[&str]| {
        let mut rest = rest.iter().skip_while(|token| words.iter().any(|word| token.is(word)));
        rest.next().and_then(Token::name)
    };
    let effect = match &verb[..] {
        b"begin" => Some(Effect::Begin),
        b"start" if is_first("transaction") => Some(Effect::Begin),
        b"commit" | b"end" | b"rollback" | b"abort" if is_first("prepared") => None,
        b"rollback" | b"abort" if has("to") => rest.last().and_then(Token::name).map(Effect::RollbackTo),
        b"commit" | b"end" | b"rollback" | b"abort" => {
            let chained = has("chain") && !has("no");
            Some(Effect::End { commits: matches!(&verb[..], b"commit" | b"end"), chained })
        }
        b"prepare" if is_first("transaction") => Some(Effect::End { commits: true, chained: false }),
        b"savepoint" => name_after(&[]).map(Effect::Savepoint),
        b"release" => name_after(&["savepoint"]).map(Effect::Release),
        b"set" => setting::set(rest, text),
        b"reset" => setting::reset(rest),
        b"discard" if is_first("all") => Some(Effect::DiscardAll),
        b"discard" if is_first("temp") || is_first("temporary") => Some(Effect::DiscardTemporary),
        b"listen" => name_after(&[]).map(Effect::Listen),
        b"unlisten" if rest.first() == Some(&Token::Other(b'*')) => Some(Effect::UnlistenAll),
        b"unlisten" => name_after(&[]).map(Effect::Unlisten),
        b"prepare" => name_after(&[]).map(|name| Effect::Prepare { name, text: text.to_vec() }),
        b"deallocate" if rest.last().is_some_and(|token| token.is("all")) => Some(Effect::DeallocateAll),
        b"deallocate" => name_after(&["prepare"]).map(Effect::Deallocate),
        b"close" if is_first("all") => Some(Effect::CloseAllCursors),
        b"close" => name_after(&[]).map(Effect::CloseCursor),
        b"declare" if rest.windows(2).any(|pair| pair[0].is("with") && pair[1].is("hold")) => {
            name_after(&[]).map(Effect::DeclareHeld)
        }
        b"create" => created(rest).map(Effect::CreateTemporary),
        b"drop" => {
            effects.extend(dropped(rest).map(Effect::Drop));
            None
        }
        b"select" | b"with" => {
            let mut into = rest
                .windows(2)
                .enumerate()
                .filter(|(_, pair)| pair[0].is("into") && (pair[1].is("temp") || pair[1].is("temporary")));
            let table = into.next().and_then(|(at, _)| {
                rest.get(at + 2..)?.iter().find(|token| !token.is("table")).and_then(Token::name)
            });
            of_functions(rest, effects);
            table.map(Effect::CreateTemporary)
        }
        _ => {
            of_functions(rest, effects);
            None
        }
    };
    effects.extend(effect);
}

/// The name of a temporary table, view or sequence that is created.
fn created(rest: &[Token<'_>]) -> Option<Vec<u8>> {
    let kind = |token: &Token<'_>| ["table", "view", "sequence"].iter().any(|kind| token.is(kind));
    let at = rest.iter().position(kind)?;
    let (before, mut after) = (rest.get(..at)?, rest.get(at + 1..)?);
    if let [first, second, third, more @ ..] = after
        && first.is("if")
        && second.is("not")
        && third.is("exists")
    {
        after = more;
    }
    let is_temporary = before.iter().any(|token| token.is("temp") || token.is("temporary"));
    match after {
        [schema, Token::Other(b'.'), name, ..] if is_temporary || schema.is("pg_temp") => name.name(),
        [name, ..] if is_temporary => name.name(),
        _ => None,
    }
}

/// The names of tables, views and sequences that are dropped.
fn dropped<'t>(rest: &[Token<'t>]) -> impl Iterator<Item = Vec<u8>> + use<'t> {
    let is_relation =
        rest.first().is_some_and(|kind| ["table", "view", "sequence"].iter().any(|it| kind.is(it)));
    let names: Vec<_> = rest.iter().skip(1).filter_map(Token::name).collect();
    // Schemas and the words IF EXISTS are among them, and do no harm.
    names.into_iter().filter(move |_| is_relation)
}

/// Functions that change the state of the connection.
fn of_functions(tokens: &[Token<'_>], effects: &mut Vec<Effect>) {
    for (at, pair) in tokens.windows(2).enumerate() {
        let [Token::Word(name), Token::Other(b'(')] = pair else { continue };
        let name = name.to_ascii_lowercase();
        match &name[..] {
            b"set_config" => {
                let arguments = tokens.get(at + 2..).unwrap_or_default();
                effects.push(Effect::SetConfig(setting::arguments(arguments)));
            }
            b"pg_advisory_lock" | b"pg_advisory_lock_shared" => {
                effects.push(Effect::AdvisoryLock { is_certain: true });
            }
            b"pg_try_advisory_lock" | b"pg_try_advisory_lock_shared" => {
                effects.push(Effect::AdvisoryLock { is_certain: false });
            }
            b"pg_advisory_unlock" | b"pg_advisory_unlock_shared" => effects.push(Effect::AdvisoryUnlock),
            b"pg_advisory_unlock_all" => effects.push(Effect::AdvisoryUnlockAll),
            _ => {}
        }
    }
}
