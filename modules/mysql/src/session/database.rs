//! The database that a client is in: what USE and COM_INIT_DB make of it, and how a new connection gets there.
//!
//! A login that names a database fails with it, whoever the client is. So once a client has been let in, its database is
//! asked for behind the login (see [`super::restore`]), where a refusal is an answer as others are.

use super::{Client, Session};
use crate::Shared;
use crate::answers::To;
use crate::counters::Happened;
use crate::notices::Kind;
use crate::session::edits::Edits;
use crate::wire::command::Command;
use crate::wire::packet::Header;
use crate::wire::server_error::{ServerError, printable};

/// Bytes of the longest name of a database: 64 characters of UTF-8.
const NAME_MAX: usize = 256;

impl Client {
    /// The client goes to another database, unless a server refuses; a name that no server takes changes nothing.
    pub(super) fn use_database(&mut self, name: &[u8]) {
        self.database_before = None;
        if name.len() <= NAME_MAX {
            self.database_before = Some(std::mem::replace(&mut self.hello.database, name.to_vec()));
            self.is_let_in = true;
        }
    }

    /// A server has refused what the client said last: it stays where it was.
    pub(super) fn use_refused(&mut self) {
        if let Some(before) = self.database_before.take() {
            self.hello.database = before;
        }
    }

    /// The database that a login must name.
    pub(super) fn database_of_login(&self) -> &[u8] {
        if self.is_let_in { &[] } else { &self.hello.database }
    }

    /// The test server has let the client in. Returns whether its database is still to be asked for.
    pub(super) fn let_in(&mut self) -> bool {
        std::mem::replace(&mut self.is_let_in, true) && !self.hello.database.is_empty()
    }
}

impl Session {
    /// COM_INIT_DB. Its answer must be seen.
    pub(super) fn init_db(&mut self, header: Header, payload: &[u8], edits: &mut Edits<'_>) -> Option<usize> {
        if header.length > 1 + NAME_MAX {
            return Some(self.pass(Command::INIT_DB, header, To::Other, edits));
        }
        if payload.len() < header.length || !self.all_answered() {
            return None;
        }
        if let Some(client) = &mut self.client {
            client.use_database(&payload[1..]);
        }
        Some(self.pass(Command::INIT_DB, header, To::Use, edits))
    }
}

/// The test server does not let the client into its database: the session goes on without.
pub(super) fn refused(shared: &Shared, client: &Client, error: &ServerError) {
    shared.counters.server_errors.add(error.code);
    shared.counters.happened(Happened::DatabaseRefused, 1);
    let (user, database) = (printable(&client.hello.user, 64), printable(&client.hello.database, 64));
    shared.notices.once(Kind::Database, format!("{database} {user}"), || {
        let ServerError { code, message } = error;
        format!(
            "the test server does not let user \"{user}\" into database \"{database}\" again ({code}: {message}): create it \
             there, and grant the user rights to it; the session goes on without a database"
        )
    });
}
