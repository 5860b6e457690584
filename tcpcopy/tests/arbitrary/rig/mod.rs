//! An engine to which anything may happen, and what must hold whatever that is. Property tests and fuzzing share it.
#![allow(dead_code, reason = "each user has its part of it")]

mod network;
mod op;
mod whim;
mod world;

pub(crate) use op::{Near, Op};
pub(crate) use world::World;

/// The largest TCP payload that the engine is told to send, for IPv4 and IPv6.
const MSS: (u16, u16) = (1460, 1440);
