//! Real clients of the online server, as a capture on the online host sees them.
//!
//! Both ends of an online conversation are scripted, so a whole session can be written at once: the client's segments
//! with the sequence and acknowledgement numbers of a real client, and the online server's SYN-ACK.

use std::ops::Range;
use std::time::Duration;

use common_core::flow::Flow;
use common_core::payload_prefix::PayloadPrefix;
use common_core::time::Time;
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Segment, Seq, Timestamps};

use crate::request::{CLOSE, HEADER, Request, SET};
use crate::rng::Rng;
use crate::speech::{INTERIM, Preamble, Speech};
use crate::toy::MARK;

/// The behaviour of a scenario's clients. Rates are per thousand, times in microseconds, sizes in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientPlan {
    pub(crate) sessions: u32,
    /// When the first session may begin.
    pub(crate) begin: u64,
    /// Sessions begin within this time.
    pub(crate) arrivals: u64,
    pub(crate) turns: (u64, u64),
    /// Largest request; most are far smaller.
    pub(crate) request: u64,
    /// Largest answer; most are far smaller.
    pub(crate) answer: u64,
    /// Between an answer and the next request.
    pub(crate) pause: (u64, u64),
    /// Bytes that the server sends first.
    pub(crate) greeting: u32,
    /// Turns of several requests.
    pub(crate) pipeline: u32,
    /// Sessions that send on while answers are coming in.
    pub(crate) creep: u32,
    /// Sessions captured in segments of up to 64 KB.
    pub(crate) jumbo: u32,
    /// Sessions captured in segments of a few bytes.
    pub(crate) tiny: u32,
    /// Segments lost before the online host, and retransmitted 200 ms later.
    pub(crate) late: u32,
    /// Turns of which a part is retransmitted without a reason.
    pub(crate) again: u32,
    /// Pure acknowledgements are captured as well.
    pub(crate) pure_acks: bool,
    /// How sessions end; the weights of FIN, FIN with data, FIN before the answer, RST, silence.
    pub(crate) ends: [u32; 5],
    /// Sessions whose capture begins at a later turn.
    pub(crate) join: u32,
    /// Sessions whose capture begins amid a turn.
    pub(crate) join_amid: u32,
    /// Sessions followed at once by another one on the same port.
    pub(crate) reuse: u32,
    /// Sessions whose last request asks the server to close.
    pub(crate) close: u32,
    /// Sessions that the test server answers with other lengths.
    pub(crate) other_answers: u32,
    /// The online server's answers are captured as well, for this module.
    pub(crate) answers_seen: &'static [PayloadPrefix],
    pub(crate) speech: Speech,
    pub(crate) preamble: Preamble,
    /// Requests that set the connection's state.
    pub(crate) set: u32,
    /// Sessions whose first request does.
    pub(crate) set_first: u32,
    /// Sessions whose SYN carries data (RFC 7413).
    pub(crate) fast_open: u32,
    /// SYN-ACKs that are not captured.
    pub(crate) syn_ack_lost: u32,
    /// Sessions that the online server resets at their end.
    pub(crate) online_resets: u32,
    /// Sessions whose SYN-ACK is repeated after a second, because the client's acknowledgement was lost. Their first data must
    /// come later.
    pub(crate) syn_ack_again: u32,
    /// Turns of one request that wait for permission to send its body: HTTP only.
    pub(crate) asks: u32,
}

impl ClientPlan {
    pub(crate) const BASE: Self = Self {
        sessions: 12,
        begin: 1_000,
        arrivals: 200_000,
        turns: (1, 8),
        request: 20_000,
        answer: 30_000,
        pause: (0, 20_000),
        greeting: 0,
        pipeline: 100,
        creep: 0,
        jumbo: 300,
        tiny: 100,
        late: 0,
        again: 0,
        pure_acks: false,
        ends: [6, 1, 1, 1, 1],
        join: 0,
        join_amid: 0,
        reuse: 0,
        close: 100,
        other_answers: 200,
        answers_seen: &[],
        speech: Speech::Plain,
        preamble: Preamble::None,
        set: 0,
        set_first: 0,
        fast_open: 0,
        syn_ack_lost: 0,
        online_resets: 0,
        syn_ack_again: 0,
        asks: 0,
    };
}

