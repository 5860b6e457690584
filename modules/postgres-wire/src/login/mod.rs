//! Logins: passwords and what stands for them ([`credential`]), SCRAM's keys ([`keys`]), and the dialogue, as client
//! ([`client`]) and as server ([`server`]).

pub mod client;
pub mod credential;
pub mod keys;
mod scram;
pub mod server;
