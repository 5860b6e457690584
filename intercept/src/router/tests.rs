//! The router, driven by hand.

use super::*;
use common_core::answer_payload::AnswerPayload;
use common_core::time::Stamp;
use common_core::wire::{Flags, Outgoing, PacketBuilder, Seq};
use common_os::io::Captured;
use std::net::SocketAddr;

const LOCAL: &str = "10.0.0.3";
const SERVER: &str = "10.0.0.2:80";
const FIRST: PeerId = PeerId(0);
const SECOND: PeerId = PeerId(1);

/// What the server acknowledges in the segments of [`packet`], and the proof of a connection with that number.
const ACK: Seq = Seq(77);
const PROOF: Proof = Proof::Open { una: ACK, max: ACK, next: Seq(0) };

/// Messages sent: peer, flow, the answer's sequence number and payload.
#[derive(Default)]
struct Sent {
    answers: Vec<(PeerId, FlowId, u32, Vec<u8>)>,
    others: Vec<(PeerId, FromIntercept<'static>)>,
}

impl Output for Sent {
    fn send(&mut self, peer: PeerId, message: &FromIntercept<'_>) {
        match *message {
            FromIntercept::ServerSegment(answer) => {
                self.answers.push((peer, answer.id, answer.seq.0, shown(answer)));
            }
            FromIntercept::Hello { version } => self.others.push((peer, FromIntercept::Hello { version })),
            FromIntercept::Pong { nonce } => self.others.push((peer, FromIntercept::Pong { nonce })),
            FromIntercept::Shared { id, host } => {
                self.others.push((peer, FromIntercept::Shared { id, host }));
            }
            FromIntercept::Tunnel(networks) => self.others.push((peer, FromIntercept::Tunnel(networks))),
            FromIntercept::DatagramAnswer(answer) => {
                self.others.push((peer, FromIntercept::DatagramAnswer(answer)));
            }
            FromIntercept::Refuse(_) | FromIntercept::Statistics(_) => panic!("the driver sends {message:?}"),
        }
    }
}

/// The payload of an answer; dots stand for what is missing before its tail.
fn shown(answer: ServerSegment<'_>) -> Vec<u8> {
    let gap: &[u8] = if answer.tail.is_empty() { b"" } else { b".." };
    [answer.payload, gap, answer.tail].concat()
}

struct Rig {
    router: Router,
    sent: Sent,
    now: Time,
}

impl Rig {
    /// A router with two peers that have sent their hello.
    fn new() -> Self {
        Self::with(RouterConfig::default())
    }

    fn with(config: RouterConfig) -> Self {
        let local_addresses = vec![LOCAL.parse().unwrap()];
        let router = Router::new(RouterConfig { local_addresses, ..config });
        let mut rig = Self { router, sent: Sent::default(), now: Time::from_micros(1_000_000) };
        rig.greet(FIRST);
        rig.greet(SECOND);
        rig.sent.others.clear();
        rig
    }

    fn greet(&mut self, peer: PeerId) {
        self.router.handle_peer_connected(peer, address(peer));
        self.tell(peer, greeting(peer));
    }

    fn try_tell(&mut self, peer: PeerId, message: ToIntercept) -> Result<(), RefuseReason> {
        self.router.handle_message(self.now, peer, message, &mut self.sent)
    }

    fn tell(&mut self, peer: PeerId, message: ToIntercept) {
        assert_eq!(self.try_tell(peer, message), Ok(()));
    }

    fn route(&mut self, peer: PeerId, id: u32, flow: Flow) {
        self.tell(peer, ToIntercept::RouteAdd { id: FlowId(id), flow, proof: PROOF });
    }

    fn capture(&mut self, packet: &[u8], outgoing: bool) {
        self.router.handle_packet(
            self.now,
            Captured { packet, outgoing, stamp: Stamp::FIRST },
            &mut self.sent,
        );
    }

    fn answer(&mut self, flow: Flow, seq: u32, flags: Flags, payload: &[u8]) {
        self.capture(&packet(flow, seq, flags, payload), false);
    }

    fn data(&mut self, flow: Flow, seq: u32) {
        self.answer(flow, seq, Flags::ACK, b"hello");
    }

    fn syn_ack(&mut self, flow: Flow, seq: u32) {
        self.answer(flow, seq, Flags::SYN | Flags::ACK, b"");
    }

