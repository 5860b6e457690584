//! intercept: captures the answers of test servers and streams their headers to the tcpcopies that want them.
//!
//! The way of the data: capture > [`router`] > link. The router is free of I/O; [`driver`] gives it packets, messages
//! and time. docs/CONTROL_PROTOCOL.md says what goes over a link.

pub mod cli;
pub mod driver;
pub mod router;
pub mod run;
mod shares;
