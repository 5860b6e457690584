//! One TCP connection of the test server: as in Linux, with congestion control reduced to slow start.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use common_core::flow::Flow;
use common_core::time::Time;
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Segment, Seq, Timestamps};

use crate::rng::Rng;
use crate::server::{App, Behaviour, Record, StackPlan, Wish};

/// RFC 9293 section 3.3.2, the states of a passive open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    SynReceived,
    Established,
    CloseWait,
    LastAck,
    FinWait1,
    FinWait2,
    Closing,
    TimeWait,
    /// To be forgotten.
    Closed,
}

/// The way out for packets.
pub(crate) struct Wire<'a> {
    pub(crate) builder: &'a mut PacketBuilder,
    pub(crate) packets: &'a mut Vec<Vec<u8>>,
}

/// A connection, its application, and its record.
#[derive(Debug)]
pub(crate) struct Connection {
    /// From here to the client.
    back: Flow,
    state: State,
    app: Option<App>,
    pub(crate) record: Record,
    rng: Rng,
    behaviour: Behaviour,
    origin: u32,

    // Sending.
    iss: Seq,
    una: Seq,
    next: Seq,
    max: Seq,
    /// Written bytes that are not acknowledged yet; the first is `una`'s once the SYN is acknowledged.
    out: VecDeque<u8>,
    closing: bool,
    peer_window: u32,
    window_update: (Seq, Seq),
    peer_shift: Option<u8>,
    mss: u32,
    /// Bytes that leave as one segment.
    segment: u32,
    congestion_window: u32,
    duplicates: u32,
    recover: Option<Seq>,
    rto: Duration,
    resend_at: Time,
    retries: u32,

    // Receiving.
    irs: Seq,
    expected: Seq,
    edge: Seq,
    capacity: u32,
    shift: u8,
    unread: VecDeque<u8>,
    ahead: BTreeMap<u32, Vec<u8>>,
    end: bool,
    fin_at: Option<Seq>,
    recent: Option<u32>,
    ack_at: Time,
    unacknowledged: u32,
    wait_until: Time,
}

const RTO_MIN: Duration = Duration::from_millis(200);
const RTO_MAX: Duration = Duration::from_secs(10);
const RETRIES: u32 = 15;
const SYN_ACK_RETRIES: u32 = 5;
const DELAYED_ACK: Duration = Duration::from_millis(40);
const TIME_WAIT: Duration = Duration::from_secs(60);
const ORPHAN: Duration = Duration::from_secs(60);

