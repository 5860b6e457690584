//! The test server: a TCP stack and its application, as real as the tests need it.

mod app;
mod connection;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use common_core::flow::{Endpoint, Flow};
use common_core::time::Time;
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Segment, Seq};

pub(crate) use app::{App, Behaviour, Misread, Misreading, Wish};
use connection::{Connection, State, Wire};

use crate::hosts::before_move;
use crate::rng::Rng;
use crate::speech::Speech;

/// The properties of a server's TCP. Rates per thousand, sizes in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StackPlan {
    /// Announced, if at all.
    pub(crate) mss: Option<u16>,
    pub(crate) window_scale: bool,
    pub(crate) timestamps: bool,
    /// Receive buffers of connections, from and to.
    pub(crate) buffer: (u64, u64),
    /// Handshakes whose last ACK finds the accept queue full.
    pub(crate) accept_queue_full: u32,
    /// Half-open connections at most.
    pub(crate) backlog: usize,
    /// Answers are captured in segments of up to 58 KB, as with offloads.
    pub(crate) jumbo: bool,
}

impl StackPlan {
    pub(crate) const BASE: Self = Self {
        mss: Some(1460),
        window_scale: true,
        timestamps: true,
        buffer: (65_536, 1 << 20),
        accept_queue_full: 0,
        backlog: 4096,
        jumbo: false,
    };

    fn capacity(&self, rng: &mut Rng) -> u32 {
        rng.within(self.buffer.0..=self.buffer.1) as u32
    }
}

/// How a server's applications behave. Rates per thousand, times in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AppPlan {
    pub(crate) greeting: u32,
    pub(crate) think: (u64, u64),
    /// Connections that are never answered.
    pub(crate) silent: u32,
    /// Connections that are closed after this time without a request; 0: never.
    pub(crate) idle_close: u64,
    /// Connections that are closed after some bytes.
    pub(crate) close: u32,
    /// Of these, by reset.
    pub(crate) reset: u32,
    /// These are closed within this many bytes.
    pub(crate) close_within: u64,
    /// Connections that are read slowly.
    pub(crate) slow: u32,
    /// The toy protocol's password.
    pub(crate) password: Option<u64>,
    /// Connections that are refused in words of the toy protocol.
    pub(crate) busy: u32,
    pub(crate) misreading: Misreading,
    /// Connections whose client gets no leave to send a body.
    pub(crate) no_leave: u32,
    /// The applications pause, from and until.
    pub(crate) frozen: Option<(u64, u64)>,
}

impl AppPlan {
    pub(crate) const BASE: Self = Self {
        greeting: 0,
        think: (10, 500),
        silent: 0,
        idle_close: 0,
        close: 0,
        reset: 0,
        close_within: 50_000,
        slow: 0,
        password: None,
        busy: 0,
        misreading: Misreading::Unnoticed,
        no_leave: 0,
        frozen: None,
    };

    fn behaviour(&self, rng: &mut Rng, expected: Expected) -> Behaviour {
        let frozen = self.frozen.unwrap_or_default();
        let close_at = rng.skewed(self.close_within);
        Behaviour {
            greeting: self.greeting,
            think: self.think,
            silent: rng.chance(self.silent),
            idle_close: self.idle_close,
            close_at: rng.chance(self.close).then_some(close_at),
            reset: rng.chance(self.reset),
            read: if rng.chance(self.slow) {
                (rng.within(100..=5_000) as usize, rng.within(100..=20_000))
            } else {
                (0, 0)
            },
            password: self.password,
            busy: self.busy > 0 && rng.chance(self.busy),
            speech: expected.speech,
            preamble: expected.preamble,
            misreading: self.misreading,
            no_leave: self.no_leave > 0 && rng.chance(self.no_leave),
            frozen: (Time::from_micros(frozen.0), Time::from_micros(frozen.1)),
        }
    }
}

/// The bytes that clients are expected to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) speech: Speech,
    pub(crate) preamble: bool,
}

