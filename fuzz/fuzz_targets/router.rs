//! Intercept's router under arbitrary messages, packets and times: its tables stay within their limits, what it sends
//! goes to links that have said hello, and nothing is left once all links are gone.

#![no_main]

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use common_core::answer_payload::AnswerPayload;
use common_core::control::{ServerSegment, FlowId, FromIntercept, Proof, ToIntercept, VERSION};
use common_core::flow::{Endpoint, Flow};
use common_os::io::Captured;
use common_core::time::{Stamp, Time};
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Seq};
use intercept::router::{PeerId, Output, Router, RouterConfig, TargetPolicy};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const LIMITS: RouterConfig = RouterConfig {
    max_peers: 3,
    max_routes: 6,
    max_targets_per_peer: 3,
    max_targets: 7,
    max_delayed: 5,
    trusts_peers: true,
    policy: TargetPolicy { loopback: true, datagrams: false, allowed: None },
    local_addresses: Vec::new(),
};

#[derive(Arbitrary, Debug)]
enum Op {
    Open {
        link: u8,
    },
    Close {
        link: u8,
    },
    Hello {
        link: u8,
        version: Option<u16>,
    },
    Target {
        link: u8,
        server: u8,
    },
    RouteAdd {
        link: u8,
        id: u8,
        client: u8,
        server: u8,
        isn: u32,
        /// Numbers in flight behind it; `None` announces a SYN.
        in_flight: Option<u16>,
    },
    RouteDel {
        link: u8,
        id: u8,
    },
    Payload {
        link: u8,
        id: u8,
        head: Option<u16>,
    },
    Ping {
        link: u8,
        nonce: u32,
    },
    /// A body as it came from a peer.
    Body {
        link: u8,
        bytes: Vec<u8>,
    },
    Packet {
        client: u8,
        server: u8,
        flags: u8,
        seq: u32,
        length: u8,
        outgoing: bool,
    },
    Raw {
        bytes: Vec<u8>,
        outgoing: bool,
    },
    Pass {
        millis: u16,
    },
}

#[derive(Default)]
struct ControlConns {
    /// Links that are open, and whether they were greeted; the modes of the routes that they have.
    greeted: HashMap<PeerId, bool>,
    modes: HashMap<(PeerId, FlowId), AnswerPayload>,
}

impl Output for ControlConns {
    fn send(&mut self, link: PeerId, message: &FromIntercept<'_>) {
        match message {
            FromIntercept::Hello { version } => {
                assert_eq!(*version, VERSION);
                self.greeted.insert(link, true);
            }
            FromIntercept::ServerSegment(ServerSegment { id, payload, tail, payload_len, .. }) => {
                assert_eq!(self.greeted.get(&link), Some(&true), "an answer to a stranger");
                let (head, end) = match self.modes.get(&(link, *id)).expect("a route stands") {
                    AnswerPayload::None => (0, 0),
                    AnswerPayload::Ends { head, tail } => (usize::from(*head), usize::from(*tail)),
                    AnswerPayload::All => (usize::MAX, 0),
                };
                assert!(payload.len() <= head && tail.len() <= end);
                assert!(payload.len() + tail.len() <= *payload_len as usize);
            }
            FromIntercept::Pong { .. } => assert_eq!(self.greeted.get(&link), Some(&true)),
            FromIntercept::Shared { .. } => assert_eq!(self.greeted.get(&link), Some(&true)),
            FromIntercept::Tunnel(_) => panic!("there is no device"),
            FromIntercept::DatagramAnswer(_) => panic!("it serves segments"),
            FromIntercept::Refuse(_) | FromIntercept::Statistics(_) => panic!("the driver sends {message:?}"),
        }
        let mut frame = Vec::new();
        message.encode(&mut frame);
        let body = if frame[0] & 0x80 == 0 { &frame[4..] } else { &frame[1..] };
        assert_eq!(FromIntercept::decode(body), Ok(travelled(message)));
    }
}

/// As it arrives: a timestamp's echo stays behind.
fn travelled<'a>(message: &FromIntercept<'a>) -> FromIntercept<'a> {
    let mut message = message.clone();
    if let FromIntercept::ServerSegment(answer) = &mut message
        && let Some(timestamps) = &mut answer.options.timestamps
    {
        timestamps.echo = 0;
    }
    message
}

fuzz_target!(|ops: Vec<Op>| {
    let local: IpAddr = [10, 0, 0, 1].into();
    let mut router = Router::new(RouterConfig { local_addresses: vec![local], ..LIMITS });
    let mut links = ControlConns::default();
    let mut now = Time::ZERO;
    for op in &ops {
        step(op, &mut router, &mut links, &mut now);
        assert!(router.routes() <= LIMITS.max_routes);
        assert!(router.targets().count() <= LIMITS.max_targets_per_peer * links.greeted.len());
        assert!(router.targets().count() <= LIMITS.max_targets);
        let statistics = router.statistics();
        assert!(statistics.unreadable <= statistics.captured);
    }
    for link in links.greeted.keys() {
        router.handle_peer_gone(*link);
    }
    router.handle_timeout(now + Duration::from_secs(2));
    assert_eq!((router.routes(), router.targets().count()), (0, 0));
    assert_eq!(router.poll_timeout(), Time::NEVER);
});

