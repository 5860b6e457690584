//! The messages between the two daemons.

use std::net::IpAddr;

use serde::Serialize;

use crate::answer_payload::AnswerPayload;
use crate::control::Proof;
use crate::flow::{Endpoint, Flow};
use crate::network::Networks;
use crate::wire::{Flags, Options, Seq};

/// The first eight bytes of a hello in both directions.
pub const MAGIC: [u8; 8] = *b"tcpcopy\n";

/// The version of the protocol that this build speaks; both ends must speak the same.
pub const VERSION: u16 = 5;

/// Default TCP port of intercept.
pub const DEFAULT_PORT: u16 = 36524;

/// The name of a flow on one control connection, chosen by tcpcopy. It is not reused while its route exists.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct FlowId(pub u32);

/// From tcpcopy to intercept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToIntercept {
    /// The first message of a connection.
    Hello {
        /// [`VERSION`] of the sender.
        version: u16,
        /// A random number of this run of tcpcopy, the same on all its connections. Zero with another version.
        instance: u64,
    },
    /// A server whose answers are wanted. Intercept derives its capture filter from the targets.
    Target(Endpoint),
    /// A UDP server whose answers are wanted. An intercept serves either these or [`Self::Target`].
    DatagramTarget(Endpoint),
    /// A service whose clients are copied. It must not be a target of anybody.
    Service(Endpoint),
    /// Send this flow's answers to me: those of the connections that the proof names.
    RouteAdd {
        /// The name to use for it.
        id: FlowId,
        /// The connection as the test server sees it.
        flow: Flow,
        /// What only the sender of the connection's segments, and who is on their path, can know.
        proof: Proof,
    },
    /// The flow is over.
    RouteDel {
        /// Its name.
        id: FlowId,
    },
    /// Change how much answer payload is sent for a flow.
    Payload {
        /// Its name.
        id: FlowId,
        /// Applies from the next answer.
        mode: AnswerPayload,
    },
    /// Asks for a [`FromIntercept::Pong`], which proves that the peer is alive.
    Ping {
        /// Returned in the pong.
        nonce: u32,
    },
    /// Asks for a [`FromIntercept::Tunnel`]: packets of copies will follow ([`super::Tunnelled`]).
    Tunnel,
}

/// From intercept to tcpcopy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FromIntercept<'a> {
    /// The hello was accepted.
    Hello {
        /// [`VERSION`] of the sender.
        version: u16,
    },
    /// Why intercept is about to close the connection.
    Refuse(RefuseReason),
    /// A segment of the test server.
    ServerSegment(ServerSegment<'a>),
    /// The reply to a ping.
    Pong {
        /// As in the ping.
        nonce: u32,
    },
    /// Counters, sent after the hello and every second.
    Statistics(Statistics),
    /// A datagram of a UDP server.
    DatagramAnswer(DatagramAnswer),
    /// Another peer announces a flow of this one, which has proved that it is its own.
    Shared {
        /// The flow's name.
        id: FlowId,
        /// The host of the other peer.
        host: IpAddr,
    },
    /// Packets are taken whose source is in one of these networks.
    Tunnel(Networks),
}

/// One UDP datagram that the test server sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DatagramAnswer {
    /// Whom it answers, and who has sent it.
    pub flow: Flow,
    /// Payload bytes on the wire.
    pub payload_len: u16,
}

/// Why intercept refuses a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefuseReason {
    /// The peer speaks another version; intercept's own is given.
    Version(u16),
    /// The peer's messages cannot be read.
    Malformed,
    /// More connections than intercept accepts.
    TooManyConnections,
    /// More routes or targets than intercept accepts.
    TooManyRoutes,
    /// The peer's host has done something that no tcpcopy does, and is kept out for a minute.
    CutOff,
    /// Intercept has a key, and the peer began without one.
    KeyWanted,
    /// The peer began with a key, and intercept has none.
    NoKey,
    /// The peer's key is none of intercept's.
    WrongKey,
    /// The clients of this target are copied, by this peer or another: it is a production service.
    TargetIsCopied(Endpoint),
    /// This target is not among those that intercept's user allows.
    TargetNotAllowed(Endpoint),
    /// The peer wants to send packets, and intercept takes none.
    NoTunnel,
    /// Intercept serves UDP and the peer copies TCP, or the other way round.
    OtherTransport,
}

/// One segment that the test server sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerSegment<'a> {
    /// The flow it belongs to.
    pub id: FlowId,
    /// Sequence number.
    pub seq: Seq,
    /// Acknowledgement number; significant only with [`Flags::ACK`].
    pub ack: Seq,
    /// Control bits.
    pub flags: Flags,
    /// Window as sent, not scaled.
    pub window: u16,
    /// Payload bytes on the wire.
    pub payload_len: u32,
    /// Maximum segment size and window scale (on SYN segments only) and timestamps, of which only the sender's value
    /// is sent.
    pub options: Options,
    /// The payload asked for: empty, or the segment's first bytes.
    pub payload: &'a [u8],
    /// The segment's last bytes, if they were asked for: empty if `payload` includes them.
    pub tail: &'a [u8],
}

/// The one list of counters: what has all of them is made from it.
macro_rules! statistics {
    ($($(#[doc = $text:literal])* $name:ident)*) => {
        /// Counters of an intercept since its start, for all connections together.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
        pub struct Statistics {
            $($(#[doc = $text])* pub $name: u64,)*
        }

        impl Statistics {
            /// The names of the counters, in the order in which they are sent.
            pub const NAMES: [&'static str; [$(stringify!($name)),*].len()] = [$(stringify!($name)),*];

            /// The number of counters.
            pub const COUNT: usize = Self::NAMES.len();

            /// The counters in the order in which they are sent.
            #[must_use]
            pub fn to_array(self) -> [u64; Self::COUNT] {
                [$(self.$name),*]
            }
        }

        impl From<[u64; Statistics::COUNT]> for Statistics {
            fn from([$($name),*]: [u64; Self::COUNT]) -> Self {
                Self { $($name),* }
            }
        }
    };
}

statistics! {
    /// Packets received from the capture sockets.
    captured
    /// Packets that the kernel dropped because the buffers of the capture sockets were full.
    kernel_dropped
    /// Packets that could not be parsed as TCP segments.
    unreadable
    /// Segments for which no tcpcopy had announced a route.
    unrouted
    /// Answers sent to tcpcopies.
    forwarded
    /// Answers dropped because the queue of their connection was full.
    overflowed
    /// Answers with a route that the host forwarded to the real client, which will reset the connection.
    relayed
    /// Answers of flows that several connections have announced.
    shared
    /// Answers to SYNs from the address of a connected tcpcopy, without a route: a tcpcopy whose copies are not answered probes
    /// the target in this way.
    probed
    /// The same, from an address of intercept's own host.
    probed_local
    /// Packets of announced targets on any interface of the host, whatever `-i` and `-F` are. They are counted only while no
    /// answer is forwarded.
    passing
    /// Segments of announced flows, on connections that no peer has proved to be its own.
    unproved
    /// Segments of loopback addresses, which are sent to nobody unless intercept's user says so.
    withheld
}
