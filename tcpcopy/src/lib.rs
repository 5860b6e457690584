//! tcpcopy: copies live TCP sessions from an online server to a test server.
//!
//! The data path: [`driver`] captures > [`engine`] classifies and finds the flow > `session` plays its client > [`output`]
//! injects. Answers come back from intercept over [`control`]. Engine and sessions are free of I/O; the driver gives them
//! packets, answers and time. docs/ARCHITECTURE.md follows a packet through the files.

pub mod cli;
pub mod control;
pub mod datagrams;
pub mod doctor;
pub mod driver;
pub mod engine;
mod failure_log;
pub mod findings;
pub mod init;
pub mod ledger;
pub mod mirror;
pub mod offline;
pub mod online_query;
pub mod output;
mod protocols;
mod recognise;
pub mod report;
mod services;
mod session;
pub mod settings;
