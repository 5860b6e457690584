//! `--config`: the file with the settings of protocol modules, passwords among them.

use std::path::Path;

use common_core::text::shown;
use module_kit::secret_file;
use thiserror::Error;

use crate::protocols::{Config, PROTOCOLS};

/// The longest file, in bytes: more than any needs.
const LENGTH_MAX: u64 = 4 << 20;

/// Why the file cannot be used: one line with a hint, and of its content only the names of settings.
#[derive(Debug, Error, PartialEq, Eq)]
enum Problem {
    #[error("line {line}: it is not UTF-8 text; save it as such")]
    Text { line: usize },
    #[error("line {line}: {problem}; what it may hold: {manuals}")]
    Content { line: usize, problem: String, manuals: String },
}

/// Reads the file.
///
/// # Errors
/// The problem, in one line with a hint.
pub(super) fn read(path: &Path) -> Result<Config, String> {
    let text = secret_file::read(path, LENGTH_MAX).map_err(|problem| problem.to_string())?;
    parse(&text).map_err(|problem| problem.to_string())
}

fn parse(bytes: &[u8]) -> Result<Config, Problem> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Problem::Text { line: line_of(bytes, error.valid_up_to()) })?;
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        Problem::Content {
            line: line_of(bytes, start),
            problem: shown(&without_values(error.message()), 200),
            manuals: manuals(text.get(..start).unwrap_or_default()),
        }
    })
}

/// The manual of the protocol whose table the text is in at its end, or all manuals.
fn manuals(text: &str) -> String {
    let table = text.lines().rev().find_map(|line| line.trim_start().strip_prefix('['));
    let table = table.unwrap_or_default().trim_start_matches("online.");
    let all: Vec<_> = PROTOCOLS.iter().map(|protocol| protocol.manual).collect();
    let one = PROTOCOLS.iter().find(|protocol| table.starts_with(protocol.name));
    one.map_or_else(|| all.join(", "), |protocol| protocol.manual.to_owned())
}

