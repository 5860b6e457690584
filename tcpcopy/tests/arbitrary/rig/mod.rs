//! An engine under any sequence of events, and the rules that must hold. Property tests and fuzzing share it.
#![allow(dead_code, reason = "each user has its part of it")]

mod network;
mod op;
mod whim;
mod world;

pub(crate) use op::{Near, Op};
pub(crate) use world::World;

/// The engine's largest TCP payload, for IPv4 and IPv6.
const MSS: (u16, u16) = (1460, 1440);
