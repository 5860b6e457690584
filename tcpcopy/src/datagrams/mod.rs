//! The copying of datagrams (`--udp`), beside the TCP engine and without any of it: a client's datagram goes to the test server
//! as it is, with the client's source address, and what comes back is counted.
//!
//! [`Copier`] is free of I/O and reads no clock. `driver/datagrams.rs` gives it packets, answers and time.

mod copier;
mod ledger;
mod pace;
mod pending;
mod report;

pub use copier::Copier;
pub use ledger::{DatagramLedger, Dropped, Unanswered};
pub use report::{DatagramReport, complete, short};
