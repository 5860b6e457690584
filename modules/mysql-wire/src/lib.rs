//! The protocol of MySQL and MariaDB: packets and the values inside them, and the client's side of a login. No I/O, no
//! clock, and no state of a session but that of a login.
//!
//! All bytes are untrusted: lengths are bounded, and nothing panics.

#![forbid(unsafe_code)]

pub mod answer;
pub mod attributes;
pub mod capabilities;
pub mod command;
pub mod error_name;
pub mod execute;
pub mod login;
pub mod packet;
pub mod prepare_ok;
pub mod server_error;
pub mod stream;
