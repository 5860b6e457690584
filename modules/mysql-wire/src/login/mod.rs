//! Logins: what both sides say, and the client's part.

pub mod dialogue;
pub mod greeting;
pub mod hello;
pub mod plugin;
pub mod policy;
