//! The binary form of the messages, field by field, big endian; docs/CONTROL_PROTOCOL.md has the byte tables.
//!
//! A frame is a length (one byte in most messages, four in the first one and in long ones) and a body: a type byte and the fields of
//! that type. Encoders append a whole frame; decoders take the body alone, as [`crate::control::FrameBuffer`] cuts it
//! out. Decoders are total: any bytes give a message or an error.

use thiserror::Error;

use crate::answer_payload::AnswerPayload;
use crate::control::fields::{Reader, Writer};
use crate::control::{
    DatagramAnswer, FlowId, FromIntercept, MAGIC, Proof, RefuseReason, ServerSegment, Statistics,
    ToIntercept, VERSION,
};
use crate::flow::Flow;
use crate::network::{Network, Networks};
use crate::wire::{Flags, Options, Seq, Timestamps};

/// Maximum payload bytes that an answer carries. A longer payload is cut, and `payload_len` shows that.
pub const MAX_ANSWER_PAYLOAD: usize = 127 * 1024;

/// With this payload or less, an answer's body is below 128 bytes, whichever options are present.
const SHORT_ANSWER: usize = 90;

/// The largest window scale shift (RFC 7323 section 2.3).
const MAX_SHIFT: u8 = 14;

/// Why the body of a frame is no message.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum DecodeError {
    /// The body ends inside a field.
    #[error("message cut short")]
    Truncated,
    /// The body continues after the last field.
    #[error("{0} bytes too many in a message")]
    Trailing(usize),
    /// No message has this type.
    #[error("unknown message type {0:#04x}")]
    UnknownType(u8),
    /// A hello without [`MAGIC`].
    #[error("wrong magic in the hello")]
    Magic,
    /// A field has a value that is not defined.
    #[error("undefined value in the field '{0}'")]
    Value(&'static str),
}

/// The type byte of each message.
pub(super) mod kind {
    pub(super) const HELLO: u8 = 0x01;
    pub(super) const TARGET: u8 = 0x02;
    pub(super) const ROUTE_ADD: u8 = 0x03;
    pub(super) const ROUTE_DEL: u8 = 0x04;
    pub(super) const PAYLOAD: u8 = 0x05;
    pub(super) const PING: u8 = 0x06;
    pub(super) const SERVICE: u8 = 0x07;
    pub(super) const TUNNEL: u8 = 0x08;
    /// See [`crate::control::Tunnelled`].
    pub(crate) const PACKET: u8 = 0x09;
    pub(crate) const LONG_PACKET: u8 = 0x0a;
    pub(super) const DATAGRAM_TARGET: u8 = 0x0b;
    pub(super) const HELLO_REPLY: u8 = 0x81;
    pub(super) const REFUSE: u8 = 0x82;
    pub(super) const ANSWER: u8 = 0x83;
    pub(super) const PONG: u8 = 0x84;
    pub(super) const STATISTICS: u8 = 0x85;
    pub(super) const SHARED: u8 = 0x86;
    pub(super) const TUNNEL_REPLY: u8 = 0x87;
    pub(super) const DATAGRAM_ANSWER: u8 = 0x88;
}

impl ToIntercept {
    /// Appends the message as one frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Hello { version, instance } => Writer::frame(out, kind::HELLO, |w| {
                encode_hello(w, version);
                w.u64(instance);
            }),
            Self::Target(endpoint) => Writer::short_frame(out, kind::TARGET, |w| w.endpoint(endpoint)),
            Self::DatagramTarget(endpoint) => {
                Writer::short_frame(out, kind::DATAGRAM_TARGET, |w| w.endpoint(endpoint));
            }
            Self::Service(endpoint) => Writer::short_frame(out, kind::SERVICE, |w| w.endpoint(endpoint)),
            Self::RouteAdd { id, flow, proof } => Writer::short_frame(out, kind::ROUTE_ADD, |w| {
                w.u32(id.0);
                w.endpoint(flow.client);
                w.endpoint(flow.server);
                encode_proof(w, proof);
            }),
            Self::RouteDel { id } => Writer::short_frame(out, kind::ROUTE_DEL, |w| w.u32(id.0)),
            Self::Payload { id, mode } => Writer::short_frame(out, kind::PAYLOAD, |w| {
                w.u32(id.0);
                encode_mode(w, mode);
            }),
            Self::Ping { nonce } => Writer::short_frame(out, kind::PING, |w| w.u32(nonce)),
            Self::Tunnel => Writer::short_frame(out, kind::TUNNEL, |_| {}),
        }
    }

    /// Reads the body of a frame.
    ///
    /// # Errors
    /// [`DecodeError`]: the sender does not speak this protocol, and the rest of its stream cannot be trusted.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body);
        let message = match r.u8()? {
            kind::HELLO => match decode_hello(&mut r)? {
                VERSION => Self::Hello { version: VERSION, instance: r.u64()? },
                version => Self::Hello { version, instance: 0 },
            },
            kind::TARGET => Self::Target(r.endpoint()?),
            kind::DATAGRAM_TARGET => Self::DatagramTarget(r.endpoint()?),
            kind::SERVICE => Self::Service(r.endpoint()?),
            kind::ROUTE_ADD => Self::RouteAdd {
                id: FlowId(r.u32()?),
                flow: Flow { client: r.endpoint()?, server: r.endpoint()? },
                proof: decode_proof(&mut r)?,
            },
            kind::ROUTE_DEL => Self::RouteDel { id: FlowId(r.u32()?) },
            kind::PAYLOAD => Self::Payload { id: FlowId(r.u32()?), mode: decode_mode(&mut r)? },
            kind::PING => Self::Ping { nonce: r.u32()? },
            kind::TUNNEL => Self::Tunnel,
            other => return Err(DecodeError::UnknownType(other)),
        };
        r.finish()?;
        Ok(message)
    }
}

