//! The head of a statement: what its first words show.

use super::effects::Effects;
use super::program::Stored;
use super::watch::Assigns;
use super::{define, kill, locks, prepared, set, transaction};
use crate::sql::cursor::Cursor;
use crate::sql::dialect::Dialect;
use crate::sql::effect::Effect;
use crate::sql::lexer::Kind;
use crate::sql::script::Class;
use crate::sql::targets::Targets;

/// Reads the head of a statement.
pub(super) fn read<'t>(cursor: &mut Cursor<'t>, dialect: Dialect, effects: &mut Effects<'t>) -> Head {
    let mut is_first = true;
    loop {
        while cursor.take_mark(b'(') {}
        let token = cursor.token();
        if token.kind != Kind::Word {
            let is_empty = token.ends_statement() && is_first;
            return Head::new(if is_empty { Class::Empty } else { Class::Other });
        }
        is_first = false;
        let mut upper = [0; 16];
        let Some(word) = upper.get_mut(..token.bytes.len()) else { return Head::new(Class::Other) };
        word.copy_from_slice(token.bytes);
        word.make_ascii_uppercase();
        let at_word = *cursor;
        cursor.bump();
        return match &*word {
            b"SELECT" | b"VALUES" | b"TABLE" | b"SHOW" | b"DO" | b"HELP" | b"CHECKSUM" => {
                Head::new(Class::Reads)
            }
            b"INSERT" | b"REPLACE" | b"UPDATE" | b"DELETE" => {
                Head { class: Class::Writes, rest: Rest::Write(Targets::of(word)) }
            }
            b"WITH" => Head::new(with_class(cursor)),
            b"EXPLAIN" | b"DESCRIBE" | b"DESC" | b"ANALYZE" => match explain(cursor, word, effects) {
                // EXPLAIN ANALYZE executes the statement, as ANALYZE does in MariaDB.
                None => continue,
                Some(head) => head,
            },
            b"SET" => match set::read(cursor, dialect, effects) {
                // SET STATEMENT ... FOR the statement.
                None => continue,
                Some(head) => head,
            },
            b"LOAD" => load(cursor, effects),
            b"CALL" => Head { class: Class::Calls, rest: Rest::Look(Assigns::All) },
            b"GET" => {
                effects.push(Effect::UsesDiagnostics);
                Head { class: Class::Other, rest: Rest::Look(Assigns::Equal) }
            }
            b"USE" => {
                effects.extend(cursor.take_name().map(Effect::Use));
                Head::new(Class::Other)
            }
            b"KILL" => kill::read(cursor, effects),
            // A clone replaces all data, and restarts the server.
            b"SHUTDOWN" | b"RESTART" | b"CLONE" => {
                effects.push(Effect::Shutdown);
                Head::new(Class::Other)
            }
            b"PREPARE" | b"EXECUTE" | b"DEALLOCATE" => prepared::read(cursor, word, effects),
            b"BEGIN" if dialect.is_mariadb && !transaction::is_begin(cursor) => {
                *cursor = at_word;
                Head { class: Class::Other, rest: Rest::Block }
            }
            b"IF" | b"CASE" | b"LOOP" | b"WHILE" | b"REPEAT" | b"FOR" | b"DECLARE" if dialect.is_mariadb => {
                *cursor = at_word;
                Head { class: Class::Other, rest: Rest::Block }
            }
            b"BEGIN" | b"START" | b"COMMIT" | b"ROLLBACK" | b"SAVEPOINT" | b"RELEASE" | b"XA" | b"STOP" => {
                transaction::read(cursor, word, effects)
            }
            b"LOCK" | b"UNLOCK" | b"FLUSH" | b"BACKUP" | b"HANDLER" => locks::read(cursor, word, effects),
            b"CREATE" | b"ALTER" | b"DROP" | b"RENAME" | b"TRUNCATE" => {
                define::read(cursor, word, dialect, effects)
            }
            b"GRANT" | b"REVOKE" => {
                effects.push(Effect::Accounts);
                effects.push(Effect::ImplicitCommit);
                Head::new(Class::Defines)
            }
            b"RESET" => {
                if !cursor.is("PERSIST") {
                    effects.push(Effect::ImplicitCommit);
                }
                Head::new(Class::Other)
            }
            // MariaDB's CHANGE MASTER does not commit, whatever its manual says.
            b"CHANGE" if dialect.is_mariadb => Head::new(Class::Other),
            b"CHECK" | b"OPTIMIZE" | b"REPAIR" | b"CACHE" | b"INSTALL" | b"UNINSTALL" | b"CHANGE"
            | b"IMPORT" => {
                effects.push(Effect::ImplicitCommit);
                Head::new(Class::Other)
            }
            _ => Head::new(Class::Other),
        };
    }
}

