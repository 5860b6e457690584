//! Least rights: once all sockets are open, the process gives up everything that it does not need any more.
//!
//! | what | how |
//! |---|---|
//! | user and groups | the user of `--user`, no supplementary groups, if the process was started as root |
//! | capabilities | all five sets are empty, also the bounding set |
//! | new privileges | none by execve(2) (`no_new_privs`) |
//! | files, TCP ports, other processes | only what [`Needs`] names (Landlock) |
//! | system calls | only what a running daemon uses (seccomp) |
//!
//! All but seccomp belong to a thread and to those that it starts later. The log has the only thread that is older than the
//! change, and calls [`Rights::give_up_in_thread`] itself. Seccomp is changed for all threads at once.

mod account;
mod capabilities;
mod file_access;
mod memory;
mod system_calls;

use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::thread::set_no_new_privs;
use thiserror::Error;

pub use account::{Account, AccountError};
use file_access::FileAccess;
pub use memory::{MemoryError, keep_memory_private};

/// What the process still does after it has given up its rights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files that are created, replaced or removed. Their directories stay writable.
    pub written: Vec<PathBuf>,
    /// Files and directories that are read.
    pub read: Vec<PathBuf>,
    /// TCP ports of other hosts to which it connects.
    pub connects_to: Vec<u16>,
}

/// The rights of the process to give up.
#[derive(Debug, Clone)]
pub struct Rights {
    account: Option<Account>,
}

/// A right that could not be given up, although the process needs it no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// The process stays root: a container may forbid the change of the user.
    Root {
        /// The user that it should have become.
        account: String,
        /// Why it could not.
        reason: String,
    },
    /// The bounding set, which is harmless without a way to new privileges.
    BoundingSet,
    /// The kernel has no Landlock.
    Files,
    /// The kernel or the container has no seccomp.
    SystemCalls {
        /// Why.
        reason: String,
    },
}

impl Kept {
    /// Whether an operator should do something about it.
    #[must_use]
    pub fn is_serious(&self) -> bool {
        matches!(self, Self::Root { .. } | Self::SystemCalls { .. })
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root { account, reason } => write!(
                f,
                "stays user 0, because it cannot become user '{account}' ({reason}): grant CAP_SETUID and CAP_SETGID, or start \
                 it as another user with CAP_NET_RAW and CAP_NET_ADMIN"
            ),
            Self::BoundingSet => f.write_str(
                "the bounding set of capabilities stays as it is, which no_new_privs makes harmless: CAP_SETPCAP empties it, as \
                 by setcap cap_net_raw,cap_net_admin,cap_setpcap+ep",
            ),
            Self::Files => f.write_str("files are not restricted further than by their modes: this kernel has no Landlock"),
            Self::SystemCalls { reason } => write!(
                f,
                "system calls are not restricted ({reason}): allow seccomp in the container or kernel that this runs in"
            ),
        }
    }
}

/// Why rights cannot be given up: one line for the user.
#[derive(Debug, Error)]
pub enum RightsError {
    /// The user that `--user` names cannot be had.
    #[error(
        "--user {account}: cannot become this user: {source}; grant CAP_SETUID and CAP_SETGID, or leave --user out"
    )]
    Account {
        /// Its name.
        account: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// A step that needs no privilege failed.
    #[error("cannot {action}: {source}; allow it in the sandbox that this runs in")]
    Step {
        /// The step.
        action: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// Memory would be open to others.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

impl RightsError {
    fn step<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Step { action, source: source.into() }
    }
}

impl Rights {
    /// The rights of this process. `account` is the user to become, if there is one.
    #[must_use]
    pub fn new(account: Option<Account>) -> Self {
        Self { account }
    }

    /// The user to become.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// Gives up the rights of the calling thread and of all that it starts later, and restricts the system calls of all
    /// threads. Open sockets and files stay open. Returns what could not be given up.
    ///
    /// # Errors
    /// [`RightsError`]: some rights may be gone, so the process must end.
    pub fn give_up(&self, needs: &Needs) -> Result<Vec<Kept>, RightsError> {
        let mut kept = self.give_up_in_thread(needs)?;
        if let Err(error) = system_calls::restrict() {
            kept.push(Kept::SystemCalls { reason: error.to_string() });
        }
        Ok(kept)
    }

    /// The same for the calling thread alone, without the restriction of system calls.
    ///
    /// # Errors
    /// [`RightsError`].
    pub fn give_up_in_thread(&self, needs: &Needs) -> Result<Vec<Kept>, RightsError> {
        let mut kept = Vec::new();
        // The new user may not reach the directories any more, so they are opened before.
        let files = FileAccess::prepare(needs);
        if !capabilities::empty_bounding_set().map_err(RightsError::step("empty the bounding set"))? {
            kept.push(Kept::BoundingSet);
        }
        if let Some(account) = &self.account
            && let Err(source) = account.become_it()
        {
            if account.is_asked_for() {
                return Err(RightsError::Account { account: account.name().into(), source });
            }
            kept.push(Kept::Root { account: account.name().into(), reason: source.to_string() });
        }
        capabilities::drop_all().map_err(RightsError::step("drop capabilities"))?;
        set_no_new_privs(true).map_err(RightsError::step("refuse new privileges (no_new_privs)"))?;
        // The kernel opens the memory again when the user changes.
        keep_memory_private()?;
        if !files.enforce().map_err(RightsError::step("restrict the access to files"))? {
            kept.push(Kept::Files);
        }
        Ok(kept)
    }
}
