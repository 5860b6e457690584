//! MySQL's and MariaDB's protocol: the login, and what comes behind it.

mod codec;
mod login;
mod parameters;

pub(super) use self::login::{connect, kill};
