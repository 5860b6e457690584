//! tcpcopy: copies live TCP sessions from an online server to a test server.
//!
//! The way of the data: `driver` captures > [`engine`] classifies and finds the flow > `session` plays its client >
//! [`output`] injects, and back from intercept over [`link`]. Engine and sessions are free of I/O; `driver` gives them
//! packets, answers and time. docs/ARCHITECTURE.md follows a packet through the files.

pub mod cli;
mod complaints;
pub mod control;
pub mod driver;
pub mod engine;
pub mod ledger;
pub mod online_query;
pub mod output;
mod recognise;
pub mod report;
mod session;
pub mod settings;