    /// The answers sent since the last call: peer, flow, sequence number.
    fn answers(&mut self) -> Vec<(PeerId, u32, u32)> {
        self.sent.answers.drain(..).map(|(peer, id, seq, _)| (peer, id.0, seq)).collect()
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.router.handle_timeout(self.now);
    }
}

fn endpoint(text: &str) -> Endpoint {
    text.parse::<SocketAddr>().unwrap().into()
}

/// Each peer is on a host of its own.
/// Each peer is a tcpcopy of its own.
fn greeting(peer: PeerId) -> ToIntercept {
    ToIntercept::Hello { version: VERSION, instance: peer.0.into() }
}

fn address(peer: PeerId) -> IpAddr {
    [10, 9, 0, peer.0 as u8].into()
}

fn flow(client_port: u16) -> Flow {
    Flow { client: Endpoint::new([10, 0, 0, 1].into(), client_port), server: endpoint(SERVER) }
}

/// A segment of the flow's server.
fn packet(flow: Flow, seq: u32, flags: Flags, payload: &[u8]) -> Vec<u8> {
    let back = Flow { client: flow.server, server: flow.client };
    let segment = Outgoing {
        seq: Seq(seq),
        ack: ACK,
        flags,
        window: 502,
        options: common_core::wire::Options::default(),
        payload: (payload, &[]),
    };
    PacketBuilder::new().build(&back, &segment).to_vec()
}

#[test]
fn answers_go_to_the_peer_that_asked() {
    let mut rig = Rig::new();
    let v6 = Flow { client: endpoint("[fd00::1]:1"), server: endpoint("[fd00::2]:80") };
    rig.route(FIRST, 1, flow(1));
    rig.route(SECOND, 1, flow(2));
    rig.route(SECOND, 2, v6);
    rig.data(flow(1), 10);
    rig.data(flow(2), 20);
    rig.data(v6, 30);
    rig.data(flow(3), 40);
    assert_eq!(rig.answers(), [(FIRST, 1, 10), (SECOND, 1, 20), (SECOND, 2, 30)]);
    let expected = Statistics { captured: 4, forwarded: 3, unrouted: 1, ..Statistics::default() };
    assert_eq!(rig.router.statistics(), expected);
}

#[test]
fn a_shared_flow_is_answered_to_each() {
    let mut rig = Rig::new();
    rig.route(FIRST, 1, flow(1));
    rig.route(SECOND, 9, flow(1));
    rig.data(flow(1), 10);
    assert_eq!(rig.answers(), [(FIRST, 1, 10), (SECOND, 9, 10)]);
    rig.tell(FIRST, ToIntercept::RouteDel { id: FlowId(1) });
    rig.data(flow(1), 11);
    assert_eq!(rig.answers(), [(SECOND, 9, 11)]);
    rig.tell(SECOND, ToIntercept::RouteDel { id: FlowId(9) });
    rig.data(flow(1), 12);
    assert_eq!(rig.answers(), []);
    assert_eq!(rig.router.routes(), 0);
}

#[test]
fn answers_that_tell_of_a_fault_are_counted() {
    let mut rig = Rig::new();
    rig.route(FIRST, 1, flow(1));
    rig.data(flow(1), 10);
    assert_eq!(rig.router.statistics().shared, 0);
    rig.route(SECOND, 9, flow(1));
    rig.data(flow(1), 11);
    assert_eq!((rig.router.statistics().shared, rig.router.statistics().forwarded), (1, 3));
    // The packet leaves the host, whose address is another.
    rig.capture(&packet(flow(1), 12, Flags::ACK, b"hello"), true);
    rig.capture(&packet(flow(2), 12, Flags::ACK, b"hello"), true);
    assert_eq!((rig.router.statistics().relayed, rig.router.statistics().forwarded), (1, 3));
    for (prober, probed) in [("10.0.0.9", (0, 0)), ("10.9.0.1", (1, 0)), (LOCAL, (1, 1))] {
        let client = Endpoint::new(prober.parse().unwrap(), 40_000);
        rig.syn_ack(Flow { client, server: endpoint(SERVER) }, 10);
        let counted = (rig.router.statistics().probed, rig.router.statistics().probed_local);
        assert_eq!(counted, probed, "{prober}");
    }
}

#[test]
fn an_answer_that_overtakes_its_route_is_delivered_once() {
    let mut rig = Rig::new();
    rig.syn_ack(flow(1), 10);
    rig.answer(flow(2), 0, Flags::RST | Flags::ACK, b"");
    assert_eq!(rig.answers(), []);
    rig.pass(Duration::from_millis(900));
    rig.route(FIRST, 1, flow(1));
    rig.route(FIRST, 2, flow(2));
    assert_eq!(rig.answers(), [(FIRST, 1, 10), (FIRST, 2, 0)]);
    assert_eq!(rig.router.poll_timeout(), Time::NEVER);
    rig.route(FIRST, 3, flow(1));
    assert_eq!(rig.answers(), [], "kept after its delivery");
    let expected = Statistics { captured: 2, forwarded: 2, ..Statistics::default() };
    assert_eq!(rig.router.statistics(), expected);
}

#[test]
fn only_answers_to_a_syn_wait() {
    let mut rig = Rig::new();
    rig.data(flow(1), 10);
    rig.answer(flow(1), 10, Flags::RST, b"");
    rig.answer(flow(1), 10, Flags::RST | Flags::ACK, b"");
    rig.answer(flow(1), 10, Flags::SYN, b"");
    assert_eq!(rig.router.statistics().unrouted, 4);
    rig.route(FIRST, 1, flow(1));
    assert_eq!(rig.answers(), []);
}

#[test]
fn a_later_answer_takes_the_place_of_an_earlier_one() {
    let mut rig = Rig::new();
    rig.syn_ack(flow(1), 10);
    rig.pass(Duration::from_millis(700));
    rig.syn_ack(flow(1), 11);
    rig.pass(Duration::from_millis(700));
    assert_eq!(rig.router.statistics().unrouted, 1);
    rig.route(FIRST, 1, flow(1));
    assert_eq!(rig.answers(), [(FIRST, 1, 11)], "the second one's second is not over");
}

#[test]
fn an_answer_waits_for_a_second() {
    let mut rig = Rig::new();
    rig.syn_ack(flow(1), 10);
    assert_eq!(rig.router.poll_timeout(), rig.now + Duration::from_secs(1));
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.router.poll_timeout(), Time::NEVER);
    rig.route(FIRST, 1, flow(1));
    assert_eq!(rig.answers(), []);
    assert_eq!(rig.router.statistics().unrouted, 1);
    // Late timers make no difference.
    rig.syn_ack(flow(2), 20);
    rig.now = rig.now + Duration::from_secs(2);
    rig.route(FIRST, 2, flow(2));
    assert_eq!(rig.answers(), []);
}

