use super::*;
use common_core::control::{FlowId, MAX_FRAME, ToIntercept};
use mio::{Events, Poll};

/// Two ends of a connection over loopback, each registered with the poll under its index.
struct Pair {
    poll: Poll,
    events: Events,
    ends: [ControlConn; 2],
}

fn pair(limit: usize) -> Pair {
    pair_with(limit, None, None)
}

fn pair_with(limit: usize, near: Option<&Key>, far: Option<Arc<Keys>>) -> Pair {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut near = ControlConn::connect(listener.local_addr().unwrap(), limit, near).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    accepted.set_nonblocking(true).unwrap();
    let mut far = ControlConn::accepted(TcpStream::from_std(accepted), limit, far).unwrap();
    let poll = Poll::new().unwrap();
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut near, Token(0), both).unwrap();
    poll.registry().register(&mut far, Token(1), both).unwrap();
    Pair { poll, events: Events::with_capacity(8), ends: [near, far] }
}

impl Pair {
    fn wait(&mut self) {
        self.poll.poll(&mut self.events, Some(Duration::from_secs(10))).unwrap();
        assert!(!self.events.is_empty(), "nothing happened for ten seconds");
    }

    /// Flushes the first end and reads at the second until `done`.
    fn carry(
        &mut self,
        budget: usize,
        mut sink: impl FnMut(&[u8]),
        mut done: impl FnMut(&ControlConn) -> bool,
    ) {
        loop {
            self.ends[0].flush().unwrap();
            let mut sink = |body: &[u8]| {
                sink(body);
                ControlFlow::Continue(())
            };
            while self.ends[1].receive(budget, &mut sink).unwrap() == Received::More {}
            if done(&self.ends[0]) {
                return;
            }
            self.wait();
        }
    }
}

fn ping(nonce: u32) -> ToIntercept {
    ToIntercept::Ping { nonce }
}

/// Appends a message with a length of four bytes: the first of a connection has no shorter one.
fn write(message: ToIntercept, out: &mut Vec<u8>) {
    let mut frame = Vec::new();
    message.encode(&mut frame);
    let (length, body) = frame.split_at(1);
    out.extend_from_slice(&u32::from(length[0] & 0x7f).to_be_bytes());
    out.extend_from_slice(body);
}

#[test]
fn messages_arrive_in_order_whatever_the_budget() {
    for budget in [1, 100, 1 << 20] {
        let mut pair = pair(1 << 20);
        for nonce in 0..10_000 {
            assert!(pair.ends[0].queue(|out| write(ping(nonce), out)));
        }
        let seen = std::cell::Cell::new(0);
        pair.carry(
            budget,
            |body| {
                assert_eq!(ToIntercept::decode(body), Ok(ping(seen.get())));
                seen.set(seen.get() + 1);
            },
            |_| seen.get() == 10_000,
        );
        assert!(!pair.ends[0].wants_write());
    }
}

#[test]
fn a_full_queue_drops_whole_messages_and_recovers() {
    let limit = 8 * MAX_FRAME;
    let mut pair = pair(limit);
    assert!(pair.ends[0].queue(|out| write(ping(0), out)));
    let frame = |out: &mut Vec<u8>| {
        out.extend_from_slice(&(MAX_FRAME as u32).to_be_bytes());
        out.resize(out.len() + MAX_FRAME, 7);
    };
    // The peer does not read: first the kernel's buffers fill, then the queue.
    let mut queued = 0;
    while pair.ends[0].queue(frame) {
        queued += 1;
        pair.ends[0].flush().unwrap();
        assert!(queued < 10_000, "a queue without limit");
    }
    assert!(pair.ends[0].wants_write());
    assert!(pair.ends[0].output.len() - pair.ends[0].sent <= limit);

    let seen = std::cell::Cell::new(0);
    pair.carry(
        1 << 20,
        |body| {
            assert!(seen.get() == 0 || body.iter().all(|byte| *byte == 7) && body.len() == MAX_FRAME);
            seen.set(seen.get() + 1);
        },
        |_| seen.get() == queued + 1,
    );
    assert!(pair.ends[0].queue(frame), "the queue is empty again");
    assert!(pair.ends[0].output.capacity() < limit, "the memory was given back");
}

#[test]
fn frames_after_a_break_stay() {
    let mut pair = pair(1 << 20);
    for nonce in 0..3 {
        assert!(pair.ends[0].queue(|out| write(ping(nonce), out)));
    }
    let mut seen = Vec::new();
    while seen.len() < 3 {
        pair.ends[0].flush().unwrap();
        let received = pair.ends[1].receive(1 << 16, &mut |body| {
            seen.push(ToIntercept::decode(body).unwrap());
            ControlFlow::Break(())
        });
        if received.unwrap() == Received::Drained {
            pair.wait();
        }
    }
    assert_eq!(seen, [ping(0), ping(1), ping(2)]);
}

