//! TCP over IPv4 and IPv6 as it stands on the wire: views of what was captured, builders of what is sent.

mod build;
mod copy_mark;
mod segment;
mod seq;
mod tcp;

pub use build::{LongPacket, Outgoing, PacketBuilder};
pub use copy_mark::{copy_mark, is_marked};
pub use segment::{ParseError, Segment};
pub use seq::Seq;
pub use tcp::{Flags, Options, Timestamps};
