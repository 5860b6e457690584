//! The control connections against a scripted intercept on loopback, with simulated time.

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
const SERVICE: Endpoint = Endpoint::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 16)), 80);
const HELLO: FromIntercept<'_> = FromIntercept::Hello { version: VERSION };

/// Connections, the listeners of their intercepts, and the answers received.
struct Rig {
    poll: Poll,
    conns: ControlConns,
    listeners: Vec<TcpListener>,
    now: Time,
    answers: Vec<FlowId>,
    changes: Vec<ConnChange>,
}

fn introduction() -> Introduction {
    Introduction { instance: 7, services: vec![SERVICE], targets: vec![TARGET], ..Introduction::default() }
}

impl Rig {
    fn new(count: usize) -> Self {
        let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<Endpoint> = listeners.iter().map(|l| l.local_addr().unwrap().into()).collect();
        Self::with(&addresses, listeners)
    }

    fn with(addresses: &[Endpoint], listeners: Vec<TcpListener>) -> Self {
        Self::with_key(addresses, listeners, None)
    }

    fn with_key(addresses: &[Endpoint], listeners: Vec<TcpListener>, key: Option<&Key>) -> Self {
        let conns = ControlConns::new(
            Intercepts { addresses, key },
            introduction(),
            3,
            Time::ZERO,
            &ConnLog::new(true),
        );
        let mut rig = Self {
            poll: Poll::new().unwrap(),
            conns,
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
        self.conns.handle_timeout(self.now, self.poll.registry());
        self.conns.flush();
        self.note_changes();
    }

    /// Carries out what the poll reports until `done`.
    fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        let mut events = Events::with_capacity(16);
        while !done(self) {
            self.poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "nothing happened for ten seconds");
            for event in &events {
                assert!(self.conns.handle_event(self.now, event));
            }
            while self.conns.any_readable() {
                for index in 0..self.conns.count() {
                    let answers = &mut self.answers;
                    self.conns.receive(self.now, index, 1000, &mut |answer| answers.push(answer.id));
                }
            }
            self.conns.flush();
            self.note_changes();
        }
    }

    fn note_changes(&mut self) {
        while let Some(change) = self.conns.next_change() {
            self.changes.push(change);
        }
    }

    /// Accepts the connection of a link and its hello.
    fn accept(&mut self, index: usize) -> Peer {
        let (stream, _) = self.listeners[index].accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut peer = Peer { stream, input: FrameBuffer::new() };
        // The link sends its hello when the poll says that it is connected.
        self.run_until(|rig| !rig.conns.clients[index].is_connecting());
        assert_eq!(peer.read(), ToIntercept::Hello { version: VERSION, instance: 7 });
        peer
    }

    /// Brings a link up.
    fn accept_up(&mut self, index: usize) -> Peer {
        let mut peer = self.accept(index);
        peer.write(&[HELLO]);
        self.run_until(|rig| rig.changes.last() == Some(&ConnChange::Up(index)));
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
        tail: &[],
    })
}

fn encoded(message: &ToIntercept) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}

#[test]
fn a_connection_announces_targets_and_routes_before_anything_else() {
    let mut rig = Rig::new(1);
    let mut peer = rig.accept_up(0);
    let early = encoded(&ToIntercept::RouteDel { id: FlowId(1) });
    let route = ToIntercept::RouteDel { id: FlowId(2) };
    let later = ToIntercept::RouteDel { id: FlowId(3) };
    rig.conns.broadcast(rig.now, &early);
    rig.conns.announce(rig.now, 0, &encoded(&route));
    rig.conns.broadcast(rig.now, &encoded(&later));
    rig.conns.flush();
    assert_eq!([peer.read(), peer.read()], [ToIntercept::Service(SERVICE), ToIntercept::Target(TARGET)]);
    assert_eq!([peer.read(), peer.read()], [route, later]);
}

#[test]
fn answers_and_statistics_come_in() {
    let mut rig = Rig::new(1);
    let mut peer = rig.accept(0);
    let statistics = |captured| FromIntercept::Statistics(Statistics { captured, ..Statistics::default() });
    peer.write(&[HELLO, answer(7), answer(8), statistics(100), statistics(105)]);
    rig.run_until(|rig| rig.conns.account()[0].statistics.is_some_and(|counters| counters.captured > 0));
    assert_eq!(rig.answers, [FlowId(7), FlowId(8)]);
    assert_eq!(rig.changes, [ConnChange::Up(0)]);
    let account = &rig.conns.account()[0];
    assert_eq!((account.connected, account.connects, account.disconnects), (true, 1, 0));
    assert_eq!(account.statistics.unwrap().captured, 5);
}

#[test]
fn a_lost_connection_is_opened_again() {
    let mut rig = Rig::new(1);
    drop(rig.accept_up(0));
    rig.run_until(|rig| rig.changes == [ConnChange::Up(0), ConnChange::Down]);
    assert_eq!(rig.conns.first_down().unwrap().0, rig.listeners[0].local_addr().unwrap().into());
    rig.advance(Duration::from_millis(100));
    let _peer = rig.accept_up(0);
    let account = &rig.conns.account()[0];
    assert_eq!((account.connected, account.connects, account.disconnects), (true, 2, 1));
}

#[test]
fn a_silent_connection_is_given_up_and_a_pinged_one_lives() {
    let mut rig = Rig::new(1);
    let mut peer = rig.accept_up(0);
    rig.advance(Duration::from_secs(2));
    let ToIntercept::Ping { nonce } = peer.read() else { panic!("no ping") };
    peer.write(&[FromIntercept::Pong { nonce }, answer(1)]);
    rig.run_until(|rig| !rig.answers.is_empty());
    rig.advance(Duration::from_secs(5));
    assert!(rig.conns.all_up());
    rig.advance(Duration::from_secs(1));
    assert_eq!(rig.changes, [ConnChange::Up(0), ConnChange::Down]);
    assert!(matches!(rig.conns.first_down().unwrap().1, Some(ControlError::Silent)));
}