impl<'a> FromIntercept<'a> {
    /// Appends the message as one frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello { version } => Writer::frame(out, kind::HELLO_REPLY, |w| encode_hello(w, *version)),
            Self::Refuse(reason) => Writer::frame(out, kind::REFUSE, |w| encode_reason(w, *reason)),
            Self::ServerSegment(answer) if answer.payload.len() + answer.tail.len() <= SHORT_ANSWER => {
                Writer::short_frame(out, kind::ANSWER, |w| encode_answer(w, answer));
            }
            Self::ServerSegment(answer) => Writer::frame(out, kind::ANSWER, |w| encode_answer(w, answer)),
            Self::Pong { nonce } => Writer::short_frame(out, kind::PONG, |w| w.u32(*nonce)),
            Self::Statistics(counters) => {
                Writer::frame(out, kind::STATISTICS, |w| encode_statistics(w, *counters))
            }
            Self::DatagramAnswer(answer) => Writer::short_frame(out, kind::DATAGRAM_ANSWER, |w| {
                w.endpoint(answer.flow.client);
                w.endpoint(answer.flow.server);
                w.u16(answer.payload_len);
            }),
            Self::Shared { id, host } => Writer::short_frame(out, kind::SHARED, |w| {
                w.u32(id.0);
                w.address(*host);
            }),
            Self::Tunnel(networks) => Writer::short_frame(out, kind::TUNNEL_REPLY, |w| {
                for network in networks.iter() {
                    w.address(network.address());
                    w.u8(network.prefix());
                }
            }),
        }
    }

    /// Reads the body of a frame; the payload of an answer is borrowed from it.
    ///
    /// # Errors
    /// [`DecodeError`]: the sender does not speak this protocol, and the rest of its stream cannot be trusted.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body);
        let message = match r.u8()? {
            kind::HELLO_REPLY => Self::Hello { version: decode_hello(&mut r)? },
            kind::REFUSE => Self::Refuse(decode_reason(&mut r)?),
            kind::ANSWER => Self::ServerSegment(decode_answer(&mut r)?),
            kind::PONG => Self::Pong { nonce: r.u32()? },
            kind::STATISTICS => Self::Statistics(decode_statistics(&mut r)?),
            kind::DATAGRAM_ANSWER => Self::DatagramAnswer(DatagramAnswer {
                flow: Flow { client: r.endpoint()?, server: r.endpoint()? },
                payload_len: r.u16()?,
            }),
            kind::SHARED => Self::Shared { id: FlowId(r.u32()?), host: r.address()? },
            kind::TUNNEL_REPLY => Self::Tunnel(decode_networks(&mut r)?),
            other => return Err(DecodeError::UnknownType(other)),
        };
        r.finish()?;
        Ok(message)
    }
}

fn encode_hello(w: &mut Writer<'_>, version: u16) {
    w.bytes(&MAGIC);
    w.u16(version);
}

fn decode_hello(r: &mut Reader<'_>) -> Result<u16, DecodeError> {
    if r.take(MAGIC.len())? != MAGIC.as_slice() {
        return Err(DecodeError::Magic);
    }
    let version = r.u16()?;
    if version != VERSION {
        // Another version may have more fields. Its hello must still be distinguished from garbage.
        r.rest();
    }
    Ok(version)
}

