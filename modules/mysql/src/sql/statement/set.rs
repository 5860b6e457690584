//! SET.

use super::watch::Assigns;
use super::{EFFECTS_MAX, Effects, Head, Rest, expression};
use crate::sql::constant::system_variable;
use crate::sql::cursor::Cursor;
use crate::sql::dialect::Dialect;
use crate::sql::effect::{Assignment, Effect, Target, TransactionScope, Value, Variable};
use crate::sql::lexer::{Kind, Token};
use crate::sql::name::Name;
use crate::sql::script::Class;

/// Reads what is behind SET. Nothing is returned for SET STATEMENT, where the statement behind FOR is next.
pub(super) fn read<'t>(cursor: &mut Cursor<'t>, dialect: Dialect, effects: &mut Effects<'t>) -> Option<Head> {
    let is_variable = cursor.next().kind == Kind::Mark(b'=') || cursor.next().kind == Kind::Assign;
    if dialect.is_mariadb && cursor.is("STATEMENT") && !is_variable {
        expression(cursor, |cursor| cursor.is("FOR"));
        cursor.bump();
        return None;
    }
    let head = Head { class: Class::Other, rest: Rest::Look(Assigns::Elsewhere) };
    if is_variable {
        list(cursor, effects);
        return Some(head);
    }
    let mut ahead = *cursor;
    let scope = transaction_scope(&mut ahead);
    match () {
        () if ahead.take("TRANSACTION") => {
            let range = expression(&mut ahead, |_| false);
            push(effects, Target::Transaction(scope), Value::Constant, ahead.bytes(range));
        }
        () if cursor.take_all(&["DEFAULT", "ROLE"]) => accounts(effects),
        () if cursor.take("ROLE") => {
            let range = expression(cursor, |_| false);
            push(effects, Target::Role, Value::Constant, cursor.bytes(range));
        }
        () if cursor.take_all(&["RESOURCE", "GROUP"]) => {
            let range = expression(cursor, |_| false);
            push(effects, Target::ResourceGroup, Value::Constant, cursor.bytes(range));
        }
        () => list(cursor, effects),
    }
    Some(head)
}

fn transaction_scope(cursor: &mut Cursor<'_>) -> TransactionScope {
    match () {
        () if cursor.take_any(&["SESSION", "LOCAL"]) => TransactionScope::Session,
        () if cursor.take("GLOBAL") => TransactionScope::Global,
        () => TransactionScope::Next,
    }
}

fn accounts(effects: &mut Effects<'_>) {
    effects.push(Effect::Accounts);
    effects.push(Effect::ImplicitCommit);
}

fn push<'t>(effects: &mut Effects<'t>, target: Target<'t>, value: Value<'t>, expression: &'t [u8]) {
    effects.push(Effect::Set(Assignment { target, value, expression }));
}

/// Assignments with commas between.
fn list<'t>(cursor: &mut Cursor<'t>, effects: &mut Effects<'t>) {
    loop {
        assignment(cursor, effects);
        expression(cursor, |cursor| cursor.is_mark(b','));
        if !cursor.take_mark(b',') {
            return;
        }
    }
}

fn assignment<'t>(cursor: &mut Cursor<'t>, effects: &mut Effects<'t>) {
    let is_assign = |token: Token<'_>| matches!(token.kind, Kind::Mark(b'=') | Kind::Assign);
    if !is_assign(cursor.next()) {
        let charset = match () {
            () if cursor.take("NAMES") => Some(Target::Names),
            () if cursor.take("CHARSET") => Some(Target::CharacterSet),
            () if cursor.take_all(&["CHARACTER", "SET"]) => Some(Target::CharacterSet),
            () if cursor.take_all(&["CHAR", "SET"]) => Some(Target::CharacterSet),
            () => None,
        };
        if let Some(target) = charset {
            return valued(cursor, target, effects);
        }
    }
    if cursor.is("PASSWORD") {
        return accounts(effects);
    }
    let Some(target) = target(cursor, is_assign) else { return };
    if is_assign(cursor.token()) {
        cursor.bump();
        valued(cursor, target, effects);
    }
}

/// What is before the `=`.
fn target<'t>(cursor: &mut Cursor<'t>, is_assign: impl Fn(Token<'_>) -> bool) -> Option<Target<'t>> {
    match cursor.kind() {
        Kind::UserVariable => return cursor.take_variable().map(Target::User),
        Kind::SystemVariable => return system(cursor),
        _ => {}
    }
    let mut scope: fn(Name<'t>) -> Target<'t> = Target::Session;
    if !is_assign(cursor.next()) {
        match () {
            () if cursor.take_any(&["SESSION", "LOCAL"]) => {}
            () if cursor.take("GLOBAL") => scope = Target::Global,
            () if cursor.take_any(&["PERSIST", "PERSIST_ONLY"]) => scope = Target::Persist,
            () => {}
        }
    }
    let name = cursor.take_name()?;
    // `cache.key_buffer_size` is a global one.
    Some(if cursor.take_mark(b'.') { scope(cursor.take_name()?) } else { scope(name) })
}

/// `@@name`, `@@session.name` and others.
fn system<'t>(cursor: &mut Cursor<'t>) -> Option<Target<'t>> {
    let first = cursor.token();
    let is_scoped = cursor.next().kind == Kind::Mark(b'.');
    let is = |scope: &str| first.bytes[2..].eq_ignore_ascii_case(scope.as_bytes());
    let is_persisted = is("persist") || is("persist_only");
    Some(match system_variable(cursor)? {
        Variable::Global(name) if is_persisted => Target::Persist(name),
        Variable::Global(name) => Target::Global(name),
        // Without a scope these are for the next transaction.
        Variable::Session(name) if !is_scoped && is_characteristic(name.bytes()) => {
            Target::Transaction(TransactionScope::Next)
        }
        Variable::Session(name) => Target::Session(name),
        Variable::User(_) => return None,
    })
}

