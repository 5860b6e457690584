//! Sessions of the module, played without a network.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test may")]

mod commands;
mod compressed;
mod databases;
mod files;
mod files_random;
mod kills;
mod logins;
mod notices;
mod pipelined;
mod queried;
mod recorded;
mod refused_online;
mod scripted;
mod state;
mod statements;
mod support;
