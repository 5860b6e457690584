//! Warnings for the user, each with its cure.

use module_kit::{Flow, shown};
use postgres_wire::login::client::{Method, Refusal};
use postgres_wire::server_error::ServerError;

use crate::shared::Shared;

/// Bytes of a name, or of a server's text, that are shown.
const SHOWN: usize = 80;

fn text(bytes: &[u8]) -> String {
    shown(&String::from_utf8_lossy(bytes), SHOWN)
}

pub(super) fn client_encrypts(shared: &Shared, flow: &Flow, how: &str) {
    let address = flow.client.ip;
    shared.warnings.encryption.once(&address.to_string(), || {
        format!(
            "client {address} speaks {how}, which cannot be copied: let it connect with sslmode=disable (and \
             gssencmode=disable), or end TLS in front of the server"
        )
    });
}

pub(super) fn no_default_login(shared: &Shared) {
    shared.warnings.setup.once("no default", || {
        "sessions that began before tcpcopy did can only be copied with a login for them: give user, password and database \
         under [postgres.default] in the --config file"
            .to_owned()
    });
}

/// The test server refuses connections, whoever the user is.
pub(super) fn connection_refused(shared: &Shared, error: &ServerError<'_>) {
    let code = text(&error.code);
    let cure = match &error.code {
        b"53300" => "give the test server a greater max_connections",
        b"57P03" => "it is starting, or recovering: tcpcopy tries again",
        _ => "tcpcopy tries again",
    };
    shared.warnings.connections.once(&code, || {
        format!("the test server refuses connections ({code}: {}): {cure}", text(error.text))
    });
}

/// Why a login has failed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Failed<'b> {
    Here(Refusal),
    Server(ServerError<'b>),
}

/// One line for each user.
pub(super) fn login_failed(
    shared: &Shared,
    user: &[u8],
    database: &[u8],
    failed: Failed<'_>,
    method: Method,
) {
    let (name, is_known) = (text(user), shared.logins.names(user));
    let warnings = if is_known { &shared.warnings.known_users } else { &shared.warnings.other_users };
    let place = "[postgres.users] of the --config file";
    warnings.once(&name, || match failed {
        Failed::Here(Refusal::NoPassword) => {
            format!("the test server asks for the password of user '{name}': give it in {place}")
        }
        Failed::Here(Refusal::NeedsPassword) => format!(
            "what {place} has for user '{name}' is no password, and does not serve for the method that the test server asks \
             for ({method:?}): give the password"
        ),
        Failed::Here(Refusal::Clear) => format!(
            "the test server asks for the password of user '{name}' in the clear: use scram-sha-256 in its pg_hba.conf, or \
             set allow_clear = true under [postgres]"
        ),
        Failed::Here(Refusal::Method) => format!(
            "the test server asks user '{name}' for a method that tcpcopy does not support ({method:?}): use scram-sha-256, \
             md5 or trust in its pg_hba.conf"
        ),
        Failed::Here(Refusal::Server) => format!(
            "the test server does not prove that it knows the password of user '{name}': is that in {place} the one that it \
             has there?"
        ),
        Failed::Here(refusal) => format!("the login of user '{name}' at the test server failed: {refusal}"),
        Failed::Server(error) => {
            let cure = match &error.code {
                b"3D000" => format!(
                    "create database '{}' there, or name another in [postgres.database_names]",
                    text(database)
                ),
                b"28P01" => format!("give the password that it has there in {place}"),
                b"28000" => "create the role there, and let tcpcopy's clients in by its pg_hba.conf".to_owned(),
                _ => "see its log".to_owned(),
            };
            format!(
                "the test server does not accept the login of user '{name}' ({}: {}): {cure}",
                text(&error.code),
                text(error.text)
            )
        }
    });
}
