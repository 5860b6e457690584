//! Logins: the client's own, which is read and left out, and the copy's login at the test server.

pub(crate) mod admission;
pub(crate) mod credentials;
pub(crate) mod policy;

pub(crate) use mysql_wire::login::{dialogue, greeting, hello, plugin};