/// A packet as the capture sees it.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) at: Time,
    pub(crate) packet: Vec<u8>,
    pub(crate) outgoing: bool,
}

/// A point of a stream where a turn begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gate {
    /// Offset in the client's stream.
    pub(crate) offset: usize,
    /// Answer bytes that the client had read by then.
    pub(crate) seen: u64,
    /// When the segment was sent.
    pub(crate) at: Time,
}

/// One client connection, from beginning to end.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: u32,
    /// The connection as the online server sees it.
    pub(crate) flow: Flow,
    /// All bytes of the client.
    pub(crate) stream: Vec<u8>,
    /// All bytes of the online server.
    pub(crate) answers: Vec<u8>,
    /// The part of it that was sent while the capture was running.
    pub(crate) captured: Range<usize>,
    pub(crate) sent: Vec<Sent>,
    /// The beginnings of turns: segments that acknowledge more than all before them in the stream.
    pub(crate) gates: Vec<Gate>,
    /// The beginnings of its segments.
    pub(crate) starts: Vec<usize>,
    /// Its SYN's sequence number.
    pub(crate) seq_begin: Seq,
    /// The sequence number after its last one.
    pub(crate) seq_end: Seq,
    /// When the client fell silent.
    pub(crate) end: Time,
    /// The test server answers as the online server did.
    pub(crate) same_answers: bool,
    /// An answer is captured after a turn whose client had read it.
    pub(crate) answers_late: bool,
    /// The header that its proxy sent, in bytes.
    pub(crate) preamble: usize,
    /// The data of its SYN, and how much of it the online server accepted.
    pub(crate) on_syn: OnSyn,
}

impl Session {
    /// The online server's segment is captured at `arrival`, after a turn whose client had read it.
    pub(crate) fn is_answered_late(&self, segment: &Segment<'_>, arrival: Time, delay: Duration) -> bool {
        let parsed = self.sent.iter().filter(|sent| sent.outgoing).map(|sent| Segment::parse(&sent.packet));
        let Some(syn_ack) = parsed.flatten().find(|sent| sent.flags.has(Flags::SYN)) else { return false };
        let offset = u64::from(segment.seq.distance(syn_ack.seq + 1).unsigned_abs());
        self.gates.iter().any(|gate| gate.seen > offset && gate.at + delay <= arrival)
    }
}

/// Data of a SYN, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OnSyn {
    pub(crate) carried: usize,
    pub(crate) taken: usize,
}

/// A segment of the script, before it becomes a packet.
struct Data {
    at: Time,
    range: Range<usize>,
    seen: u64,
    flags: Flags,
    again: bool,
}

/// Writes the part of one client.
struct Author<'a> {
    plan: &'a ClientPlan,
    rng: Rng,
    id: u32,
    now: Time,
    /// Answer bytes that have come in.
    seen: u64,
    /// Answer bytes that are under way.
    coming: u64,
    creeping: bool,
    segment: u64,
    stream: Vec<u8>,
    data: Vec<Data>,
    said: Vec<Said>,
    requests: u32,
    /// The state that the client's connection is in.
    state: u32,
}

/// A segment of the online server.
struct Said {
    at: Time,
    /// The end of the range in its stream.
    range: Range<u64>,
    /// Bytes of the client that it has received.
    heard: usize,
}

/// Between a client and the online server, both ways.
const ROUND_TRIP: Duration = Duration::from_micros(400);

/// After this time the online server repeats a SYN-ACK.
const SYN_ACK_RTO: Duration = Duration::from_secs(1);

/// The client's retransmission timeout.
const CLIENT_RTO: Duration = Duration::from_millis(200);

