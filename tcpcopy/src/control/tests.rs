//! The links against a scripted intercept on loopback; time is made up.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use common_core::control::{
    FlowId, FrameBuffer, FromIntercept, RefuseReason, Statistics, ToIntercept, VERSION,
};
use common_core::wire::{Flags, Options, Seq};
use mio::{Events, Poll};

use super::*;

const TARGET: Endpoint = Endpoint::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 17)), 8080);
const HELLO: FromIntercept<'_> = FromIntercept::Hello { version: VERSION };

/// Links, the listeners of their intercepts, and what the links have handed over.
struct Rig {
    poll: Poll,
    links: ControlConns,
    listeners: Vec<TcpListener>,
    now: Time,
    answers: Vec<FlowId>,
    changes: Vec<LinkChange>,
}

impl Rig {
    fn new(count: usize) -> Self {
        let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<Endpoint> = listeners.iter().map(|l| l.local_addr().unwrap().into()).collect();
        Self::with(&addresses, listeners)
    }

    fn with(addresses: &[Endpoint], listeners: Vec<TcpListener>) -> Self {
        let speaker = Speaker { from_start: true, ..Speaker::default() };
        let links = ControlConns::new(addresses, Shard::ALL, vec![TARGET], 3, Time::ZERO, &speaker);
        let mut rig = Self {
            poll: Poll::new().unwrap(),
            links,
            listeners,
            now: Time::ZERO,
            answers: Vec::new(),
            changes: Vec::new(),
        };
        rig.advance(Duration::ZERO);
        rig
    }

    /// Lets time pass: timers, no I/O.
    fn advance(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.links.handle_timeout(self.now, self.poll.registry());
        self.links.flush();
        self.note_changes();
    }

    /// Carries out what the poll reports until `done`.
    fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        let mut events = Events::with_capacity(16);
        while !done(self) {
            self.poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "nothing happened for ten seconds");
            for event in &events {
                assert!(self.links.handle_event(self.now, event));
            }
            while self.links.any_readable() {
                for index in 0..self.links.count() {
                    let answers = &mut self.answers;
                    self.links.receive(self.now, index, 1000, &mut |answer| answers.push(answer.id));
                }
            }
            self.links.flush();
            self.note_changes();
        }
    }

    fn note_changes(&mut self) {
        while let Some(change) = self.links.next_change() {
            self.changes.push(change);
        }
    }

    /// Accepts the connection of a link and its hello.
    fn accept(&mut self, index: usize) -> Peer {
        let (stream, _) = self.listeners[index].accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut peer = Peer { stream, input: FrameBuffer::new() };
        // The link sends its hello when the poll says that it is connected.
        self.run_until(|rig| !rig.links.clients[index].is_connecting());
        assert_eq!(peer.read(), ToIntercept::Hello { version: VERSION, share: Shard::ALL });
        peer
    }

    /// Brings a link up.
    fn accept_up(&mut self, index: usize) -> Peer {
        let mut peer = self.accept(index);
        peer.write(&[HELLO]);
        self.run_until(|rig| rig.changes.last() == Some(&LinkChange::Up(index)));
        peer
    }
}

/// The other end of a link.
struct Peer {
    stream: TcpStream,
    input: FrameBuffer,
}

impl Peer {
    fn write(&mut self, messages: &[FromIntercept<'_>]) {
        let mut bytes = Vec::new();
        messages.iter().for_each(|message| message.encode(&mut bytes));
        self.stream.write_all(&bytes).unwrap();
    }

    fn read(&mut self) -> ToIntercept {
        loop {
            if let Some(body) = self.input.next_frame().unwrap() {
                return ToIntercept::decode(body).unwrap();
            }
            let count = self.stream.read(self.input.space()).unwrap();
            assert!(count > 0, "closed by tcpcopy");
            self.input.filled(count);
        }
    }
}

fn answer(id: u32) -> FromIntercept<'static> {
    FromIntercept::ServerSegment(ServerSegment {
        id: FlowId(id),
        seq: Seq(1),
        ack: Seq(2),
        flags: Flags::ACK,
        window: 3,
        payload_len: 0,
        options: Options::default(),
        payload: &[],
    })
}

fn encoded(message: &ToIntercept) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}

#[test]
fn a_link_announces_targets_and_routes_before_anything_else() {
    let mut rig = Rig::new(1);
    let mut peer = rig.accept_up(0);
    let early = encoded(&ToIntercept::RouteDel { id: FlowId(1) });
    let route = ToIntercept::RouteDel { id: FlowId(2) };
    let later = ToIntercept::RouteDel { id: FlowId(3) };
    rig.links.broadcast(rig.now, &early);
    rig.links.announce(rig.now, 0, &encoded(&route));
    rig.links.broadcast(rig.now, &encoded(&later));
    rig.links.flush();
    assert_eq!([peer.read(), peer.read(), peer.read()], [ToIntercept::Target(TARGET), route, later]);
}

