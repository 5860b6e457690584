//! Sessions of the module, played without a network.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test may")]

mod commands;
mod compressed;
mod databases;
mod logins;
mod notices;
mod pipelined;
mod recorded;
mod refused_online;
mod scripted;
mod support;
