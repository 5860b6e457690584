//! What the online server tells of one connection, and the statements that bring a new connection into the same state.

use super::literal::{USUAL_COLLATION, is_certain, literal, name, quoted};
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
    /// The same, of SQL's PREPARE, by its name.
    pub(super) named: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub(super) user_variables: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Those that differ from the server's global ones, and character sets.
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
        "character_set_client" | "character_set_connection" | "character_set_results" => 2,
        // The character set sets it, too.
        "collation_connection" => 3,
        // It is changed by nothing that follows.
        "autocommit" | "last_insert_id" => 4,
        _ => 0,
    }
}

/// The character set that a login says of which nothing else is known ([`Hello::assumed`](crate::auth::hello::Hello::assumed)).
const ASSUMED: [(&str, &[u8]); 4] = [
    ("character_set_client", b"utf8mb4"),
    ("character_set_connection", b"utf8mb4"),
    ("character_set_results", b"utf8mb4"),
    ("collation_connection", b"utf8mb4_general_ci"),
];

impl Entry {
    /// The text of a statement that was prepared, if it is whole.
    pub(super) fn add_statement(&mut self, id: u32, named: Option<&[u8]>, text: &[u8]) {
        let text = Some(text).filter(|text| text.len() < TEXT_MAX);
        match named {
            None => self.statements.push(Prepared { id, text: text.map(Into::into) }),
            Some(name) => self.named.push((name.to_vec(), text.map(<[u8]>::to_vec))),
        }
    }

    /// The statements to say before the client's own are prepared again: they decide how those are read.
    pub(crate) fn before_prepares(&self) -> Vec<Vec<u8>> {
        self.session_variables_of(0).collect()
    }

    /// The statements to say after that.
    pub(crate) fn after_prepares(&self) -> Vec<Vec<u8>> {
        let collation = self.collation();
        let named = self.named.iter().filter_map(|(it, text)| {
            let text = text.as_deref().and_then(quoted)?;
            Some([&b"PREPARE "[..], &name(it)[..], b" FROM ", &text].concat())
        });
        let user_variables = self.user_variables.iter().map(|(it, value)| {
            [&b"SET @"[..], &name(it)[..], b" = ", &literal(value.as_deref(), collation)].concat()
        });
        named.chain(user_variables).chain((2..=4).flat_map(|rank| self.session_variables_of(rank))).collect()
    }

    /// What SQL has prepared, and [`Entry::after_prepares`] cannot say.
    pub(crate) fn unknown_named(&self) -> impl Iterator<Item = &[u8]> {
        let is_unknown = |text: &Option<Vec<u8>>| text.as_deref().and_then(quoted).is_none();
        self.named.iter().filter(move |(_, text)| is_unknown(text)).map(|(it, _)| &it[..])
    }

    /// The user variables whose values may be others than [`Entry::after_prepares`] says.
    pub(crate) fn uncertain_variables(&self) -> impl Iterator<Item = &[u8]> {
        let is_charset_known = self.collation().is_some();
        let variables = self
            .user_variables
            .iter()
            .filter(move |(_, value)| !is_certain(value.as_deref(), is_charset_known));
        variables.map(|(it, _)| &it[..])
    }

    /// The collation of the texts that the client writes, if the server tells it.
    fn collation(&self) -> Option<&str> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let (_, value) = self.session_variables.iter().find(|(name, _)| name == "collation_connection")?;
        std::str::from_utf8(value).ok().filter(|value| value.len() <= 64 && value.bytes().all(is_name))
    }

    /// A new connection has it already: by its login, or as the usual collation of its character set.
    fn is_had(&self, name: &str, value: &[u8]) -> bool {
        let is_assumed = |name: &str, value: &[u8]| ASSUMED.contains(&(name, value));
        let mut all = self.session_variables.iter();
        match name {
            // Also where only the collation is another: that of the login is not the usual one.
            "character_set_connection" => {
                is_assumed(name, value)
                    && all.any(|(name, value)| name == "collation_connection" && is_assumed(name, value))
            }
            "collation_connection" => is_assumed(name, value) || value == USUAL_COLLATION.as_bytes(),
            _ => is_assumed(name, value),
        }
    }

    fn session_variables_of(&self, of: u8) -> impl Iterator<Item = Vec<u8>> + '_ {
        let is_said = move |(name, value): &&(String, Vec<u8>)| rank(name) == of && !self.is_had(name, value);
        self.session_variables.iter().filter(is_said).filter_map(|(name, value)| {
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
            named: vec![
                (b"s".to_vec(), Some(b"SELECT 'a'".to_vec())),
                (b"cut".to_vec(), None),
                (b"escaped".to_vec(), Some(br"SELECT '\n'".to_vec())),
            ],
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
                variable("character_set_connection", "latin1"),
                variable("collation_connection", "latin1_bin"),
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
                "SET @`c` = _latin1 x'78' COLLATE latin1_bin",
                "SET SESSION character_set_client = 'latin1'",
                "SET SESSION character_set_results = NULL",
                "SET SESSION character_set_connection = 'latin1'",
                "SET SESSION collation_connection = 'latin1_bin'",
                "SET SESSION autocommit = 'OFF'",
                "SET SESSION last_insert_id = 42",
            ]
        );
        assert!(entry.uncertain_variables().eq([&b"a"[..], b"b`"]));
        assert!(entry.unknown_named().eq([&b"cut"[..], b"escaped"]));
    }

    /// A login without more has utf8mb4_general_ci.
    #[test]
    fn character_sets_are_said_where_a_login_has_others() {
        let of = |charset: &str, collation: &str| {
            let mut entry = Entry::default();
            for name in ["character_set_client", "character_set_connection", "character_set_results"] {
                entry.session_variables.push((name.to_owned(), charset.as_bytes().to_vec()));
            }
            entry.session_variables.push(("collation_connection".to_owned(), collation.as_bytes().to_vec()));
            said(entry.after_prepares()).join("; ").replace("SET SESSION ", "")
        };
        assert_eq!(of("utf8mb4", "utf8mb4_general_ci"), "");
        assert_eq!(of("utf8mb4", "utf8mb4_0900_ai_ci"), "character_set_connection = 'utf8mb4'");
        assert_eq!(
            of("utf8mb4", "utf8mb4_bin"),
            "character_set_connection = 'utf8mb4'; collation_connection = 'utf8mb4_bin'"
        );
        assert_eq!(
            of("latin1", "latin1_swedish_ci"),
            "character_set_client = 'latin1'; character_set_connection = 'latin1'; character_set_results = 'latin1'; \
             collation_connection = 'latin1_swedish_ci'"
        );
    }

    #[test]
    fn a_text_that_the_server_has_cut_is_none() {
        let mut entry = Entry::default();
        entry.add_statement(1, None, &[b'x'; TEXT_MAX]);
        entry.add_statement(2, None, b"DO 1");
        entry.add_statement(3, Some(b"s"), &[b'x'; TEXT_MAX]);
        assert_eq!(entry.statements[0], Prepared { id: 1, text: None });
        assert_eq!(entry.statements[1].text.as_deref(), Some(&b"DO 1"[..]));
        assert_eq!(entry.named, [(b"s".to_vec(), None)]);
    }
}
