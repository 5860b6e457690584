//! CREATE, ALTER, DROP, RENAME and TRUNCATE.

use super::program::Stored;
use super::{Effects, Head, Rest, prepared, tables};
use crate::sql::cursor::Cursor;
use crate::sql::dialect::Dialect;
use crate::sql::effect::{Effect, Table};
use crate::sql::lexer::Kind;
use crate::sql::script::Class;

/// What is created, altered or dropped, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Object {
    Account,
    Table,
    Sequence,
    Database,
    Stored(Stored),
    Other,
}

pub(super) fn read<'t>(
    cursor: &mut Cursor<'t>,
    verb: &[u8],
    dialect: Dialect,
    effects: &mut Effects<'t>,
) -> Head {
    if verb == b"DROP" && cursor.is("PREPARE") {
        return prepared::read(cursor, b"DEALLOCATE", effects);
    }
    if verb == b"TRUNCATE" {
        effects.push(Effect::ImplicitCommit);
        return Head::new(Class::Defines);
    }
    let (object, is_temporary) = object(cursor);
    match (verb, object) {
        (_, Object::Account) => effects.push(Effect::Accounts),
        (b"CREATE", Object::Table | Object::Sequence) if is_temporary => {
            cursor.take_if_exists();
            effects.extend(cursor.take_table().map(Effect::CreateTemporary));
        }
        (b"DROP", Object::Table | Object::Sequence) => {
            cursor.take_if_exists();
            let drop = |tables| Effect::Drop { tables, only_temporary: is_temporary };
            effects.push(tables(cursor).map_or(Effect::Unreadable, drop));
        }
        (b"DROP" | b"ALTER", Object::Database) => {
            cursor.take_if_exists();
            match cursor.take_name() {
                Some(name) if name.may_be(b"mysql") => effects.push(Effect::Accounts),
                Some(name) if verb == b"DROP" => effects.push(Effect::DropDatabase(name)),
                _ => {}
            }
        }
        (b"ALTER", Object::Table) => alter_table(cursor, effects),
        // MySQL looks for permanent tables only.
        (b"RENAME", Object::Table) if dialect.is_mariadb => rename(cursor, effects),
        _ => {}
    }
    if !(is_temporary && object == Object::Table && matches!(verb, b"CREATE" | b"DROP")) {
        effects.push(Effect::ImplicitCommit);
    }
    match (verb, object) {
        (b"CREATE" | b"ALTER", Object::Stored(kind)) => {
            Head { class: Class::Defines, rest: Rest::Stored(kind) }
        }
        _ => Head::new(Class::Defines),
    }
}

/// The word that says what it is about; whether TEMPORARY was before it. The cursor is behind it then.
fn object(cursor: &mut Cursor<'_>) -> (Object, bool) {
    let mut is_temporary = false;
    while !cursor.ends_statement() {
        let token = cursor.bump();
        if token.kind != Kind::Word {
            continue;
        }
        let object = match token.bytes.to_ascii_uppercase().as_slice() {
            b"USER" | b"ROLE" => Object::Account,
            b"TABLE" | b"TABLES" => Object::Table,
            b"SEQUENCE" => Object::Sequence,
            b"DATABASE" | b"SCHEMA" => Object::Database,
            b"PROCEDURE" | b"FUNCTION" => Object::Stored(Stored::Routine),
            b"TRIGGER" => Object::Stored(Stored::Trigger),
            b"EVENT" => Object::Stored(Stored::Event),
            b"PACKAGE" => Object::Stored(Stored::Package),
            b"VIEW" | b"INDEX" | b"SERVER" | b"TABLESPACE" | b"UNDO" | b"LOGFILE" | b"RESOURCE"
            | b"INSTANCE" | b"SPATIAL" | b"FULLTEXT" | b"UNIQUE" | b"LIBRARY" => Object::Other,
            b"TEMPORARY" => {
                is_temporary = true;
                continue;
            }
            b"DEFINER" if cursor.take_mark(b'=') => {
                // A name, whose host is read as a variable: `root@localhost`.
                cursor.bump();
                if cursor.kind() == Kind::UserVariable {
                    cursor.bump();
                }
                continue;
            }
            _ => continue,
        };
        return (object, is_temporary);
    }
    (Object::Other, is_temporary)
}

/// ALTER TABLE t ... RENAME TO u.
fn alter_table<'t>(cursor: &mut Cursor<'t>, effects: &mut Effects<'t>) {
    cursor.take_if_exists();
    let Some(from) = cursor.take_table() else { return };
    let mut depth = 0_usize;
    while !cursor.ends_statement() {
        let token = cursor.bump();
        match token.kind {
            Kind::Mark(b'(') => depth += 1,
            Kind::Mark(b')') => depth = depth.saturating_sub(1),
            _ if depth == 0 && token.is("RENAME") => {
                let is_part = ["COLUMN", "INDEX", "KEY"].iter().any(|part| cursor.is(part));
                if !is_part {
                    cursor.take_any(&["TO", "AS"]);
                    cursor.take_mark(b'=');
                    effects.extend(cursor.take_table().map(|to| Effect::Rename(from, to)));
                    return;
                }
            }
            _ => {}
        }
    }
}

/// RENAME TABLE a TO b, c TO d.
fn rename<'t>(cursor: &mut Cursor<'t>, effects: &mut Effects<'t>) {
    cursor.take_if_exists();
    while let Some((from, to)) = renamed(cursor) {
        effects.push(Effect::Rename(from, to));
        if !cursor.take_mark(b',') {
            return;
        }
    }
}

fn renamed<'t>(cursor: &mut Cursor<'t>) -> Option<(Table<'t>, Table<'t>)> {
    let from = cursor.take_table()?;
    // WAIT n, NOWAIT (MariaDB).
    while !cursor.is("TO") {
        if cursor.ends_statement() {
            return None;
        }
        cursor.bump();
    }
    cursor.bump();
    Some((from, cursor.take_table()?))
}