#[test]
fn answers_and_statistics_come_in() {
    let mut rig = Rig::new(1);
    let mut peer = rig.accept(0);
    let statistics = |captured| FromIntercept::Statistics(Statistics { captured, ..Statistics::default() });
    peer.write(&[HELLO, answer(7), answer(8), statistics(100), statistics(105)]);
    rig.run_until(|rig| rig.links.account()[0].statistics.is_some_and(|said| said.captured > 0));
    assert_eq!(rig.answers, [FlowId(7), FlowId(8)]);
    assert_eq!(rig.changes, [LinkChange::Up(0)]);
    let account = &rig.links.account()[0];
    assert_eq!((account.connected, account.connects, account.disconnects), (true, 1, 0));
    assert_eq!(account.statistics.unwrap().captured, 5);
}

#[test]
fn a_lost_link_is_made_again() {
    let mut rig = Rig::new(1);
    drop(rig.accept_up(0));
    rig.run_until(|rig| rig.changes == [LinkChange::Up(0), LinkChange::Down]);
    assert_eq!(rig.links.first_down().unwrap().0, rig.listeners[0].local_addr().unwrap().into());
    rig.advance(Duration::from_millis(100));
    let _peer = rig.accept_up(0);
    let account = &rig.links.account()[0];
    assert_eq!((account.connected, account.connects, account.disconnects), (true, 2, 1));
}

#[test]
fn a_silent_link_is_given_up_a_pinged_one_lives() {
    let mut rig = Rig::new(1);
    let mut peer = rig.accept_up(0);
    rig.advance(Duration::from_secs(2));
    let ToIntercept::Ping { nonce } = peer.read() else { panic!("no ping") };
    peer.write(&[FromIntercept::Pong { nonce }, answer(1)]);
    rig.run_until(|rig| !rig.answers.is_empty());
    rig.advance(Duration::from_secs(5));
    assert!(rig.links.all_up());
    rig.advance(Duration::from_secs(1));
    assert_eq!(rig.changes, [LinkChange::Up(0), LinkChange::Down]);
    assert!(matches!(rig.links.first_down().unwrap().1, Some(Problem::Silent)));
}

#[test]
fn another_version_is_named_from_either_side() {
    for message in [FromIntercept::Refuse(RefuseReason::Version(9)), FromIntercept::Hello { version: 9 }] {
        let mut rig = Rig::new(1);
        let mut peer = rig.accept(0);
        peer.write(&[message]);
        rig.run_until(|rig| rig.links.lasting_problem().is_some());
        let text = rig.links.lasting_problem().unwrap().1.to_string();
        assert_eq!(text, format!("speaks version 9 of the control protocol, this tcpcopy speaks {VERSION}"));
        assert!(rig.changes.is_empty());
        assert_eq!(rig.links.poll_timeout(), Time::ZERO + Duration::from_secs(10));
    }
}

#[test]
fn what_is_no_intercept_is_recognised() {
    for bytes in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\0\0\0\x01\xff", b"\0\0\0\0"] {
        let mut rig = Rig::new(1);
        let mut peer = rig.accept(0);
        peer.stream.write_all(bytes).unwrap();
        rig.run_until(|rig| rig.links.lasting_problem().is_some());
        assert!(matches!(rig.links.lasting_problem().unwrap().1, Problem::Malformed(_)));
    }
}

#[test]
fn an_answer_before_the_hello_is_no_intercept() {
    let mut rig = Rig::new(1);
    rig.accept(0).write(&[answer(1)]);
    rig.run_until(|rig| rig.links.lasting_problem().is_some());
    assert!(rig.answers.is_empty());
}

#[test]
fn a_refused_connection_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut rig = Rig::with(&[address.into()], Vec::new());
    rig.run_until(|rig| matches!(rig.links.first_down(), Some((_, Some(Problem::Connect(_))))));
    assert!(rig.links.lasting_problem().is_none());
    rig.listeners.push(TcpListener::bind(address).unwrap());
    rig.advance(Duration::from_millis(100));
    let _peer = rig.accept_up(0);
}

#[test]
fn links_live_and_die_alone() {
    let mut rig = Rig::new(2);
    let mut first = rig.accept_up(0);
    let second = rig.accept_up(1);
    assert!(rig.links.all_up());
    drop(second);
    rig.run_until(|rig| rig.changes.last() == Some(&LinkChange::Down));
    rig.links.announce(rig.now, 0, &[]);
    let message = ToIntercept::RouteDel { id: FlowId(3) };
    rig.links.broadcast(rig.now, &encoded(&message));
    rig.links.flush();
    assert_eq!([first.read(), first.read()], [ToIntercept::Target(TARGET), message]);
    let up: Vec<bool> = rig.links.account().iter().map(|link| link.connected).collect();
    assert_eq!(up, [true, false]);
}

#[test]
fn a_link_that_takes_nothing_is_cut() {
    let mut rig = Rig::new(1);
    let _peer = rig.accept_up(0);
    rig.links.announce(rig.now, 0, &[]);
    let message = encoded(&ToIntercept::RouteDel { id: FlowId(3) }).repeat(1 << 20);
    let most = client::QUEUE_LIMIT / message.len();
    for _ in 0..=most {
        rig.links.broadcast(rig.now, &message);
    }
    rig.note_changes();
    assert_eq!(rig.changes, [LinkChange::Up(0), LinkChange::Down]);
    assert!(matches!(rig.links.first_down().unwrap().1, Some(Problem::Overflow)));
}
