//! The driver with peers on loopback, and packets handed to its router by hand.

mod key;

use super::control_port::RESERVED;
use super::filter_schedule::AT_ONCE;
use super::peer::Peer;
use super::peers::QUEUE;
use super::*;
use crate::router::PeerId;
use common_core::answer_payload::AnswerPayload;
use common_core::control::{FlowId, FrameBuffer, FromIntercept, Proof, RefuseReason, ToIntercept, VERSION};
use common_core::flow::{Endpoint, Flow};
use common_core::time::Stamp;
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Seq};
use common_os::io::Captured;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};

use mio::net::TcpListener;

/// A driver without captures. Each of its rounds sleeps until something happens.
struct Rig {
    driver: Driver,
}

impl Rig {
    fn new() -> Self {
        Self::with_keys(None)
    }

    fn with_keys(keys: Option<std::sync::Arc<common_noise::key::Keys>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { driver: Driver::with(Captures::none(), ControlPort::new(listener, keys)).unwrap() }
    }

    fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.driver.address()).unwrap())
    }

    fn connect_from(&self, ip: &str) -> Client {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let from = SocketAddr::new(ip.parse().unwrap(), 0);
        socket.bind(&from.into()).unwrap();
        socket.connect(&self.driver.address().into()).unwrap();
        Client::new(socket.into())
    }

    fn greeted(&mut self) -> Client {
        let mut client = self.connect();
        client.send(&ToIntercept::Hello { version: VERSION, instance: 1 });
        assert_eq!(self.next(&mut client), Some(Message::Hello(VERSION)));
        client
    }

    /// The next message to a client, statistics left out; none if the connection is closed.
    fn next(&mut self, client: &mut Client) -> Option<Message> {
        loop {
            if let Some(message) = client.take() {
                return Some(message);
            }
            if client.ended {
                return None;
            }
            // A round may sleep: everything that has come is read first.
            if !client.read() {
                self.driver.round().unwrap();
            }
        }
    }

    fn capture(&mut self, seq: u32, payload: &[u8]) {
        let back = Flow { client: flow().server, server: flow().client };
        let segment = Outgoing {
            seq: Seq(seq),
            ack: ACK,
            flags: Flags::ACK,
            window: 1,
            options: Options::default(),
            payload: (payload, &[]),
        };
        let mut builder = PacketBuilder::new();
        let captured =
            Captured { packet: builder.build(&back, &segment), outgoing: false, stamp: Stamp::FIRST };
        self.driver.router.handle_packet(Time::ZERO, captured, &mut self.driver.control.peers);
        self.driver.control.flush(Time::ZERO, &mut self.driver.router);
    }

    /// As if this much time had passed.
    fn tick_after(&mut self, time: Duration) {
        let now = self.driver.clock.now() + time;
        self.driver.tick(now);
    }
}

struct Client {
    stream: TcpStream,
    frames: FrameBuffer,
    ended: bool,
    /// Messages of statistics received.
    statistics: u32,
}

/// A message, as far as tests look at it.
#[derive(Debug, PartialEq, Eq)]
enum Message {
    Hello(u16),
    Refuse(RefuseReason),
    ServerSegment(FlowId, Seq, usize),
    Pong(u32),
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        stream.set_nonblocking(true).unwrap();
        Self { stream, frames: FrameBuffer::new(), ended: false, statistics: 0 }
    }

    fn send(&mut self, message: &ToIntercept) {
        let mut frame = Vec::new();
        message.encode(&mut frame);
        self.stream.write_all(&frame).unwrap();
    }

    /// Reads what has come; false if nothing has.
    fn read(&mut self) -> bool {
        match self.stream.read(self.frames.space()) {
            Ok(0) => self.ended = true,
            Ok(count) => self.frames.filled(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.ended = true,
            Err(error) => panic!("{error}"),
        }
        true
    }

    fn take(&mut self) -> Option<Message> {
        loop {
            let body = self.frames.next_frame().unwrap()?;
            return Some(match FromIntercept::decode(body).unwrap() {
                FromIntercept::Hello { version } => Message::Hello(version),
                FromIntercept::Refuse(reason) => Message::Refuse(reason),
                FromIntercept::ServerSegment(answer) => {
                    Message::ServerSegment(answer.id, answer.seq, answer.payload.len())
                }
                FromIntercept::Pong { nonce } => Message::Pong(nonce),
                FromIntercept::Shared { .. } => panic!("no flow is shared here"),
                FromIntercept::Tunnel(_) => panic!("there is no device here"),
                FromIntercept::DatagramAnswer(_) => panic!("no datagrams are served here"),
                FromIntercept::Statistics(_) => {
                    self.statistics += 1;
                    continue;
                }
            });
        }
    }
}

