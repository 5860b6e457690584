//! Prepared statements in SQL: PREPARE, EXECUTE, DEALLOCATE.

use super::{Effects, Head, expression};
use crate::sql::constant::evaluate_in;
use crate::sql::cursor::Cursor;
use crate::sql::effect::Effect;
use crate::sql::lexer::Kind;
use crate::sql::name::Name;
use crate::sql::script::{Class, Source};

pub(super) fn read<'t>(cursor: &mut Cursor<'t>, verb: &[u8], effects: &mut Effects<'t>) -> Head {
    match verb {
        b"PREPARE" => {
            if let Some(name) = cursor.take_name() {
                cursor.take("FROM");
                effects.push(Effect::Prepare { name, source: source(cursor) });
            }
        }
        b"EXECUTE" if cursor.take("IMMEDIATE") => {
            let source = source(cursor);
            effects.push(Effect::ExecuteImmediate { source, using: using(cursor) });
        }
        b"EXECUTE" => {
            if let Some(name) = cursor.take_name() {
                effects.push(Effect::Execute { name, using: using(cursor) });
            }
        }
        _ => {
            cursor.take("PREPARE");
            effects.extend(cursor.take_name().map(Effect::Deallocate));
        }
    }
    Head::new(Class::Other)
}

fn source<'t>(cursor: &mut Cursor<'t>) -> Source<'t> {
    let ends = |cursor: &Cursor<'t>| cursor.is("USING") || cursor.ends_statement();
    let mut ahead = *cursor;
    if ahead.kind() == Kind::UserVariable
        && let Some(name) = ahead.take_variable()
        && ends(&ahead)
    {
        *cursor = ahead;
        return Source::Variable(name);
    }
    // A bare word would be a column, and there is none.
    let is_word = cursor.kind() == Kind::Word && !matches!(cursor.next().kind, Kind::Text | Kind::Mark(b'('));
    let range = expression(cursor, |cursor| cursor.is("USING"));
    let text = cursor.bytes(range);
    match evaluate_in(text, cursor.modes(), &|_| None) {
        Some(value) if !is_word => Source::Literal(value),
        _ => Source::Expression(text),
    }
}

/// A statement has no more parameters.
const PARAMETERS_MAX: usize = 1 << 16;

/// The user variables behind USING.
fn using<'t>(cursor: &mut Cursor<'t>) -> Vec<Name<'t>> {
    let mut names = Vec::new();
    if cursor.take("USING") {
        while !cursor.ends_statement() {
            match cursor.kind() {
                // No statement has more parameters.
                Kind::UserVariable if names.len() < PARAMETERS_MAX => names.extend(cursor.take_variable()),
                _ => drop(cursor.bump()),
            }
        }
    }
    names
}
