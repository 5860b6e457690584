//! What the online server tells of one connection, and the statements that bring a new connection into the same state.

use super::literal::{is_certain, literal, name, quoted};
use crate::wire::capabilities::Capabilities;

/// Servers keep so much of a statement's text, in bytes: one that has as many is cut.
pub(crate) const TEXT_MAX: usize = 1024;

/// One connection, as the online server describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The id that KILL names it by.
    pub(crate) id: u32,
    /// Of the server.
    pub(crate) capabilities: Capabilities,
    pub(crate) user: Vec<u8>,
    pub(crate) database: Vec<u8>,
    /// What the client has prepared and not closed, by the id that it names it by.
    pub(crate) statements: Vec<Prepared>,
    /// The same, of SQL's PREPARE.
    pub(super) named: Vec<(Vec<u8>, Box<[u8]>)>,
    pub(super) user_variables: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Those that differ from the server's global ones.
    pub(super) session_variables: Vec<(String, Vec<u8>)>,
    pub(crate) unsaid: Unsaid,
}

/// A statement that the client has prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) id: u32,
    /// `None` if the server has cut it.
    pub(crate) text: Option<Box<[u8]>>,
}

/// The transaction that a connection is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Nobody knows whether it is in one.
    #[default]
    Perhaps,
    No,
    /// It has done nothing but read.
    Read,
    /// It has changed or locked rows.
    Wrote,
}

/// State that cannot be brought to another connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unsaid {
    pub(crate) transaction: Begun,
    pub(crate) table_lock: bool,
    pub(crate) user_lock: bool,
    pub(crate) temporary_table: bool,
}

/// The position of a session variable among the statements.
fn rank(name: &str) -> u8 {
    match name {
        // They decide how all texts that follow are read.
        "character_set_client"
        | "character_set_connection"
        | "character_set_results"
        | "collation_connection" => 2,
        // It is changed by nothing that follows.
        "autocommit" | "last_insert_id" => 3,
        _ => 0,
    }
}

impl Entry {
    /// The text of a statement that was prepared, if it is whole.
    pub(super) fn add_statement(&mut self, id: u32, named: Option<&[u8]>, text: &[u8]) {
        let text = (text.len() < TEXT_MAX).then(|| text.into());
        match (named, text) {
            (None, text) => self.statements.push(Prepared { id, text }),
            (Some(name), Some(text)) => self.named.push((name.to_vec(), text)),
            (Some(_), None) => {}
        }
    }

    /// The statements to say before the client's own are prepared again: they decide how those are read.
    pub(crate) fn before_prepares(&self) -> Vec<Vec<u8>> {
        self.session_variables_of(0).collect()
    }

    /// The statements to say after that.
    pub(crate) fn after_prepares(&self) -> Vec<Vec<u8>> {
        let named = self.named.iter().filter_map(|(it, text)| {
            Some([&b"PREPARE "[..], &name(it)[..], b" FROM ", &quoted(text)?].concat())
        });
        let user_variables = self
            .user_variables
            .iter()
            .map(|(it, value)| [&b"SET @"[..], &name(it)[..], b" = ", &literal(value.as_deref())].concat());
        named
            .chain(user_variables)
            .chain(self.session_variables_of(2))
            .chain(self.session_variables_of(3))
            .collect()
    }

    /// The user variables whose values may be others than [`Entry::after_prepares`] says.
    pub(crate) fn uncertain_variables(&self) -> impl Iterator<Item = &[u8]> {
        let variables = self.user_variables.iter().filter(|(_, value)| !is_certain(value.as_deref()));
        variables.map(|(it, _)| &it[..])
    }

    fn session_variables_of(&self, of: u8) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.session_variables.iter().filter(move |(name, _)| rank(name) == of).filter_map(|(name, value)| {
            Some([&b"SET SESSION "[..], name.as_bytes(), b" = ", &session_value(name, value)?].concat())
        })
    }
}

/// The value of a session variable as SQL. `None` if it may be none: it comes from the network.
fn session_value(name: &str, value: &[u8]) -> Option<Vec<u8>> {
    if name == "character_set_results" && value.is_empty() {
        return Some(b"NULL".to_vec());
    }
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-+,.:/ ".contains(byte);
    if value.len() > 512 || !value.iter().all(is_plain) {
        return None;
    }
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    Some(if is_number { value.to_vec() } else { [b"'", value, b"'"].concat() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(statements: Vec<Vec<u8>>) -> Vec<String> {
        statements.into_iter().map(|it| String::from_utf8(it).unwrap()).collect()
    }

    #[test]
    fn state_is_said_in_an_order_in_which_nothing_depends_on_what_follows() {
        let variable = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let entry = Entry {
            named: vec![(b"s".to_vec(), (*b"SELECT 'a'").into())],
            user_variables: vec![
                (b"a".to_vec(), Some(b"1".to_vec())),
                (b"b`".to_vec(), None),
                (b"c".to_vec(), Some(b"x".to_vec())),
            ],
            session_variables: vec![
                variable("autocommit", "OFF"),
                variable("character_set_client", "latin1"),
                variable("character_set_results", ""),
                variable("sql_mode", "ANSI_QUOTES,STRICT_TRANS_TABLES"),
                variable("time_zone", "+03:00"),
                variable("wait_timeout", "60'; DROP"),
                variable("last_insert_id", "42"),
            ],
            ..Entry::default()
        };
        assert_eq!(
            said(entry.before_prepares()),
            ["SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES'", "SET SESSION time_zone = '+03:00'"]
        );
        assert_eq!(
            said(entry.after_prepares()),
            [
                "PREPARE `s` FROM 'SELECT ''a'''",
                "SET @`a` = 1",
                "SET @`b``` = NULL",
                "SET @`c` = _utf8mb4 x'78'",
                "SET SESSION character_set_client = 'latin1'",
                "SET SESSION character_set_results = NULL",
                "SET SESSION autocommit = 'OFF'",
                "SET SESSION last_insert_id = 42",
            ]
        );
        assert!(entry.uncertain_variables().eq([&b"a"[..], b"b`"]));
    }

    #[test]
    fn a_text_that_the_server_has_cut_is_none() {
        let mut entry = Entry::default();
        entry.add_statement(1, None, &[b'x'; TEXT_MAX]);
        entry.add_statement(2, None, b"DO 1");
        entry.add_statement(3, Some(b"s"), &[b'x'; TEXT_MAX]);
        assert_eq!(entry.statements[0], Prepared { id: 1, text: None });
        assert_eq!(entry.statements[1].text.as_deref(), Some(&b"DO 1"[..]));
        assert!(entry.named.is_empty());
    }
}
