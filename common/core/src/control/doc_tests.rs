//! Compares the examples of docs/CONTROL_PROTOCOL.md with the output of the encoders.

use super::*;
use crate::answer_payload::AnswerPayload;
use crate::flow::{Endpoint, Flow};
use crate::network::Networks;
use crate::wire::{Flags, Options, Seq, Timestamps};

const DOCUMENT: &str = include_str!("../../../../docs/CONTROL_PROTOCOL.md");

fn hex(encode: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut frame = Vec::new();
    encode(&mut frame);
    frame.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn v4() -> Flow {
    Flow {
        client: Endpoint::new([10, 0, 0, 1].into(), 40000),
        server: Endpoint::new([10, 0, 0, 17].into(), 8080),
    }
}

fn v6() -> Flow {
    let ip = |last| std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last).into();
    Flow { client: Endpoint::new(ip(1), 40000), server: Endpoint::new(ip(0x11), 8080) }
}

fn answer() -> ServerSegment<'static> {
    ServerSegment {
        id: FlowId(7),
        seq: Seq(0x0102_0304),
        ack: Seq(0x0506_0708),
        flags: Flags::ACK | Flags::PSH,
        window: 502,
        payload_len: 1448,
        options: Options { timestamps: Some(Timestamps { value: 9, echo: 5 }), ..Options::default() },
        payload: &[],
        tail: &[],
    }
}

#[test]
fn the_examples_in_the_specification_are_true() {
    let id = FlowId(7);
    let isn = Seq(0x0102_0304);
    let opening = Proof::Opening { isn, past: None };
    let again = Proof::Opening { isn, past: Some(Seq(0x0001_0203)) };
    let open = Proof::Open { una: isn + 1, max: isn + 101, next: Seq(0x0506_0708) };
    let to: Vec<ToIntercept> = vec![
        ToIntercept::Hello { version: VERSION, instance: 0x0102_0304_0506_0708 },
        ToIntercept::Target(v4().server),
        ToIntercept::DatagramTarget(Endpoint::new([10, 0, 0, 17].into(), 53)),
        ToIntercept::Service(Endpoint::new([10, 0, 0, 16].into(), 80)),
        ToIntercept::RouteAdd { id, flow: v4(), proof: opening },
        ToIntercept::RouteAdd { id, flow: v6(), proof: again },
        ToIntercept::RouteAdd { id, flow: v4(), proof: open },
        ToIntercept::RouteDel { id },
        ToIntercept::Payload { id, mode: AnswerPayload::Ends { head: 64, tail: 12 } },
        ToIntercept::Payload { id, mode: AnswerPayload::All },
        ToIntercept::Ping { nonce: 3 },
        ToIntercept::Tunnel,
    ];
    let syn_ack = ServerSegment {
        flags: Flags::SYN | Flags::ACK,
        payload_len: 0,
        options: Options { mss: Some(1460), window_scale: Some(7), ..answer().options },
        ..answer()
    };
    let from = [
        FromIntercept::Hello { version: VERSION },
        FromIntercept::Refuse(RefuseReason::Version(VERSION)),
        FromIntercept::Refuse(RefuseReason::TooManyRoutes),
        FromIntercept::Refuse(RefuseReason::TargetIsCopied(v4().server)),
        FromIntercept::DatagramAnswer(DatagramAnswer {
            flow: Flow { server: Endpoint::new([10, 0, 0, 17].into(), 53), ..v4() },
            payload_len: 120,
        }),
        FromIntercept::ServerSegment(answer()),
        FromIntercept::ServerSegment(syn_ack),
        FromIntercept::ServerSegment(ServerSegment { payload: b"hello", ..answer() }),
        FromIntercept::ServerSegment(ServerSegment { payload: b"hello", tail: b"bye", ..answer() }),
        FromIntercept::Pong { nonce: 3 },
        FromIntercept::Statistics(Statistics {
            captured: 6,
            kernel_dropped: 1,
            unreadable: 2,
            unrouted: 3,
            forwarded: 4,
            overflowed: 5,
            relayed: 7,
            shared: 8,
            probed: 9,
            probed_local: 10,
            passing: 11,
            unproved: 12,
            withheld: 13,
        }),
        FromIntercept::Shared { id, host: v4().client.ip },
        FromIntercept::Tunnel(Networks {
            v4: Some("198.18.0.0/15".parse().unwrap()),
            v6: Some("fd00:1::/64".parse().unwrap()),
        }),
    ];
    let document = DOCUMENT.split_whitespace().collect::<Vec<_>>().join(" ");
    let examples = to.iter().map(|message| hex(|out| message.encode(out)));
    let examples = examples.chain(from.iter().map(|message| hex(|out| message.encode(out))));
    let missing: Vec<_> = examples.filter(|example| !document.contains(example)).collect();
    assert!(missing.is_empty(), "not in docs/CONTROL_PROTOCOL.md:\n{}", missing.join("\n"));
}