impl Session {
    /// Writes the session that begins at `start`, `after` one that used the same port up to that number; `login` opens its stream and is answered with `login_answer` bytes.
    pub(crate) fn write(
        id: u32,
        flow: Flow,
        start: Time,
        after: Option<Seq>,
        plan: &ClientPlan,
        login: Option<(&[u8], u64)>,
        mut rng: Rng,
    ) -> Self {
        let isn = match (after, rng.below(3)) {
            // RFC 6528: after all numbers that were used on the port before.
            (Some(after), _) => after + rng.within(10_000..=2_000_000) as u32,
            (None, 0) => Seq(u32::MAX - rng.below(30_000) as u32),
            (None, _) => Seq(rng.next() as u32),
        };
        let online_isn = Seq(match rng.below(3) {
            0 => u32::MAX - rng.below(30_000) as u32,
            _ => rng.next() as u32,
        });
        let same_answers = !rng.chance(plan.other_answers);
        let segment = if rng.chance(plan.jumbo) {
            rng.within(4_000..=65_000)
        } else if rng.chance(plan.tiny) {
            rng.within(1..=60)
        } else {
            rng.pick(&[536, 1400, 1448])
        };
        let mut author = Author {
            plan,
            id,
            now: start + ROUND_TRIP,
            seen: u64::from(plan.greeting),
            coming: 0,
            creeping: rng.chance(plan.creep),
            segment,
            stream: Vec::new(),
            data: Vec::new(),
            said: vec![Said { at: start + ROUND_TRIP, range: 0..plan.greeting.into(), heard: 0 }],
            requests: 0,
            state: plan.speech.opening().1,
            rng: rng.fork(1),
        };
        if plan.greeting > 0 {
            author.now = author.now + ROUND_TRIP;
        }
        if let Some((login, answer)) = login {
            author.stream.extend_from_slice(login);
            author.send(0);
            author.receive(answer);
        }
        let login = author.stream.len();
        plan.preamble.write(id, &mut author.stream);
        let preamble = author.stream.len() - login;
        author.stream.extend_from_slice(plan.speech.opening().0);
        let turns = rng.within(plan.turns.0..=plan.turns.1);
        let is_reset = plan.online_resets > 0 && rng.chance(plan.online_resets);
        let end = if is_reset { End::Silence } else { pick_end(&plan.ends, &mut rng) };
        for turn in 0..turns {
            author.turn(turn + 1 == turns, end, same_answers);
        }
        let Author { now, seen, coming, stream, mut data, said, .. } = author;
        let gates = gates(&data);
        let on_syn = fast_open(plan, &mut data, &mut rng);
        let joined_at = join(plan, &data, &gates, &mut rng);

        let mut packets = Packets {
            flow,
            isn,
            online_isn,
            rng: rng.fork(2),
            builder: PacketBuilder::new(),
            sent: Vec::new(),
        };
        packets.handshake(start, plan, &stream[..on_syn.carried], on_syn.taken);
        for data in &data {
            packets.data(data, &stream);
            if plan.pure_acks {
                packets.client(data.at + ROUND_TRIP, data.range.end, data.seen, Flags::ACK, &[]);
            }
        }
        let last = data.iter().map(|data| data.at).max().unwrap_or(start);
        let mut end_at = packets.end(end, now.max(last), stream.len(), seen + coming);
        if is_reset {
            end_at = end_at + ROUND_TRIP;
            packets.online(end_at, stream.len(), seen + coming, Flags::RST | Flags::ACK);
        }
        if plan.syn_ack_again > 0 && packets.rng.chance(plan.syn_ack_again) {
            let again = packets.sent.iter().find(|sent| sent.outgoing).cloned();
            packets.sent.extend(again.map(|again| Sent { at: again.at + SYN_ACK_RTO, ..again }));
        }
        let heard = !plan.answers_seen.is_empty();
        let answers = if heard { packets.answers(&said, rng.fork(3), plan.answers_seen) } else { Vec::new() };
        let mut sent = packets.sent;
        sent.retain(|sent| joined_at.is_none_or(|(at, _)| sent.at >= at));
        let from = joined_at.map_or(0, |(_, offset)| offset);
        let seq_end = isn + stream.len() as u32 + 2;
        let starts = data.iter().map(|data| data.range.start).collect();
        Self {
            id,
            flow,
            captured: from..stream.len(),
            stream,
            answers,
            sent,
            gates,
            starts,
            seq_begin: isn,
            seq_end,
            end: end_at,
            same_answers,
            answers_late: false,
            preamble,
            on_syn,
        }
    }