/// The line of a byte, from 1.
fn line_of(bytes: &[u8], offset: usize) -> usize {
    bytes.iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// The message about a wrong value shows the value, which may be a password: `invalid type: string "secret", expected ...`.
fn without_values(message: &str) -> String {
    let Some(value) =
        message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))
    else {
        return message.to_owned();
    };
    let kind = value.split([' ', ',']).next().unwrap_or_default();
    let expected = value.rfind(", expected").map_or("", |at| &value[at..]);
    format!("wrong type ({kind}){expected}")
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    /// A file of its own for each test, taken away at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str, text: &str, mode: u32) -> Self {
            let path = std::env::temp_dir().join(format!("tcpcopy-config-{name}-{}", std::process::id()));
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            Self(path)
        }

        fn complaint(&self) -> String {
            read(&self.0).unwrap_err()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn users_and_passwords_are_read() {
        let text = "[mysql.users]\nshop = \"secret\"\n\"shop@test\" = { env = \"SHOP\" }\n";
        let file = Scratch::new("good", text, 0o600);
        let users = read(&file.0).unwrap().mysql.users;
        assert_eq!(users.keys().collect::<Vec<_>>(), ["shop", "shop@test"]);
        assert!(read(&Scratch::new("empty", "", 0o400).0).unwrap().mysql.users.is_empty());
    }

    #[test]
    fn the_online_server_of_redis_is_read() {
        let text = "[redis.users]\ndefault = \"secret\"\n\
            [online.redis]\naddress = \"10.0.0.16:6380\"\nuser = \"tcpcopy\"\npassword = { env = \"P\" }\ntimeout = 2\n";
        let file = parse(text.as_bytes()).unwrap();
        assert!(file.redis.users.contains_key("default"));
        let online = file.online.redis.unwrap();
        assert_eq!((online.address.unwrap().port(), online.timeout), (6380, Some(2)));
        assert!(parse(b"[online.redis]\n").unwrap().online.redis.is_some(), "all has a default");
        assert!(parse(b"").unwrap().online.redis.is_none());
        for (text, part) in [
            (&b"[online.redis]\naddress = \"online\"\n"[..], "line 2"),
            (b"[online.redis]\npasword = \"hunter2\"\n", "`pasword`"),
            (b"[online.mongo]\n", "`mongo`"),
            (b"[online.mysql]\n", "`user`"),
        ] {
            let complaint = parse(text).unwrap_err().to_string();
            assert!(complaint.contains(part) && !complaint.contains("hunter2"), "{complaint}");
        }
    }

    #[test]
    fn a_complaint_names_the_manual_of_its_table() {
        for (text, manual) in [
            ("[mysql]\nusres = 1\n", ": docs/MYSQL.md"),
            ("[mysql.users]\n[online.redis]\naddress = 1\n", ": docs/REDIS.md"),
            ("users = 1\n", ": docs/MYSQL.md, docs/POSTGRES.md, docs/REDIS.md"),
            ("[postgres]\nusres = 1\n", ": docs/POSTGRES.md"),
        ] {
            let complaint = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(complaint.ends_with(manual), "{complaint}");
        }
    }

    #[test]
    fn others_must_not_read_or_change_it() {
        for mode in [0o640, 0o604, 0o620, 0o602, 0o666] {
            let complaint = Scratch::new(&format!("mode-{mode:o}"), "", mode).complaint();
            assert!(complaint.contains("chmod 600 /"), "{mode:o}: {complaint}");
        }
    }

    #[test]
    fn only_a_regular_file_will_do() {
        for (path, part) in
            [("/dev/null", "no regular file"), ("/tmp", "no regular file"), ("/none", "No such file")]
        {
            let complaint = read(Path::new(path)).unwrap_err();
            assert!(complaint.contains(part), "{path}: {complaint}");
        }
    }

    #[test]
    fn what_is_unknown_is_named_with_its_line_and_no_value_is_shown() {
        for (text, parts) in [
            (
                "[mysql.users]\nroot = \"x\"\n[mysql]\nuser = \"hunter2\"\n",
                &["line 4", "unknown field `user`"][..],
            ),
            ("\n[mysql]\nusers = \"hunter2\"\n", &["line 3", "wrong type (string), expected a map"]),
            ("[mysql]\nallow_clear = 1234567\n", &["line 2", "wrong type (integer), expected a boolean"]),
            ("[mysqld]\n", &["line 1", "unknown field `mysqld`"]),
            (
                "[mysql.users]\nroot = [\"hunter2\"]\n",
                &["line 2", "(sequence), expected a password, { env ="],
            ),
            ("[mysql.users]\nroot = 1234567\n", &["line 2", "(integer), expected a password"]),
            (
                "[mysql.users]\na = { env = \"A\" }\nb = { env = \"A\", file = \"hunter2\" }\n",
                &["line 3", "env or from file: name one"],
            ),
            (
                "[mysql.users]\nroot = { flie = \"hunter2\" }\n",
                &["line 2", "unknown field `flie`, expected `env` or `file`"],
            ),
            ("[mysql.users]\nroot = {}\n", &["line 2", "neither is named"]),
            (
                "[mysql.users]\nroot = { env = 1234567 }\n",
                &["line 2", "wrong type (integer), expected a string"],
            ),
            ("[mysql.default]\nuser = \"a\"\npassword = { flie = \"hunter2\" }\n", &["line 3", "`flie`"]),
            ("[mysql.default.password]\nenv = \"A\"\nfile = \"hunter2\"\n", &["name one"]),
            ("[mysql.users]\nroot = \"hunter2\n", &["line 2"]),
            ("[mysql]\nallow_clear = \"hunter2 \\\" more\"\n", &["line 2"]),
        ] {
            let complaint = parse(text.as_bytes()).unwrap_err().to_string();
            for part in parts {
                assert!(complaint.contains(part), "{text:?}: {complaint}");
            }
            assert!(
                !complaint.contains("hunter2") && !complaint.contains("1234567") && !complaint.contains('\n'),
                "{complaint}"
            );
        }
        assert_eq!(parse(b"\n\n\xff").unwrap_err(), Problem::Text { line: 3 });
    }
}