#[test]
fn the_oldest_waiting_answer_gives_way() {
    let mut rig = Rig::with(RouterConfig { max_delayed: 2, ..RouterConfig::default() });
    for port in 1..=3 {
        rig.syn_ack(flow(port), u32::from(port));
        rig.pass(Duration::from_millis(1));
    }
    assert_eq!(rig.router.statistics().unrouted, 1);
    for port in 1..=3 {
        rig.route(FIRST, u32::from(port), flow(port));
    }
    assert_eq!(rig.answers(), [(FIRST, 2, 2), (FIRST, 3, 3)]);
    // The same flow again and again must not fill the queue of deadlines either.
    for seq in 0..100 {
        rig.syn_ack(flow(9), seq);
    }
    rig.route(FIRST, 9, flow(9));
    assert_eq!(rig.answers(), [(FIRST, 9, 99)]);
    assert_eq!(rig.router.poll_timeout(), Time::NEVER);
}

#[test]
fn a_route_replaces_what_had_its_name_or_its_flow() {
    let mut rig = Rig::new();
    rig.route(FIRST, 1, flow(1));
    rig.route(FIRST, 1, flow(2));
    rig.data(flow(1), 10);
    rig.data(flow(2), 20);
    assert_eq!(rig.answers(), [(FIRST, 1, 20)]);

    rig.route(FIRST, 5, flow(2));
    rig.data(flow(2), 30);
    assert_eq!(rig.answers(), [(FIRST, 5, 30)]);
    // The old name is forgotten: its end, which may come late, ends nothing.
    rig.tell(FIRST, ToIntercept::RouteDel { id: FlowId(1) });
    rig.data(flow(2), 40);
    assert_eq!(rig.answers(), [(FIRST, 5, 40)]);
    assert_eq!(rig.router.routes(), 1);
    rig.route(FIRST, 5, flow(2));
    assert_eq!(rig.router.routes(), 1, "the same again");
}

#[test]
fn a_closed_peer_takes_its_routes_and_targets_along() {
    let mut rig = Rig::new();
    let other = endpoint("10.0.0.2:443");
    rig.tell(FIRST, ToIntercept::Target(endpoint(SERVER)));
    rig.tell(FIRST, ToIntercept::Target(other));
    rig.tell(SECOND, ToIntercept::Target(endpoint(SERVER)));
    rig.route(FIRST, 1, flow(1));
    rig.route(FIRST, 2, flow(2));
    rig.route(SECOND, 1, flow(1));
    assert_eq!(rig.router.targets().collect::<Vec<_>>(), [endpoint(SERVER), other]);

    rig.router.handle_peer_gone(FIRST);
    rig.data(flow(1), 10);
    rig.data(flow(2), 20);
    assert_eq!(rig.answers(), [(SECOND, 1, 10)]);
    assert_eq!(rig.router.routes(), 1);
    assert_eq!(rig.router.targets().collect::<Vec<_>>(), [endpoint(SERVER)]);

    // Its name may be used again, by a peer that has to say hello itself.
    rig.router.handle_peer_connected(FIRST, address(FIRST));
    let route = ToIntercept::RouteAdd { id: FlowId(1), flow: flow(1), proof: PROOF };
    assert_eq!(rig.try_tell(FIRST, route), Err(RefuseReason::Malformed));
}

