//! Logins: passwords and what stands for them ([`credential`]), files of passwords ([`pgpass`]), SCRAM's keys ([`keys`]), and the dialogue, as client
//! ([`client`]) and as server ([`server`]).

pub mod client;
pub mod credential;
pub mod keys;
pub mod pgpass;
mod scram;
pub mod server;
