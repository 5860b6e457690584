//! Locks that outlive their statement, FLUSH, and HANDLER.

use super::{Effects, Head};
use crate::sql::cursor::Cursor;
use crate::sql::effect::{Effect, Lock};
use crate::sql::script::Class;

pub(super) fn read<'t>(cursor: &mut Cursor<'t>, verb: &[u8], effects: &mut Effects<'t>) -> Head {
    match verb {
        b"LOCK" if cursor.take_any(&["TABLE", "TABLES"]) => {
            effects.push(Effect::ImplicitCommit);
            effects.push(Effect::Lock(Lock::Tables));
        }
        b"LOCK" if cursor.take("INSTANCE") => effects.push(Effect::Lock(Lock::Instance)),
        b"UNLOCK" if cursor.take_any(&["TABLE", "TABLES"]) => effects.push(Effect::Unlock(Lock::Tables)),
        b"UNLOCK" if cursor.take("INSTANCE") => effects.push(Effect::Unlock(Lock::Instance)),
        b"FLUSH" => flush(cursor, effects),
        b"BACKUP" => backup(cursor, effects),
        b"HANDLER" => handler(cursor, effects),
        _ => {}
    }
    Head::new(Class::Other)
}

/// FLUSH [LOCAL] { TABLES [list] [WITH READ LOCK | FOR EXPORT] | list of others }.
fn flush<'t>(cursor: &mut Cursor<'t>, effects: &mut Effects<'t>) {
    effects.push(Effect::ImplicitCommit);
    cursor.take_any(&["LOCAL", "NO_WRITE_TO_BINLOG"]);
    if !cursor.take_any(&["TABLE", "TABLES"]) {
        while !cursor.ends_statement() {
            if cursor.bump().is("PRIVILEGES") {
                effects.push(Effect::Accounts);
            }
        }
        return;
    }
    let is_global = cursor.is("WITH");
    while !cursor.ends_statement() {
        if cursor.take_all(&["WITH", "READ", "LOCK"]) {
            effects.push(Effect::Lock(if is_global { Lock::GlobalRead } else { Lock::Tables }));
        } else if cursor.take_all(&["FOR", "EXPORT"]) {
            effects.push(Effect::Lock(Lock::Tables));
        } else {
            cursor.bump();
        }
    }
}

/// BACKUP STAGE ..., BACKUP LOCK table, BACKUP UNLOCK (MariaDB).
fn backup<'t>(cursor: &mut Cursor<'t>, effects: &mut Effects<'t>) {
    effects.push(Effect::ImplicitCommit);
    let ends = cursor.take("UNLOCK") || (cursor.take("STAGE") && cursor.is("END"));
    effects.push(if ends { Effect::Unlock(Lock::Backup) } else { Effect::Lock(Lock::Backup) });
}

fn handler<'t>(cursor: &mut Cursor<'t>, effects: &mut Effects<'t>) {
    let Some(table) = cursor.take_table() else { return };
    effects.push(match () {
        () if cursor.take("OPEN") => {
            cursor.take("AS");
            Effect::HandlerOpen { table, alias: cursor.take_name() }
        }
        () if cursor.take("CLOSE") => Effect::HandlerClose(table),
        () => Effect::HandlerRead(table),
    });
}
