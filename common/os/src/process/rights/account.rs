//! The unprivileged user that a process becomes.

use std::io;

use nix::unistd::{User, geteuid};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use thiserror::Error;

/// The user of a process that root has started without `--user`.
const DEFAULT: &str = "nobody";

/// The numbers of that user where no file names it, as in an empty container (`overflowuid` of the kernel).
const DEFAULT_NUMBER: u32 = 65_534;

/// Why the user of `--user` cannot be used: one line with a hint.
#[derive(Debug, Error)]
pub enum AccountError {
    /// It does not exist.
    #[error(
        "--user: there is no user '{0}'; create it, as by: useradd --system --shell /usr/sbin/nologin {0}"
    )]
    Unknown(String),
    /// It is root.
    #[error("--user: '{0}' is root, whose rights are to be given up; name an unprivileged user")]
    Root(String),
    /// The process has no right to change its user.
    #[error("--user: only root can become user '{0}'; start it with sudo, or leave --user out")]
    NotRoot(String),
    /// The list of users cannot be read.
    #[error("--user: cannot look up user '{name}': {source}; give its number")]
    Lookup {
        /// The name.
        name: String,
        /// The operating system's error.
        source: io::Error,
    },
}

/// An unprivileged user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    name: String,
    uid: u32,
    gid: u32,
    asked_for: bool,
}

impl Account {
    /// The user that this process becomes: that of `--user`, or `nobody` if root has started it; `None` if another user has
    /// started it. This reads the system's list of users, so call it before the file system is restricted.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn choose(name: Option<&str>) -> Result<Option<Self>, AccountError> {
        let root = geteuid().is_root();
        match name {
            Some(name) => {
                let account = Self::find(name)?.ok_or_else(|| AccountError::Unknown(name.into()))?;
                if root || account.uid == geteuid().as_raw() {
                    Ok(root.then_some(account))
                } else {
                    Err(AccountError::NotRoot(name.into()))
                }
            }
            None if root => Ok(Some(Self::default_account())),
            None => Ok(None),
        }
    }

    fn find(name: &str) -> Result<Option<Self>, AccountError> {
        let lookup = |source: nix::Error| AccountError::Lookup { name: name.into(), source: source.into() };
        let account = |uid, gid| Self { name: name.into(), uid, gid, asked_for: true };
        let found = match name.parse::<u32>() {
            Ok(number) => {
                let user = User::from_uid(number.into()).map_err(lookup)?;
                Some(account(number, user.map_or(number, |user| user.gid.as_raw())))
            }
            Err(_) => User::from_name(name)
                .map_err(lookup)?
                .map(|user| account(user.uid.as_raw(), user.gid.as_raw())),
        };
        match found {
            Some(account) if account.uid == 0 => Err(AccountError::Root(name.into())),
            found => Ok(found),
        }
    }

    fn default_account() -> Self {
        let found = Self::find(DEFAULT).ok().flatten();
        let (uid, gid) = found.map_or((DEFAULT_NUMBER, DEFAULT_NUMBER), |found| (found.uid, found.gid));
        Self { name: DEFAULT.into(), uid, gid, asked_for: false }
    }

    /// Its name, or its number as the user gave it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its numbers, of the user and of the group.
    #[must_use]
    pub fn numbers(&self) -> (u32, u32) {
        (self.uid, self.gid)
    }

    pub(super) fn is_asked_for(&self) -> bool {
        self.asked_for
    }

    /// Makes the calling thread belong to this user and its group alone.
    pub(super) fn become_it(&self) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        // The groups first: a thread without privilege cannot change them any more.
        set_thread_groups(&[])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_by_name_and_by_number() {
        let nobody = Account::find("nobody").unwrap().unwrap();
        assert_eq!(nobody.numbers().0, 65_534);
        assert_eq!(Account::find("65534").unwrap().unwrap().numbers(), nobody.numbers());
        assert_eq!(Account::find("4000000000").unwrap().unwrap().numbers(), (4_000_000_000, 4_000_000_000));
        assert_eq!(Account::find("no such user").unwrap(), None);
    }

    #[test]
    fn root_is_no_choice() {
        for root in ["root", "0", "00"] {
            let error = Account::choose(Some(root)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--user: '{root}' is root")), "{error}");
        }
        let error = Account::choose(Some("no-such-user")).unwrap_err().to_string();
        assert!(error.contains("useradd"), "{error}");
    }
}
