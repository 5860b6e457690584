//! Warnings for the user, each with its cure.

use module_kit::Flow;

use super::client::Client;
use crate::auth::dialogue::{Dialogue, Refusal};
use crate::shared::Shared;
use crate::wire::server_error::{ServerError, printable};

/// Bytes of a name that are shown.
const NAME_SHOWN: usize = 64;

pub(super) fn client_speaks_tls(shared: &Shared, flow: &Flow) {
    let address = flow.client.ip;
    shared.warnings.tls.once(&address.to_string(), || {
        format!(
            "client {address} speaks TLS, which cannot be copied: let it connect with --ssl-mode=DISABLED (--skip-ssl), or \
             end TLS in front of the server"
        )
    });
}

pub(super) fn no_default_login(shared: &Shared) {
    shared.warnings.setup.once("no default", || {
        "sessions that began before tcpcopy did can only be copied with a login for them: give user and password under \
         [mysql.default] in the --config file, or an account on the online server under [online.mysql]"
            .to_owned()
    });
}

/// The online server's list of connections does not have the session.
pub(super) fn not_in_the_list(shared: &Shared, flow: &Flow) {
    shared.warnings.setup.once("list", || {
        format!(
            "the online server does not list the connection of client {}: give the user of [online.mysql] the right PROCESS; \
             a proxy in between hides clients, too; such sessions log in with [mysql.default]",
            flow.client
        )
    });
}

/// Statements are longer than what the online server tells of them.
pub(super) fn texts_are_cut(shared: &Shared) {
    shared.warnings.setup.once("cut", || {
        "the online server tells no more than 1024 bytes of a prepared statement: longer ones that were prepared before tcpcopy \
         started are not known, and their executions are left out (failed_statement)"
            .to_owned()
    });
}

/// A session that is older than the copy executes what it prepared before.
pub(super) fn prepared_before(shared: &Shared) {
    shared.warnings.setup.once("before", || {
        "statements that were prepared before tcpcopy started are not known, and their executions are left out; with a \
         read-only account in [online.mysql] of --config tcpcopy asks the online server for them, as docs/MYSQL.md shows"
            .to_owned()
    });
}

pub(super) fn types_are_inferred(shared: &Shared) {
    shared.warnings.setup.once("types", || {
        "no server tells the types of parameters that clients bound before tcpcopy started: they are inferred from the values \
         (types_inferred), until the clients connect again"
            .to_owned()
    });
}

pub(super) fn order_is_wrong(shared: &Shared) {
    shared.warnings.setup.once("order", || {
        "the order of prepared statements does not tell their ids on this online server (MariaDB counts on from earlier \
         connections), and its answers are not captured: let -F pass them too, or executions are left out"
            .to_owned()
    });
}

pub(super) fn accounts_are_not_copied(shared: &Shared) {
    shared.warnings.setup.once("accounts", || {
        "statements that change accounts (CREATE USER, GRANT, SET PASSWORD, FLUSH PRIVILEGES) are left out, because the \
         copies log in with the test server's own accounts: change these there by hand, or give --copy-accounts"
            .to_owned()
    });
}

/// The test server does not let the client into its database again: the session goes on without one.
pub(super) fn database_refused(shared: &Shared, client: &Client, database: &[u8], error: &ServerError) {
    let user = printable(&client.hello.user, NAME_SHOWN);
    let database = printable(database, NAME_SHOWN);
    shared.warnings.databases.once(&format!("{database} {user}"), || {
        format!(
            "the test server does not let user \"{user}\" into database \"{database}\" again ({error}): create it there, and \
             grant the user rights to it; the session goes on without a database"
        )
    });
}

pub(super) fn connection_refused(shared: &Shared, error: &ServerError) {
    let cure = match error.code {
        1040 => "let max_connections there be no smaller than online",
        1129 => "FLUSH HOSTS there, and raise max_connect_errors",
        1130 => "its users' grants must be for the clients' addresses, 'app'@'10.%' for one",
        1203 | 1226 => "let max_user_connections and the users' limits there be no smaller than online",
        _ => "see what it says",
    };
    shared.warnings.connections.once(&error.code.to_string(), || {
        format!("the test server refuses connections ({error}), which are tried again: {cure}")
    });
}

pub(super) fn key_is_trusted(shared: &Shared) {
    shared.warnings.setup.once("public key", || {
        "the test server's public key is not known: passwords are encrypted with the key that it sends, so whoever answers in \
         its place can read them; copy its public_key.pem, and name the copy as public_key under [mysql] in the --config file"
            .to_owned()
    });
}

pub(super) fn login_refused(shared: &Shared, user: &[u8], refusal: &Refusal, dialogue: &Dialogue) {
    let is_known = shared.credentials.users.names(user);
    let warnings = if is_known { &shared.warnings.known_users } else { &shared.warnings.other_users };
    let method = match refusal {
        Refusal::Method(method) => method,
        _ => dialogue.plugin().name(),
    };
    let user = printable(user, NAME_SHOWN);
    warnings.once(&format!("{user} {method}"), || refused_login(&user, refusal, dialogue.has_password()));
}

/// ER_DBACCESS_DENIED_ERROR, ER_BAD_DB_ERROR.
const NO_RIGHT_TO_DATABASE: u16 = 1044;
const NO_DATABASE: u16 = 1049;

fn refused_login(user: &str, refusal: &Refusal, has_password: bool) -> String {
    match refusal {
        Refusal::Server(error @ ServerError { code: NO_RIGHT_TO_DATABASE | NO_DATABASE, .. }) => format!(
            "the test server refuses user \"{user}\" ({error}): create the database there, and grant the user rights to it"
        ),
        Refusal::Server(error) if has_password => format!(
            "the test server refuses user \"{user}\" ({error}): check its password under [mysql.users] in the --config file, \
             and its grants there for the clients' addresses"
        ),
        Refusal::Server(error) => format!(
            "the test server refuses user \"{user}\" ({error}), whose password is not known: give it under [mysql.users] in \
             the --config file"
        ),
        Refusal::Method(method) => format!(
            "the test server asks user \"{user}\" for {method}, which tcpcopy does not speak: give the user another \
             authentication method there"
        ),
        Refusal::Clear => format!(
            "the test server asks for the password of user \"{user}\" in the clear: set allow_clear = true under [mysql] in \
             the --config file if that may be"
        ),
        Refusal::NoPassword => format!(
            "the test server asks for the password of user \"{user}\", which is not known: give it under [mysql.users] in \
             the --config file"
        ),
        Refusal::Key => {
            format!("the public key that the test server sent for user \"{user}\" cannot be used")
        }
        Refusal::OutOfStep => {
            format!("the test server's answer to the login of user \"{user}\" is not MySQL's")
        }
    }
}
