//! tcpcopy: copies live TCP sessions from an online server to a test server.
//!
//! The way of the data: `capture` > [`engine`] (table of flows) > `session` (a TCP client each) > inject, and back from
//! intercept over `link`. The engine is free of I/O; `driver` gives it packets, answers and time.

pub mod cli;
pub mod driver;
pub mod engine;
pub mod ledger;
pub mod link;
pub mod report;
mod session;