    /// Leaves the first `turns` turns of it; then the client falls silent.
    pub(crate) fn cut(&mut self, turns: usize) {
        let Some(Gate { offset, .. }) = self.gates.get(turns).copied() else { return };
        let offset = offset.max(self.captured.start);
        let end = self.seq_end + offset as u32 - 1 - self.stream.len() as u32;
        self.sent.retain(|sent| {
            Segment::parse(&sent.packet).is_ok_and(|segment| sent.outgoing || !segment.end().after(end))
        });
        self.stream.truncate(offset);
        self.captured.end = offset;
        self.gates.truncate(turns);
        self.starts.retain(|start| *start < offset);
    }

    /// The session was joined after its begin.
    pub(crate) fn joined(&self) -> bool {
        self.captured.start > 0
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Fin,
    FinWithData,
    HalfClose,
    Reset,
    Silence,
}

fn pick_end(weights: &[u32; 5], rng: &mut Rng) -> End {
    let ends = [End::Fin, End::FinWithData, End::HalfClose, End::Reset, End::Silence];
    let mut draw = rng.below(weights.iter().map(|weight| u64::from(*weight)).sum());
    for (end, weight) in ends.into_iter().zip(weights) {
        match draw.checked_sub(u64::from(*weight)) {
            Some(rest) => draw = rest,
            None => return end,
        }
    }
    End::Fin
}

impl Author<'_> {
    /// One turn: requests, and the answer to them.
    fn turn(&mut self, last: bool, end: End, same_answers: bool) {
        let pause = self.rng.micros(self.plan.pause.0..=self.plan.pause.1);
        self.now = self.now + pause;
        let mut start = if self.data.is_empty() { 0 } else { self.stream.len() };
        let count = if self.rng.chance(self.plan.pipeline) { self.rng.within(2..=10) } else { 1 };
        let mut answer = 0;
        for number in 0..count {
            let online = 1 + self.rng.skewed(self.plan.answer);
            let test = if same_answers { online } else { 1 + self.rng.skewed(2 * online) };
            let closing = last && number + 1 == count && self.rng.chance(self.plan.close);
            let flags = if closing { CLOSE } else { 0 } | if self.sets(number == 0) { SET } else { 0 };
            let request = Request {
                session: self.id,
                number: self.requests,
                length: (HEADER as u64 + self.rng.skewed(self.plan.request)) as u32,
                answer: test as u32,
                flags,
                expects: self.state,
            };
            self.requests += 1;
            self.state = request.sets().unwrap_or(self.state);
            if count == 1 && self.rng.chance(self.plan.asks) {
                // The body is a turn of its own.
                Speech::write_head(&request, true, &mut self.stream);
                self.send(start);
                self.receive(INTERIM.into());
                start = self.stream.len();
                request.write(&mut self.stream);
            } else {
                self.plan.speech.write(&request, &mut self.stream);
            }
            answer += online;
        }
        self.send(start);
        if last
            && end == End::FinWithData
            && let Some(data) = self.data.iter_mut().rfind(|data| !data.again)
        {
            data.flags = data.flags | Flags::FIN;
        }
        // A half-close is a FIN before the answer; a reset may come before it, too.
        let impatient = end == End::HalfClose || (end == End::Reset && self.rng.chance(500));
        if !(last && impatient) {
            self.receive(answer);
        }
    }

