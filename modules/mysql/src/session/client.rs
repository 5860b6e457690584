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
    /// The test server has let the client in before, or the client is not in the database of its login any more.
    is_let_in: bool,
}

impl Client {
    /// The client that has sent `hello`.
    pub(super) fn new(hello: Hello, credentials: &Credentials) -> Self {
        let password = credentials.users.password_in(&hello.user, &hello.database).cloned();
        Self::with_password(hello, password)
    }

    pub(super) fn with_password(hello: Hello, password: Option<Secret>) -> Self {
        Self { hello, password, is_let_in: false }
    }

    /// The memory that it takes, roughly, in bytes: all sessions of a user share the password.
    pub(super) fn memory(&self) -> usize {
        self.hello.memory()
    }

    /// The database that a login must name, where the client is in `present` now.
    pub(super) fn database_of_login(&mut self, present: Option<&[u8]>) -> &[u8] {
        self.is_let_in |= present.unwrap_or_default() != self.hello.database;
        if self.is_let_in { &[] } else { &self.hello.database }
    }

    /// The test server has let the client in. Returns whether its login has named the database.
    pub(super) fn let_in(&mut self) -> bool {
        !std::mem::replace(&mut self.is_let_in, true)
    }
}