/// What captured segments acknowledge, and the proof of a connection with that number.
const ACK: Seq = Seq(1);
const PROOF: Proof = Proof::Open { una: ACK, max: ACK, next: Seq(0) };

fn flow() -> Flow {
    Flow { client: Endpoint::new([10, 0, 0, 1].into(), 1), server: Endpoint::new([10, 0, 0, 2].into(), 80) }
}

/// Bytes that look like nothing, the same in each run.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn counters_follow_the_hello() {
    let mut rig = Rig::new();
    let mut client = rig.greeted();
    client.send(&ToIntercept::Ping { nonce: 1 });
    assert_eq!(rig.next(&mut client), Some(Message::Pong(1)));
    assert!(client.statistics >= 1, "before the next second");
}

#[test]
fn packets_are_captured_whole_only_while_somebody_wants_that() {
    let mut rig = Rig::new();
    let mut client = rig.greeted();
    let mut send = |rig: &mut Rig, message| {
        client.send(&message);
        client.send(&ToIntercept::Ping { nonce: 1 });
        assert_eq!(rig.next(&mut client), Some(Message::Pong(1)));
        rig.driver.captures.keeps_payload()
    };
    let ask = || ToIntercept::Payload { id: FlowId(7), mode: AnswerPayload::All };
    assert!(!send(&mut rig, ask()), "of a route that does not stand");
    assert!(!send(&mut rig, ToIntercept::RouteAdd { id: FlowId(7), flow: flow(), proof: PROOF }));
    assert!(send(&mut rig, ask()), "at once");
    rig.tick_after(TICK);
    assert!(rig.driver.captures.keeps_payload());
    send(&mut rig, ToIntercept::RouteDel { id: FlowId(7) });
    rig.tick_after(TICK * 2);
    assert!(!rig.driver.captures.keeps_payload(), "a second later");
}

#[test]
fn new_targets_are_captured_at_once_but_no_host_keeps_the_filter_busy() {
    let mut rig = Rig::new();
    rig.driver.next_tick = rig.driver.clock.now() + Duration::from_secs(3600);
    let mut restless = rig.greeted();
    let mut other = rig.connect_from("127.0.0.2");
    other.send(&ToIntercept::Hello { version: VERSION, instance: 1 });
    assert_eq!(rig.next(&mut other), Some(Message::Hello(VERSION)));
    let mut all = Vec::new();
    let mut announced = |rig: &mut Rig, client: &mut Client| {
        all.push(Endpoint::new([10, 0, 0, 2].into(), 1000 + u16::try_from(all.len()).unwrap()));
        client.send(&ToIntercept::Target(all[all.len() - 1]));
        client.send(&ToIntercept::Ping { nonce: 1 });
        assert_eq!(rig.next(client), Some(Message::Pong(1)));
        rig.driver.captures.captures_only(&all)
    };
    for _ in 0..AT_ONCE / 2 {
        assert!(announced(&mut rig, &mut restless));
    }
    assert!(!announced(&mut rig, &mut restless), "half of the times are others'");
    assert!(announced(&mut rig, &mut other), "and the changes that had to wait are included");
    assert!(!announced(&mut rig, &mut restless));
    rig.tick_after(TICK);
    let wanted: Vec<_> = rig.driver.router.targets().collect();
    assert!(rig.driver.captures.captures_only(&wanted), "a second later");
    assert!(announced(&mut rig, &mut restless), "and at once again");
    drop(restless);
    while rig.driver.control.peers.len() > 1 {
        rig.driver.round().unwrap();
    }
    let left: Vec<_> = rig.driver.router.targets().collect();
    assert_eq!(left.len(), 1);
    assert!(!rig.driver.captures.captures_only(&left), "targets that are gone may wait");
    rig.tick_after(TICK);
    assert!(rig.driver.captures.captures_only(&left));
}

