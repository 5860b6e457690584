//! Round trips of every message, and decoders fed with anything.

use super::*;
use crate::answer_payload::AnswerPayload;
use crate::control::MAX_FRAME;
use crate::flow::Endpoint;
use proptest::option;
use proptest::prelude::*;

fn body(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = Vec::new();
    encode(&mut frame);
    let (length, body) = if frame[0] >= 0x80 { frame.split_at(1) } else { frame.split_at(4) };
    let announced = match *length {
        [short] => usize::from(short - 0x80),
        _ => u32::from_be_bytes(length.try_into().unwrap()) as usize,
    };
    assert_eq!(announced, body.len());
    assert!(body.len() <= MAX_FRAME);
    body.to_vec()
}

fn endpoints() -> impl Strategy<Value = Endpoint> {
    (any::<std::net::IpAddr>(), any::<u16>()).prop_map(|(ip, port)| Endpoint::new(ip, port))
}

fn modes() -> impl Strategy<Value = AnswerPayload> {
    prop_oneof![
        Just(AnswerPayload::None),
        any::<(u16, u8)>().prop_map(|(head, tail)| AnswerPayload::Ends { head, tail }),
        Just(AnswerPayload::All),
    ]
}

fn proofs() -> impl Strategy<Value = Proof> {
    prop_oneof![
        (any::<u32>(), option::of(any::<u32>()))
            .prop_map(|(isn, past)| Proof::Opening { isn: Seq(isn), past: past.map(Seq) }),
        any::<(u32, u32, u32)>()
            .prop_map(|(una, max, next)| { Proof::Open { una: Seq(una), max: Seq(max), next: Seq(next) } }),
    ]
}

fn to_intercept() -> impl Strategy<Value = ToIntercept> {
    let id = || any::<u32>().prop_map(FlowId);
    prop_oneof![
        any::<u64>().prop_map(|instance| ToIntercept::Hello { version: VERSION, instance }),
        (0..VERSION).prop_map(|version| ToIntercept::Hello { version, instance: 0 }),
        endpoints().prop_map(ToIntercept::Target),
        endpoints().prop_map(ToIntercept::DatagramTarget),
        endpoints().prop_map(ToIntercept::Service),
        (id(), endpoints(), endpoints(), proofs()).prop_map(|(id, client, server, proof)| {
            ToIntercept::RouteAdd { id, flow: Flow { client, server }, proof }
        }),
        id().prop_map(|id| ToIntercept::RouteDel { id }),
        (id(), modes()).prop_map(|(id, mode)| ToIntercept::Payload { id, mode }),
        any::<u32>().prop_map(|nonce| ToIntercept::Ping { nonce }),
        Just(ToIntercept::Tunnel),
    ]
}

fn refuse_reasons() -> impl Strategy<Value = RefuseReason> {
    prop_oneof![
        any::<u16>().prop_map(RefuseReason::Version),
        Just(RefuseReason::Malformed),
        Just(RefuseReason::TooManyConnections),
        Just(RefuseReason::TooManyRoutes),
        Just(RefuseReason::CutOff),
        Just(RefuseReason::KeyWanted),
        Just(RefuseReason::NoKey),
        Just(RefuseReason::WrongKey),
        endpoints().prop_map(RefuseReason::TargetIsCopied),
        endpoints().prop_map(RefuseReason::TargetNotAllowed),
        Just(RefuseReason::NoTunnel),
        Just(RefuseReason::OtherTransport),
    ]
}

fn networks(v4: Option<(u32, u8)>, v6: Option<(u128, u8)>) -> Networks {
    let v4 = v4.map(|(bits, prefix)| {
        let bits = bits & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        Network::new(std::net::Ipv4Addr::from_bits(bits).into(), prefix).unwrap()
    });
    let v6 = v6.map(|(bits, prefix)| {
        let bits = bits & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
        Network::new(std::net::Ipv6Addr::from_bits(bits).into(), prefix).unwrap()
    });
    Networks { v4, v6 }
}

/// Everything but answers, which borrow.
fn from_intercept() -> impl Strategy<Value = FromIntercept<'static>> {
    prop_oneof![
        any::<u16>().prop_map(|version| FromIntercept::Hello { version }),
        refuse_reasons().prop_map(FromIntercept::Refuse),
        (option::of((any::<u32>(), 0_u8..=32)), option::of((any::<u128>(), 0_u8..=128)))
            .prop_map(|(v4, v6)| FromIntercept::Tunnel(networks(v4, v6))),
        any::<u32>().prop_map(|nonce| FromIntercept::Pong { nonce }),
        (endpoints(), endpoints(), any::<u16>()).prop_map(|(client, server, payload_len)| {
            FromIntercept::DatagramAnswer(DatagramAnswer { flow: Flow { client, server }, payload_len })
        }),
        (any::<u32>(), any::<std::net::IpAddr>())
            .prop_map(|(id, host)| FromIntercept::Shared { id: FlowId(id), host }),
        any::<[u64; Statistics::COUNT]>().prop_map(|counters| FromIntercept::Statistics(counters.into())),
    ]
}

fn options() -> impl Strategy<Value = Options> {
    let timestamps = any::<u32>().prop_map(|value| Timestamps { value, echo: 0 });
    (option::of(any::<u16>()), option::of(0..=14_u8), option::of(timestamps))
        .prop_map(|(mss, window_scale, timestamps)| Options { mss, window_scale, timestamps })
}