fn encode_proof(w: &mut Writer<'_>, proof: Proof) {
    match proof {
        Proof::Opening { isn, past: None } => {
            w.u8(1);
            w.u32(isn.0);
        }
        Proof::Opening { isn, past: Some(past) } => {
            w.u8(2);
            w.u32(isn.0);
            w.u32(past.0);
        }
        Proof::Open { una, max, next } => {
            w.u8(3);
            w.u32(una.0);
            w.u32(max.0);
            w.u32(next.0);
        }
    }
}

fn decode_proof(r: &mut Reader<'_>) -> Result<Proof, DecodeError> {
    match r.u8()? {
        1 => Ok(Proof::Opening { isn: Seq(r.u32()?), past: None }),
        2 => Ok(Proof::Opening { isn: Seq(r.u32()?), past: Some(Seq(r.u32()?)) }),
        3 => Ok(Proof::Open { una: Seq(r.u32()?), max: Seq(r.u32()?), next: Seq(r.u32()?) }),
        _ => Err(DecodeError::Value("proof")),
    }
}

fn encode_mode(w: &mut Writer<'_>, mode: AnswerPayload) {
    match mode {
        AnswerPayload::None => w.u8(0),
        AnswerPayload::Ends { head, tail } => {
            w.u8(1);
            w.u16(head);
            w.u8(tail);
        }
        AnswerPayload::All => w.u8(2),
    }
}

fn decode_mode(r: &mut Reader<'_>) -> Result<AnswerPayload, DecodeError> {
    match r.u8()? {
        0 => Ok(AnswerPayload::None),
        1 => Ok(AnswerPayload::Ends { head: r.u16()?, tail: r.u8()? }),
        2 => Ok(AnswerPayload::All),
        _ => Err(DecodeError::Value("payload mode")),
    }
}

fn decode_networks(r: &mut Reader<'_>) -> Result<Networks, DecodeError> {
    let mut networks = Networks::default();
    while !r.is_empty() {
        let network = Network::new(r.address()?, r.u8()?).map_err(|_| DecodeError::Value("network"))?;
        if !networks.add(network) {
            return Err(DecodeError::Value("networks of one family"));
        }
    }
    Ok(networks)
}

fn encode_reason(w: &mut Writer<'_>, reason: RefuseReason) {
    match reason {
        RefuseReason::Version(own) => {
            w.u8(1);
            w.u16(own);
        }
        RefuseReason::Malformed => w.u8(2),
        RefuseReason::TooManyConnections => w.u8(3),
        RefuseReason::TooManyRoutes => w.u8(4),
        RefuseReason::CutOff => w.u8(5),
        RefuseReason::KeyWanted => w.u8(6),
        RefuseReason::NoKey => w.u8(7),
        RefuseReason::WrongKey => w.u8(8),
        RefuseReason::TargetIsCopied(target) => {
            w.u8(9);
            w.endpoint(target);
        }
        RefuseReason::TargetNotAllowed(target) => {
            w.u8(10);
            w.endpoint(target);
        }
        RefuseReason::NoTunnel => w.u8(11),
        RefuseReason::OtherTransport => w.u8(12),
    }
}

fn decode_reason(r: &mut Reader<'_>) -> Result<RefuseReason, DecodeError> {
    match r.u8()? {
        1 => Ok(RefuseReason::Version(r.u16()?)),
        2 => Ok(RefuseReason::Malformed),
        3 => Ok(RefuseReason::TooManyConnections),
        4 => Ok(RefuseReason::TooManyRoutes),
        5 => Ok(RefuseReason::CutOff),
        6 => Ok(RefuseReason::KeyWanted),
        7 => Ok(RefuseReason::NoKey),
        8 => Ok(RefuseReason::WrongKey),
        9 => Ok(RefuseReason::TargetIsCopied(r.endpoint()?)),
        10 => Ok(RefuseReason::TargetNotAllowed(r.endpoint()?)),
        11 => Ok(RefuseReason::NoTunnel),
        12 => Ok(RefuseReason::OtherTransport),
        _ => Err(DecodeError::Value("refuse reason")),
    }
}

/// The bits of an answer's presence byte: which optional fields follow the fixed ones, in this order.
mod present {
    /// The payload length, two bytes; without either length bit it is zero.
    pub(super) const LENGTH: u8 = 0x01;
    /// The payload length, four bytes: a segment of more than 65 535 bytes (BIG TCP).
    pub(super) const LONG_LENGTH: u8 = 0x02;
    pub(super) const MSS: u8 = 0x04;
    pub(super) const WINDOW_SCALE: u8 = 0x08;
    pub(super) const TIMESTAMPS: u8 = 0x10;
    /// One byte: how many of the payload's last bytes are the segment's last bytes.
    pub(super) const TAIL: u8 = 0x20;
    pub(super) const ALL: u8 = 0x3f;
}