#[test]
fn an_answer_reaches_its_tcpcopy() {
    let mut rig = Rig::new();
    let mut client = rig.greeted();
    client.send(&ToIntercept::Target(flow().server));
    client.send(&ToIntercept::RouteAdd { id: FlowId(7), flow: flow(), proof: PROOF });
    client.send(&ToIntercept::Payload { id: FlowId(7), mode: AnswerPayload::All });
    client.send(&ToIntercept::Ping { nonce: 1 });
    assert_eq!(rig.next(&mut client), Some(Message::Pong(1)));
    rig.capture(5, b"hello");
    assert_eq!(rig.next(&mut client), Some(Message::ServerSegment(FlowId(7), Seq(5), 5)));
}

#[test]
fn noise_is_refused_and_other_peers_are_served() {
    let mut rig = Rig::new();
    let mut client = rig.greeted();
    let mut hostile = rig.connect();
    let bytes = noise(100_000);
    let mut sent = 0;
    // The refusal may be lost, because unread bytes reset the connection; but the connection ends in any case.
    while !hostile.ended {
        match hostile.stream.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => hostile.ended = true,
        }
        rig.driver.round().unwrap();
        hostile.read();
        if let Some(message) = hostile.take() {
            assert_eq!(message, Message::Refuse(RefuseReason::Malformed));
        }
    }
    client.send(&ToIntercept::Ping { nonce: 2 });
    assert_eq!(rig.next(&mut client), Some(Message::Pong(2)));
    drop(hostile);
    while rig.driver.control.peers.len() > 1 {
        rig.driver.round().unwrap();
    }
}

#[test]
fn another_version_is_refused_with_ours_whatever_follows_its_hello() {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    client.send(&ToIntercept::Hello { version: VERSION + 1, instance: 1 });
    client.send(&ToIntercept::Target(flow().server));
    client.stream.write_all(&noise(1000)).unwrap();
    assert_eq!(rig.next(&mut client), Some(Message::Refuse(RefuseReason::Version(VERSION))));
    assert_eq!(rig.next(&mut client), None);
    assert_eq!(rig.driver.router.targets().count(), 0);
}

#[test]
fn a_peer_that_goes_wrong_later_takes_its_routes_along() {
    let mut rig = Rig::new();
    let mut client = rig.greeted();
    client.send(&ToIntercept::RouteAdd { id: FlowId(7), flow: flow(), proof: PROOF });
    client.stream.write_all(&[0, 0, 0, 1, 0x99]).unwrap();
    assert_eq!(rig.next(&mut client), Some(Message::Refuse(RefuseReason::Malformed)));
    assert_eq!(rig.next(&mut client), None);
    assert_eq!(rig.driver.router.routes(), 0);
}

#[test]
fn a_peer_without_hello_is_removed_after_its_deadline() {
    let mut rig = Rig::new();
    let mut client = rig.greeted();
    let mut silent = rig.connect();
    while rig.driver.control.peers.len() < 2 {
        rig.driver.round().unwrap();
    }
    rig.tick_after(Duration::from_secs(4));
    assert_eq!(rig.driver.control.peers.len(), 2);
    rig.tick_after(Duration::from_secs(6));
    assert_eq!(rig.driver.control.peers.len(), 1);
    assert_eq!(rig.next(&mut silent), None);
    client.send(&ToIntercept::Ping { nonce: 3 });
    assert_eq!(rig.next(&mut client), Some(Message::Pong(3)));
}

#[test]
fn a_refused_peer_that_stays_is_dropped() {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    client.send(&ToIntercept::Hello { version: VERSION + 1, instance: 1 });
    assert_eq!(rig.next(&mut client), Some(Message::Refuse(RefuseReason::Version(VERSION))));
    assert_eq!(rig.driver.control.peers.len(), 1, "it may still be reading");
    rig.tick_after(Duration::from_secs(3));
    assert_eq!(rig.driver.control.peers.len(), 0);
}

/// Connections that one host can get if it is unknown and alone.
const CROWD: usize = (MAX_PEERS - RESERVED) / 2;