#[test]
fn the_targets_version_changes_with_the_targets() {
    let mut rig = Rig::new();
    let changed = |rig: &Rig, before: &mut u64| {
        let now = rig.router.targets_version();
        std::mem::replace(before, now) != now
    };
    let mut version = rig.router.targets_version();
    rig.tell(FIRST, ToIntercept::Target(endpoint(SERVER)));
    assert!(changed(&rig, &mut version));
    rig.tell(FIRST, ToIntercept::Target(endpoint(SERVER)));
    rig.tell(SECOND, ToIntercept::Target(endpoint(SERVER)));
    assert!(!changed(&rig, &mut version));
    rig.router.handle_peer_gone(FIRST);
    assert!(!changed(&rig, &mut version));
    rig.router.handle_peer_gone(SECOND);
    assert!(changed(&rig, &mut version));
    assert_eq!(rig.router.targets().count(), 0);
}

#[test]
fn payload_is_wanted_as_long_as_a_route_stands_that_asks_for_it() {
    let mut rig = Rig::new();
    let ask = |id, mode| ToIntercept::Payload { id: FlowId(id), mode };
    rig.tell(FIRST, ask(1, AnswerPayload::All));
    assert!(!rig.router.wants_payload(), "there is no such route");
    for peer in [FIRST, SECOND] {
        rig.route(peer, 1, flow(1));
        rig.tell(peer, ask(1, AnswerPayload::Ends { head: 2, tail: 0 }));
        rig.tell(peer, ask(1, AnswerPayload::All));
    }
    rig.route(FIRST, 2, flow(2));
    rig.tell(FIRST, ask(2, AnswerPayload::All));
    // The same route again: it asks for nothing any more.
    rig.route(FIRST, 2, flow(2));
    rig.tell(FIRST, ask(1, AnswerPayload::None));
    assert!(rig.router.wants_payload(), "the second peer wants it");
    rig.tell(SECOND, ToIntercept::RouteDel { id: FlowId(1) });
    assert!(!rig.router.wants_payload());
    // Another name for the same flow replaces the first.
    rig.tell(FIRST, ask(1, AnswerPayload::All));
    rig.route(FIRST, 3, flow(1));
    assert!(!rig.router.wants_payload());
    rig.tell(FIRST, ask(3, AnswerPayload::All));
    assert!(rig.router.wants_payload());
    rig.router.handle_peer_gone(FIRST);
    assert!(!rig.router.wants_payload());
}

#[test]
fn payload_comes_as_far_as_it_was_asked_for() {
    let mut rig = Rig::new();
    rig.route(FIRST, 1, flow(1));
    rig.route(SECOND, 2, flow(1));
    let cases = [
        (AnswerPayload::All, &b"hello"[..]),
        (AnswerPayload::Ends { head: 2, tail: 0 }, b"he"),
        (AnswerPayload::Ends { head: 9, tail: 3 }, b"hello"),
        (AnswerPayload::None, b""),
    ];
    let ends = AnswerPayload::Ends { head: 1, tail: 2 };
    rig.tell(FIRST, ToIntercept::Payload { id: FlowId(1), mode: ends });
    rig.data(flow(1), 10);
    assert_eq!(rig.sent.answers.remove(0).3, b"h..lo");
    rig.sent.answers.clear();
    for (mode, expected) in cases {
        rig.tell(FIRST, ToIntercept::Payload { id: FlowId(1), mode });
        rig.data(flow(1), 10);
        let payloads: Vec<_> = rig.sent.answers.drain(..).map(|(_, _, _, payload)| payload).collect();
        assert_eq!(payloads, [expected, b""], "{mode:?}, and the other peer asked for none");
    }
    rig.tell(FIRST, ToIntercept::Payload { id: FlowId(1), mode: AnswerPayload::All });
    rig.route(FIRST, 1, flow(1));
    rig.data(flow(1), 10);
    assert_eq!(rig.sent.answers[0].3, b"", "a new route starts without payload");
    rig.tell(FIRST, ToIntercept::Payload { id: FlowId(404), mode: AnswerPayload::All });
}

#[test]
fn each_answer_is_taken_once() {
    let policy = TargetPolicy { loopback: true, ..TargetPolicy::default() };
    let mut rig = Rig::with(RouterConfig { policy, ..RouterConfig::default() });
    let own = Flow { client: endpoint("10.0.0.1:1"), server: Endpoint::new(LOCAL.parse().unwrap(), 80) };
    let looped = Flow { client: endpoint("127.0.0.1:1"), server: endpoint("127.0.0.1:80") };
    rig.route(FIRST, 1, flow(1));
    rig.route(FIRST, 2, own);
    rig.route(FIRST, 3, looped);
    // Forwarded: in, then out. Of this host: out alone. Over loopback: out, then in.
    let forwarded = packet(flow(1), 10, Flags::ACK, b"");
    rig.capture(&forwarded, false);
    rig.capture(&forwarded, true);
    rig.capture(&packet(own, 20, Flags::ACK, b""), true);
    let looped = packet(looped, 30, Flags::ACK, b"");
    rig.capture(&looped, true);
    rig.capture(&looped, false);
    assert_eq!(rig.answers(), [(FIRST, 1, 10), (FIRST, 2, 20), (FIRST, 3, 30)]);

    rig.router.set_local_addresses([]);
    rig.capture(&packet(own, 21, Flags::ACK, b""), true);
    assert_eq!(rig.answers(), []);
}

