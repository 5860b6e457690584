//! What can happen, made of the fuzzer's bytes.

use libfuzzer_sys::arbitrary::{self, Arbitrary};

use crate::rig;

/// What fits in a packet, and in what the rig has to send.
const LONGEST: u16 = 65_000;

/// A window that is hardly ever full, in bytes.
const WINDOW: u16 = 2000;

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

impl From<Near> for rig::Near {
    fn from(near: Near) -> Self {
        match near {
            Near::At | Near::At2 => Self::At,
            Near::Off(distance) => Self::Off(distance.into()),
            Near::Far(distance) => Self::Off(i32::from(distance) * 64),
            Near::Any(value) => Self::Any(value),
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
    ServerSegment {
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

impl From<Op> for rig::Op {
    fn from(op: Op) -> Self {
        match op {
            Op::Syn { client, isn } => Self::Syn { tuple: client.into(), isn: isn.into() },
            Op::SynAck { client, ack } => Self::SynAck { tuple: client.into(), ack: ack.into() },
            Op::Data { client, seen, length } => Self::Client {
                tuple: client.into(),
                seq: rig::Near::At,
                seen: rig::Near::Off(seen.into()),
                flags: 0x18,
                length: length.min(LONGEST).into(),
                cut: 0,
            },
            Op::Client { client, seq, ack, flags, length, cut } => Self::Client {
                tuple: client.into(),
                seq: seq.into(),
                seen: ack.into(),
                flags,
                length: length.min(LONGEST).into(),
                cut: usize::from(cut).min(length.into()),
            },
            Op::Raw { bytes, outgoing } => Self::Raw { bytes, outgoing },
            Op::Serve { client, length, last } => {
                let last = match last {
                    0 | 1 => last,
                    2..40 => 2,
                    _ => 39,
                };
                Self::Serve { tuple: client.into(), length: length.into(), window: WINDOW, last }
            }
            Op::ServerSegment { client, seq, ack, flags, window, length, options } => Self::ServerSegment {
                tuple: client.into(),
                seq: seq.into(),
                ack: ack.into(),
                flags,
                window,
                length,
                options,
            },
            Op::Pass { mantissa, exponent, late } => {
                Self::Pass { micros: u64::from(mantissa) << (exponent % 20), late }
            }
            Op::LinkUp => Self::LinkUp,
            Op::LinkDown => Self::LinkDown,
            Op::Flush => Self::Flush,
            Op::Drain => Self::Drain,
            Op::Abort => Self::Abort,
        }
    }
}
