//! Passwords in a file of libpq's form (`~/.pgpass`): lines of `host:port:database:user:password`, the first that fits
//! counts. Source: postgresql.org, "The Password File".

use std::path::Path;

use module_kit::secret::Secret;
use module_kit::secret_file::{self, SecretFileError};
use module_kit::{Endpoint, shown};
use postgres_wire::login::credential::{Credential, CredentialError};
use postgres_wire::login::pgpass::{self, NoLine};

/// The longest file, in bytes.
const LENGTH_MAX: u64 = 1 << 20;

/// The lines of the file.
#[derive(Debug, Default)]
pub(crate) struct Pgpass(pgpass::Pgpass);

/// Why the file is not used: one line, without anything secret.
#[derive(Debug, thiserror::Error)]
pub enum PgpassError {
    /// It cannot be read.
    #[error("cannot read passwords from {path}: {problem}")]
    Read {
        /// Its path, fit for the terminal.
        path: String,
        /// Why.
        problem: SecretFileError,
    },
    /// A line is none.
    #[error("{path}, line {line}: it must be host:port:database:user:password")]
    Line {
        /// Its path, fit for the terminal.
        path: String,
        /// Counted from 1.
        line: usize,
    },
    /// A password is none.
    #[error("{path}, line {line}: {problem}")]
    Credential {
        /// Its path, fit for the terminal.
        path: String,
        /// Counted from 1.
        line: usize,
        /// Why.
        problem: CredentialError,
    },
}

impl Pgpass {
    pub(crate) fn read(path: &Path) -> Result<Self, PgpassError> {
        let name = || shown(&path.to_string_lossy(), 200);
        let content = secret_file::read(path, LENGTH_MAX)
            .map_err(|problem| PgpassError::Read { path: name(), problem })?;
        let lines = pgpass::Pgpass::parse(&content)
            .map_err(|NoLine(line)| PgpassError::Line { path: name(), line })?;
        for (line, password) in lines.passwords() {
            Credential::read(password).map_err(|problem| PgpassError::Credential {
                path: name(),
                line,
                problem,
            })?;
        }
        Ok(Self(lines))
    }

    /// The password of `user` in `database`, as the test server calls them, which listens at `server`.
    pub(crate) fn password(&self, server: &Endpoint, database: &[u8], user: &[u8]) -> Option<Secret> {
        let address = server.ip.to_string();
        let names = [address.as_str(), "localhost"];
        let names = names.get(..if server.ip.is_loopback() { 2 } else { 1 }).unwrap_or_default();
        self.0.password(names, server.port, database, user).map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(name: &str, content: &str, mode: u32) -> Result<Pgpass, PgpassError> {
        let path = std::env::temp_dir().join(format!("tcpcopy-pgpass-{name}-{}", std::process::id()));
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let result = Pgpass::read(&path);
        let _ = fs::remove_file(&path);
        result
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        let content = "# a comment\n\n10.0.0.18:5432:shop:app:one\n*:*:a\\:b:app:t\\\\w\\:o\r\nlocalhost:*:*:*:local\n\
                       *:5433:*:app:three\n::1:x\n";
        let Err(PgpassError::Line { line: 7, .. }) = read("bad", content, 0o600) else {
            panic!("a line of three")
        };
        let content = content.replace("::1:x\n", "");
        let pgpass = read("good", &content, 0o600).unwrap();
        for (server, database, user, expected) in [
            ("10.0.0.18:5432", "shop", "app", Some("one")),
            ("10.0.0.19:5432", "shop", "app", None),
            ("10.0.0.19:5432", "a:b", "app", Some("t\\w:o")),
            ("127.0.0.1:9", "x", "y", Some("local")),
            ("10.0.0.19:5433", "x", "app", Some("three")),
            ("10.0.0.19:5433", "x", "other", None),
        ] {
            let server: std::net::SocketAddr = server.parse().unwrap();
            let password = pgpass.password(&server.into(), database.as_bytes(), user.as_bytes());
            assert_eq!(
                password.as_ref().map(Secret::bytes),
                expected.map(str::as_bytes),
                "{server} {database}"
            );
        }
        assert!(!format!("{pgpass:?}").contains("three"));
    }

    #[test]
    fn a_file_that_is_not_private_or_has_a_verifier_is_an_error() {
        for (mode, content, part) in [
            (0o644, "*:*:*:*:hunter2\n", "chmod 600"),
            (0o600, "*:*:*:*:SCRAM-SHA-256$hunter2\n", "line 1"),
            (0o600, "\nhunter2\n", "line 2"),
        ] {
            let error = read(part, content, mode).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("hunter2"), "{error}");
        }
    }
}