/// The record of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// With the port of the client.
    pub(crate) flow: Flow,
    pub(crate) opened: Time,
    /// The client's bytes that TCP took, in order.
    pub(crate) received: Vec<u8>,
    /// How much of `received` there was, and how much had been answered on the wire, at each arrival.
    pub(crate) arrivals: Vec<Arrival>,
    /// Answer bytes on the wire, and when they were sent.
    pub(crate) departures: Vec<(Time, u64)>,
    /// Answer bytes that the application wrote.
    pub(crate) answered: u64,
    /// Complete requests that the application read.
    pub(crate) requests: u64,
    /// Bytes that meant something else to the application than to the online server.
    pub(crate) misread: Vec<Misread>,
    /// Segments sent again.
    pub(crate) sent_again: u64,
    /// Segments of the client beyond the window.
    pub(crate) beyond_window: u64,
    /// Segments of the client that PAWS refused.
    pub(crate) too_old: u64,
    /// The server closed before the client did.
    pub(crate) closed_by_server: bool,
    pub(crate) reset_by_client: bool,
    /// Nothing of the client was received, in spite of retransmissions.
    pub(crate) timed_out: bool,
    /// Both directions are closed.
    pub(crate) ended: bool,
    /// How much of `received` had been answered when the last answer went out.
    pub(crate) answered_up_to: usize,
    /// Records by the order of their opening.
    pub(crate) number: usize,
    fin_sent: Option<Seq>,
}

/// Bytes of the client that arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) at: Time,
    /// The stream's length with them.
    pub(crate) length: usize,
    /// Answer bytes on the wire by then.
    pub(crate) sent: u64,
}

impl Record {
    fn new(flow: Flow, opened: Time, number: usize) -> Self {
        Self {
            answered_up_to: 0,
            number,
            flow: before_move(&flow),
            opened,
            received: Vec::new(),
            arrivals: Vec::new(),
            departures: Vec::new(),
            answered: 0,
            requests: 0,
            misread: Vec::new(),
            sent_again: 0,
            beyond_window: 0,
            too_old: 0,
            closed_by_server: false,
            reset_by_client: false,
            timed_out: false,
            ended: false,
            fin_sent: None,
        }
    }

    fn arrived(&mut self, at: Time, sent: u64) {
        self.arrivals.push(Arrival { at, length: self.received.len(), sent });
    }

    fn sent(&mut self, at: Time, sent: u64, data: bool) {
        self.departures.push((at, sent));
        if data {
            self.answered_up_to = self.received.len();
        }
    }
}

/// A host with one or more listening ports.
#[derive(Debug)]
pub(crate) struct Server {
    stack: StackPlan,
    app: AppPlan,
    expected: Expected,
    listening: Vec<Endpoint>,
    up: bool,
    connections: BTreeMap<Flow, Connection>,
    timers: BinaryHeap<Reverse<(Time, Flow)>>,
    records: Vec<Record>,
    rng: Rng,
    builder: PacketBuilder,
}

impl Server {
    pub(crate) fn new(
        listening: Vec<Endpoint>,
        stack: StackPlan,
        app: AppPlan,
        expected: Expected,
        rng: Rng,
    ) -> Self {
        Self {
            stack,
            app,
            expected,
            listening,
            up: true,
            connections: BTreeMap::new(),
            timers: BinaryHeap::new(),
            records: Vec::new(),
            rng,
            builder: PacketBuilder::new(),
        }
    }

    /// The service is started or stopped; when it stops, its connections are reset.
    pub(crate) fn set_up(&mut self, now: Time, up: bool, out: &mut Vec<Vec<u8>>) {
        self.up = up;
        if !up {
            let mut wire = Wire { builder: &mut self.builder, packets: out };
            for connection in self.connections.values_mut().filter(|c| c.state() != State::TimeWait) {
                connection.kill(now, &mut wire);
            }
            self.forget_closed();
        }
    }

