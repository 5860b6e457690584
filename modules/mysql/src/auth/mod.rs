//! Logins: the client's own, which is read and left out, and the copy's login at the test server.

pub(crate) mod admission;
pub(crate) mod credentials;
pub(crate) mod dialogue;
pub(crate) mod greeting;
pub(crate) mod hello;
pub(crate) mod plugin;
pub(crate) mod policy;