/// WITH ... SELECT, UPDATE or DELETE.
fn with_class(cursor: &mut Cursor<'_>) -> Class {
    while !cursor.ends_statement() {
        if cursor.is_mark(b'(') {
            cursor.skip_parentheses();
            continue;
        }
        let token = cursor.bump();
        if token.is("SELECT") {
            return Class::Reads;
        }
        if ["UPDATE", "DELETE", "INSERT", "REPLACE"].iter().any(|verb| token.is(verb)) {
            return Class::Writes;
        }
    }
    Class::Reads
}

/// EXPLAIN and ANALYZE. Nothing is returned if the statement behind it is executed.
fn explain<'t>(cursor: &mut Cursor<'t>, word: &[u8], effects: &mut Effects<'t>) -> Option<Head> {
    let mut is_executed = word == b"ANALYZE";
    if is_executed {
        let mut ahead = *cursor;
        ahead.take_any(&["LOCAL", "NO_WRITE_TO_BINLOG"]);
        if ahead.is("TABLE") || ahead.is("TABLES") {
            effects.push(Effect::ImplicitCommit);
            return Some(Head::new(Class::Other));
        }
    }
    loop {
        match () {
            () if cursor.take("ANALYZE") => is_executed = true,
            () if cursor.take("FORMAT") => {
                cursor.take_mark(b'=');
                cursor.bump();
            }
            () if cursor.take("INTO") => effects.extend(cursor.take_variable().map(Effect::AssignsUnknown)),
            () if cursor.take_any(&["EXTENDED", "PARTITIONS"]) => {}
            () if cursor.take_all(&["FOR", "SCHEMA"]) || cursor.take_all(&["FOR", "DATABASE"]) => {
                cursor.bump();
            }
            () => break,
        }
    }
    (!is_executed).then_some(Head::skip(Class::Reads))
}

fn load<'t>(cursor: &mut Cursor<'t>, effects: &mut Effects<'t>) -> Head {
    if cursor.take("INDEX") {
        effects.push(Effect::ImplicitCommit);
        return Head::new(Class::Other);
    }
    if cursor.take_any(&["DATA", "XML"]) {
        cursor.take_any(&["LOW_PRIORITY", "CONCURRENT"]);
        if cursor.is("LOCAL") {
            effects.push(Effect::LoadLocal);
        }
    }
    Head { class: Class::Writes, rest: Rest::Look(Assigns::All) }
}

/// How a statement goes on behind its head.
pub(super) enum Rest {
    /// Its tokens are looked at, from the first one on.
    Look(Assigns),
    /// The same, for a statement that names tables that it writes there.
    Write(Targets),
    /// Nothing in it is executed.
    Skip,
    /// A stored program, which is not executed now: the cursor is in its head.
    Stored(Stored),
    /// A block that is executed now (MariaDB): the cursor is at its first word.
    Block,
}

/// What the head of a statement shows.
pub(super) struct Head {
    pub(super) class: Class,
    pub(super) rest: Rest,
}

impl Head {
    pub(super) const fn new(class: Class) -> Self {
        Self { class, rest: Rest::Look(Assigns::Usual) }
    }

    /// Where it may name tables that it writes.
    pub(super) fn targets(&self) -> Targets {
        match (&self.rest, self.class) {
            (Rest::Write(targets), _) => *targets,
            (_, Class::Writes | Class::Defines) => Targets::Anywhere,
            _ => Targets::Nowhere,
        }
    }

    pub(super) fn assigns(&self) -> Assigns {
        match self.rest {
            Rest::Look(assigns) => assigns,
            _ => Assigns::Usual,
        }
    }

    const fn skip(class: Class) -> Self {
        Self { class, rest: Rest::Skip }
    }
}
