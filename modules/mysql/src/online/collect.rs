//! Makes an entry for each connection of the rows that the online server sends.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use module_kit::Endpoint;

use super::entry::{Begun, Entry};
use super::named;
use super::questions::Question;
use crate::wire::capabilities::Capabilities;

/// The rows of one question's answer, so far.
#[derive(Debug, Default)]
pub(super) struct Collected {
    capabilities: Capabilities,
    /// By the connection's id.
    connections: HashMap<u64, Connection>,
    /// Connections by thread.
    threads: HashMap<u64, u64>,
}

#[derive(Debug)]
struct Connection {
    client: Endpoint,
    /// It has begun a transaction.
    has_begun: bool,
    /// InnoDB has a transaction of it, which has changed or locked rows, or has not.
    innodb: Option<bool>,
    entry: Entry,
}

impl Connection {
    /// `is_told`: the server tells of all transactions that were begun.
    fn transaction(&self, is_told: bool) -> Begun {
        match self.innodb {
            // What InnoDB has without that may be the transaction of one statement. It cannot be told apart: the server has
            // not told of statements and of transactions at one moment.
            Some(true) if self.has_begun => Begun::Wrote,
            _ if self.has_begun => Begun::Read,
            _ if is_told => Begun::No,
            _ => Begun::Perhaps,
        }
    }
}