#[test]
fn what_is_no_segment_is_counted() {
    let mut rig = Rig::new();
    rig.capture(b"", false);
    rig.capture(&[0x45; 30], false);
    rig.capture(&[0x60; 10], true);
    assert_eq!(rig.router.statistics().unreadable, 3);
    assert_eq!(rig.router.statistics().captured, 3);
}

#[test]
fn the_hello_is_the_first_message_and_only_the_first() {
    let mut rig = Rig::new();
    let third = PeerId(3);
    rig.router.handle_peer_connected(third, address(third));
    assert_eq!(rig.try_tell(third, ToIntercept::Ping { nonce: 1 }), Err(RefuseReason::Malformed));
    let other = ToIntercept::Hello { version: VERSION + 1, instance: 1 };
    assert_eq!(rig.try_tell(third, other), Err(RefuseReason::Version(VERSION)));
    assert_eq!(rig.sent.others, []);
    rig.tell(third, greeting(third));
    rig.tell(third, ToIntercept::Ping { nonce: 2 });
    let hello = FromIntercept::Hello { version: VERSION };
    assert_eq!(rig.sent.others, [(third, hello), (third, FromIntercept::Pong { nonce: 2 })]);
    let again = greeting(third);
    assert_eq!(rig.try_tell(third, again), Err(RefuseReason::Malformed));
}

#[test]
fn limits_are_kept() {
    let mut rig = Rig::with(RouterConfig {
        max_peers: 3,
        max_routes: 5,
        max_targets_per_peer: 1,
        ..RouterConfig::default()
    });
    let (third, fourth) = (PeerId(2), PeerId(3));
    let hello = greeting(PeerId(9));
    // One peer more is accepted, but not from a host that has one.
    rig.router.handle_peer_connected(third, address(FIRST));
    assert_eq!(rig.try_tell(third, hello.clone()), Err(RefuseReason::TooManyConnections));
    rig.router.handle_peer_gone(third);
    rig.greet(third);
    rig.router.handle_peer_connected(fourth, address(fourth));
    assert_eq!(rig.try_tell(fourth, hello.clone()), Err(RefuseReason::TooManyConnections));

    for port in 1..=3 {
        rig.route(FIRST, u32::from(port), flow(port));
    }
    rig.route(FIRST, 3, flow(30));
    rig.route(FIRST, 4, flow(30));
    let another = |port| ToIntercept::RouteAdd { id: FlowId(9), flow: flow(port), proof: PROOF };
    assert_eq!(rig.try_tell(FIRST, another(4)), Err(RefuseReason::TooManyRoutes), "no more than are left");
    rig.tell(SECOND, another(30));
    assert_eq!(rig.router.routes(), 4);
    assert_eq!(rig.try_tell(SECOND, another(1)), Ok(()), "another flow in place of that");
    rig.tell(third, another(1));
    assert_eq!(rig.try_tell(fourth, another(2)), Err(RefuseReason::Malformed), "no hello");

    rig.tell(FIRST, ToIntercept::Target(endpoint(SERVER)));
    rig.tell(FIRST, ToIntercept::Target(endpoint(SERVER)));
    let target = ToIntercept::Target(endpoint("10.0.0.9:1"));
    assert_eq!(rig.try_tell(FIRST, target), Err(RefuseReason::TooManyRoutes));

    rig.router.handle_peer_gone(FIRST);
    assert_eq!(rig.router.routes(), 2);
    assert_eq!(rig.try_tell(fourth, hello), Ok(()), "there is room again");
}

/// Also with as many connections as it can get.
#[test]
fn a_greedy_host_leaves_half_of_the_routes() {
    let mut rig = Rig::with(RouterConfig { max_peers: 8, max_routes: 4000, ..RouterConfig::default() });
    let greedy = [FIRST, PeerId(2), PeerId(3)];
    for peer in &greedy[1..] {
        rig.router.handle_peer_connected(*peer, address(FIRST));
        rig.tell(*peer, greeting(*peer));
    }
    let mut got = 0;
    for (number, peer) in greedy.into_iter().cycle().enumerate() {
        let add =
            ToIntercept::RouteAdd { id: FlowId(number as u32), flow: flow(number as u16), proof: PROOF };
        if rig.try_tell(peer, add).is_err() {
            break;
        }
        got += 1;
    }
    assert_eq!(got, 2000);
    for port in 0..1000 {
        rig.route(SECOND, u32::from(port), flow(port));
    }
    for peer in greedy {
        rig.router.handle_peer_gone(peer);
    }
    assert_eq!(rig.router.routes(), 1000);
    rig.data(flow(999), 7);
    assert_eq!(rig.answers(), [(SECOND, 999, 7)]);
}

