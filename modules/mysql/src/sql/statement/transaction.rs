//! Transactions, XA, and what starts and stops with the same words.

use super::{Effects, Head};
use crate::sql::cursor::Cursor;
use crate::sql::effect::{AndThen, Effect, Step, XaStep};
use crate::sql::script::Class;

/// Behind BEGIN: it begins a transaction, and not a block.
pub(super) fn is_begin(cursor: &Cursor<'_>) -> bool {
    cursor.is("WORK") || cursor.ends_statement()
}

pub(super) fn read<'t>(cursor: &mut Cursor<'t>, verb: &[u8], effects: &mut Effects<'t>) -> Head {
    match verb {
        b"BEGIN" => effects.push(Effect::Transaction(Step::Begin)),
        b"START" if cursor.take("TRANSACTION") => effects.push(Effect::Transaction(Step::Begin)),
        b"START" | b"STOP" => effects.push(Effect::ImplicitCommit),
        b"COMMIT" => {
            cursor.take("WORK");
            let then = and_then(cursor);
            effects.push(Effect::Transaction(Step::Commit(then)));
        }
        b"ROLLBACK" => {
            cursor.take("WORK");
            let step = if cursor.take("TO") {
                cursor.take("SAVEPOINT");
                cursor.take_name().map(Step::RollbackTo)
            } else {
                Some(Step::Rollback(and_then(cursor)))
            };
            effects.extend(step.map(Effect::Transaction));
        }
        b"SAVEPOINT" => {
            effects.extend(cursor.take_name().map(|name| Effect::Transaction(Step::Savepoint(name))));
        }
        b"RELEASE" if cursor.take("SAVEPOINT") => {
            let name = cursor.take_name();
            effects.extend(name.map(|name| Effect::Transaction(Step::ReleaseSavepoint(name))));
        }
        b"XA" => effects.extend(xa(cursor).map(Effect::Xa)),
        _ => {}
    }
    Head::new(Class::Other)
}

/// [AND [NO] CHAIN] [[NO] RELEASE].
fn and_then(cursor: &mut Cursor<'_>) -> AndThen {
    let mut then = AndThen::Unsaid;
    if cursor.take("AND") {
        then = if cursor.take("NO") { AndThen::Nothing } else { AndThen::Chain };
        cursor.take("CHAIN");
    }
    if cursor.take("NO") {
        return if then == AndThen::Unsaid { AndThen::Nothing } else { then };
    }
    if cursor.take("RELEASE") { AndThen::Release } else { then }
}

fn xa(cursor: &mut Cursor<'_>) -> Option<XaStep> {
    Some(match () {
        () if cursor.take_any(&["START", "BEGIN"]) => XaStep::Start,
        () if cursor.take("END") => XaStep::End,
        () if cursor.take("PREPARE") => XaStep::Prepare,
        () if cursor.take("COMMIT") => XaStep::Commit,
        () if cursor.take("ROLLBACK") => XaStep::Rollback,
        () if cursor.take("RECOVER") => XaStep::Recover,
        () => return None,
    })
}