fn is_characteristic(name: &[u8]) -> bool {
    is_one_of(name, &["transaction_isolation", "tx_isolation", "transaction_read_only", "tx_read_only"])
}

/// The value, to the next comma.
fn valued<'t>(cursor: &mut Cursor<'t>, target: Target<'t>, effects: &mut Effects<'t>) {
    let mut inside = *cursor;
    let range = expression(cursor, |cursor| cursor.is_mark(b','));
    let value = value(&mut inside, range.end, effects);
    push(effects, target, value, cursor.bytes(range));
}

/// Functions whose value depends on their arguments only, and operators that may stand before a parenthesis.
const PURE: [&str; 44] = [
    "CONCAT",
    "CONCAT_WS",
    "REPLACE",
    "LOWER",
    "UPPER",
    "LCASE",
    "UCASE",
    "TRIM",
    "LTRIM",
    "RTRIM",
    "IF",
    "IFNULL",
    "NULLIF",
    "COALESCE",
    "CAST",
    "CONVERT",
    "ABS",
    "FLOOR",
    "CEIL",
    "CEILING",
    "ROUND",
    "MOD",
    "GREATEST",
    "LEAST",
    "SUBSTRING",
    "SUBSTR",
    "LEFT",
    "RIGHT",
    "LENGTH",
    "CHAR_LENGTH",
    "REPEAT",
    "HEX",
    "UNHEX",
    "CHAR",
    "AND",
    "OR",
    "NOT",
    "XOR",
    "IN",
    "DIV",
    "WHEN",
    "THEN",
    "ELSE",
    "BETWEEN",
];

/// Words that have another value each time, or on each connection. FROM and TABLE read tables: a SELECT without them may be
/// constant, as in `SET sql_mode = (SELECT REPLACE(@@sql_mode, 'ONLY_FULL_GROUP_BY', ''))`.
const VOLATILE: [&str; 16] = [
    "FROM",
    "TABLE",
    "CURRENT_TIMESTAMP",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_USER",
    "CURRENT_ROLE",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "UTC_DATE",
    "UTC_TIME",
    "UTC_TIMESTAMP",
    "SYSDATE",
    "NEXT",
    "PREVIOUS",
    "VALUES",
];

/// System variables that the session's statements change.
const CHANGING: [&str; 12] = [
    "last_insert_id",
    "identity",
    "insert_id",
    "warning_count",
    "error_count",
    "timestamp",
    "rand_seed1",
    "rand_seed2",
    "pseudo_thread_id",
    "in_transaction",
    "last_gtid",
    "gtid_executed",
];

fn is_one_of(word: &[u8], list: &[&str]) -> bool {
    list.iter().any(|one| word.eq_ignore_ascii_case(one.as_bytes()))
}

/// One more than are kept shows that there are too many.
fn keep<'t>(variables: &mut Vec<Variable<'t>>, variable: Option<Variable<'t>>) {
    if variables.len() <= EFFECTS_MAX {
        variables.extend(variable);
    }
}

/// What the expression up to `end` depends on.
fn value<'t>(cursor: &mut Cursor<'t>, end: usize, effects: &mut Effects<'t>) -> Value<'t> {
    let mut variables = Vec::new();
    let mut is_known = true;
    while cursor.token().start < end {
        let (token, next) = (cursor.token(), cursor.next());
        match token.kind {
            Kind::UserVariable => {
                let name = cursor.take_variable();
                if next.kind == Kind::Assign {
                    is_known = false;
                    name.into_iter().for_each(|name| effects.push(Effect::AssignsUnknown(name)));
                } else {
                    keep(&mut variables, name.map(Variable::User));
                }
                continue;
            }
            Kind::SystemVariable => {
                let variable = system_variable(cursor);
                if let Some(Variable::Session(name)) = &variable {
                    is_known &= !is_one_of(name.bytes(), &CHANGING);
                }
                keep(&mut variables, variable);
                continue;
            }
            Kind::Word if next.kind == Kind::Mark(b'(') => is_known &= is_one_of(token.bytes, &PURE),
            Kind::Word => is_known &= !is_one_of(token.bytes, &VOLATILE),
            Kind::QuotedName if next.kind == Kind::Mark(b'(') => is_known = false,
            // A parameter.
            Kind::Mark(b'?') => is_known = false,
            _ => {}
        }
        cursor.bump();
    }
    match () {
        () if !is_known || variables.len() > EFFECTS_MAX => Value::Unknown,
        () if variables.is_empty() => Value::Constant,
        () => Value::Variables(variables),
    }
}
