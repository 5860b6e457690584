//! Why the online server does not answer, each with its cure. No password is shown.

use crate::auth::dialogue::Refusal;
use crate::wire::server_error::ServerError;

/// What creates an account for it.
const ACCOUNT: &str = "on the online server, CREATE USER 'tcpcopy'@'...' IDENTIFIED BY '...'; GRANT PROCESS ON *.* TO 'tcpcopy'@'...'; \
     GRANT SELECT ON performance_schema.* TO 'tcpcopy'@'...'";

/// Nothing is refused, but whoever answers may be another.
pub(super) const KEY_IS_TRUSTED: &str = "the online server's public key is not known: the password of [online.mysql] is encrypted \
     with the key that it sends, so whoever answers in its place can read it; copy its public_key.pem, and name the copy as \
     public_key under [online.mysql] in the --config file";

pub(super) const NO_MYSQL: &str =
    "it does not answer as MySQL does; set the server's 'address' in [online.mysql]";

pub(super) const TOO_LONG: &str = "its answers have no end; check that it is a MySQL server";

pub(super) fn of_login(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Server(error) => {
            format!("it does not accept the user and password of [online.mysql] ({error}); {ACCOUNT}")
        }
        Refusal::Method(method) => format!(
            "it asks the user of [online.mysql] for {method}, which tcpcopy does not speak: give the user another \
             authentication method"
        ),
        Refusal::Clear => {
            "it asks for the password of [online.mysql] in the clear: give the user another authentication \
                           method"
                .to_owned()
        }
        Refusal::NoPassword | Refusal::Key => {
            "its public key cannot be used: give the user of [online.mysql] another authentication method"
                .to_owned()
        }
        Refusal::OutOfStep => NO_MYSQL.to_owned(),
    }
}

/// It does not want the connection.
pub(super) fn of_connection(error: &ServerError) -> String {
    format!("it refuses the connection ({error}); see what it says")
}

/// It does not list its connections.
pub(super) fn of_list(error: &ServerError) -> String {
    format!("it does not list its connections ({error}); {ACCOUNT}")
}

/// What cannot be known without a right.
pub(super) fn right_missing(error: &ServerError) -> String {
    format!(
        "the user of [online.mysql] may not read all that is to be known about sessions of before ({error}); {ACCOUNT}"
    )
}

pub(super) const NO_PERFORMANCE_SCHEMA: &str = "performance_schema is off on the online server: statements that were prepared, and variables that were set, before \
     tcpcopy started are not known; performance_schema = ON in its configuration, and a restart, let it tell them";

pub(super) const NO_SESSION_VARIABLES: &str = "the online server tells no session variables (MariaDB has no table of them): what sessions have SET before tcpcopy \
     started is not known, user variables excepted";

pub(super) const NAMES: &str = "the online server calls clients by their names: those that have the same port as another one are not found; \
     skip_name_resolve = ON there shows addresses";