impl Connection {
    /// A connection for a SYN that a listening socket took.
    pub(crate) fn open(
        now: Time,
        (flow, number): (Flow, usize),
        syn: &Segment<'_>,
        plan: &StackPlan,
        behaviour: Behaviour,
        mut rng: Rng,
    ) -> Self {
        let iss = Seq(if rng.chance(300) { u32::MAX - rng.below(2000) as u32 } else { rng.next() as u32 });
        let timestamps = syn.options.timestamps.filter(|_| plan.timestamps);
        let capacity = plan.capacity(&mut rng);
        let wanted_shift = (0..14).find(|shift| capacity >> shift <= 65_535).unwrap_or(14);
        let peer_shift = syn.options.window_scale.filter(|_| plan.window_scale);
        let shift = if peer_shift.is_some() { wanted_shift } else { 0 };
        let capacity = capacity.min(65_535 << shift);
        let mss = u32::from(syn.options.mss.unwrap_or(536)).min(u32::from(plan.mss.unwrap_or(1460)));
        let expected = syn.seq + 1;
        Self {
            back: Flow { client: flow.server, server: flow.client },
            state: State::SynReceived,
            app: None,
            record: Record::new(flow, now, number),
            behaviour,
            origin: rng.next() as u32,
            iss,
            una: iss,
            next: iss,
            max: iss,
            out: VecDeque::new(),
            closing: false,
            peer_window: u32::from(syn.window),
            window_update: (syn.seq, Seq(0)),
            peer_shift,
            mss: mss - if timestamps.is_some() { 12 } else { 0 },
            segment: if plan.jumbo {
                40 * (mss - 12)
            } else {
                mss - if timestamps.is_some() { 12 } else { 0 }
            },
            congestion_window: 10 * mss,
            duplicates: 0,
            recover: None,
            rto: Duration::from_secs(1),
            resend_at: Time::NEVER,
            retries: 0,
            irs: syn.seq,
            expected,
            edge: expected + capacity.min(65_535),
            capacity,
            shift,
            unread: VecDeque::new(),
            ahead: BTreeMap::new(),
            end: false,
            fin_at: None,
            recent: timestamps.map(|timestamps| timestamps.value),
            ack_at: Time::NEVER,
            unacknowledged: 0,
            wait_until: Time::NEVER,
            rng,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Answers the SYN, first or again.
    pub(crate) fn send_syn_ack(&mut self, now: Time, plan: &StackPlan, wire: &mut Wire<'_>) {
        self.next = self.iss + 1;
        self.max = self.next;
        let options = Options {
            mss: plan.mss,
            window_scale: self.peer_shift.map(|_| self.shift),
            timestamps: self.stamps(now),
        };
        let window = self.edge.distance(self.expected) as u16;
        self.emit(wire, self.iss, Flags::SYN | Flags::ACK, window, options, 0..0);
        if self.resend_at == Time::NEVER {
            self.resend_at = now + self.rto;
        }
    }

    /// A segment of the client.
    pub(crate) fn handle(&mut self, now: Time, segment: &Segment<'_>, plan: &StackPlan, wire: &mut Wire<'_>) {
        if self.state == State::SynReceived && !self.finish_handshake(now, segment, plan, wire) {
            return;
        }
        if !self.acceptable(now, segment, wire) {
            return;
        }
        if segment.flags.has(Flags::RST) {
            // RFC 5961 section 3.2.
            if segment.seq == self.expected {
                self.record.reset_by_client = true;
                self.set_state(now, State::Closed);
            } else {
                self.acknowledge(now, wire);
            }
            return;
        }
        if segment.flags.has(Flags::SYN) {
            // RFC 5961 section 4.2: a challenge.
            self.acknowledge(now, wire);
            return;
        }
        if !segment.flags.has(Flags::ACK) || !self.handle_ack(now, segment, wire) {
            return;
        }
        self.handle_payload(now, segment, wire);
        self.run(now, wire);
    }

    /// When to call [`Connection::handle_timeout`].
    pub(crate) fn deadline(&self) -> Time {
        let app =
            self.app.as_ref().map_or(Time::NEVER, |app| app.deadline(self.end || !self.unread.is_empty()));
        app.min(self.resend_at).min(self.ack_at).min(self.wait_until)
    }

    pub(crate) fn handle_timeout(&mut self, now: Time, plan: &StackPlan, wire: &mut Wire<'_>) {
        if self.wait_until <= now {
            self.set_state(now, State::Closed);
        }
        if self.state == State::Closed {
            return;
        }
        if self.ack_at <= now {
            self.acknowledge(now, wire);
        }
        if self.resend_at <= now {
            self.resend(now, plan, wire);
        }
        self.run(now, wire);
    }

    /// The process died: a reset to the client, if `told`.
    pub(crate) fn kill(&mut self, now: Time, wire: &mut Wire<'_>) {
        self.emit(wire, self.next, Flags::RST | Flags::ACK, 0, Options::default(), 0..0);
        self.record.closed_by_server = true;
        self.set_state(now, State::Closed);
    }

    /// A SYN for a connection in TIME_WAIT may take its place: RFC 6191, RFC 9293 section 3.6.1.
    pub(crate) fn gives_way(&self, syn: &Segment<'_>) -> bool {
        let newer = match (self.recent, syn.options.timestamps) {
            (Some(recent), Some(timestamps)) => Some(timestamps.value.wrapping_sub(recent) as i32),
            _ => None,
        };
        self.state == State::TimeWait
            && match newer {
                Some(newer) => newer > 0 || (newer == 0 && syn.seq.after(self.expected)),
                None => syn.seq.after(self.expected),
            }
    }

    fn finish_handshake(
        &mut self,
        now: Time,
        segment: &Segment<'_>,
        plan: &StackPlan,
        wire: &mut Wire<'_>,
    ) -> bool {
        if segment.flags.has(Flags::RST) {
            if segment.seq == self.expected {
                self.set_state(now, State::Closed);
            }
            return false;
        }
        if segment.flags.has(Flags::SYN) {
            if segment.seq == self.irs {
                self.send_syn_ack(now, plan, wire);
            } else {
                self.acknowledge(now, wire);
            }
            return false;
        }
        if !segment.flags.has(Flags::ACK) {
            return false;
        }
        if segment.ack != self.iss + 1 {
            self.emit(wire, segment.ack, Flags::RST, 0, Options::default(), 0..0);
            return false;
        }
        // The accept queue is full: Linux ignores the ACK, and sends its SYN-ACK again later.
        if self.rng.chance(plan.accept_queue_full) {
            return false;
        }
        self.una = self.iss + 1;
        self.resend_at = Time::NEVER;
        self.retries = 0;
        self.rto = RTO_MIN;
        self.set_state(now, State::Established);
        self.app = Some(App::accept(now, self.behaviour, self.rng.fork(3)));
        true
    }

    /// RFC 9293 section 3.10.7.4 first step, after RFC 7323 section 5.3; unacceptable segments are acknowledged.
    fn acceptable(&mut self, now: Time, segment: &Segment<'_>, wire: &mut Wire<'_>) -> bool {
        let reset = segment.flags.has(Flags::RST);
        if let (Some(recent), Some(timestamps)) = (self.recent, segment.options.timestamps) {
            let age = timestamps.value.wrapping_sub(recent) as i32;
            if age < 0 && !reset {
                self.record.too_old += 1;
                self.acknowledge(now, wire);
                return false;
            }
            if age >= 0 && !segment.seq.after(self.expected) {
                self.recent = Some(timestamps.value);
            }
        }
        let (window, length) = (self.edge.distance(self.expected), segment.end().distance(segment.seq));
        let first = segment.seq.distance(self.expected);
        let acceptable = match length {
            0 => (first >= 0 && first < window) || first == 0,
            _ => first + length > 0 && (first < window || (first == 0 && window == 0)),
        };
        if !acceptable {
            if !reset {
                self.acknowledge(now, wire);
            }
            return false;
        }
        true
    }

    fn handle_ack(&mut self, now: Time, segment: &Segment<'_>, wire: &mut Wire<'_>) -> bool {
        if segment.ack.after(self.max) || segment.ack.distance(self.una) < -(1 << 30) {
            self.acknowledge(now, wire);
            return false;
        }
        let window = u32::from(segment.window) << self.peer_shift.unwrap_or(0);
        let (wl1, wl2) = self.window_update;
        if wl1.before(segment.seq) || (wl1 == segment.seq && !wl2.after(segment.ack)) {
            self.peer_window = window;
            self.window_update = (segment.seq, segment.ack);
        }
        let acked = segment.ack.distance(self.una);
        if acked > 0 {
            self.advance(now, segment.ack, acked as u32);
        } else if acked == 0
            && segment.payload.is_empty()
            && self.una != self.max
            && !segment.flags.has(Flags::FIN)
        {
            self.duplicates += 1;
            if self.duplicates == 3 && self.recover.is_none() {
                self.recover = Some(self.max);
                self.send_first(now, wire);
            }
        }
        if acked > 0 && self.recover.is_some_and(|recover| self.una.before(recover)) {
            self.send_first(now, wire);
        } else if acked > 0 {
            self.recover = None;
        }
        if self.fin_acknowledged() {
            match self.state {
                State::FinWait1 => self.set_state(now, State::FinWait2),
                State::Closing => self.set_state(now, State::TimeWait),
                State::LastAck => self.set_state(now, State::Closed),
                _ => {}
            }
        }
        self.state != State::Closed
    }

    fn advance(&mut self, now: Time, ack: Seq, acked: u32) {
        self.una = ack;
        if self.next.before(ack) {
            self.next = ack;
        }
        self.out.drain(..self.out.len().min(acked as usize));
        self.duplicates = 0;
        self.retries = 0;
        self.rto = RTO_MIN;
        self.congestion_window = (self.congestion_window + acked).min(1 << 20);
        self.resend_at = if self.una == self.max { Time::NEVER } else { now + self.rto };
    }

    fn handle_payload(&mut self, now: Time, segment: &Segment<'_>, wire: &mut Wire<'_>) {
        if segment.payload.is_empty() && !segment.flags.has(Flags::FIN) {
            return;
        }
        // A FIN after known data is no data.
        let data_end = segment.seq + segment.payload.len() as u32;
        let new_data = data_end.after(self.expected) && !segment.payload.is_empty();
        // The socket is closed both ways: data that nobody will read is answered with a reset.
        if self.closing && new_data && !self.end {
            self.emit(wire, self.next, Flags::RST | Flags::ACK, 0, Options::default(), 0..0);
            self.set_state(now, State::Closed);
            return;
        }
        let before = self.expected;
        if segment.flags.has(Flags::FIN) {
            self.fin_at = Some(segment.seq + segment.payload.len() as u32);
        }
        self.store(segment.seq, segment.payload);
        let at_end = self.fin_at == Some(self.expected) && !self.end;
        if at_end {
            self.expected = self.expected + 1;
            self.edge = if self.edge.before(self.expected) { self.expected } else { self.edge };
            self.end = true;
            match self.state {
                State::Established => self.set_state(now, State::CloseWait),
                State::FinWait1 => self.set_state(now, State::Closing),
                State::FinWait2 => self.set_state(now, State::TimeWait),
                _ => {}
            }
        }
        let arrived = self.expected.distance(before) as u32;
        self.unacknowledged += arrived;
        if arrived == 0 || at_end || !self.ahead.is_empty() || self.unacknowledged >= 2 * self.mss {
            self.ack_at = now;
        } else {
            self.ack_at = self.ack_at.min(now + DELAYED_ACK);
        }
        if arrived > u32::from(at_end) {
            let sent = u64::from(self.max.distance(self.iss + 1) as u32);
            self.record.arrived(now, sent);
        }
    }

    /// Puts payload in its place, as far as the window lets it in.
    fn store(&mut self, seq: Seq, payload: &[u8]) {
        let skip = self.expected.distance(seq).clamp(0, payload.len() as i32) as usize;
        let (seq, payload) = (seq + skip as u32, &payload[skip..]);
        let room = self.edge.distance(seq).clamp(0, payload.len() as i32) as usize;
        if payload.len() > room {
            self.record.beyond_window += 1;
        }
        if room == 0 {
            return;
        }
        let offset = |seq: Seq, irs: Seq| seq.distance(irs) as u32;
        let held = self.ahead.entry(offset(seq, self.irs)).or_default();
        if held.len() < room {
            *held = payload[..room].to_vec();
        }
        while let Some(entry) = self.ahead.first_entry() {
            let known = offset(self.expected, self.irs).wrapping_sub(*entry.key()) as i32;
            if known < 0 {
                break;
            }
            let bytes = entry.remove();
            if let Some(new) = bytes.get(known as usize..) {
                self.unread.extend(new);
                self.record.received.extend_from_slice(new);
                self.expected = self.expected + new.len() as u32;
            }
        }
    }

    /// Lets the application work, and sends what there is to send.
    fn run(&mut self, now: Time, wire: &mut Wire<'_>) {
        if self.state == State::Closed {
            return;
        }
        if let Some(app) = &mut self.app {
            app.read(now, &mut self.unread, self.end);
            let Wish { write, close, reset } = app.poll(now);
            self.record.requests = app.requests;
            self.record.misread.append(&mut app.misread);
            if !self.closing {
                self.record.answered += write.len() as u64;
                self.out.extend(write);
            }
            if close && !self.closing {
                self.closing = true;
                self.record.closed_by_server = !self.end;
                // Linux resets instead of closing if the application leaves something unread.
                if reset || !self.unread.is_empty() {
                    self.emit(wire, self.next, Flags::RST | Flags::ACK, 0, Options::default(), 0..0);
                    self.set_state(now, State::Closed);
                    return;
                }
                match self.state {
                    State::Established => self.set_state(now, State::FinWait1),
                    State::CloseWait => self.set_state(now, State::LastAck),
                    _ => {}
                }
            }
        }
        self.push(now, wire);
        if self.window_opened() || self.ack_at <= now {
            self.acknowledge(now, wire);
        }
    }

    /// Sends what the windows allow.
    fn push(&mut self, now: Time, wire: &mut Wire<'_>) {
        if matches!(self.state, State::SynReceived | State::Closed | State::TimeWait) {
            return;
        }
        let window = self.peer_window.min(self.congestion_window);
        loop {
            let flying = self.next.distance(self.una).max(0) as u32;
            let waiting = (self.out.len() as u32).saturating_sub(flying);
            let length = waiting.min(self.segment).min(window.saturating_sub(flying));
            let last = length == waiting;
            let fin = self.closing && last && !self.fin_passed();
            if length == 0 && !fin {
                break;
            }
            self.send(now, self.next, length, fin, last, wire);
        }
        let waiting = self.out.len() as u32 > self.next.distance(self.una).max(0) as u32;
        if self.resend_at == Time::NEVER && (self.una != self.max || waiting) {
            self.resend_at = now + self.rto;
        }
    }

    fn send(&mut self, now: Time, seq: Seq, length: u32, fin: bool, push: bool, wire: &mut Wire<'_>) {
        let start = seq.distance(self.una).max(0) as usize;
        let mut flags = Flags::ACK;
        if fin {
            flags = flags | Flags::FIN;
        }
        if push && length > 0 {
            flags = flags | Flags::PSH;
        }
        let options = Options { timestamps: self.stamps(now), ..Options::default() };
        let window = self.advertise();
        self.emit(wire, seq, flags, window, options, start..start + length as usize);
        let end = seq + length + u32::from(fin);
        if end.after(self.next) {
            self.next = end;
        }
        if end.after(self.max) {
            self.max = end;
            self.record.sent(now, u64::from(self.max.distance(self.iss + 1) as u32), length > 0);
        } else {
            self.record.sent_again += 1;
        }
        self.acknowledged();
    }

    /// Sends again from the first byte that is not acknowledged.
    fn send_first(&mut self, now: Time, wire: &mut Wire<'_>) {
        let length = (self.out.len() as u32).min(self.mss).min(self.max.distance(self.una).max(0) as u32);
        let fin = self.closing && length == self.out.len() as u32 && self.fin_was_sent();
        if length > 0 || fin {
            self.send(now, self.una, length, fin, true, wire);
        }
        self.resend_at = now + self.rto;
    }

    fn resend(&mut self, now: Time, plan: &StackPlan, wire: &mut Wire<'_>) {
        self.retries += 1;
        self.rto = (self.rto * 2).min(RTO_MAX);
        self.resend_at = now + self.rto;
        if self.state == State::SynReceived {
            if self.retries > SYN_ACK_RETRIES {
                self.set_state(now, State::Closed);
            } else {
                self.send_syn_ack(now, plan, wire);
            }
            return;
        }
        if self.una == self.max {
            if self.out.is_empty() && !self.closing {
                self.resend_at = Time::NEVER;
                return;
            }
            // The window is closed. Linux probes it with an old sequence number and no data.
            self.retries = 0;
            let options = Options { timestamps: self.stamps(now), ..Options::default() };
            let window = self.advertise();
            self.emit(wire, self.una - 1, Flags::ACK, window, options, 0..0);
            return;
        }
        if self.retries > RETRIES {
            self.record.timed_out = true;
            self.set_state(now, State::Closed);
            return;
        }
        self.congestion_window = self.mss;
        self.recover = None;
        self.duplicates = 0;
        self.next = self.una;
        self.send_first(now, wire);
    }

    fn acknowledge(&mut self, now: Time, wire: &mut Wire<'_>) {
        let options = Options { timestamps: self.stamps(now), ..Options::default() };
        let window = self.advertise();
        self.emit(wire, self.max, Flags::ACK, window, options, 0..0);
        self.acknowledged();
    }

    fn acknowledged(&mut self) {
        self.ack_at = Time::NEVER;
        self.unacknowledged = 0;
    }

    /// The window to announce: it never shrinks, and grows in steps worth while (RFC 9293 section 3.8.6.2.2).
    fn advertise(&mut self) -> u16 {
        let now = self.expected + self.free();
        if now.distance(self.edge) >= self.step() as i32 {
            self.edge = now;
        }
        let window = self.edge.distance(self.expected).max(0) as u32 >> self.shift;
        window.min(65_535) as u16
    }

    fn window_opened(&self) -> bool {
        let window = self.edge.distance(self.expected).max(0) as u32;
        self.app.is_some() && window < self.step() && self.free() >= self.step() && self.free() >= 2 * window
    }

    fn free(&self) -> u32 {
        self.capacity.saturating_sub(self.unread.len() as u32)
    }

    fn step(&self) -> u32 {
        self.mss.min(self.capacity / 2).max(1)
    }

    fn fin_was_sent(&self) -> bool {
        let data_end = self.una + self.out.len() as u32;
        self.closing && self.max.after(data_end)
    }

    fn fin_passed(&self) -> bool {
        let data_end = self.una + self.out.len() as u32;
        self.next.after(data_end) || self.fin_acknowledged()
    }

    fn fin_acknowledged(&self) -> bool {
        matches!(self.state, State::FinWait1 | State::Closing | State::LastAck)
            && self.out.is_empty()
            && self.record.fin_sent.is_some_and(|end| self.una == end)
            || matches!(self.state, State::FinWait2 | State::TimeWait)
    }

    fn stamps(&self, now: Time) -> Option<Timestamps> {
        let value = self.origin.wrapping_add(now.as_millis() as u32);
        self.recent.map(|echo| Timestamps { value, echo })
    }

    fn emit(
        &mut self,
        wire: &mut Wire<'_>,
        seq: Seq,
        flags: Flags,
        window: u16,
        options: Options,
        range: std::ops::Range<usize>,
    ) {
        let payload = slices(&self.out, range.clone());
        let ack = self.expected;
        let segment = Outgoing { seq, ack, flags, window, options, payload };
        wire.packets.push(wire.builder.build(&self.back, &segment).to_vec());
        if flags.has(Flags::FIN) {
            self.record.fin_sent = Some(seq + range.len() as u32 + 1);
        }
    }

    fn set_state(&mut self, now: Time, state: State) {
        self.state = state;
        match state {
            State::TimeWait => self.wait_until = now + TIME_WAIT,
            State::FinWait2 => self.wait_until = now + ORPHAN,
            _ => {}
        }
        if state == State::Closed || state == State::TimeWait {
            self.record.ended = true;
            self.resend_at = Time::NEVER;
            self.app = None;
        }
        if state == State::Closed {
            self.ack_at = Time::NEVER;
        }
    }
}

fn slices(bytes: &VecDeque<u8>, range: std::ops::Range<usize>) -> (&[u8], &[u8]) {
    let (first, second) = bytes.as_slices();
    let cut = |slice: &'_ [u8], from: usize, to: usize| (from.min(slice.len()), to.min(slice.len()));
    let (a, b) = cut(first, range.start, range.end);
    let (c, d) = cut(second, range.start.saturating_sub(first.len()), range.end.saturating_sub(first.len()));
    (&first[a..b], &second[c..d])
}