impl Collected {
    pub(super) fn new(capabilities: Capabilities) -> Self {
        Self { capabilities, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// The list is missing, or some client other than `user` has no database in it: `performance_schema` is read without a lock,
    /// and tells none while a statement begins or ends.
    pub(super) fn lacks_databases(&self, user: &[u8]) -> bool {
        let lacks = |entry: &Entry| entry.database.is_empty() && entry.user != user;
        self.is_empty() || self.connections.values().any(|connection| lacks(&connection.entry))
    }

    /// Whether the server knows its threads: it does not without `performance_schema`.
    pub(super) fn knows_threads(&self) -> bool {
        !self.threads.is_empty()
    }

    /// A row of the answer to `question`. One that cannot be read is left out.
    pub(super) fn row(&mut self, question: Question, row: &[Option<&[u8]>]) {
        let _ = match (question, row) {
            (Question::Connections | Question::ConnectionsOfOld, [id, user, host, database, _]) => {
                self.connection(*id, *user, *host, *database)
            }
            (Question::Threads, [thread, id]) => self.thread(*thread, *id),
            (Question::Statements, [thread, id, name, text]) => self.statement(*thread, *id, *name, *text),
            (Question::UserVariables, [thread, name, value]) => self.user_variable(*thread, *name, *value),
            (Question::SessionVariables, [thread, name, value]) => {
                self.session_variable(*thread, *name, *value)
            }
            (Question::InnodbTransactions, [id, changed, locked]) => {
                self.innodb_transaction(*id, *changed, *locked)
            }
            (Question::Transactions, [thread]) => self.transaction(*thread),
            (Question::Locks, [thread, kind]) => self.lock(*thread, *kind),
            (Question::TemporaryTables, [id]) => self.temporary_table(*id),
            _ => None,
        };
    }

    /// The entries, by the client's end, and whether clients could not be told apart.
    pub(super) fn entries(self) -> (HashMap<Endpoint, Entry>, bool) {
        let mut entries = HashMap::new();
        let mut twice = Vec::new();
        let is_told = self.capabilities.has(Capabilities::MYSQL) && self.knows_threads();
        for mut connection in self.connections.into_values() {
            connection.entry.unsaid.transaction = connection.transaction(is_told);
            let Connection { client, entry, .. } = connection;
            if entries.insert(client, entry).is_some() {
                twice.push(client);
            }
        }
        // Names of clients are no part of a key: two of them may have the same port.
        twice.iter().for_each(|client| drop(entries.remove(client)));
        (entries, !twice.is_empty())
    }

    fn connection(
        &mut self,
        id: Option<&[u8]>,
        user: Option<&[u8]>,
        host: Option<&[u8]>,
        database: Option<&[u8]>,
    ) -> Option<()> {
        let id = number(id)?;
        if let Some(known) = self.connections.get_mut(&id) {
            // A second list.
            if known.entry.database.is_empty() {
                known.entry.database = database.unwrap_or_default().to_vec();
            }
            return Some(());
        }
        let entry = Entry {
            id: u32::try_from(id).ok()?,
            capabilities: self.capabilities,
            user: user.filter(|user| *user != b"unauthenticated user")?.to_vec(),
            database: database.unwrap_or_default().to_vec(),
            ..Entry::default()
        };
        let connection = Connection { client: client_of(host?)?, has_begun: false, innodb: None, entry };
        self.connections.insert(id, connection);
        Some(())
    }

    fn thread(&mut self, thread: Option<&[u8]>, id: Option<&[u8]>) -> Option<()> {
        let id = number(id).filter(|id| self.connections.contains_key(id))?;
        self.threads.insert(number(thread)?, id);
        Some(())
    }

    fn of_thread(&mut self, thread: Option<&[u8]>) -> Option<&mut Connection> {
        self.connections.get_mut(self.threads.get(&number(thread)?)?)
    }

    fn statement(
        &mut self,
        thread: Option<&[u8]>,
        id: Option<&[u8]>,
        name: Option<&[u8]>,
        text: Option<&[u8]>,
    ) -> Option<()> {
        let id = u32::try_from(number(id)?).ok()?;
        self.of_thread(thread)?.entry.add_statement(id, name, text?);
        Some(())
    }

    fn user_variable(
        &mut self,
        thread: Option<&[u8]>,
        name: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Option<()> {
        let variable = (name?.to_vec(), value.map(<[u8]>::to_vec));
        self.of_thread(thread)?.entry.user_variables.push(variable);
        Some(())
    }

    fn session_variable(
        &mut self,
        thread: Option<&[u8]>,
        name: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Option<()> {
        let name = std::str::from_utf8(name?).ok().filter(|name| is_variable(name))?.to_owned();
        let value = value?.to_vec();
        if name == "last_insert_id" && value == b"0" {
            return None;
        }
        self.of_thread(thread)?.entry.session_variables.push((name, value));
        Some(())
    }

    fn innodb_transaction(
        &mut self,
        id: Option<&[u8]>,
        changed: Option<&[u8]>,
        locked: Option<&[u8]>,
    ) -> Option<()> {
        let has_written = number(changed) != Some(0) || number(locked) != Some(0);
        self.connections.get_mut(&number(id)?)?.innodb = Some(has_written);
        Some(())
    }

    fn transaction(&mut self, thread: Option<&[u8]>) -> Option<()> {
        self.of_thread(thread)?.has_begun = true;
        Some(())
    }

    fn lock(&mut self, thread: Option<&[u8]>, kind: Option<&[u8]>) -> Option<()> {
        let is_user_lock = kind? == b"USER LEVEL LOCK" || kind? == b"User lock";
        let unsaid = &mut self.of_thread(thread)?.entry.unsaid;
        if is_user_lock {
            unsaid.user_lock = true
        } else {
            unsaid.table_lock = true
        }
        Some(())
    }

    fn temporary_table(&mut self, id: Option<&[u8]>) -> Option<()> {
        self.connections.get_mut(&number(id)?)?.entry.unsaid.temporary_table = true;
        Some(())
    }
}

fn number(text: Option<&[u8]>) -> Option<u64> {
    std::str::from_utf8(text?).ok()?.parse().ok()
}

/// A name that the questions ask for: it becomes a part of a statement.
fn is_variable(name: &str) -> bool {
    name.len() <= 64 && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The client's end: `10.0.0.1:40000`, `fd00::1:40000`, `name:40000`. `None` for one without a port, which is on the
/// server's host and not copied.
fn client_of(host: &[u8]) -> Option<Endpoint> {
    let host = std::str::from_utf8(host).ok()?;
    let (host, port) = host.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some(match address.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip.to_canonical(), port).into(),
        Err(_) => named(port),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> Endpoint {
        text.parse::<SocketAddr>().unwrap().into()
    }

    #[test]
    fn clients_are_found_by_their_address_or_else_by_their_port() {
        for (host, client) in [
            ("10.0.0.1:40000", "10.0.0.1:40000"),
            ("::ffff:10.0.0.1:40000", "10.0.0.1:40000"),
            ("fd00::1:40000", "[fd00::1]:40000"),
            ("[fd00::1]:40000", "[fd00::1]:40000"),
            ("app.example:40000", "0.0.0.0:40000"),
        ] {
            assert_eq!(client_of(host.as_bytes()), Some(end(client)), "{host}");
        }
        for host in ["localhost", "", "10.0.0.1", ":", "a:99999", "\u{0}"] {
            assert_eq!(client_of(host.as_bytes()), None, "{host}");
        }
    }

    #[test]
    fn a_transaction_is_told_by_what_it_has_done() {
        let of = |has_begun, innodb| {
            let entry = Entry::default();
            let client = end("10.0.0.1:1");
            let connection = Connection { client, has_begun, innodb, entry };
            (connection.transaction(true), connection.transaction(false))
        };
        assert_eq!(of(false, None), (Begun::No, Begun::Perhaps));
        assert_eq!(of(false, Some(true)), (Begun::No, Begun::Perhaps), "it may be that of one statement");
        assert_eq!(of(true, None), (Begun::Read, Begun::Read));
        assert_eq!(of(true, Some(false)), (Begun::Read, Begun::Read));
        assert_eq!(of(true, Some(true)), (Begun::Wrote, Begun::Wrote));
    }

    #[test]
    fn rows_are_put_together_by_thread() {
        let mut collected = Collected::new(Capabilities::MYSQL);
        let mut row = |question, row: &[&str]| {
            let row: Vec<_> = row.iter().map(|it| (*it != "NULL").then_some(it.as_bytes())).collect();
            collected.row(question, &row);
        };
        row(Question::Connections, &["7", "app", "10.0.0.1:40000", "shop", "0"]);
        row(Question::Connections, &["8", "app", "one.example:1", "NULL", "1"]);
        row(Question::Connections, &["9", "app", "two.example:1", "NULL", "1"]);
        row(Question::Connections, &["10", "app", "10.0.0.2:40000", "NULL", "1"]);
        row(Question::Threads, &["70", "7"]);
        row(Question::Threads, &["71", "123"]);
        row(Question::Statements, &["70", "1", "NULL", "SELECT ?"]);
        row(Question::Statements, &["70", "2", "s", "SELECT 2"]);
        row(Question::Statements, &["71", "1", "NULL", "SELECT 3"]);
        row(Question::Statements, &["garbage", "1", "NULL", "SELECT 3"]);
        row(Question::UserVariables, &["70", "a", "NULL"]);
        row(Question::SessionVariables, &["70", "sql_mode", ""]);
        row(Question::SessionVariables, &["70", "sql_mode; DROP", ""]);
        row(Question::SessionVariables, &["70", "last_insert_id", "0"]);
        row(Question::InnodbTransactions, &["7", "0", "3"]);
        row(Question::InnodbTransactions, &["10", "1", "1"]);
        row(Question::Transactions, &["70"]);
        row(Question::Locks, &["70", "USER LEVEL LOCK"]);
        row(Question::Locks, &["70"]);
        let (entries, are_alike) = collected.entries();
        assert!(are_alike);
        let entry = &entries[&end("10.0.0.1:40000")];
        assert_eq!((entry.id, &entry.user[..], &entry.database[..]), (7, &b"app"[..], &b"shop"[..]));
        assert_eq!(entry.statements.len(), 1);
        assert_eq!((entry.named.len(), entry.user_variables.len(), entry.session_variables.len()), (1, 1, 1));
        assert!(entry.unsaid.user_lock && !entry.unsaid.table_lock);
        assert_eq!(entry.unsaid.transaction, Begun::Wrote);
        let transaction = entries[&end("10.0.0.2:40000")].unsaid.transaction;
        assert_eq!(transaction, Begun::No, "it is that of the one statement");
        assert_eq!(entries.len(), 2, "two names with one port are none");
    }

    #[test]
    fn a_second_list_tells_the_databases_that_the_first_one_lacks() {
        let row = |id: &'static str, user: &'static str, database: Option<&'static str>| {
            [Some(id), Some(user), Some("10.0.0.1:40000"), database, Some("1")]
                .map(|it| it.map(str::as_bytes))
        };
        let mut collected = Collected::new(Capabilities::MYSQL);
        assert!(collected.lacks_databases(b"tcpcopy"), "there is no list");
        collected.row(Question::Connections, &row("8", "tcpcopy", None));
        assert!(!collected.lacks_databases(b"tcpcopy"), "that is the question itself");
        collected.row(Question::Connections, &row("7", "app", None));
        assert!(collected.lacks_databases(b"tcpcopy"));
        for database in [Some("shop"), None, Some("other")] {
            collected.row(Question::ConnectionsOfOld, &row("7", "app", database));
            assert!(!collected.lacks_databases(b"tcpcopy"));
            assert_eq!(collected.connections[&7].entry.database, b"shop");
        }
    }
}
