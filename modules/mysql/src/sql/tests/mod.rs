//! Texts, and what they do: what is said of a server here was seen with MariaDB 10.11 and MySQL 9.7.

mod accounts;
mod commands;
mod comments;
mod programs;
mod properties;
mod scripts;
mod state;
mod tables;
mod variables;

use super::*;

pub(super) const MARIADB: Dialect = Dialect {
    is_mariadb: true,
    version: 101_114,
    ansi_quotes: Some(false),
    no_backslash_escapes: Some(false),
    charset: Charset::Transparent,
    several: true,
    in_mysql: false,
};

pub(super) const MYSQL: Dialect = Dialect { is_mariadb: false, version: 90_704, ..MARIADB };

/// The effects of a text in a few words, `|` between its statements.
pub(super) fn effects_in(text: &[u8], dialect: Dialect) -> String {
    let script = read(text, dialect);
    let statement =
        |statement: &Statement<'_>| statement.effects.iter().map(described).collect::<Vec<_>>().join(", ");
    script.statements().iter().map(statement).collect::<Vec<_>>().join(" | ")
}

/// Asserts the effects for both servers.
#[track_caller]
pub(super) fn both(text: &str, expected: &str) {
    on_mariadb(text, expected);
    on_mysql(text, expected);
}

#[track_caller]
pub(super) fn on_mariadb(text: &str, expected: &str) {
    assert_eq!(effects_in(text.as_bytes(), MARIADB), expected, "MariaDB: {text}");
}

#[track_caller]
pub(super) fn on_mysql(text: &str, expected: &str) {
    assert_eq!(effects_in(text.as_bytes(), MYSQL), expected, "MySQL: {text}");
}

pub(super) fn described(effect: &Effect<'_>) -> String {
    match effect {
        Effect::Kill(Kill { scope, victim }) => {
            let victim = match victim {
                Victim::Number { id, range } => format!("{id} at {range:?}"),
                Victim::QueryId { id, range } => format!("id {id} at {range:?}"),
                Victim::User(name) => format!("user {}", named(name)),
                Victim::CurrentUser => "current user".to_owned(),
                Victim::Expression => "?".to_owned(),
            };
            format!("kill {} {victim}", if *scope == KillScope::Query { "query" } else { "connection" })
        }
        Effect::Prepare { name, source } => format!("prepare {} {}", named(name), sourced(source)),
        Effect::Execute { name, using } => format!("execute {}{}", named(name), listed(using)),
        Effect::ExecuteImmediate { source, using } => {
            format!("immediate {}{}", sourced(source), listed(using))
        }
        Effect::Deallocate(name) => format!("deallocate {}", named(name)),
        Effect::Use(name) => format!("use {}", named(name)),
        Effect::Set(assignment) => assigned(assignment),
        Effect::Transaction(step) => match step {
            Step::Begin => "begin".to_owned(),
            Step::Commit(then) => format!("commit {then:?}"),
            Step::Rollback(then) => format!("rollback {then:?}"),
            Step::Savepoint(name) => format!("savepoint {}", named(name)),
            Step::RollbackTo(name) => format!("rollback to {}", named(name)),
            Step::ReleaseSavepoint(name) => format!("release {}", named(name)),
        },
        Effect::ImplicitCommit => "commits".to_owned(),
        Effect::Xa(step) => format!("xa {step:?}"),
        Effect::Lock(lock) => format!("lock {lock:?}"),
        Effect::Unlock(lock) => format!("unlock {lock:?}"),
        Effect::CreateTemporary(table) => format!("temporary {}", tabled(table)),
        Effect::Drop { tables, only_temporary } => {
            let tables: Vec<_> = tables.iter().map(tabled).collect();
            format!("drop {}{}", if *only_temporary { "temporary " } else { "" }, tables.join(" "))
        }
        Effect::DropDatabase(name) => format!("drop database {}", named(name)),
        Effect::Rename(from, to) => format!("rename {} to {}", tabled(from), tabled(to)),
        Effect::HandlerOpen { table, alias: None } => format!("handler open {}", tabled(table)),
        Effect::HandlerOpen { table, alias: Some(alias) } => {
            format!("handler open {} as {}", tabled(table), named(alias))
        }
        Effect::HandlerRead(table) => format!("handler read {}", tabled(table)),
        Effect::HandlerClose(table) => format!("handler close {}", tabled(table)),
        Effect::GetLock(name) => format!("get lock {}", name.as_ref().map_or("?".to_owned(), named)),
        Effect::ReleaseLock(name) => format!("release lock {}", name.as_ref().map_or("?".to_owned(), named)),
        Effect::AssignsUnknown(name) => format!("assigns @{}", named(name)),
        other => format!("{other:?}"),
    }
}

fn named(name: &Name<'_>) -> String {
    String::from_utf8_lossy(name.bytes()).into_owned()
}

fn tabled(table: &Table<'_>) -> String {
    let database = table.database.as_ref().map_or(String::new(), |database| format!("{}.", named(database)));
    format!("{database}{}", named(&table.name))
}

fn listed(names: &[Name<'_>]) -> String {
    names.iter().map(|name| format!(" @{}", named(name))).collect()
}

fn sourced(source: &Source<'_>) -> String {
    match source {
        Source::Literal(text) => format!("'{}'", String::from_utf8_lossy(text)),
        Source::Variable(name) => format!("@{}", named(name)),
        Source::Expression(text) => format!("({})", String::from_utf8_lossy(text)),
    }
}

fn assigned(assignment: &Assignment<'_>) -> String {
    let target = match &assignment.target {
        Target::User(name) => format!("@{}", named(name)),
        Target::Session(name) => named(name),
        Target::Global(name) => format!("global {}", named(name)),
        Target::Persist(name) => format!("persist {}", named(name)),
        Target::Names => "names".to_owned(),
        Target::CharacterSet => "character set".to_owned(),
        Target::Transaction(scope) => format!("transaction {scope:?}"),
        Target::Role => "role".to_owned(),
        Target::ResourceGroup => "resource group".to_owned(),
    };
    let variable = |variable: &Variable<'_>| match variable {
        Variable::User(name) => format!("@{}", named(name)),
        Variable::Session(name) => format!("@@{}", named(name)),
        Variable::Global(name) => format!("@@global.{}", named(name)),
    };
    let value = match &assignment.value {
        Value::Constant => String::from_utf8_lossy(assignment.expression).into_owned(),
        Value::Variables(variables) => {
            format!("from {}", variables.iter().map(variable).collect::<Vec<_>>().join(" "))
        }
        Value::Unknown => "?".to_owned(),
    };
    format!("{target} = {value}")
}
