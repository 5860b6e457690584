//! Passwords in libpq's form (`~/.pgpass`): lines of `host:port:database:user:password`, the first that fits counts. Source:
//! postgresql.org, "The Password File".

use thiserror::Error;
use zeroize::Zeroizing;

/// The lines of a password file.
#[derive(Clone, Default)]
pub struct Pgpass(Vec<Line>);

impl std::fmt::Debug for Pgpass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passwords", self.0.len())
    }
}

#[derive(Clone)]
struct Line {
    number: usize,
    /// Host, port, database and user; none fits every one.
    fields: [Option<Vec<u8>>; 4],
    password: Zeroizing<Vec<u8>>,
}

/// A line is none; counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("line {0}: it must be host:port:database:user:password")]
pub struct NoLine(pub usize);

impl Pgpass {
    /// Reads the content of a file.
    ///
    /// # Errors
    ///
    /// If a line is none.
    pub fn parse(content: &[u8]) -> Result<Self, NoLine> {
        let mut lines = Vec::new();
        for (at, line) in content.split(|byte| *byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() && !line.starts_with(b"#") {
                lines.push(Line::read(at + 1, line).ok_or(NoLine(at + 1))?);
            }
        }
        Ok(Self(lines))
    }

    /// The password of `user` in `database` of the server at this port, which has any of the names.
    #[must_use]
    pub fn password(&self, hosts: &[&str], port: u16, database: &[u8], user: &[u8]) -> Option<&[u8]> {
        let port = port.to_string();
        let is = |field: &Option<Vec<u8>>, value: &[u8]| field.as_ref().is_none_or(|field| field == value);
        let fits = |line: &&Line| {
            let [of_host, of_port, of_database, of_user] = &line.fields;
            hosts.iter().any(|host| is(of_host, host.as_bytes()))
                && is(of_port, port.as_bytes())
                && is(of_database, database)
                && is(of_user, user)
        };
        self.0.iter().find(fits).map(|line| line.password.as_slice())
    }

    /// All passwords, each with its line.
    pub fn passwords(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.0.iter().map(|line| (line.number, line.password.as_slice()))
    }
}

impl Line {
    fn read(number: usize, line: &[u8]) -> Option<Self> {
        let mut rest = line;
        let mut fields = [const { None }; 4];
        for field in &mut fields {
            let (text, after) = field_of(rest)?;
            *field = (text != b"*").then_some(text);
            rest = after;
        }
        let password = field_of(rest).map_or_else(|| unescaped(rest), |(password, _)| password);
        Some(Self { number, fields, password: Zeroizing::new(password) })
    }
}

/// The text up to a colon, and what comes after that.
fn field_of(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut is_escaped = false;
    let end = line.iter().position(|byte| {
        let ends = *byte == b':' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    })?;
    Some((unescaped(line.get(..end)?), line.get(end + 1..)?))
}

/// Without the backslashes before colons and backslashes.
fn unescaped(text: &[u8]) -> Vec<u8> {
    // A buffer that grows would leave copies in memory.
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        plain.push(match (byte, bytes.peek()) {
            (b'\\', Some(_)) => bytes.next().unwrap_or(byte),
            _ => byte,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let content = b"# a comment\n\n10.0.0.18:5432:shop:app:one\n*:*:a\\:b:app:t\\\\w\\:o\r\nlocalhost:*:*:*:local\n\
                       *:5433:*:app:three:rest";
        let pgpass = Pgpass::parse(content).unwrap();
        for (hosts, port, database, user, expected) in [
            (&["10.0.0.18"][..], 5432, "shop", "app", Some("one")),
            (&["10.0.0.19"], 5432, "shop", "app", None),
            (&["10.0.0.19"], 5432, "a:b", "app", Some("t\\w:o")),
            (&["127.0.0.1", "localhost"], 9, "x", "y", Some("local")),
            (&["127.0.0.1"], 9, "x", "y", None),
            (&["10.0.0.19"], 5433, "x", "app", Some("three")),
            (&["10.0.0.19"], 5433, "x", "other", None),
        ] {
            let password = pgpass.password(hosts, port, database.as_bytes(), user.as_bytes());
            assert_eq!(password, expected.map(str::as_bytes), "{hosts:?} {database}");
        }
        assert_eq!(pgpass.passwords().map(|(line, _)| line).collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert_eq!(format!("{pgpass:?}"), "4 passwords");
        assert_eq!(Pgpass::parse(b"\n::1:x\n").unwrap_err(), NoLine(2));
    }
}
