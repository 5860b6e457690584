//! How to replay.

use std::collections::HashMap;
use std::time::Duration;

use regex::bytes::Regex;

use super::login::{PasswordSource, Target};
use crate::cli::SessionName;
use crate::protocol::Protocol;
use crate::recording::Bytes;

/// See `sqlreplay replay --help`.
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) protocol: Protocol,
    pub(crate) target: Target,
    pub(crate) passwords: PasswordSource,
    pub(crate) map: ConnectMap,
    pub(crate) sessions: Vec<SessionName>,
    /// 1: as recorded; 0: as fast as possible.
    pub(crate) speed: f64,
    pub(crate) only_select: bool,
    pub(crate) filter: Option<Regex>,
    pub(crate) fingerprint: Option<String>,
    pub(crate) limit: u64,
    pub(crate) repeat: u32,
    /// No more sessions at once, of those that were open at once in the recording.
    pub(crate) sessions_max: usize,
    pub(crate) stop_on_error: bool,
    /// The time limit of a statement.
    pub(crate) timeout: Duration,
    pub(crate) verbose: bool,
}

/// Names that are other ones on the server.
#[derive(Debug, Clone, Default)]
pub struct ConnectMap {
    /// For every session.
    pub(crate) user: Option<Bytes>,
    /// For every session.
    pub(crate) database: Option<Bytes>,
    pub(crate) users: HashMap<Bytes, Bytes>,
    pub(crate) databases: HashMap<Bytes, Bytes>,
}

impl ConnectMap {
    /// Adds `user:OLD=NEW` or `database:OLD=NEW`.
    ///
    /// # Errors
    ///
    /// If it is neither.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let names = |rest: &str| {
            rest.split_once('=')
                .filter(|(old, new)| !old.is_empty() && !new.is_empty())
                .map(|(old, new)| (Bytes::from(old), Bytes::from(new)))
        };
        let (map, found) = match text.split_once(':') {
            Some(("user", rest)) => (&mut self.users, names(rest)),
            Some(("database", rest)) => (&mut self.databases, names(rest)),
            _ => (&mut self.users, None),
        };
        let (old, new) = found
            .ok_or_else(|| format!("--connect-map {text}: it must be user:OLD=NEW or database:OLD=NEW"))?;
        map.insert(old, new);
        Ok(())
    }

    /// The user on the server.
    pub(crate) fn user<'m>(&'m self, recorded: &'m Bytes) -> &'m Bytes {
        self.user.as_ref().or_else(|| self.users.get(recorded)).unwrap_or(recorded)
    }

    /// The database on the server.
    pub(crate) fn database<'m>(&'m self, recorded: &'m Bytes) -> &'m Bytes {
        self.database.as_ref().or_else(|| self.databases.get(recorded)).unwrap_or(recorded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_mapped() {
        let mut map = ConnectMap::default();
        map.add("user:app=app_test").unwrap();
        map.add("database:a:b=c=d").unwrap();
        assert_eq!(map.user(&"app".into()), &"app_test".into());
        assert_eq!(map.user(&"other".into()), &"other".into());
        assert_eq!(map.database(&"a:b".into()), &"c=d".into());
        map.database = Some("x".into());
        assert_eq!(map.database(&"a:b".into()), &"x".into());
        for bad in ["app=b", "user:app", "user:=b", "db:a=b", ""] {
            assert!(map.add(bad).is_err(), "{bad}");
        }
    }
}
