//! MySQL's statements that carry passwords: those of accounts, replicas and foreign servers, and the functions that hash
//! them.

use super::{mentions, replace_tokens};
use crate::protocol::Protocol;
use crate::sql::{Token, Tokens};

/// The statement without its passwords; `None` if it has none.
pub(super) fn masked(sql: &[u8]) -> Option<Vec<u8>> {
    if !is_suspect(sql) {
        return None;
    }
    let mut found = false;
    let mut reading = Reading::default();
    let text = replace_tokens(sql, Protocol::Mysql, |token| {
        let is_secret = reading.is_secret(token);
        found |= is_secret;
        is_secret.then_some(b"'***'")
    });
    // With NO_BACKSLASH_ESCAPES, a backslash before the quote does not keep the string open: what follows is cut elsewhere.
    let is_unsure = found
        && Tokens::new(sql, Protocol::Mysql)
            .any(|token| matches!(token, Token::Literal(text) if text.contains(&b'\\')));
    if is_unsure {
        return Some(b"/* a statement with a password */".to_vec());
    }
    found.then_some(text)
}

/// Whether parameters of the prepared statement are passwords.
pub(super) fn has_secret_parameters(sql: &[u8]) -> bool {
    if !is_suspect(sql) {
        return false;
    }
    let mut reading = Reading::default();
    Tokens::new(sql, Protocol::Mysql).any(|token| reading.is_secret(&token))
}

/// Nearly all statements are not.
fn is_suspect(sql: &[u8]) -> bool {
    // `*` and 40 digits, `$A$005$`: stored hashes.
    [&b"passw"[..], b"identified", b"$a$", b"'*", b"\"*", b"mysql://"].iter().any(|word| mentions(sql, word))
}

