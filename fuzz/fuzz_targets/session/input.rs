//! What can happen, made of the fuzzer's bytes.

use common::wire::Seq;
use libfuzzer_sys::arbitrary::{self, Arbitrary};

#[derive(Arbitrary, Debug)]
pub(crate) struct Input {
    pub(crate) wait_for_answers: bool,
    pub(crate) abort: bool,
    pub(crate) ops: Vec<Op>,
}

/// A sequence number, near one that means something or not.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub(crate) enum Near {
    At,
    At2,
    Off(i8),
    Far(i16),
    Any(u32),
}

impl Near {
    pub(crate) fn to(self, seq: Seq) -> Seq {
        match self {
            Self::At | Self::At2 => seq,
            Self::Off(distance) => seq + i32::from(distance) as u32,
            Self::Far(distance) => seq + (i32::from(distance) * 64) as u32,
            Self::Any(value) => Seq(value),
        }
    }
}

#[derive(Arbitrary, Debug)]
pub(crate) enum Op {
    /// A client's SYN.
    Syn {
        client: u8,
        isn: Near,
    },
    /// The online server's answer to it.
    SynAck {
        client: u8,
        ack: Near,
    },
    /// A client's next segment: data with a push.
    Data {
        client: u8,
        seen: u8,
        length: u16,
    },
    /// Any segment of a client; `cut` bytes of it were not captured.
    Client {
        client: u8,
        seq: Near,
        ack: Near,
        flags: u8,
        length: u16,
        cut: u8,
    },
    /// Any packet.
    Raw {
        bytes: Vec<u8>,
        outgoing: bool,
    },
    /// The test server acknowledges all that it was sent, and says this much.
    Serve {
        client: u8,
        length: u16,
        last: u8,
    },
    /// Any segment of the test server.
    Answer {
        client: u8,
        seq: Near,
        ack: Near,
        flags: u8,
        window: u16,
        length: u32,
        options: Option<(u16, u8)>,
    },
    /// So much time passes: `mantissa << exponent` microseconds; every timer on time, or one look at the end.
    Pass {
        mantissa: u8,
        exponent: u8,
        late: bool,
    },
    LinkUp,
    LinkDown,
    Flush,
    Drain,
    Abort,
}