    /// Whether the next request sets the connection's state.
    fn sets(&mut self, begins_turn: bool) -> bool {
        let may = begins_turn || self.plan.speech.sets_anywhere();
        let first = self.requests == 0 && self.rng.chance(self.plan.set_first);
        may && (first || self.rng.chance(self.plan.set))
    }

    /// Sends the stream from `start` on.
    fn send(&mut self, start: usize) {
        let mut at = start;
        let mut latest = self.now;
        while at < self.stream.len() {
            let end = self.stream.len().min(at + self.segment as usize);
            if self.creeping && self.coming > 0 {
                let step = self.rng.within(0..=self.coming);
                self.seen += step;
                self.coming -= step;
            }
            let push = if end == self.stream.len() { Flags::PSH } else { Flags(0) };
            let late = if self.rng.chance(self.plan.late) { CLIENT_RTO } else { Duration::ZERO };
            self.now = self.now + self.rng.micros(1..=12);
            latest = latest.max(self.now + late);
            self.data.push(Data {
                at: self.now + late,
                range: at..end,
                seen: self.seen,
                flags: Flags::ACK | push,
                again: false,
            });
            at = end;
        }
        // The server answers when it has all; the client sends its next turn after that.
        self.now = latest;
        if self.rng.chance(self.plan.again) {
            let from = start + self.rng.below((self.stream.len() - start) as u64) as usize;
            let to = from + 1 + self.rng.below((self.stream.len() - from).min(30_000) as u64) as usize;
            let at = self.now + self.rng.micros(100..=300_000);
            let flags = Flags::ACK | Flags::PSH;
            self.data.push(Data { at, range: from..to, seen: self.seen, flags, again: true });
        }
    }

    /// Waits for an answer; a creeping client waits for a part of it.
    fn receive(&mut self, bytes: u64) {
        let from = self.seen + self.coming;
        let at = self.now + ROUND_TRIP / 2;
        self.said.push(Said { at, range: from..from + bytes, heard: self.stream.len() });
        self.now = self.now + ROUND_TRIP + self.rng.micros(10..=2_000);
        self.coming += bytes;
        let got = if self.creeping { self.rng.within(1..=self.coming) } else { self.coming };
        self.seen += got;
        self.coming -= got;
    }
}

/// Where turns begin, in the order of the stream.
fn gates(data: &[Data]) -> Vec<Gate> {
    let mut gates = Vec::new();
    let mut before = None;
    for segment in data.iter().filter(|segment| !segment.again) {
        if before.is_none_or(|seen| segment.seen > seen) {
            gates.push(Gate { offset: segment.range.start, seen: segment.seen, at: segment.at });
        }
        before = Some(segment.seen);
    }
    gates
}

/// The SYN carries the beginning of the first turn, and the online server accepts all of it, a part or nothing.
fn fast_open(plan: &ClientPlan, data: &mut Vec<Data>, rng: &mut Rng) -> OnSyn {
    if plan.fast_open == 0 || !rng.chance(plan.fast_open) {
        return OnSyn::default();
    }
    let turn = data.iter().take_while(|segment| segment.seen == 0).map(|segment| segment.range.end).max();
    let carried = turn.unwrap_or(0).min(1 + rng.below(1_400) as usize);
    let taken = match rng.below(3) {
        0 => 0,
        1 => carried,
        _ => rng.below(carried as u64 + 1) as usize,
    };
    data.retain_mut(|segment| {
        segment.range.start = segment.range.start.max(taken);
        segment.range.start < segment.range.end || segment.flags.has(Flags::FIN)
    });
    OnSyn { carried, taken }
}