/// What the tokens so far say about the next.
#[derive(Debug, Default)]
struct Reading {
    /// The current statement defines accounts or the like: all its strings behind a word for passwords are secret.
    defines: Option<bool>,
    /// CREATE and ALTER are followed by what they define.
    second: u8,
    has_password: bool,
    /// IDENTIFIED BY, WITH or VIA was read: whatever the statement is, it defines accounts.
    identified: Identified,
    /// A function that hashes a password has begun.
    hashes: Hashes,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Identified {
    #[default]
    No,
    /// The word before was IDENTIFIED.
    Begun,
    Yes,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Hashes {
    #[default]
    No,
    /// Its name was read.
    Named,
    /// So was its parenthesis.
    Inside,
}

impl Reading {
    fn is_secret(&mut self, token: &Token<'_>) -> bool {
        match token {
            Token::Other(b';') => *self = Self::default(),
            Token::Word(word) => self.word(word),
            Token::Literal(_) | Token::Parameter(_) => {
                return (self.defines == Some(true) && self.has_password)
                    || self.identified == Identified::Yes
                    || self.hashes == Hashes::Inside
                    || matches!(token, Token::Literal(text) if is_secret_text(text));
            }
            Token::Other(b'(') if self.hashes == Hashes::Named => self.hashes = Hashes::Inside,
            Token::Other(b')') => self.hashes = Hashes::No,
            _ if self.hashes == Hashes::Named => self.hashes = Hashes::No,
            _ => {}
        }
        false
    }

    fn word(&mut self, word: &[u8]) {
        let is = |words: &[&str]| words.iter().any(|it| word.eq_ignore_ascii_case(it.as_bytes()));
        self.second = self.second.saturating_add(1);
        let defines = self
            .defines
            .get_or_insert_with(|| is(&["create", "alter", "grant", "set", "change", "start", "replace"]));
        // The columns of a table may have any name.
        if self.second <= 4 && is(&["table", "view", "procedure", "function", "trigger", "event", "index"]) {
            *defines = false;
        }
        self.identified = match self.identified {
            Identified::Begun if is(&["by", "with", "via"]) => Identified::Yes,
            Identified::Yes => Identified::Yes,
            _ if is(&["identified"]) => Identified::Begun,
            _ => Identified::No,
        };
        let lower = word.to_ascii_lowercase();
        self.has_password |= lower == b"identified" || lower.ends_with(b"password");
        if is(&["password", "old_password"]) {
            self.hashes = Hashes::Named;
        }
    }
}

/// Whether a string is a stored password, an address with a password, or a statement with one.
fn is_secret_text(literal: &[u8]) -> bool {
    let inside = literal.get(1..literal.len().saturating_sub(1)).unwrap_or_default();
    let is_native =
        inside.len() == 41 && inside.starts_with(b"*") && inside.iter().skip(1).all(u8::is_ascii_hexdigit);
    let is_address = mentions(inside, b"mysql://") && inside.contains(&b'@');
    let is_statement = mentions(inside, b"identified")
        || (mentions(inside, b"password")
            && [&b"set "[..], b"change "].iter().any(|it| mentions(inside, it)));
    is_native || mentions(inside, b"$a$0") || is_address || is_statement
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_kept() {
        for sql in [
            "CREATE USER app@'%' IDENTIFIED BY 'hunter2'",
            "create user if not exists `a` identified with caching_sha2_password by \"hunter2\" replace 'ter2'",
            "ALTER USER a IDENTIFIED BY 'hun\\'ter2' PASSWORD EXPIRE",
            "GRANT ALL ON *.* TO a IDENTIFIED BY PASSWORD '*AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'",
            "SET PASSWORD = 'hunter2'",
            "SET PASSWORD FOR 'a'@'%' = PASSWORD('hunter2')",
            "SELECT 1; /*!50000 SET PASSWORD FOR a = 'hunter2' */",
            "SELECT PASSWORD('hunter2'), OLD_PASSWORD ( 'hunter2' )",
            "UPDATE mysql.user SET authentication_string = '*AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'",
            "UPDATE mysql.user SET x = '$A$005$hunter2'",
            "CHANGE MASTER TO MASTER_HOST='x', MASTER_PASSWORD='hunter2'",
            "CHANGE REPLICATION SOURCE TO SOURCE_USER='a', SOURCE_PASSWORD='hunter2'",
            "START REPLICA USER='a' PASSWORD='hunter2'",
            "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'a', PASSWORD 'hunter2')",
            "CREATE TABLE t (a int) ENGINE=FEDERATED CONNECTION='mysql://a:hunter2@host/db/t'",
            "PREPARE s FROM 'ALTER USER a IDENTIFIED BY \"hunter2\"'",
            "CREATE USER a IDENTIFIED VIA ed25519 USING PASSWORD('hunter2') OR unix_socket",
            "GRANT TRIGGER ON shop.* TO 'bi'@'%' IDENTIFIED BY 'hunter2'",
            "GRANT SELECT, INDEX ON t TO u IDENTIFIED BY 'hunter2'",
            "GRANT EXECUTE ON PROCEDURE p TO u IDENTIFIED WITH x AS 'hunter2'",
            "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO ALTER USER a IDENTIFIED BY 'hunter2'",
            "BEGIN NOT ATOMIC ALTER USER a IDENTIFIED /* x */ BY 'hunter2'; END",
            "EXPLAIN ANALYZE GRANT EVENT ON t TO u IDENTIFIED VIA ed25519 USING 'hunter2'",
        ] {
            let text = masked(sql.as_bytes()).unwrap_or_else(|| panic!("{sql}"));
            let text = String::from_utf8(text).unwrap();
            assert!(!["hun", "ter2", "AAAA"].iter().any(|part| text.contains(part)), "{text}");
        }
        assert!(has_secret_parameters(b"SELECT PASSWORD(?)"));
        assert!(has_secret_parameters(b"ALTER USER a IDENTIFIED BY ?"));
        assert!(has_secret_parameters(b"GRANT TRIGGER ON shop.* TO u IDENTIFIED BY ?"));
    }

    #[test]
    fn other_statements_are_left_as_they_are() {
        for sql in [
            "SELECT password FROM users WHERE name = 'x'",
            "UPDATE users SET password = 'x' WHERE id = 1",
            "INSERT INTO users (name, password) VALUES ('a', 'x')",
            "CREATE TABLE users (password varchar(20) DEFAULT 'x')",
            "SELECT '*', 'identify'",
            "DROP USER a",
            "SET @a = 'x'",
        ] {
            assert_eq!(masked(sql.as_bytes()), None, "{sql}");
        }
        assert!(!has_secret_parameters(b"UPDATE users SET password = ? WHERE id = ?"));
    }
}