/// Also with as many connections as it can get.
#[test]
fn a_greedy_host_leaves_half_of_the_targets() {
    let mut rig = Rig::with(RouterConfig {
        max_peers: 8,
        max_targets_per_peer: 30,
        max_targets: 100,
        ..RouterConfig::default()
    });
    let greedy = [FIRST, PeerId(2), PeerId(3)];
    for peer in &greedy[1..] {
        rig.router.handle_peer_connected(*peer, address(FIRST));
        rig.tell(*peer, greeting(*peer));
    }
    let target = |port| ToIntercept::Target(Endpoint::new([10, 0, 0, 2].into(), port));
    // A target of two peers counts twice.
    for port in 0..25 {
        rig.tell(FIRST, target(port));
        rig.tell(greedy[1], target(port));
        rig.tell(greedy[1], target(port));
    }
    assert_eq!(rig.router.targets().count(), 25);
    assert_eq!(rig.try_tell(greedy[2], target(1000)), Err(RefuseReason::TooManyRoutes));
    for port in 1000..1025 {
        rig.tell(SECOND, target(port));
    }
    assert_eq!(rig.try_tell(SECOND, target(1025)), Err(RefuseReason::TooManyRoutes));
    rig.router.handle_peer_gone(FIRST);
    assert_eq!(rig.router.targets().count(), 50, "the other peer wants them, too");
    rig.tell(greedy[2], target(1000));
    rig.router.handle_peer_gone(greedy[1]);
    rig.router.handle_peer_gone(greedy[2]);
    assert_eq!(rig.router.targets().count(), 25);
}

/// The proof of a connection that begins with this number.
fn opening(isn: u32) -> Proof {
    Proof::Opening { isn: Seq(isn), past: None }
}

impl Rig {
    fn announce(&mut self, peer: PeerId, id: u32, flow: Flow, proof: Proof) {
        self.tell(peer, ToIntercept::RouteAdd { id: FlowId(id), flow, proof });
    }

    /// What peers were told beside answers, since the last call.
    fn told(&mut self) -> Vec<(PeerId, FromIntercept<'static>)> {
        std::mem::take(&mut self.sent.others)
    }
}

#[test]
fn a_stranger_learns_nothing_of_what_another_has_opened() {
    let mut rig = Rig::new();
    rig.announce(SECOND, 9, flow(1), opening(1234));
    rig.tell(SECOND, ToIntercept::Payload { id: FlowId(9), mode: AnswerPayload::All });
    rig.announce(FIRST, 1, flow(1), opening(ACK.0 - 1));
    rig.syn_ack(flow(1), 10);
    rig.data(flow(1), 11);
    rig.answer(flow(1), 16, Flags::RST, b"");
    assert_eq!(rig.answers(), [(FIRST, 1, 10), (FIRST, 1, 11), (FIRST, 1, 16)]);
    // Also not afterwards, with a guess that is near.
    for near in [ACK.0 - 2, ACK.0, ACK.0 + 1] {
        rig.announce(SECOND, 9, flow(1), opening(near));
        rig.announce(SECOND, 9, flow(1), Proof::Open { una: ACK + 1, max: ACK + 4000, next: Seq(1 << 31) });
        rig.data(flow(1), 17);
    }
    assert!(rig.answers().iter().all(|(peer, ..)| *peer == FIRST));
    assert_eq!(rig.router.statistics().unproved, 0, "each had its owner");
    let owner_alone = [(FIRST, FromIntercept::Shared { id: FlowId(1), host: address(SECOND) })];
    assert_eq!(rig.told(), owner_alone, "once a minute");
}

#[test]
fn answers_before_the_proof_go_to_nobody() {
    let mut rig = Rig::new();
    rig.announce(FIRST, 1, flow(1), opening(1234));
    rig.data(flow(1), 10);
    rig.syn_ack(flow(1), 11);
    rig.data(flow(1), 12);
    assert_eq!((rig.answers(), rig.router.statistics().unproved), (vec![], 3));
}

#[test]
fn a_syn_ack_that_has_overtaken_its_route_goes_to_its_owner_only() {
    let mut rig = Rig::new();
    rig.syn_ack(flow(1), 10);
    rig.announce(SECOND, 9, flow(1), opening(1234));
    assert_eq!(rig.answers(), []);
    rig.announce(FIRST, 1, flow(1), opening(ACK.0 - 1));
    rig.data(flow(1), 11);
    assert_eq!(rig.answers(), [(FIRST, 1, 10), (FIRST, 1, 11)]);
}

/// A refuted guess makes room for nobody, and an owner is never displaced.
#[test]
fn a_flow_has_two_routes_and_its_owner_keeps_one() {
    let mut rig = Rig::new();
    let third = PeerId(2);
    rig.greet(third);
    rig.announce(SECOND, 9, flow(1), opening(1));
    rig.announce(third, 9, flow(1), opening(2));
    rig.announce(FIRST, 1, flow(1), opening(ACK.0 - 1));
    assert_eq!(rig.router.routes(), 2, "the oldest has made room");
    rig.syn_ack(flow(1), 10);
    for round in 0..3 {
        rig.announce(SECOND, 9, flow(1), opening(round));
        rig.announce(third, 9, flow(1), opening(round));
    }
    rig.data(flow(1), 11);
    assert_eq!(rig.answers(), [(FIRST, 1, 10), (FIRST, 1, 11)]);
    assert_eq!(rig.router.routes(), 2);
}

