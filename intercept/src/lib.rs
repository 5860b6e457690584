//! intercept: captures the answers of test servers and streams their headers to the tcpcopies that want them.
//!
//! The way of the data: capture > [`router`] > link. The router is free of I/O.

pub mod router;
