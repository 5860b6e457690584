//! How the client's SQL is read.

use super::client::Client;
use super::context::Context;
use crate::auth::greeting::Version;
use crate::sql::{self, Dialect, Script};
use crate::wire::capabilities::Capabilities;

/// The version of a server that has not greeted yet.
pub(super) const UNKNOWN_SERVER: Version = Version { is_mariadb: false, number: 80_000 };

impl Context {
    /// Reads a text of the client as the test server does.
    pub(super) fn read<'t>(&self, text: &'t [u8]) -> Script<'t> {
        sql::read(text, self.dialect())
    }

    /// Reads a text that is prepared or executed: one statement.
    pub(super) fn read_one<'t>(&self, text: &'t [u8]) -> Script<'t> {
        sql::read(text, Dialect { several: false, ..self.dialect() })
    }

    pub(super) fn dialect(&self) -> Dialect {
        Dialect { several: self.may_send_several(), ..self.state.dialect() }
    }

    /// The client may send several statements in one packet.
    pub(super) fn may_send_several(&self) -> bool {
        let by_login = |client: &Client| client.hello.capabilities.has(Capabilities::MULTI_STATEMENTS);
        self.state.sets_several().unwrap_or_else(|| self.client.as_ref().is_none_or(by_login))
    }
}