#[test]
fn a_tcpcopy_that_comes_again_gets_what_it_has_left_behind() {
    let mut rig = Rig::new();
    rig.announce(FIRST, 1, flow(1), opening(ACK.0 - 1));
    rig.syn_ack(flow(1), 10);
    rig.router.handle_peer_gone(FIRST);
    rig.greet(FIRST);
    rig.announce(SECOND, 9, flow(1), opening(8));
    rig.announce(FIRST, 2, flow(1), opening(9));
    rig.data(flow(1), 11);
    assert_eq!(rig.answers(), [(FIRST, 1, 10), (FIRST, 2, 11)]);
    // The server accepts another connection, which is nobody's here.
    rig.syn_ack(flow(1), 500);
    rig.data(flow(1), 501);
    rig.router.handle_peer_gone(FIRST);
    rig.greet(FIRST);
    rig.announce(FIRST, 3, flow(1), opening(10));
    rig.data(flow(1), 502);
    assert_eq!(rig.answers(), []);
}

/// A connection that an earlier tcpcopy has left behind challenges a SYN. Its numbers reset it, or take it over.
#[test]
fn only_peers_with_the_key_learn_the_numbers_of_a_connection_that_is_nobody_s() {
    for trusts_peers in [false, true] {
        let mut rig = Rig::with(RouterConfig { trusts_peers, ..RouterConfig::default() });
        rig.greet(FIRST);
        rig.greet(SECOND);
        rig.announce(FIRST, 1, flow(1), opening(5000));
        rig.answer(flow(1), 10, Flags::ACK, b"");
        let challenge = (FIRST, 1, 10);
        assert_eq!(rig.answers(), if trusts_peers { vec![challenge] } else { vec![] });
        // Neither its data, nor anything of a connection that is another's.
        rig.data(flow(1), 11);
        rig.announce(SECOND, 2, flow(2), opening(ACK.0 - 1));
        rig.syn_ack(flow(2), 20);
        rig.announce(FIRST, 2, flow(2), opening(5000));
        rig.answer(flow(2), 21, Flags::ACK, b"");
        let others = [(SECOND, 2, 20), (SECOND, 2, 21)];
        assert_eq!(
            rig.answers().into_iter().filter(|answer| *answer != challenge).collect::<Vec<_>>(),
            others
        );
    }
}

#[test]
fn a_new_connection_of_the_same_tcpcopy_takes_over_before_the_old_one_is_known_to_be_dead() {
    let mut rig = Rig::new();
    let again = PeerId(7);
    rig.announce(FIRST, 1, flow(1), opening(ACK.0 - 1));
    rig.syn_ack(flow(1), 10);
    rig.router.handle_peer_connected(again, address(FIRST));
    rig.tell(again, greeting(FIRST));
    rig.announce(again, 1, flow(1), Proof::Open { una: Seq(5), max: Seq(6), next: Seq(0) });
    rig.data(flow(1), 11);
    assert_eq!(rig.answers(), [(FIRST, 1, 10), (again, 1, 11)]);
    assert_eq!((rig.router.routes(), rig.told().len()), (1, 1), "it is no other tcpcopy");
}

#[test]
fn who_guesses_too_much_is_cut_off_and_named() {
    let mut rig = Rig::new();
    let all = |id| Proof::Open {
        una: ACK + (1 << 30) + id,
        max: ACK + (1 << 30) + id + (1 << 23),
        next: Seq(1 << 31),
    };
    for id in 0..125 {
        rig.announce(SECOND, id, flow(1), all(id));
        rig.data(flow(1), 10);
    }
    let ping = ToIntercept::Ping { nonce: 1 };
    assert_eq!(rig.try_tell(SECOND, ping.clone()), Err(RefuseReason::CutOff));
    assert_eq!(rig.try_tell(FIRST, ping), Ok(()));
    assert_eq!(rig.router.take_guessers().len(), 1);
    for port in 0..100 {
        rig.announce(FIRST, port.into(), flow(port), opening(4711));
        rig.data(flow(port), 10);
    }
    let named: Vec<_> = rig.router.take_guessers().into_iter().map(|guesser| guesser.host).collect();
    assert_eq!((named, rig.answers()), (vec![address(FIRST).into()], vec![]));
}

#[test]
fn loopback_is_nobody_s_business() {
    let mut rig = Rig::new();
    let looped = Flow { client: endpoint("127.0.0.1:1"), server: endpoint("127.0.0.1:80") };
    rig.route(FIRST, 1, looped);
    rig.capture(&packet(looped, 30, Flags::ACK, b"secret"), true);
    assert_eq!((rig.answers(), rig.router.statistics().withheld), (vec![], 1));
    let target = ToIntercept::Target(looped.server);
    assert_eq!(rig.try_tell(FIRST, target), Err(RefuseReason::TargetNotAllowed(looped.server)));
}