fn step(op: &Op, router: &mut Router, links: &mut ControlConns, now: &mut Time) {
    let message = match *op {
        Op::Open { link } => {
            let link = id_of(link);
            if !links.greeted.contains_key(&link) {
                links.greeted.insert(link, false);
                router.handle_peer_connected(link, IpAddr::from([10, 0, 0, link.0 as u8 / 2]));
            }
            return;
        }
        Op::Close { link } => return close(id_of(link), router, links),
        Op::Packet { client, server, flags, seq, length, outgoing } => {
            let flow = Flow { client: endpoint(server), server: endpoint(client) };
            let payload = [0; 255];
            let segment = Outgoing {
                seq: Seq(seq),
                ack: Seq(seq),
                flags: Flags(flags),
                window: 9,
                options: Options::default(),
                payload: (&payload[..usize::from(length)], &[]),
            };
            let mut builder = PacketBuilder::new();
            let packet = builder.build(&flow, &segment);
            return router.handle_packet(*now, Captured { packet, outgoing, stamp: Stamp::FIRST }, links);
        }
        Op::Raw { ref bytes, outgoing } => {
            return router.handle_packet(*now, Captured { packet: bytes, outgoing, stamp: Stamp::FIRST }, links);
        }
        Op::Pass { millis } => {
            *now = *now + Duration::from_millis(millis.into());
            router.handle_timeout(*now);
            assert!(router.poll_timeout() > *now, "a time-out is not done with");
            return;
        }
        Op::Hello { link, version } => {
            (link, ToIntercept::Hello { version: version.unwrap_or(VERSION), instance: link.into() })
        }
        Op::Target { link, server } => (link, ToIntercept::Target(endpoint(server))),
        Op::RouteAdd { link, id, client, server, isn, in_flight } => {
            let flow = Flow { client: endpoint(client), server: endpoint(server) };
            let isn = Seq(isn);
            let proof = match in_flight {
                None => Proof::Opening { isn, past: Some(isn + 9) },
                Some(bytes) => Proof::Open { una: isn, max: isn + u32::from(bytes), next: isn },
            };
            (link, ToIntercept::RouteAdd { id: FlowId(id.into()), flow, proof })
        }
        Op::RouteDel { link, id } => (link, ToIntercept::RouteDel { id: FlowId(id.into()) }),
        Op::Payload { link, id, head } => {
            let mode = head.map_or(AnswerPayload::All, |head| AnswerPayload::Ends { head, tail: head as u8 });
            (link, ToIntercept::Payload { id: FlowId(id.into()), mode })
        }
        Op::Ping { link, nonce } => (link, ToIntercept::Ping { nonce }),
        Op::Body { link, ref bytes } => match ToIntercept::decode(bytes) {
            Ok(message) => (link, message),
            Err(_) => return close(id_of(link), router, links),
        },
    };
    tell(id_of(message.0), message.1, router, links, *now);
}

/// As the driver does it: a peer that may not say this is cut off.
fn tell(link: PeerId, message: ToIntercept, router: &mut Router, links: &mut ControlConns, now: Time) {
    if !links.greeted.contains_key(&link) {
        return;
    }
    match message {
        ToIntercept::RouteAdd { id, .. } => drop(links.modes.insert((link, id), AnswerPayload::None)),
        ToIntercept::Payload { id, mode } => {
            links.modes.entry((link, id)).and_modify(|known| *known = mode);
        }
        _ => {}
    }
    if router.handle_message(now, link, message, links).is_err() {
        close(link, router, links);
    }
    let greeted: HashSet<_> = links.greeted.iter().filter(|(_, greeted)| **greeted).collect();
    assert!(greeted.len() <= LIMITS.max_peers);
}

fn close(link: PeerId, router: &mut Router, links: &mut ControlConns) {
    if links.greeted.remove(&link).is_some() {
        router.handle_peer_gone(link);
        links.modes.retain(|(of, _), _| *of != link);
    }
}

fn id_of(link: u8) -> PeerId {
    PeerId(u32::from(link % 5))
}

/// Few enough that things meet; the last is the host's own.
fn endpoint(name: u8) -> Endpoint {
    match name % 6 {
        4 => Endpoint::new([0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1].into(), 80),
        5 => Endpoint::new([10, 0, 0, 1].into(), 80),
        other => Endpoint::new([10, 0, 1, other / 2].into(), 80 + u16::from(other % 2)),
    }
}
