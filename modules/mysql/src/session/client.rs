//! Who the client is for the test server, and in which database it is.
//!
//! A login that names a database fails with it, whoever the client is. So once a client has been let in, its database is
//! requested after the login (see [`super::restore`]), where a refusal is an ordinary answer.

use crate::auth::credentials::{Credentials, Secret};
use crate::auth::hello::Hello;

/// Bytes of the longest name of a database: 64 characters of UTF-8.
pub(super) const NAME_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct Client {
    pub(super) hello: Hello,
    pub(super) password: Option<Secret>,
    /// The database before the present one, until a server has refused that.
    database_before: Option<Vec<u8>>,
    /// The test server has let the client in before, or the present database is not that of its login.
    is_let_in: bool,
}

impl Client {
    /// The client that has sent `hello`.
    pub(super) fn new(hello: Hello, credentials: &Credentials) -> Self {
        let password = credentials.users.password_in(&hello.user, &hello.database).cloned();
        Self::with_password(hello, password)
    }

    pub(super) fn with_password(hello: Hello, password: Option<Secret>) -> Self {
        Self { hello, password, database_before: None, is_let_in: false }
    }

    /// The memory that it takes, roughly, in bytes: all sessions of a user share the password.
    pub(super) fn memory(&self) -> usize {
        self.hello.memory() + self.database_before.as_ref().map_or(0, Vec::capacity)
    }

    /// The client goes to another database, unless a server refuses. A name that no server takes changes nothing.
    pub(super) fn use_database(&mut self, name: &[u8]) {
        self.database_before = None;
        if name.len() <= NAME_MAX {
            self.database_before = Some(std::mem::replace(&mut self.hello.database, name.to_vec()));
            self.is_let_in = true;
        }
    }

    /// A server has refused the client's last change of the database: it stays where it was.
    pub(super) fn use_refused(&mut self) {
        if let Some(before) = self.database_before.take() {
            self.hello.database = before;
        }
    }

    /// The database that a login must name.
    pub(super) fn database_of_login(&self) -> &[u8] {
        if self.is_let_in { &[] } else { &self.hello.database }
    }

    /// The test server has let the client in. Returns whether its database is still to be requested.
    pub(super) fn let_in(&mut self) -> bool {
        std::mem::replace(&mut self.is_let_in, true) && !self.hello.database.is_empty()
    }
}
