//! What may stand anywhere in a statement: functions, assignments to user variables, tables of accounts.

use super::Effects;
use crate::sql::constant::strings;
use crate::sql::cursor::Cursor;
use crate::sql::effect::{Effect, Variable};
use crate::sql::lexer::{Kind, Token};
use crate::sql::literal::unquoted;
use crate::sql::name::Name;
use crate::sql::targets::Targets;

/// Looks at each token of a statement that is executed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    assigns: Assigns,
    /// Where the statement may name tables of accounts that it writes.
    targets: Targets,
    /// The current database is that of accounts.
    in_mysql: bool,
    /// In a list behind INTO.
    into: bool,
    /// The last token was a dot, and the database before it is that of accounts.
    behind: Behind,
}

/// What a user variable must have beside it to be assigned a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assigns {
    /// `:=`, or INTO before it.
    Usual,
    /// Nothing: CALL p(@a), LOAD DATA ... (@a).
    All,
    /// `=`: GET DIAGNOSTICS @a = NUMBER.
    Equal,
    /// The reader of SET knows.
    Elsewhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    /// The name `mysql`.
    Mysql,
    /// `mysql.`.
    MysqlDot,
    /// Some name and a dot, or a dot.
    Dot,
}

/// The tables that the servers read accounts and their rights from.
const ACCOUNT_TABLES: [&str; 13] = [
    "user",
    "db",
    "host",
    "tables_priv",
    "columns_priv",
    "procs_priv",
    "proxies_priv",
    "global_priv",
    "roles_mapping",
    "role_edges",
    "default_roles",
    "global_grants",
    "password_history",
];

pub(super) fn is_account_table(name: &[u8]) -> bool {
    ACCOUNT_TABLES.iter().any(|table| name.eq_ignore_ascii_case(table.as_bytes()))
}

impl Watch {
    pub(super) fn new(assigns: Assigns, targets: Targets, in_mysql: bool) -> Self {
        Self { assigns, targets, in_mysql, into: false, behind: Behind::Nothing }
    }

    /// Looks at the token there.
    pub(super) fn look<'t>(&mut self, cursor: &Cursor<'t>, effects: &mut Effects<'t>) {
        let token = cursor.token();
        let was_into = std::mem::take(&mut self.into);
        match token.kind {
            Kind::Word => {
                if token.is("INTO") {
                    self.into = cursor.next().kind == Kind::UserVariable;
                } else {
                    function(cursor, effects);
                }
            }
            Kind::QuotedName => function(cursor, effects),
            Kind::UserVariable => {
                let is_assigned = was_into
                    || match (self.assigns, cursor.next().kind) {
                        (Assigns::All, _) => true,
                        (Assigns::Equal, Kind::Mark(b'=')) => true,
                        (Assigns::Elsewhere, _) => false,
                        (_, next) => next == Kind::Assign,
                    };
                if is_assigned {
                    effects.push(Effect::AssignsUnknown(Name::new(unquoted(&token, cursor.modes()))));
                }
                self.into = was_into;
            }
            Kind::SystemVariable => volatile_variable(cursor, effects),
            Kind::Mark(b',') => self.into = was_into,
            _ => {}
        }
        if self.targets.end_at(&token) {
            self.targets = Targets::Nowhere;
        } else {
            self.accounts(cursor, effects);
        }
    }

    fn accounts<'t>(&mut self, cursor: &Cursor<'t>, effects: &mut Effects<'t>) {
        let token = cursor.token();
        self.behind = match (token.kind, self.behind) {
            (Kind::Word | Kind::QuotedName, behind) => {
                let is_alone = matches!(behind, Behind::Nothing | Behind::Mysql);
                if behind == Behind::MysqlDot || (is_alone && self.in_mysql) {
                    let name = unquoted(&token, cursor.modes());
                    if is_account_table(&name) {
                        effects.push(Effect::Accounts);
                    }
                }
                if is_alone && is_mysql(&token, cursor) { Behind::Mysql } else { Behind::Nothing }
            }
            (Kind::Mark(b'.'), Behind::Mysql) => Behind::MysqlDot,
            (Kind::Mark(b'.'), _) => Behind::Dot,
            _ => Behind::Nothing,
        };
    }
}

fn is_mysql(token: &Token<'_>, cursor: &Cursor<'_>) -> bool {
    match token.kind {
        Kind::Word => token.is("mysql"),
        _ => unquoted(token, cursor.modes()).eq_ignore_ascii_case(b"mysql"),
    }
}

/// A function that leaves something behind, or reads what was left.
fn function<'t>(cursor: &Cursor<'t>, effects: &mut Effects<'t>) {
    let token = cursor.token();
    let bytes = token.bytes;
    if !matches!(bytes.len(), 8..=19) || cursor.next().kind != Kind::Mark(b'(') {
        return;
    }
    let name = unquoted(&token, cursor.modes());
    let is = |function: &str| name.eq_ignore_ascii_case(function.as_bytes());
    let mut inside = *cursor;
    inside.bump();
    inside.bump();
    match name.len() {
        8 if is("GET_LOCK") => effects.push(Effect::GetLock(lock_name(&mut inside))),
        12 if is("RELEASE_LOCK") => effects.push(Effect::ReleaseLock(lock_name(&mut inside))),
        17 if is("RELEASE_ALL_LOCKS") => effects.push(Effect::ReleaseAllLocks),
        14 if is("LAST_INSERT_ID") => effects.push(match inside.kind() {
            Kind::Mark(b')') => Effect::UsesLastInsertId,
            _ => Effect::SetsLastInsertId,
        }),
        9 | 10 if is("ROW_COUNT") || is("FOUND_ROWS") => effects.push(Effect::UsesDiagnostics),
        _ => {}
    }
}

fn lock_name<'t>(inside: &mut Cursor<'t>) -> Option<Name<'t>> {
    if inside.kind() != Kind::Text {
        return None;
    }
    let name = Name::new(strings(inside));
    matches!(inside.kind(), Kind::Mark(b',' | b')')).then_some(name)
}

/// A system variable that the statements before have left.
fn volatile_variable<'t>(cursor: &Cursor<'t>, effects: &mut Effects<'t>) {
    let mut ahead = *cursor;
    let Some(Variable::Session(name)) = crate::sql::constant::system_variable(&mut ahead) else { return };
    let is = |one: &str| name.bytes().eq_ignore_ascii_case(one.as_bytes());
    if is("last_insert_id") || is("identity") {
        effects.push(Effect::UsesLastInsertId);
    } else if is("warning_count") || is("error_count") {
        effects.push(Effect::UsesDiagnostics);
    }
}
