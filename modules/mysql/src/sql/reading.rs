//! From a text to a script.

use super::dialect::Dialect;
use super::effect::{Effect, Variable};
use super::script::{Class, Script, Statement};
use super::{cursor::Cursor, name::Name, plain, statement};

/// So many statements of a text are read, and so many effects: both take memory.
const STATEMENTS_MAX: usize = 1 << 18;
const EFFECTS_MAX: usize = 1 << 15;

/// Reads the text of a COM_QUERY, of a PREPARE, or of a string that is executed.
///
/// If the modes of the session are not known, and matter, the script is one statement that is [`Effect::Unreadable`].
pub(crate) fn read(text: &[u8], dialect: Dialect) -> Script<'_> {
    if let Some(script) = plain::read(text, dialect) {
        return script;
    }
    let mut candidates = dialect.candidates(text);
    // There is one at least.
    let script = cut(text, candidates.next().unwrap_or(dialect), Look::Quick);
    if candidates.any(|other| cut(text, other, Look::Quick) != script) {
        return Script::one(unreadable(0, text));
    }
    if !dialect.several && script.statements().len() > 1 {
        return Script::one(refused(text, &script));
    }
    script
}

/// How much of a text is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// As little as necessary.
    Quick,
    /// All of it, for tests.
    #[cfg_attr(not(any(test, feature = "testing")), expect(dead_code))]
    Whole,
}

/// Cuts the text at each `;`.
pub(super) fn cut(text: &[u8], mut dialect: Dialect, look: Look) -> Script<'_> {
    let mut statements = Vec::new();
    let (mut start, mut effects) = (0, 0);
    loop {
        let plain = if look == Look::Quick { plain::first(text, start, dialect) } else { None };
        let statement = plain.unwrap_or_else(|| statement::read(text, start, dialect));
        effects += statement.effects.len();
        let is_empty = statement.class == Class::Empty;
        dialect = follow(dialect, &statement);
        // It ends at a `;`, or with the text.
        let rest = text.get(statement.range.end + 1..).unwrap_or_default();
        start = text.len() - rest.len();
        // The servers cut off blanks and `;` at the end of a packet.
        let is_last = rest.iter().all(|byte| byte.is_ascii_whitespace() || *byte == b';');
        if is_last && statements.is_empty() {
            return Script::one(statement);
        }
        statements.push(statement);
        if is_last {
            return Script::new(statements);
        }
        let mut candidates = dialect.candidates(rest);
        let known = candidates.next();
        let is_too_much = statements.len() >= STATEMENTS_MAX || effects >= EFFECTS_MAX;
        // A server stops at an empty statement, which is a syntax error.
        if is_empty || candidates.next().is_some() || is_too_much {
            statements.push(unreadable(start, text));
            return Script::new(statements);
        }
        // If a mode has become unknown, it does not matter to the rest.
        dialect = known.unwrap_or(dialect);
    }
}

/// The dialect of the next statement: a server reads it when it has executed this one.
pub(super) fn follow(mut dialect: Dialect, statement: &Statement<'_>) -> Dialect {
    for effect in &statement.effects {
        match effect {
            Effect::Set(assignment) => dialect = dialect.after(assignment, &unknown),
            Effect::Use(name) => dialect.in_mysql = name.bytes().eq_ignore_ascii_case(b"mysql"),
            _ => {}
        }
    }
    dialect
}

fn unknown(_: &Variable<'_>) -> Option<Vec<u8>> {
    None
}

fn unreadable(start: usize, text: &[u8]) -> Statement<'_> {
    Statement { range: start..text.len(), class: Class::Other, effects: vec![Effect::Unreadable] }
}

/// Several statements where the client may send but one: the servers take them for a syntax error. If it may send more after
/// all, what must not run is known.
fn refused<'t>(text: &'t [u8], script: &Script<'t>) -> Statement<'t> {
    let forbidden = |effect: &Effect<'_>| {
        matches!(effect, Effect::Kill(_) | Effect::Shutdown | Effect::Accounts | Effect::Unreadable)
    };
    let effects = script.effects().filter(|effect| forbidden(effect)).cloned().collect();
    Statement { range: 0..text.len(), class: Class::Other, effects }
}

/// A name in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mention<'t> {
    /// A word or a quoted name: a table, or anything else that has a name.
    Name(Name<'t>),
    /// `@name`.
    UserVariable(Name<'t>),
}

/// Whether a wanted name is anywhere in the text of one statement, comments and strings aside.
///
/// `dialect` is that of this statement: what a SET in the text changes holds for the next one.
pub(crate) fn mentions(
    text: &[u8],
    dialect: Dialect,
    mut is_wanted: impl FnMut(&Mention<'_>) -> bool,
) -> bool {
    dialect.candidates(text).any(|dialect| {
        let mut cursor = Cursor::new(text, 0, dialect.modes());
        std::iter::from_fn(|| cursor.next_mention()).any(|mention| is_wanted(&mention))
    })
}
