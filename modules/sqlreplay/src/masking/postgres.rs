//! Statements that carry passwords: those of roles, of foreign servers, and in the connection strings of functions.

use super::{mentions, replace_tokens};
use crate::protocol::Protocol;
use crate::sql::{Token, Tokens};

/// The statement without its passwords; `None` if it has none.
pub(super) fn masked(sql: &[u8]) -> Option<Vec<u8>> {
    // Nearly all statements end here.
    if !mentions(sql, b"passw") && !mentions(sql, b"scram-sha-256$") && !mentions(sql, b"md5") {
        return None;
    }
    let mut found = false;
    let mut reading = Reading::default();
    let text = replace_tokens(sql, Protocol::Postgres, |token| {
        let is_secret = reading.is_secret(token);
        found |= is_secret;
        is_secret.then_some(b"'***'")
    });
    // With standard_conforming_strings off, a backslash before the quote does not end the string: what follows is
    // a part of the password.
    let is_unsure = found
        && Tokens::new(sql, Protocol::Postgres)
            .any(|token| matches!(token, Token::Literal(text) if text.ends_with(b"\\'")));
    if is_unsure {
        return Some(b"/* a statement with a password */".to_vec());
    }
    found.then_some(text)
}

/// What the tokens so far say about the next.
#[derive(Debug, Default)]
struct Reading {
    /// The current statement begins with CREATE, ALTER or the like.
    defines: Option<bool>,
    /// The word PASSWORD was read, and what may stand between it and the password.
    awaits: bool,
}

impl Reading {
    fn is_secret(&mut self, token: &Token<'_>) -> bool {
        match token {
            Token::Other(b';') => *self = Self::default(),
            Token::Word(word) => {
                self.defines.get_or_insert_with(|| is_definition(word));
                // U&'...' is a string, too; the words of the grammar that may follow PASSWORD are no passwords.
                self.awaits = word.to_ascii_lowercase().ends_with(b"password")
                    || (self.awaits && word.eq_ignore_ascii_case(b"u"));
            }
            Token::Literal(text) => {
                // Several literals in a row are one string, so it goes on awaiting.
                return (self.awaits && self.defines == Some(true)) || is_secret_text(text);
            }
            Token::Other(b'=' | b'&' | b'>' | b':') => {}
            _ => self.awaits = false,
        }
        false
    }
}

fn is_definition(word: &[u8]) -> bool {
    [&b"create"[..], b"alter", b"set", b"do", b"security"].iter().any(|it| word.eq_ignore_ascii_case(it))
}

/// Whether a string is a stored password, a connection string with a password, or a statement with one.
fn is_secret_text(literal: &[u8]) -> bool {
    let inside = literal.split(|byte| *byte == b'\'').nth(1).unwrap_or_default();
    let is_md5 =
        inside.len() == 35 && inside.starts_with(b"md5") && inside.iter().skip(3).all(u8::is_ascii_hexdigit);
    let is_connection = [&b"password="[..], b"password ="].iter().any(|it| mentions(literal, it))
        || (mentions(literal, b"://") && literal.contains(&b'@') && mentions(literal, b"postgres"));
    let is_statement = mentions(literal, b"password")
        && [&b"user"[..], b"role"].iter().any(|it| mentions(literal, it))
        && [&b"create"[..], b"alter"].iter().any(|it| mentions(literal, it));
    is_md5 || mentions(literal, b"scram-sha-256$") || is_connection || is_statement
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_kept() {
        for sql in [
            "ALTER USER app PASSWORD 'hunter2'",
            "alter role \"app\" with login encrypted password /* x */ 'hunter2' valid until 'infinity'",
            "CREATE USER a PASSWORD E'hun\\'ter2'; SELECT 1",
            "SELECT 1; CREATE ROLE a LOGIN PASSWORD\n $x$hunter2$x$",
            "ALTER USER a PASSWORD 'hun'\n'ter2'",
            "ALTER USER a PASSWORD U&'hunter2'",
            "ALTER USER a PASSWORD 'x\\'hunter2' VALID UNTIL 'now'",
            "ALTER USER app PASSWORD 'SCRAM-SHA-256$4096:hunter2==$a:ter2='",
            "UPDATE pg_authid SET rolpassword = 'md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
            "UPDATE pg_authid SET x = 'SCRAM-SHA-256$4096:hunter2'",
            "CREATE USER MAPPING FOR app SERVER s OPTIONS (user 'u', password 'hunter2')",
            "CREATE SUBSCRIPTION s CONNECTION 'host=x password=hunter2' PUBLICATION p",
            "CREATE SUBSCRIPTION s CONNECTION 'postgresql://u:hunter2@h/passwords' PUBLICATION p",
            "SELECT dblink_connect('password = hunter2')",
            "DO $$ BEGIN EXECUTE 'ALTER USER a PASSWORD ''hunter2'''; END $$",
            "SELECT format('CREATE ROLE %I PASSWORD %L', 'a', 'x'), 'ALTER ROLE a PASSWORD ''hunter2'''",
        ] {
            let text = masked(sql.as_bytes()).unwrap_or_else(|| panic!("{sql}"));
            let text = String::from_utf8(text).unwrap();
            assert!(!["hun", "ter2", "aaaa"].iter().any(|part| text.contains(part)), "{text}");
        }
    }

    #[test]
    fn other_statements_are_left_as_they_are() {
        for sql in [
            "SELECT password FROM users WHERE name = 'x'",
            "UPDATE users SET password = 'x' WHERE id = 1",
            "CREATE TABLE users (password text DEFAULT 'x')",
            "ALTER ROLE app SET search_path = 'a'",
            "SELECT md5('x')",
            "ALTER USER app PASSWORD NULL",
        ] {
            assert_eq!(masked(sql.as_bytes()), None, "{sql}");
        }
    }
}