#[test]
fn the_end_of_a_connection_is_reported() {
    let mut pair = pair(1 << 20);
    assert!(pair.ends[0].queue(|out| write(ToIntercept::RouteDel { id: FlowId(1) }, out)));
    pair.ends[0].flush().unwrap();
    pair.ends[0].finish().unwrap();
    let mut seen = 0;
    let end = loop {
        let mut sink = |_: &[u8]| {
            seen += 1;
            ControlFlow::Continue(())
        };
        match pair.ends[1].receive(1 << 16, &mut sink) {
            Ok(_) => pair.wait(),
            Err(end) => break end,
        }
    };
    assert!(matches!(end, ConnError::Closed), "{end}");
    assert_eq!(seen, 1, "frames before the end are passed on");
}

#[test]
fn garbage_is_recognised_by_its_first_bytes() {
    let mut pair = pair(1 << 20);
    pair.ends[0].queue(|out| {
        out.extend_from_slice(
            b"SSH-2.0-OpenSSH_9.6
",
        )
    });
    pair.ends[0].flush().unwrap();
    let end = loop {
        match pair.ends[1].receive(1 << 16, &mut |_| panic!("a frame out of garbage")) {
            Ok(_) => pair.wait(),
            Err(end) => break end,
        }
    };
    assert!(matches!(end, ConnError::Frame(FrameError::First(_))), "{end}");
}

#[test]
fn a_refused_connection_is_reported() {
    let unused = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let mut connection = ControlConn::connect(unused, 1000, None).unwrap();
    let mut poll = Poll::new().unwrap();
    poll.registry().register(&mut connection, Token(0), Interest::WRITABLE).unwrap();
    let mut events = Events::with_capacity(8);
    poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
    let error = connection.check_connected().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

fn keys(byte: u8) -> Arc<Keys> {
    Arc::new(Keys::parse(format!("{byte:02x}").repeat(32).as_bytes()).unwrap())
}

/// Lets both ends of a pair work until one of them ends, or the second has `wanted` messages. The result is what each end
/// says.
fn converse(pair: &mut Pair, wanted: usize) -> [Option<ConnError>; 2] {
    let mut got = 0;
    loop {
        let mut ended = [None, None];
        for (index, (end, ended)) in pair.ends.iter_mut().zip(&mut ended).enumerate() {
            let received = end.receive(1 << 16, &mut |_| {
                got += index;
                ControlFlow::Continue(())
            });
            *ended = received.err();
            end.flush().unwrap();
        }
        if got == wanted || ended.iter().any(Option::is_some) {
            return ended;
        }
        pair.wait();
    }
}

#[test]
fn with_the_same_key_messages_of_all_sizes_arrive_in_both_directions() {
    let keys = keys(1);
    let mut pair = pair_with(1 << 20, Some(keys.first()), Some(keys.clone()));
    // Queued before the handshake; longer than a record.
    for nonce in 0..10_000 {
        assert!(pair.ends[0].queue(|out| write(ping(nonce), out)));
    }
    assert!(matches!(converse(&mut pair, 10_000), [None, None]));
    assert!(pair.ends.iter().all(ControlConn::is_secret));
    pair.ends.swap(0, 1);
    let large = |out: &mut Vec<u8>| {
        out.extend_from_slice(&(MAX_FRAME as u32).to_be_bytes());
        out.resize(out.len() + MAX_FRAME, 7);
    };
    let seen = std::cell::Cell::new(0);
    for _ in 0..5 {
        assert!(pair.ends[0].queue(large));
    }
    pair.carry(
        1 << 20,
        |body| {
            assert!(body.len() == MAX_FRAME && body.iter().all(|byte| *byte == 7));
            seen.set(seen.get() + 1);
        },
        |_| seen.get() == 5,
    );
}

#[test]
fn nothing_is_sent_to_a_peer_that_does_not_have_the_key() {
    let keys = keys(1);
    for (near, far, expected) in [
        (Some(keys.first()), None, SecrecyError::WeHaveNone),
        (Some(keys.first()), Some(self::keys(2)), SecrecyError::Handshake(HandshakeError::WrongKey)),
        (None, Some(keys.clone()), SecrecyError::PeerHasNone),
    ] {
        let mut pair = pair_with(1 << 20, near, far);
        pair.ends[0].queue(|out| write(ping(1), out));
        let [_, Some(ConnError::Secrecy(error))] = converse(&mut pair, 1) else { panic!("{expected}") };
        assert_eq!(error, expected);
        assert_eq!(pair.ends[0].queued() > 0, near.is_some());
    }
}

#[test]
fn an_intercept_that_does_not_prove_the_key_is_not_believed() {
    let keys = keys(1);
    let mut pair = pair_with(1 << 20, Some(keys.first()), None);
    pair.ends[1].queue(|out| common_core::control::FromIntercept::Hello { version: 5 }.encode(out));
    pair.ends[1].flush().unwrap();
    let end = loop {
        match pair.ends[0].receive(1 << 16, &mut |_| panic!("a message from a stranger")) {
            Ok(_) => pair.wait(),
            Err(end) => break end,
        }
    };
    assert!(matches!(end, ConnError::Secrecy(SecrecyError::Unproven)), "{end}");
}