    /// A packet arrived.
    pub(crate) fn handle(&mut self, now: Time, packet: &[u8], out: &mut Vec<Vec<u8>>) {
        let Ok(segment) = Segment::parse(packet) else { return };
        let flow = Flow { client: segment.source, server: segment.destination };
        let syn =
            segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK) && !segment.flags.has(Flags::RST);
        if syn && self.connections.get(&flow).is_some_and(|connection| connection.gives_way(&segment)) {
            self.forget(&flow);
        }
        let listens = self.up && self.listening.contains(&flow.server);
        let mut wire = Wire { builder: &mut self.builder, packets: out };
        if let Some(connection) = self.connections.get_mut(&flow) {
            connection.handle(now, &segment, &self.stack, &mut wire);
        } else if syn && listens {
            let half_open = self.connections.values().filter(|c| c.state() == State::SynReceived).count();
            if half_open >= self.stack.backlog {
                return;
            }
            let rng = self.rng.fork(u64::from(segment.seq.0));
            let behaviour = self.app.behaviour(&mut self.rng, self.expected);
            let number = self.records.len() + self.connections.len();
            let mut connection = Connection::open(now, (flow, number), &segment, &self.stack, behaviour, rng);
            connection.send_syn_ack(now, &self.stack, &mut wire);
            self.connections.insert(flow, connection);
        } else if !segment.flags.has(Flags::RST) {
            reset(&flow, &segment, &mut wire);
        }
        self.after(now, &flow);
    }

    pub(crate) fn poll_timeout(&self) -> Time {
        self.timers.peek().map_or(Time::NEVER, |Reverse((at, _))| *at)
    }

    pub(crate) fn handle_timeout(&mut self, now: Time, out: &mut Vec<Vec<u8>>) {
        while let Some(Reverse((at, flow))) = self.timers.peek().copied() {
            if at > now {
                break;
            }
            self.timers.pop();
            let mut wire = Wire { builder: &mut self.builder, packets: out };
            if let Some(connection) = self.connections.get_mut(&flow).filter(|c| c.deadline() <= now) {
                connection.handle_timeout(now, &self.stack, &mut wire);
                self.after(now, &flow);
            }
        }
    }

    /// The records of all connections, by the time of their opening.
    pub(crate) fn records(&self) -> Vec<&Record> {
        let mut records: Vec<_> = self
            .records
            .iter()
            .chain(self.connections.values().map(|connection| &connection.record))
            .collect();
        records.sort_by_key(|record| record.number);
        records
    }

    fn after(&mut self, now: Time, flow: &Flow) {
        let Some(connection) = self.connections.get(flow) else { return };
        if connection.state() == State::Closed {
            self.forget(flow);
            return;
        }
        let deadline = connection.deadline();
        if deadline != Time::NEVER {
            self.timers.push(Reverse((deadline.max(now), *flow)));
        }
    }

    fn forget(&mut self, flow: &Flow) {
        if let Some(connection) = self.connections.remove(flow) {
            self.records.push(connection.record);
        }
    }

    fn forget_closed(&mut self) {
        let closed: Vec<Flow> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.state() == State::Closed)
            .map(|(flow, _)| *flow)
            .collect();
        for flow in closed {
            self.forget(&flow);
        }
    }
}

/// The answer of a host to a segment that belongs to nothing (RFC 9293 section 3.5.2).
fn reset(flow: &Flow, segment: &Segment<'_>, wire: &mut Wire<'_>) {
    let back = Flow { client: flow.server, server: flow.client };
    let (seq, ack, flags) = if segment.flags.has(Flags::ACK) {
        (segment.ack, Seq(0), Flags::RST)
    } else {
        (Seq(0), segment.end(), Flags::RST | Flags::ACK)
    };
    let segment = Outgoing { seq, ack, flags, window: 0, options: Options::default(), payload: (&[], &[]) };
    wire.packets.push(wire.builder.build(&back, &segment).to_vec());
}
