//! TCP and UDP over IPv4 and IPv6 as they stand on the wire: views of what was captured, without link layers and tunnels; builders of what is sent.

mod build;
mod copy_mark;
mod datagram;
mod link;
mod segment;
mod seq;
mod tcp;
mod tunnel;

pub use build::{LongPacket, Outgoing, PacketBuilder};
pub use copy_mark::{copy_mark, is_marked};
pub use datagram::Datagram;
pub use link::{LinkType, ip_packet};
pub use segment::{ParseError, Segment};
pub use seq::Seq;
pub use tcp::{Flags, Options, Timestamps};
pub use tunnel::{GENEVE_PORT, VXLAN_PORTS, decapsulated};
