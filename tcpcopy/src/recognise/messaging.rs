//! MQTT, AMQP and Kafka.

use super::head::{Head, Match, starts_with};

/// The part of a Kafka request that is examined: length and kind.
pub(super) const KAFKA_HEADER: usize = 6;

/// The largest request that Kafka brokers accept by default, in bytes.
const KAFKA_MAX: u32 = 100 << 20;

/// `CONNECT` (MQTT 5.0, section 3.1).
pub(super) fn mqtt_begins(head: &Head<'_>) -> Match {
    let [0x10, rest @ ..] = head.bytes else {
        return Match::No;
    };
    let length = rest.iter().take(4).take_while(|byte| **byte & 0x80 != 0).count() + 1;
    match rest.get(length..) {
        None | Some([]) if rest.len() <= 4 => Match::SoFar,
        Some(name) if length <= 4 => {
            starts_with(name, b"\0\x04MQTT").or(|| starts_with(name, b"\0\x06MQIsdp"))
        }
        _ => Match::No,
    }
}

/// Packets whose total length is that of the turn.
pub(super) fn mqtt_continues(head: &Head<'_>) -> Match {
    head.frames(|bytes| {
        let kind = *bytes.first()?;
        if !matches!(kind, 0x30..=0x3f | 0x40 | 0x50 | 0x62 | 0x70 | 0x82 | 0xa2 | 0xc0 | 0xe0 | 0xf0) {
            return Some(0);
        }
        let mut length = 0;
        let mut at = 1;
        loop {
            let byte = *bytes.get(at)?;
            length |= usize::from(byte & 0x7f) << (7 * (at - 1));
            at += 1;
            if byte & 0x80 == 0 {
                break;
            } else if at > 4 {
                return Some(0);
            }
        }
        let is_one = match kind {
            0x30..=0x3f => is_publish(kind, length, bytes.get(at..).unwrap_or_default()),
            0x40 | 0x50 | 0x62 | 0x70 => (2..64).contains(&length),
            0x82 | 0xa2 => length >= 5,
            0xc0 => length == 0,
            _ => length < 64,
        };
        Some(if is_one { at + length } else { 0 })
    })
}

/// A topic comes first, and the quality of service is not 3.
fn is_publish(kind: u8, length: usize, rest: &[u8]) -> bool {
    let topic = rest.first_chunk::<2>().map(|topic| usize::from(u16::from_be_bytes(*topic)));
    let printable = rest.get(2..).and_then(|topic| topic.first()).is_none_or(u8::is_ascii_graphic);
    length >= 3 && kind & 6 != 6 && topic.is_none_or(|topic| topic > 0 && topic + 2 <= length) && printable
}

/// The header of AMQP 0-9-1 and 1.0.
pub(super) fn amqp_begins(head: &Head<'_>) -> Match {
    head.starts_with(b"AMQP")
}

/// A heartbeat or method frame of AMQP 0-9-1 (section 4.2.3), or a frame of AMQP 1.0.
pub(super) fn amqp_continues(head: &Head<'_>) -> Match {
    head.starts_with(&[8, 0, 0, 0, 0, 0, 0, 0xce]).or(|| amqp_method(head)).or(|| amqp_1_0(head))
}

fn amqp_method(head: &Head<'_>) -> Match {
    let kind = head.u8(0).is_none_or(|kind| kind == 1);
    let size = head.be32(3).is_none_or(|size| (4..1 << 20).contains(&size));
    let class = head.be16(7).is_none_or(|class| matches!(class, 10 | 20 | 30 | 40 | 50 | 60 | 85 | 90));
    let method = head.be16(9).map(|method| (1..=120).contains(&method));
    match method {
        _ if !kind || !size || !class => Match::No,
        None => Match::SoFar,
        Some(fits) => Match::of(fits),
    }
}

/// Size, offset of 2 words, kind 0, channel, and a performative's descriptor.
fn amqp_1_0(head: &Head<'_>) -> Match {
    let size = head.u8(0).is_none_or(|high| high == 0) && head.be32(0).is_none_or(|size| size >= 8);
    let fixed = head.u8(4).is_none_or(|offset| offset == 2) && head.u8(5).is_none_or(|kind| kind == 0);
    let described = head.u8(8).is_none_or(|byte| byte == 0) && head.u8(9).is_none_or(|byte| byte == 0x53);
    match head.u8(10) {
        _ if !size || !fixed || !described => Match::No,
        None => Match::SoFar,
        Some(performative) => Match::of((0x10..=0x18).contains(&performative)),
    }
}

/// A request's header: length, kind, version, number, and the client's name.
pub(super) fn kafka(head: &Head<'_>) -> Match {
    let length = head.u8(0).is_none_or(|high| u32::from(high) <= KAFKA_MAX >> 24)
        && head.be32(0).is_none_or(|length| (10..=KAFKA_MAX).contains(&length));
    let kind =
        head.be16(4).is_none_or(|kind| kind <= 100) && head.be16(6).is_none_or(|version| version <= 20);
    match head.be16(12) {
        _ if !length || !kind => Match::No,
        None => Match::SoFar,
        Some(0xffff | 0) => Match::Yes,
        Some(name) if name <= 255 => {
            head.u8(14).map_or(Match::SoFar, |first| Match::of(first.is_ascii_graphic()))
        }
        Some(_) => Match::No,
    }
}

/// The number of bytes after the kind, and whether the request is a login. `None` if it is no request.
pub(super) fn kafka_request(header: &[u8]) -> Option<(u32, bool)> {
    let header = Head { bytes: header.get(..KAFKA_HEADER)?, seen: KAFKA_HEADER };
    let length = header.be32(0)?;
    // 17: SaslHandshake, 36: SaslAuthenticate.
    (2..=KAFKA_MAX).contains(&length).then_some((length - 2, matches!(header.be16(4)?, 17 | 36)))
}
