//! The part of both daemons that is free of I/O: packets as bytes, the control protocol, flows and time.

#![forbid(unsafe_code)]

pub mod answer_payload;
pub mod control;
pub mod flow;
pub mod log_limiter;
pub mod network;
pub mod payload_prefix;
pub mod text;
pub mod time;
pub mod wire;
