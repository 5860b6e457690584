//! IP packets of copies on the control connection (docs/AGENT_MODE.md). They are not among [`ToIntercept`](super::ToIntercept),
//! because they borrow their bytes: no packet is copied into a message of its own.

use super::codec::{DecodeError, kind};
use super::fields::{Reader, Writer};
use super::frame::SHORT_MAX;
use crate::wire::LongPacket;

/// The longest IP packet that is sent, in bytes.
pub const MAX_TUNNELLED: usize = 65_535;

/// A packet of a copied client, which intercept hands to the kernel of the test host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tunnelled<'a> {
    /// An IP packet. If it has a segment size, its TCP checksum is the sum of the pseudo-header only.
    pub packet: &'a [u8],
    /// The packet stands for segments of so many payload bytes each, and one of the rest.
    pub segment: Option<u16>,
}

impl<'a> Tunnelled<'a> {
    /// Appends an IP packet with complete checksums as one frame.
    pub fn encode(packet: &[u8], out: &mut Vec<u8>) {
        if packet.len() < SHORT_MAX {
            Writer::short_frame(out, kind::PACKET, |w| w.bytes(packet));
        } else {
            Writer::frame(out, kind::PACKET, |w| w.bytes(packet));
        }
    }

    /// Appends a packet that stands for segments of `segment` payload bytes, as one frame.
    pub fn encode_long(packet: &LongPacket<'_>, segment: u16, out: &mut Vec<u8>) {
        Writer::frame(out, kind::LONG_PACKET, |w| {
            w.u16(segment);
            w.bytes(packet.headers);
            w.bytes(packet.payload.0);
            w.bytes(packet.payload.1);
        });
    }

    /// Reads the body of a frame; `None` if it is another message.
    ///
    /// # Errors
    /// [`DecodeError`]: the sender does not speak this protocol, and the rest of its stream cannot be trusted.
    pub fn decode(body: &'a [u8]) -> Result<Option<Self>, DecodeError> {
        let mut r = Reader::new(body);
        let segment = match r.u8()? {
            kind::PACKET => None,
            kind::LONG_PACKET => Some(r.u16()?)
                .filter(|segment| *segment > 0)
                .map(Some)
                .ok_or(DecodeError::Value("segment size"))?,
            _ => return Ok(None),
        };
        let packet = r.rest();
        if packet.is_empty() || packet.len() > MAX_TUNNELLED {
            return Err(DecodeError::Value("length of the packet"));
        }
        Ok(Some(Self { packet, segment }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::control::{FrameBuffer, ToIntercept};

    /// The body of the only frame.
    fn body(frame: &[u8]) -> Vec<u8> {
        let mut buffer = FrameBuffer::new();
        // The first frame of a stream is short; this is a later one.
        let mut hello = Vec::new();
        ToIntercept::Ping { nonce: 1 }.encode(&mut hello);
        let hello = [&[0, 0, 0, 5], &hello[1..]].concat();
        buffer.push(&hello);
        assert!(buffer.next_frame().unwrap().is_some());
        buffer.push(frame);
        let body = buffer.next_frame().unwrap().unwrap().to_vec();
        assert!(buffer.is_empty());
        body
    }

    #[test]
    fn lengths_and_segment_sizes_are_checked() {
        for body in [&[kind::PACKET][..], &[kind::LONG_PACKET, 0, 0, 1], &[kind::LONG_PACKET, 1, 1]] {
            assert!(matches!(Tunnelled::decode(body), Err(DecodeError::Value(_))), "{body:?}");
        }
        assert_eq!(Tunnelled::decode(&[kind::LONG_PACKET, 1]), Err(DecodeError::Truncated));
        let longest = [&[kind::PACKET], &[7; MAX_TUNNELLED][..]].concat();
        assert_eq!(Tunnelled::decode(&longest).unwrap().unwrap().packet.len(), MAX_TUNNELLED);
        assert!(Tunnelled::decode(&[&longest[..], &[7]].concat()).is_err());
        assert_eq!(Tunnelled::decode(&[6, 0, 0, 0, 1]), Ok(None));
        // A decoder that does not know of packets refuses them.
        assert!(ToIntercept::decode(&longest).is_err());
    }

    proptest! {
        #[test]
        fn a_packet_is_read_back(packet in prop::collection::vec(any::<u8>(), 1..300)) {
            let mut frame = Vec::new();
            Tunnelled::encode(&packet, &mut frame);
            let expected = Tunnelled { packet: &packet, segment: None };
            let body = body(&frame);
            prop_assert_eq!(Tunnelled::decode(&body), Ok(Some(expected)));
        }

        #[test]
        fn a_long_packet_is_read_back(
            headers in prop::collection::vec(any::<u8>(), 1..80),
            first in prop::collection::vec(any::<u8>(), 0..3000),
            second in prop::collection::vec(any::<u8>(), 0..3000),
            segment in 1_u16..,
        ) {
            let mut frame = Vec::new();
            let long = LongPacket { headers: &headers, payload: (&first, &second) };
            Tunnelled::encode_long(&long, segment, &mut frame);
            let packet = [headers.clone(), first.clone(), second.clone()].concat();
            let expected = Tunnelled { packet: &packet, segment: Some(segment) };
            let body = body(&frame);
            prop_assert_eq!(Tunnelled::decode(&body), Ok(Some(expected)));
        }

        #[test]
        fn any_bytes_are_a_packet_or_not(body in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some(packet)) = Tunnelled::decode(&body) {
                prop_assert!(packet.packet.len() < body.len());
            }
        }
    }
}
