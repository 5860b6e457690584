//! Passwords in configuration files: their sources, and how they are kept in memory.

use std::fmt;
use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use zeroize::Zeroizing;

pub use secret_file::Secret;
use secret_file::SecretFileError;

/// The source of a password.
pub enum SecretSource {
    /// The password itself.
    Plain(Zeroizing<String>),
    /// An environment variable.
    Env {
        /// Its name.
        env: String,
    },
    /// A file that only its owner can read; the password is its first line.
    File {
        /// Its path.
        file: PathBuf,
    },
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Sources)
    }
}

/// Reads a [`SecretSource`]. Its errors help and show no value.
struct Sources;

impl<'de> Visitor<'de> for Sources {
    type Value = SecretSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a password, { env = \"NAME\" } or { file = \"path\" }")
    }

    fn visit_str<E: Error>(self, password: &str) -> Result<SecretSource, E> {
        Ok(SecretSource::Plain(Zeroizing::new(password.to_owned())))
    }

    fn visit_string<E: Error>(self, password: String) -> Result<SecretSource, E> {
        Ok(SecretSource::Plain(Zeroizing::new(password)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretSource, A::Error> {
        let mut source = None;
        while let Some(name) = map.next_key::<String>()? {
            let next = match &*name {
                "env" => SecretSource::Env { env: map.next_value()? },
                "file" => SecretSource::File { file: map.next_value()? },
                _ => return Err(A::Error::unknown_field(&name, &["env", "file"])),
            };
            if source.replace(next).is_some() {
                return Err(A::Error::custom("a password comes from env or from file: name one of them"));
            }
        }
        source.ok_or_else(|| A::Error::custom("a password comes from env or from file, and neither is named"))
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("password"),
            Self::Env { env } => write!(f, "environment variable {env}"),
            Self::File { file } => write!(f, "file {}", file.display()),
        }
    }
}

/// A password cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The environment variable is not set, or is not UTF-8.
    #[error(
        "environment variable {0}, which should hold a password, is not set: set it for tcpcopy, or give the password in another way"
    )]
    Env(String),
    /// The file cannot be read, or is not safe.
    #[error("cannot read a password from {}: {problem}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        problem: SecretFileError,
    },
    /// The file with a server's public key cannot be used.
    #[error(
        "cannot read public_key from {}: {problem}; copy the file that the server names public_key.pem", path.display()
    )]
    PublicKey {
        /// Its path.
        path: PathBuf,
        /// Why.
        problem: String,
    },
}

impl SecretSource {
    /// Reads the password.
    ///
    /// # Errors
    ///
    /// If it cannot be read from there.
    pub fn resolve(&self) -> Result<Secret, CredentialsError> {
        match self {
            Self::Plain(password) => Ok(Secret::new(password.as_bytes())),
            Self::Env { env } => match std::env::var(env).map(Zeroizing::new) {
                Ok(password) => Ok(Secret::new(password.as_bytes())),
                Err(_) => Err(CredentialsError::Env(env.clone())),
            },
            Self::File { file } => {
                let content = secret_file::read(file, LENGTH_MAX)
                    .map_err(|problem| CredentialsError::File { path: file.clone(), problem })?;
                let line = content.split(|&byte| byte == b'\n').next().unwrap_or_default();
                Ok(Secret::new(line.strip_suffix(b"\r").unwrap_or(line)))
            }
        }
    }
}

/// The longest file with a password, in bytes.
const LENGTH_MAX: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A file of its own for each test, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str, content: &[u8], mode: u32) -> Self {
            let path = std::env::temp_dir().join(format!("tcpcopy-password-{name}-{}", std::process::id()));
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            Self(path)
        }

        fn source(&self) -> SecretSource {
            SecretSource::File { file: self.0.clone() }
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_file_holds_a_password_in_its_first_line() {
        for (name, content, expected) in [
            ("bare", &b"se cret"[..], &b"se cret"[..]),
            ("line", b"secret\n", b"secret"),
            ("dos", b"secret\r\nmore\r\n", b"secret"),
            ("empty", b"", b""),
        ] {
            let file = Scratch::new(name, content, 0o600);
            assert_eq!(file.source().resolve().unwrap().bytes(), expected, "{name}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_not_regular_is_an_error() {
        for mode in [0o640, 0o604, 0o660, 0o644] {
            let file = Scratch::new(&format!("mode-{mode:o}"), b"secret", mode);
            let error = file.source().resolve().unwrap_err().to_string();
            assert!(error.contains("chmod 600") && !error.contains("secret"), "{error}");
        }
        for (path, part) in [("/dev/zero", "no regular file"), ("/none/there", "No such file")] {
            let error = SecretSource::File { file: path.into() }.resolve().unwrap_err().to_string();
            assert!(error.contains(part) && error.contains(path), "{error}");
        }
    }

    #[test]
    fn a_password_is_never_cut() {
        let long = [b'x'; 5000];
        assert_eq!(Scratch::new("long", &long, 0o600).source().resolve().unwrap().bytes(), long);
        let error =
            Scratch::new("longer", &[b'x'; 70_000], 0o600).source().resolve().unwrap_err().to_string();
        assert!(error.contains("more than 65536 bytes") && !error.contains("xxx"), "{error}");
    }

    #[test]
    fn an_environment_variable_holds_a_password_or_is_named() {
        let source = |name: &str| SecretSource::Env { env: name.to_owned() };
        let path = std::env::var("PATH").unwrap();
        assert_eq!(source("PATH").resolve().unwrap().bytes(), path.as_bytes());
        let error = source("TCPCOPY_NO_SUCH_PASSWORD").resolve().unwrap_err().to_string();
        assert!(error.contains("TCPCOPY_NO_SUCH_PASSWORD") && error.contains("set it"), "{error}");
    }
}
