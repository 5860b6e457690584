//! What one statement does.

mod define;
mod effects;
mod head;
mod kill;
mod locks;
mod prepared;
mod program;
mod set;
mod transaction;
mod watch;

use std::ops::Range;

use self::effects::{EFFECTS_MAX, Effects};
use self::head::{Head, Rest};
use self::program::Walk;
use self::watch::{Assigns, Watch};
use super::cursor::Cursor;
use super::dialect::Dialect;
use super::effect::{Effect, Table};
use super::lexer::Kind;
use super::script::Statement;
use super::targets::Targets;

/// Reads the statement that begins at `start`, up to its `;` or the text's end.
pub(super) fn read(text: &[u8], start: usize, dialect: Dialect) -> Statement<'_> {
    let cursor = &mut Cursor::new(text, start, dialect.modes());
    let mut effects = Effects::default();
    let mut head_cursor = *cursor;
    let head = head::read(&mut head_cursor, dialect, &mut effects);
    match head.rest {
        Rest::Skip => cursor.skip_statement(),
        Rest::Look(_) | Rest::Write(_) => {
            let mut watch = Watch::new(head.assigns(), head.targets(), dialect.in_mysql);
            while !cursor.ends_statement() {
                watch.look(cursor, &mut effects);
                cursor.bump();
            }
        }
        Rest::Stored(kind) => {
            *cursor = head_cursor;
            if !program::skip(cursor, kind) {
                effects.push(Effect::Unreadable);
            }
        }
        Rest::Block => {
            *cursor = head_cursor;
            block(cursor, dialect, &mut effects);
        }
    }
    let last = cursor.token();
    let is_unfinished = last.kind == Kind::Unfinished;
    if is_unfinished || cursor.in_executable() {
        // A server refuses it, unless the text is longer than what is read here.
        effects.push(Effect::Unreadable);
    }
    let end = if is_unfinished { last.end() } else { last.start };
    Statement { range: start..end, class: head.class, effects: effects.list }
}

/// A block that is executed now: what its statements do may happen.
fn block<'t>(cursor: &mut Cursor<'t>, dialect: Dialect, effects: &mut Effects<'t>) {
    effects.is_conditional = true;
    let mut walk = Walk::new();
    let mut watch = Watch::new(Assigns::Usual, Targets::Anywhere, dialect.in_mysql);
    while !walk.is_over(cursor) {
        if walk.begins_statement(cursor) {
            let mut ahead = *cursor;
            let inner = head::read(&mut ahead, dialect, effects);
            watch = Watch::new(inner.assigns(), inner.targets(), dialect.in_mysql);
        }
        watch.look(cursor, effects);
        walk.step(cursor);
    }
    if !walk.is_closed() {
        effects.push(Effect::Unreadable);
    }
    cursor.skip_statement();
}

/// Names of tables, with commas between; `None` if there are too many.
fn tables<'t>(cursor: &mut Cursor<'t>) -> Option<Vec<Table<'t>>> {
    let mut tables = Vec::new();
    while let Some(table) = cursor.take_table() {
        tables.push(table);
        if !cursor.take_mark(b',') {
            break;
        }
        if tables.len() >= EFFECTS_MAX {
            return None;
        }
    }
    Some(tables)
}

/// The bytes of the tokens up to the one for which `is_end` is true, at no depth of parentheses.
fn expression<'t>(cursor: &mut Cursor<'t>, is_end: impl Fn(&Cursor<'t>) -> bool) -> Range<usize> {
    let start = cursor.token().start;
    let mut end = start;
    let mut depth = 0_usize;
    while !cursor.ends_statement() {
        if depth == 0 && is_end(cursor) {
            break;
        }
        match cursor.kind() {
            Kind::Mark(b'(') => depth += 1,
            Kind::Mark(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        end = cursor.bump().end();
    }
    start..end
}