/// When, and from which byte on, the capture of a session begins.
fn join(plan: &ClientPlan, data: &[Data], gates: &[Gate], rng: &mut Rng) -> Option<(Time, usize)> {
    if rng.chance(plan.join) && gates.len() > 1 {
        let gate = gates[rng.within(1..=gates.len() as u64 - 1) as usize];
        return Some((gate.at, gate.offset));
    }
    if rng.chance(plan.join_amid) && data.len() > 1 {
        let segment = &data[rng.within(1..=data.len() as u64 - 1) as usize];
        return Some((segment.at, segment.range.start));
    }
    None
}

/// Turns segments into captured packets.
struct Packets {
    flow: Flow,
    isn: Seq,
    online_isn: Seq,
    rng: Rng,
    builder: PacketBuilder,
    sent: Vec<Sent>,
}

impl Packets {
    fn handshake(&mut self, start: Time, plan: &ClientPlan, carried: &[u8], taken: usize) {
        let options = Options { mss: Some(1460), window_scale: Some(7), timestamps: Some(stamps(start)) };
        let syn = Outgoing {
            seq: self.isn,
            ack: Seq(0),
            flags: Flags::SYN,
            window: 64_240,
            options,
            payload: (carried, &[]),
        };
        let packet = self.builder.build(&self.flow, &syn).to_vec();
        self.sent.push(Sent { at: start, packet, outgoing: false });
        let back = Flow { client: self.flow.server, server: self.flow.client };
        let flags = Flags::SYN | Flags::ACK;
        let ack = self.isn + 1 + taken as u32;
        let syn_ack = Outgoing { seq: self.online_isn, ack, flags, payload: (&[], &[]), ..syn };
        let packet = self.builder.build(&back, &syn_ack).to_vec();
        if !self.rng.chance(plan.syn_ack_lost) {
            self.sent.push(Sent { at: start + Duration::from_micros(20), packet, outgoing: true });
        }
        if plan.pure_acks {
            self.client(start + ROUND_TRIP, taken, 0, Flags::ACK, &[]);
        }
    }

    fn data(&mut self, data: &Data, stream: &[u8]) {
        self.client(data.at, data.range.start, data.seen, data.flags, &stream[data.range.clone()]);
    }

    /// The online server's segments; returns all its bytes.
    fn answers(&mut self, said: &[Said], mut rng: Rng, wanted: &[PayloadPrefix]) -> Vec<u8> {
        let length = said.last().map_or(0, |last| last.range.end as usize);
        let mut all = Vec::with_capacity(length + 8);
        while all.len() < length {
            all.extend_from_slice(&rng.next().to_be_bytes());
        }
        all.truncate(length);
        let back = Flow { client: self.flow.server, server: self.flow.client };
        for said in said {
            let (mut at, end) = (said.range.start as usize, said.range.end as usize);
            let segment = rng.pick(&[100, 1448, 1448, 60_000]);
            while at < end {
                let to = end.min(at + segment);
                if !wanted.is_empty() && to - at >= MARK.len() && rng.chance(300) {
                    all[at..at + MARK.len()].copy_from_slice(&MARK);
                }
                let segment = Outgoing {
                    seq: self.online_isn + 1 + at as u32,
                    ack: self.isn + 1 + said.heard as u32,
                    flags: if to == end { Flags::ACK | Flags::PSH } else { Flags::ACK },
                    window: 501,
                    options: Options { timestamps: Some(stamps(said.at)), ..Options::default() },
                    payload: (&all[at..to], &[]),
                };
                let packet = self.builder.build(&back, &segment).to_vec();
                self.sent.push(Sent { at: said.at, packet, outgoing: true });
                at = to;
            }
        }
        all
    }

    /// The client's last segments; returns when they were sent.
    fn end(&mut self, end: End, now: Time, length: usize, seen: u64) -> Time {
        let at = now + self.rng.micros(10..=5_000);
        match end {
            End::Fin | End::HalfClose => self.client(at, length, seen, Flags::FIN | Flags::ACK, &[]),
            End::Reset => self.client(at, length, seen, Flags::RST | Flags::ACK, &[]),
            End::FinWithData | End::Silence => {}
        }
        at
    }