fn answer<'a>(payload: &'a [u8], tail: &'a [u8], uncaptured: u32, options: Options) -> ServerSegment<'a> {
    ServerSegment {
        id: FlowId(7),
        seq: Seq(u32::MAX),
        ack: Seq(1),
        flags: Flags::ACK | Flags::PSH,
        window: 502,
        payload_len: (payload.len() + tail.len()) as u32 + uncaptured,
        options,
        payload,
        tail,
    }
}

proptest! {
    #[test]
    fn requests_come_back(message in to_intercept()) {
        prop_assert_eq!(ToIntercept::decode(&body(|out| message.encode(out))), Ok(message));
    }

    #[test]
    fn replies_come_back(message in from_intercept()) {
        let bytes = body(|out| message.encode(out));
        prop_assert_eq!(FromIntercept::decode(&bytes), Ok(message));
    }

    #[test]
    fn answers_come_back(
        payload in prop::collection::vec(any::<u8>(), 0..200),
        tail in prop::collection::vec(any::<u8>(), 0..=255),
        uncaptured in prop_oneof![Just(0), 0..3000_u32, 60_000..70_000_u32, Just(u32::MAX - 455)],
        options in options(),
    ) {
        let message = FromIntercept::ServerSegment(answer(&payload, &tail, uncaptured, options));
        let bytes = body(|out| message.encode(out));
        prop_assert_eq!(FromIntercept::decode(&bytes), Ok(message));
    }

    #[test]
    fn a_byte_more_or_less_is_an_error(message in to_intercept()) {
        let mut bytes = body(|out| message.encode(out));
        if matches!(message, ToIntercept::Hello { version, .. } if version != VERSION) {
            return Ok(());
        }
        bytes.push(0);
        prop_assert_eq!(ToIntercept::decode(&bytes), Err(DecodeError::Trailing(1)));
        prop_assert_eq!(ToIntercept::decode(&bytes[..bytes.len() - 2]), Err(DecodeError::Truncated));
    }

    /// Every decoded message can be encoded and decoded again.
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100), kind in 0..8_u8) {
        for kind in [kind, kind | 0x80] {
            let mut bytes = bytes.clone();
            bytes.insert(0, kind);
            if let Ok(message) = ToIntercept::decode(&bytes) {
                prop_assert_eq!(ToIntercept::decode(&body(|out| message.encode(out))), Ok(message));
            }
            if let Ok(message) = FromIntercept::decode(&bytes) {
                let bytes = body(|out| message.encode(out));
                prop_assert_eq!(FromIntercept::decode(&bytes), Ok(message));
            }
        }
    }
}

#[test]
fn an_ordinary_answer_is_small() {
    let timestamps = Some(Timestamps { value: 1, echo: 2 });
    for uncaptured in [0, 1448, 65_535] {
        let message = FromIntercept::ServerSegment(answer(
            &[],
            &[],
            uncaptured,
            Options { timestamps, ..Options::default() },
        ));
        let mut frame = Vec::new();
        message.encode(&mut frame);
        let size = frame.len();
        assert!(size <= 24, "{size} bytes for a segment of {uncaptured}");
    }
}

#[test]
fn payload_that_no_frame_can_carry_is_cut() {
    let long = vec![5; MAX_FRAME * 2];
    let bytes =
        body(|out| FromIntercept::ServerSegment(answer(&long, &[], 0, Options::default())).encode(out));
    let Ok(FromIntercept::ServerSegment(read)) = FromIntercept::decode(&bytes) else { panic!("no answer") };
    assert_eq!(read.payload, &long[..MAX_ANSWER_PAYLOAD]);
    assert_eq!(read.payload_len as usize, long.len());
}

#[test]
fn payload_beyond_the_segment_is_never_sent_nor_believed() {
    let mut wrong = answer(&[1, 2, 3], &[4], 0, Options::default());
    wrong.payload_len = 2;
    let mut bytes = body(|out| FromIntercept::ServerSegment(wrong).encode(out));
    let Ok(FromIntercept::ServerSegment(read)) = FromIntercept::decode(&bytes) else { panic!("no answer") };
    assert_eq!(read.payload, [1, 2]);
    bytes.push(3);
    assert_eq!(FromIntercept::decode(&bytes), Err(DecodeError::Value("payload length")));
}

#[test]
fn undefined_values_are_named() {
    let cases: [(&[u8], DecodeError); 7] = [
        (&[], DecodeError::Truncated),
        (&[0x77], DecodeError::UnknownType(0x77)),
        (&[0x01, b't', b'c', b'p', b'c', b'o', b'p', b'y', b'\r', 0, 1], DecodeError::Magic),
        (b"\x01tcpcopy\n\0\x05\0\0\0\x01\0\0\0\x01\0\0\0\x01", DecodeError::Trailing(4)),
        (&[0x02, 5, 10, 0, 0, 1, 0, 80], DecodeError::Value("address family")),
        (&[0x05, 0, 0, 0, 1, 3], DecodeError::Value("payload mode")),
        (&[0x83], DecodeError::UnknownType(0x83)),
    ];
    for (bytes, error) in cases {
        assert_eq!(ToIntercept::decode(bytes), Err(error));
    }
    assert_eq!(FromIntercept::decode(&[0x82, 200]), Err(DecodeError::Value("refuse reason")));
}

#[test]
fn the_hello_of_a_later_version_is_recognised() {
    let later = ToIntercept::Hello { version: VERSION + 1, instance: 0 };
    let mut bytes = body(|out| later.encode(out));
    bytes.extend_from_slice(b"and more");
    assert_eq!(ToIntercept::decode(&bytes), Ok(later.clone()));
    assert_eq!(ToIntercept::decode(&bytes[..11]), Ok(later), "and an earlier one, too");
}