fn encode_answer(w: &mut Writer<'_>, answer: &ServerSegment<'_>) {
    let short = u16::try_from(answer.payload_len).ok();
    let options = &answer.options;
    let bit = |there: bool, bit: u8| if there { bit } else { 0 };
    let announced = usize::try_from(answer.payload_len).unwrap_or(usize::MAX);
    let head = &answer.payload[..answer.payload.len().min(announced).min(MAX_ANSWER_PAYLOAD)];
    let room = (announced - head.len()).min(MAX_ANSWER_PAYLOAD - head.len());
    let tail = u8::try_from(answer.tail.len()).ok().filter(|tail| usize::from(*tail) <= room);
    let tail = tail.filter(|tail| *tail > 0);
    w.u32(answer.id.0);
    w.u32(answer.seq.0);
    w.u32(answer.ack.0);
    w.u8(answer.flags.0);
    w.u16(answer.window);
    w.u8(bit(short.is_some_and(|length| length > 0), present::LENGTH)
        | bit(short.is_none(), present::LONG_LENGTH)
        | bit(options.mss.is_some(), present::MSS)
        | bit(options.window_scale.is_some(), present::WINDOW_SCALE)
        | bit(options.timestamps.is_some(), present::TIMESTAMPS)
        | bit(tail.is_some(), present::TAIL));
    match short {
        Some(0) => {}
        Some(length) => w.u16(length),
        None => w.u32(answer.payload_len),
    }
    if let Some(mss) = options.mss {
        w.u16(mss);
    }
    if let Some(shift) = options.window_scale {
        w.u8(shift.min(MAX_SHIFT));
    }
    if let Some(Timestamps { value, .. }) = options.timestamps {
        w.u32(value);
    }
    if let Some(tail) = tail {
        w.u8(tail);
    }
    w.bytes(head);
    if tail.is_some() {
        w.bytes(answer.tail);
    }
}

fn decode_answer<'a>(r: &mut Reader<'a>) -> Result<ServerSegment<'a>, DecodeError> {
    let id = FlowId(r.u32()?);
    let seq = Seq(r.u32()?);
    let ack = Seq(r.u32()?);
    let flags = Flags(r.u8()?);
    let window = r.u16()?;
    let bits = r.u8()?;
    if bits & !present::ALL != 0 {
        return Err(DecodeError::Value("presence bits"));
    }
    let payload_len = match bits & (present::LENGTH | present::LONG_LENGTH) {
        0 => 0,
        present::LENGTH => u32::from(r.u16()?),
        present::LONG_LENGTH => r.u32()?,
        _ => return Err(DecodeError::Value("presence bits")),
    };
    let mut options = Options::default();
    if bits & present::MSS != 0 {
        options.mss = Some(r.u16()?);
    }
    if bits & present::WINDOW_SCALE != 0 {
        // The receiver shifts by this value: a larger one must not pass.
        options.window_scale = Some(r.u8()?).filter(|shift| *shift <= MAX_SHIFT);
        if options.window_scale.is_none() {
            return Err(DecodeError::Value("window scale"));
        }
    }
    if bits & present::TIMESTAMPS != 0 {
        options.timestamps = Some(Timestamps { value: r.u32()?, echo: 0 });
    }
    let tail_len = if bits & present::TAIL != 0 { usize::from(r.u8()?) } else { 0 };
    let payload = r.rest();
    if u32::try_from(payload.len()).map_or(true, |length| length > payload_len) {
        return Err(DecodeError::Value("payload length"));
    }
    let head_len = payload.len().checked_sub(tail_len).ok_or(DecodeError::Value("tail length"))?;
    let (payload, tail) = payload.split_at(head_len);
    Ok(ServerSegment { id, seq, ack, flags, window, payload_len, options, payload, tail })
}

fn encode_statistics(w: &mut Writer<'_>, counters: Statistics) {
    counters.to_array().into_iter().for_each(|counter| w.u64(counter));
}

fn decode_statistics(r: &mut Reader<'_>) -> Result<Statistics, DecodeError> {
    let mut counters = [0; Statistics::COUNT];
    for counter in &mut counters {
        *counter = r.u64()?;
    }
    Ok(counters.into())
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