#[test]
fn another_version_is_named_from_either_side() {
    for message in [FromIntercept::Refuse(RefuseReason::Version(9)), FromIntercept::Hello { version: 9 }] {
        let mut rig = Rig::new(1);
        let mut peer = rig.accept(0);
        peer.write(&[message]);
        rig.run_until(|rig| rig.conns.lasting_error().is_some());
        let text = rig.conns.lasting_error().unwrap().1.to_string();
        assert_eq!(text, format!("speaks version 9 of the control protocol, this tcpcopy speaks {VERSION}"));
        assert!(rig.changes.is_empty());
        assert_eq!(rig.conns.poll_timeout(), Time::ZERO + Duration::from_secs(10));
    }
}

#[test]
fn a_peer_that_is_no_intercept_is_recognised() {
    for bytes in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\0\0\0\x01\xff", b"\0\0\0\0"] {
        let mut rig = Rig::new(1);
        let mut peer = rig.accept(0);
        peer.stream.write_all(bytes).unwrap();
        rig.run_until(|rig| rig.conns.lasting_error().is_some());
        assert!(matches!(rig.conns.lasting_error().unwrap().1, ControlError::Malformed(_)));
    }
}

#[test]
fn a_peer_that_answers_before_its_hello_is_no_intercept() {
    let mut rig = Rig::new(1);
    rig.accept(0).write(&[answer(1)]);
    rig.run_until(|rig| rig.conns.lasting_error().is_some());
    assert!(rig.answers.is_empty());
}

#[test]
fn a_refused_connection_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut rig = Rig::with(&[address.into()], Vec::new());
    rig.run_until(|rig| matches!(rig.conns.first_down(), Some((_, Some(ControlError::Connect(_))))));
    assert!(rig.conns.lasting_error().is_none());
    rig.listeners.push(TcpListener::bind(address).unwrap());
    rig.advance(Duration::from_millis(100));
    let _peer = rig.accept_up(0);
}

#[test]
fn each_connection_breaks_alone() {
    let mut rig = Rig::new(2);
    let mut first = rig.accept_up(0);
    let second = rig.accept_up(1);
    assert!(rig.conns.all_up());
    drop(second);
    rig.run_until(|rig| rig.changes.last() == Some(&ConnChange::Down));
    rig.conns.announce(rig.now, 0, &[]);
    let message = ToIntercept::RouteDel { id: FlowId(3) };
    rig.conns.broadcast(rig.now, &encoded(&message));
    rig.conns.flush();
    assert_eq!([first.read(), first.read()], [ToIntercept::Service(SERVICE), ToIntercept::Target(TARGET)]);
    assert_eq!(first.read(), message);
    let up: Vec<bool> = rig.conns.account().iter().map(|conn| conn.connected).collect();
    assert_eq!(up, [true, false]);
}

#[test]
fn a_connection_that_accepts_nothing_is_closed() {
    let mut rig = Rig::new(1);
    let _peer = rig.accept_up(0);
    rig.conns.announce(rig.now, 0, &[]);
    let message = encoded(&ToIntercept::RouteDel { id: FlowId(3) }).repeat(1 << 20);
    let most = client::QUEUE_LIMIT / message.len();
    for _ in 0..=most {
        rig.conns.broadcast(rig.now, &message);
    }
    rig.note_changes();
    assert_eq!(rig.changes, [ConnChange::Up(0), ConnChange::Down]);
    assert!(matches!(rig.conns.first_down().unwrap().1, Some(ControlError::Overflow)));
}

#[test]
fn with_a_key_a_stranger_at_the_address_of_intercept_learns_nothing_and_is_not_believed() {
    let key = Key::generate().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: Endpoint = listener.local_addr().unwrap().into();
    let mut rig = Rig::with_key(&[address], vec![listener], Some(&key));
    let (mut stranger, _) = rig.listeners[0].accept().unwrap();
    rig.run_until(|rig| !rig.conns.clients[0].is_connecting());
    let mut hello = Vec::new();
    HELLO.encode(&mut hello);
    stranger.write_all(&hello).unwrap();
    rig.run_until(|rig| rig.conns.lasting_error().is_some());
    let (_, error) = rig.conns.lasting_error().unwrap();
    assert!(error.to_string().contains("does not prove that it has the key"), "{error}");
    assert!(error.hint().contains("--key-file") && rig.changes.is_empty());
    let mut seen = Vec::new();
    stranger.read_to_end(&mut seen).unwrap();
    assert_eq!(seen.len(), 4 + 1 + 8 + 2, "the first message of the handshake: magic and version");
}

#[test]
fn refusals_about_keys_are_told_with_their_cure() {
    for (reason, part, cure) in [
        (RefuseReason::KeyWanted, "it wants a key", "--key-file"),
        (RefuseReason::NoKey, "it has no key", "--key-file"),
        (RefuseReason::WrongKey, "the keys differ", "key file"),
        (RefuseReason::CutOff, "cut this host off", "log"),
    ] {
        let mut rig = Rig::new(1);
        let mut peer = rig.accept(0);
        peer.write(&[FromIntercept::Refuse(reason)]);
        rig.run_until(|rig| rig.conns.lasting_error().is_some());
        let (_, error) = rig.conns.lasting_error().unwrap();
        assert!(error.to_string().contains(part) && error.hint().contains(cure), "{error}; {}", error.hint());
    }
}