#[test]
fn production_is_nobody_s_target() {
    let mut rig = Rig::new();
    let production = Endpoint::new(address(FIRST), 80);
    let refused = RefuseReason::TargetIsCopied(production);
    rig.tell(SECOND, ToIntercept::Target(production));
    assert_eq!(rig.router.take_refused(), []);
    rig.tell(FIRST, ToIntercept::Service(production));
    assert_eq!(rig.router.take_refused(), [(SECOND, refused)]);
    rig.router.handle_peer_gone(SECOND);
    rig.greet(SECOND);
    assert_eq!(rig.try_tell(SECOND, ToIntercept::Target(production)), Err(refused));
    assert_eq!(rig.try_tell(FIRST, ToIntercept::Target(production)), Err(refused), "nor its own");
    // A stranger cannot have a test server refused.
    rig.tell(SECOND, ToIntercept::Service(endpoint(SERVER)));
    rig.tell(FIRST, ToIntercept::Target(endpoint(SERVER)));
    assert_eq!(rig.router.take_refused(), []);
}

/// A router that serves UDP.
fn datagram_rig() -> Rig {
    let policy = TargetPolicy { datagrams: true, ..TargetPolicy::default() };
    Rig::with(RouterConfig { policy, ..RouterConfig::default() })
}

fn datagram(flow: Flow) -> Vec<u8> {
    let mut packet = Vec::new();
    let datagram = common_core::wire::Datagram {
        source: flow.server,
        destination: flow.client,
        hops: 64,
        payload: b"answer",
        payload_len: 6,
    };
    assert!(datagram.write(&mut packet));
    packet
}

#[test]
fn a_datagram_goes_to_all_who_have_named_its_server() {
    let mut rig = datagram_rig();
    rig.tell(FIRST, ToIntercept::DatagramTarget(flow(1).server));
    rig.tell(FIRST, ToIntercept::DatagramTarget(endpoint("10.0.0.2:54")));
    rig.capture(&datagram(flow(1)), false);
    rig.tell(SECOND, ToIntercept::DatagramTarget(flow(1).server));
    rig.capture(&datagram(flow(2)), false);
    let answer = |port| {
        FromIntercept::DatagramAnswer(common_core::control::DatagramAnswer {
            flow: flow(port),
            payload_len: 6,
        })
    };
    let mut told = rig.told();
    told.sort_by_key(|(peer, _)| *peer);
    assert_eq!(told, [(FIRST, answer(1)), (FIRST, answer(2)), (SECOND, answer(2))]);
    assert_eq!(rig.router.statistics().forwarded, 3);
}

#[test]
fn few_peers_of_a_host_get_the_answers_of_one_server() {
    let mut rig = datagram_rig();
    let target = ToIntercept::DatagramTarget(flow(1).server);
    rig.tell(FIRST, target.clone());
    for number in 2..6 {
        rig.router.handle_peer_connected(PeerId(number), address(FIRST));
        rig.tell(PeerId(number), greeting(PeerId(number)));
        let expected = if number < 5 { Ok(()) } else { Err(RefuseReason::TooManyRoutes) };
        assert_eq!(rig.try_tell(PeerId(number), target.clone()), expected, "{number}");
    }
    rig.tell(FIRST, target.clone());
    rig.tell(SECOND, target.clone());
    rig.router.handle_peer_gone(FIRST);
    rig.tell(PeerId(5), target);
}

#[test]
fn other_packets_are_counted_where_datagrams_are_served() {
    let mut rig = datagram_rig();
    rig.tell(FIRST, ToIntercept::DatagramTarget(flow(1).server));
    rig.capture(&datagram(Flow { server: endpoint("10.0.0.2:81"), ..flow(1) }), false);
    rig.capture(&packet(flow(1), 10, Flags::ACK, b""), false);
    // The host forwards this answer to the real client.
    rig.capture(&datagram(flow(1)), true);
    let looped = Flow { client: endpoint("127.0.0.1:1"), server: endpoint("127.0.0.1:80") };
    rig.capture(&datagram(looped), false);
    let counters = rig.router.statistics();
    assert_eq!(rig.told(), []);
    assert_eq!((counters.unrouted, counters.unreadable, counters.relayed, counters.withheld), (1, 1, 1, 1));
}

#[test]
fn an_intercept_serves_one_transport() {
    let (segments, datagrams) = (ToIntercept::Target, ToIntercept::DatagramTarget);
    let server = endpoint(SERVER);
    assert_eq!(datagram_rig().try_tell(FIRST, segments(server)), Err(RefuseReason::OtherTransport));
    assert_eq!(Rig::new().try_tell(FIRST, datagrams(server)), Err(RefuseReason::OtherTransport));
    assert_eq!(datagram_rig().try_tell(FIRST, datagrams(server)), Ok(()));
}
