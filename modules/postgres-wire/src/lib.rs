//! The messages of PostgreSQL's protocol, version 3, and both sides of its logins. No I/O, no clock, no random numbers: bytes
//! in, bytes out.
//!
//! [`framing`] finds messages in a stream that is cut anywhere, [`opening`] reads a connection's first message, which has
//! no type; [`frontend`] and [`backend`] read and write all others; [`server_error`] reads errors, [`tokens`] the words of
//! statements. [`login`] logs in as a
//! client, and lets clients in as a server.
//!
//! All bytes are untrusted: nothing panics, and nothing is kept that has no limit. A message that was read is written with
//! the same bytes.
//!
//! Source: postgresql.org, "Frontend/Backend Protocol"; the limits are those of PostgreSQL's own server and of libpq.

#![forbid(unsafe_code)]

pub mod backend;
mod base64;
mod bytes;
pub mod framing;
pub mod frontend;
pub mod login;
pub mod opening;
pub mod server_error;
pub mod tokens;