#[test]
fn a_host_takes_no_more_connections_than_it_leaves() {
    let mut rig = Rig::new();
    let mut client = rig.greeted();
    let crowd: Vec<_> = (1..CROWD).map(|_| rig.connect()).collect();
    let mut late = rig.connect();
    assert_eq!(rig.next(&mut late), None);
    assert_eq!(rig.driver.control.peers.len(), CROWD);
    // All of loopback's addresses are this host's, but each counts for itself.
    let mut other = rig.connect_from("127.0.0.2");
    other.send(&ToIntercept::Hello { version: VERSION, instance: 1 });
    assert_eq!(rig.next(&mut other), Some(Message::Hello(VERSION)));
    client.send(&ToIntercept::Ping { nonce: 4 });
    assert_eq!(rig.next(&mut client), Some(Message::Pong(4)));
    drop(crowd);
    while rig.driver.control.peers.len() > 2 {
        rig.driver.round().unwrap();
    }
    rig.greeted();
}

#[test]
fn hosts_that_hold_all_places_make_room_for_one_that_has_none() {
    let mut rig = Rig::new();
    let mut crowd = Vec::new();
    for host in 10..18 {
        let ip = format!("127.0.0.{host}");
        crowd.extend((0..100).map(|_| rig.connect_from(&ip)));
        for _ in 0..4 {
            rig.driver.round().unwrap();
        }
    }
    let held = rig.driver.control.peers.len();
    assert!(
        (100..=MAX_PEERS - RESERVED).contains(&held),
        "some are left, and the last ones are reserved: {held}"
    );
    for ip in ["127.0.0.1", "127.0.0.2"] {
        let mut client = rig.connect_from(ip);
        client.send(&ToIntercept::Hello { version: VERSION, instance: 1 });
        assert_eq!(rig.next(&mut client), Some(Message::Hello(VERSION)));
        assert!(rig.driver.control.peers.len() <= MAX_PEERS - RESERVED);
    }
}

#[test]
fn a_host_that_has_copied_has_places_whatever_others_hold() {
    let mut rig = Rig::new();
    let mut client = rig.greeted();
    rig.driver.control.hosts.of(Time::ZERO, IpAddr::from([127, 0, 0, 1]).into()).know();
    let mut crowd = Vec::new();
    for number in 0..250 {
        crowd.push(rig.connect_from(&format!("127.0.1.{}", number + 1)));
        if number % 20 == 19 {
            rig.driver.round().unwrap();
        }
    }
    rig.driver.round().unwrap();
    assert!((150..=MAX_PEERS - RESERVED + 1).contains(&rig.driver.control.peers.len()));
    let mut more: Vec<_> = (0..RESERVED + 10).map(|_| rig.greeted()).collect();
    more.push(rig.greeted());
    client.send(&ToIntercept::Ping { nonce: 4 });
    assert_eq!(rig.next(&mut client), Some(Message::Pong(4)), "and none of its own is displaced");
    drop(crowd);
}

#[test]
fn a_flood_of_pings_is_cut_off() {
    let mut rig = Rig::new();
    let mut flooder = rig.greeted();
    let mut other = rig.connect_from("127.0.0.2");
    other.send(&ToIntercept::Hello { version: VERSION, instance: 1 });
    assert_eq!(rig.next(&mut other), Some(Message::Hello(VERSION)));
    let mut frames = Vec::new();
    (0..2000).for_each(|nonce| ToIntercept::Ping { nonce }.encode(&mut frames));
    flooder.stream.write_all(&frames).unwrap();
    let last = std::iter::from_fn(|| rig.next(&mut flooder)).last();
    assert_eq!(last, Some(Message::Refuse(RefuseReason::CutOff)));
    other.send(&ToIntercept::Ping { nonce: 1 });
    assert_eq!(rig.next(&mut other), Some(Message::Pong(1)));
}

