//! intercept: captures the answers of test servers and sends their headers to the tcpcopies that ask for them.
//!
//! The data path: capture > [`router`] > control connection. The router is free of I/O; [`driver`] gives it packets, messages
//! and time. docs/CONTROL_PROTOCOL.md specifies the control connection.

pub mod cli;
pub mod driver;
mod host_quota;
mod report;
pub mod router;
pub mod run;