    /// The online server's last segment.
    fn online(&mut self, at: Time, heard: usize, said: u64, flags: Flags) {
        let back = Flow { client: self.flow.server, server: self.flow.client };
        let segment = Outgoing {
            seq: self.online_isn + 1 + said as u32,
            ack: self.isn + 1 + heard as u32,
            flags,
            window: 0,
            options: Options::default(),
            payload: (&[], &[]),
        };
        self.sent.push(Sent { at, packet: self.builder.build(&back, &segment).to_vec(), outgoing: true });
    }

    fn client(&mut self, at: Time, offset: usize, seen: u64, flags: Flags, payload: &[u8]) {
        let segment = Outgoing {
            seq: self.isn + 1 + offset as u32,
            ack: self.online_isn + 1 + seen as u32,
            flags,
            window: 501,
            options: Options { timestamps: Some(stamps(at)), ..Options::default() },
            payload: (payload, &[]),
        };
        let mut packet = self.builder.build(&self.flow, &segment).to_vec();
        assert!(!packet.is_empty(), "a scripted segment is too large for a packet");
        // With offloads, the checksum of a captured packet is partial.
        let checksum = packet.len() - payload.len() - 32 + 16;
        packet[checksum..checksum + 2].copy_from_slice(&(self.rng.next() as u16).to_be_bytes());
        self.sent.push(Sent { at, packet, outgoing: false });
    }
}

fn stamps(at: Time) -> Timestamps {
    Timestamps { value: at.as_millis() as u32, echo: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common_core::flow::Endpoint;

    fn write(seed: u64, plan: &ClientPlan) -> Session {
        let client = Endpoint::new([10, 1, 0, 1].into(), 4000);
        let server = Endpoint::new([10, 0, 0, 1].into(), 80);
        Session::write(1, Flow { client, server }, Time::from_micros(5), None, plan, None, Rng::new(seed))
    }

    #[test]
    fn the_captured_segments_make_up_the_stream_and_their_acks_never_fall() {
        for seed in 0..200 {
            let plan = ClientPlan { creep: 300, late: 50, again: 300, ..ClientPlan::BASE };
            let mut session = write(seed, &plan);
            let syn = session.sent[0].packet.clone();
            let syn = Segment::parse(&syn).unwrap();
            assert_eq!(syn.flags, Flags::SYN);
            let mut stream = vec![None; session.stream.len()];
            let mut ends = vec![];
            session.sent.sort_by_key(|sent| sent.at);
            for sent in session.sent.iter().filter(|sent| !sent.outgoing) {
                let segment = Segment::parse(&sent.packet).unwrap();
                let offset = segment.seq.distance(syn.seq + 1).max(0) as usize;
                for (at, byte) in segment.payload.iter().enumerate() {
                    assert!(stream[offset + at].is_none_or(|known| known == *byte));
                    stream[offset + at] = Some(*byte);
                }
                ends.push(offset + segment.payload.len());
            }
            assert!(stream.iter().all(Option::is_some), "seed {seed}");
            assert_eq!(stream.into_iter().flatten().collect::<Vec<_>>(), session.stream);
            assert_eq!(session.gates[0].offset, 0);
            assert!(
                session
                    .gates
                    .windows(2)
                    .all(|pair| pair[0].seen < pair[1].seen && pair[0].offset < pair[1].offset)
            );
        }
    }

    #[test]
    fn a_joined_session_begins_where_a_turn_begins() {
        let plan = ClientPlan { join: 1000, turns: (4, 8), ..ClientPlan::BASE };
        for seed in 0..50 {
            let session = write(seed, &plan);
            assert!(session.joined());
            assert!(session.gates.iter().any(|gate| gate.offset == session.captured.start));
            let first = Segment::parse(&session.sent[0].packet).unwrap();
            assert_eq!(first.payload, &session.stream[session.captured.start..][..first.payload.len()]);
        }
    }
}