#[test]
fn who_asks_for_more_than_its_share_waits_for_the_next_second() {
    let mut rig = Rig::new();
    rig.driver.next_tick = rig.driver.clock.now() + Duration::from_secs(3600);
    let mut flooder = rig.greeted();
    let mut other = rig.connect_from("127.0.0.2");
    other.send(&ToIntercept::Hello { version: VERSION, instance: 1 });
    assert_eq!(rig.next(&mut other), Some(Message::Hello(VERSION)));
    let host = IpAddr::from([127, 0, 0, 1]).into();
    rig.driver.control.hosts.of(Time::ZERO, host).works(1 << 40, 0);
    flooder.send(&ToIntercept::Ping { nonce: 1 });
    for nonce in 0..5 {
        other.send(&ToIntercept::Ping { nonce });
        assert_eq!(rig.next(&mut other), Some(Message::Pong(nonce)));
    }
    assert!(!rig.driver.control.any_ready(), "it must not keep the loop from sleeping");
    rig.tick_after(TICK);
    assert_eq!(rig.next(&mut flooder), Some(Message::Pong(1)));
}

#[test]
fn a_peer_that_reads_nothing_is_removed() {
    let mut rig = Rig::new();
    let mut slow = rig.greeted();
    slow.send(&ToIntercept::RouteAdd { id: FlowId(7), flow: flow(), proof: PROOF });
    slow.send(&ToIntercept::Payload { id: FlowId(7), mode: AnswerPayload::All });
    slow.send(&ToIntercept::Ping { nonce: 5 });
    assert_eq!(rig.next(&mut slow), Some(Message::Pong(5)));
    let payload = vec![1; 60_000];
    for seq in 0..500 {
        rig.capture(seq, &payload);
    }
    let queued: usize = rig.driver.control.peers.iter().map(Peer::queued).sum();
    assert!(queued <= QUEUE, "{queued}");
    assert!(rig.driver.statistics().overflowed > 0);
    rig.tick_after(Duration::from_secs(15));
    assert_eq!(rig.driver.control.peers.len(), 1);
    rig.tick_after(Duration::from_secs(25));
    assert_eq!(rig.driver.control.peers.len(), 0);
}

#[test]
fn what_a_slow_tcpcopy_has_no_room_for_is_counted() {
    let mut rig = Rig::new();
    let mut slow = rig.greeted();
    let mut client = rig.greeted();
    slow.send(&ToIntercept::RouteAdd { id: FlowId(7), flow: flow(), proof: PROOF });
    slow.send(&ToIntercept::Payload { id: FlowId(7), mode: AnswerPayload::All });
    slow.send(&ToIntercept::Ping { nonce: 5 });
    assert_eq!(rig.next(&mut slow), Some(Message::Pong(5)));
    let payload = vec![1; 60_000];
    let mut captured = 0;
    while rig.driver.statistics().overflowed == 0 {
        rig.capture(captured, &payload);
        captured += 1;
        assert!(captured < 10_000, "a queue without limit");
    }
    client.send(&ToIntercept::Ping { nonce: 6 });
    assert_eq!(rig.next(&mut client), Some(Message::Pong(6)), "the other link is served");
    // All that was not dropped arrives whole and in order.
    for seq in 0..captured - 1 {
        assert_eq!(rig.next(&mut slow), Some(Message::ServerSegment(FlowId(7), Seq(seq), payload.len())));
    }
    let statistics = rig.driver.statistics();
    assert_eq!((statistics.forwarded, statistics.overflowed), (u64::from(captured) - 1, 1));
}

#[test]
fn a_host_that_is_cut_off_loses_all_its_connections_and_comes_back_a_minute_later() {
    let mut rig = Rig::new();
    let mut clients = [rig.greeted(), rig.greeted()];
    let mut other = rig.connect_from("127.0.0.2");
    other.send(&ToIntercept::Hello { version: VERSION, instance: 1 });
    assert_eq!(rig.next(&mut other), Some(Message::Hello(VERSION)));
    let Driver { control, router, clock, .. } = &mut rig.driver;
    control.cut_off(clock.now(), PeerId(1), "a test", router);
    for client in &mut clients {
        assert_eq!(rig.next(client), Some(Message::Refuse(RefuseReason::CutOff)));
        assert_eq!(rig.next(client), None);
    }
    let mut again = rig.connect();
    assert_eq!(rig.next(&mut again), None, "it is closed at once");
    other.send(&ToIntercept::Ping { nonce: 1 });
    assert_eq!(rig.next(&mut other), Some(Message::Pong(1)));
}
