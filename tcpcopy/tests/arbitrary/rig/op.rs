//! Events.

use common_core::wire::Seq;

/// A sequence number near a meaningful one, or not.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Near {
    At,
    Off(i32),
    Any(u32),
}

impl Near {
    pub(crate) fn to(self, seq: Seq) -> Seq {
        match self {
            Self::At => seq,
            Self::Off(distance) => seq + distance as u32,
            Self::Any(value) => Seq(value),
        }
    }
}

/// An event. A `tuple` is a number of [`super::world::TUPLES`], or one more than that many times.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// A client's SYN.
    Syn {
        tuple: usize,
        isn: Near,
    },
    /// The online server's answer to it.
    SynAck {
        tuple: usize,
        ack: Near,
    },
    /// A segment at an offset from the client's next; `seen`: answer bytes acknowledged since the segment before;
    /// `cut`: bytes that were not captured.
    Client {
        tuple: usize,
        seq: Near,
        seen: Near,
        flags: u8,
        length: usize,
        cut: usize,
    },
    /// Any packet.
    Raw {
        bytes: Vec<u8>,
        outgoing: bool,
    },
    /// The next segment of a well-behaved server: it acknowledges all, sends `length` bytes, or closes.
    Serve {
        tuple: usize,
        length: u32,
        window: u16,
        last: u8,
    },
    /// Acknowledges this percentage of the unacknowledged bytes, several times.
    Acknowledge {
        tuple: usize,
        percent: u8,
        window: u16,
        times: u8,
    },
    /// Anything, near what the copy has sent and acknowledged; with MSS and window scale, or without options.
    ServerSegment {
        tuple: usize,
        seq: Near,
        ack: Near,
        flags: u8,
        window: u16,
        length: u32,
        options: Option<(u16, u8)>,
    },
    /// Time passes, with every time-out on time, or with one very late.
    Pass {
        micros: u64,
        late: bool,
    },
    LinkUp,
    LinkDown,
    Flush,
    Drain,
    Abort,
}
