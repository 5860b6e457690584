//! The copied client's TCP connection to the test server (RFC 9293), one after the other where one is not enough.

mod congestion;
mod receiver;
mod rtt;
mod sender;

use std::net::IpAddr;
use std::time::Duration;

use common::control::{Answer, AnswerPayload};
use common::time::Time;
use common::wire::{Flags, Options, Outgoing, Seq, Timestamps};

use self::receiver::{Receiver, WINDOW_FIELD, WINDOW_SHIFT};
use self::rtt::Rtt;
use self::sender::{Header, Sender};
use crate::session::context::Context;
use crate::session::outbox::Outbox;

pub(super) use self::receiver::Received;

/// SYNs sent in vain before a connection counts as impossible: about 12 seconds.
const SYN_TRIES: u32 = 8;

/// How long the last acknowledgement is kept for a server that asks for it again.
const TIME_WAIT: Duration = Duration::from_secs(1);

/// Bytes that the timestamps option takes in every segment, padding included.
const TIMESTAMPS_LENGTH: u16 = 12;

/// RFC 9293 section 3.7.1: what is assumed of a peer that names no segment size, over IPv4.
const MSS_ASSUMED: u16 = 536;

/// Whatever the peer says, a segment carries so much (Linux's own floor, tcp_min_snd_mss).
const MSS_MIN: u16 = 48;

/// What a call into a connection brought about, for the session to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The test server accepted the connection.
    Opened,
    /// The test server answered the SYN with RST.
    Refused,
    /// SYN after SYN without an answer.
    Unanswered,
    /// The test server reset the connection.
    Reset,
    /// Both halves were closed in order.
    Closed,
}

/// A SYN is out.
#[derive(Debug)]
struct Opening {
    iss: Seq,
    tries: u32,
    sent: Time,
    retry: Time,
    rtt: Rtt,
}

/// The three-way handshake is done.
#[derive(Debug)]
struct Open {
    sender: Sender,
    receiver: Receiver,
}

#[derive(Debug)]
enum State {
    /// None yet, or none any more.
    Closed,
    Opening(Opening),
    Open(Box<Open>),
    /// All is said; a server that did not get the last acknowledgement may ask for it.
    TimeWait {
        until: Time,
        seq: Seq,
        header: Header,
    },
}

/// See the module's description.
#[derive(Debug)]
pub(super) struct Connection {
    state: State,
    /// Added to the timestamp clock: each connection on a four-tuple must be newer than the one before, for a server
    /// that has that one in TIME_WAIT (RFC 6191).
    incarnation: u32,
    /// What intercept was asked for.
    mode: AnswerPayload,
}

impl Connection {
    pub(super) fn new(incarnation: u32) -> Self {
        Self { state: State::Closed, incarnation, mode: AnswerPayload::None }
    }

    fn set_state(&mut self, cx: &Context<'_>, state: State) {
        log::trace!("{} {:?}: {} > {}", cx.flow, cx.now, self.state.name(), state.name());
        self.state = state;
    }

    /// Neither open nor opening; TIME_WAIT counts as closed.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed | State::TimeWait { .. })
    }

    /// Nothing is left that would need an answer.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// The test server will send nothing more on this connection.
    pub(super) fn peer_closed(&self) -> bool {
        matches!(&self.state, State::Open(open) if open.receiver.ended())
    }

    /// Answer bytes received in order on this connection; a FIN counts as one, as in acknowledgement numbers.
    pub(super) fn received(&self) -> u64 {
        match &self.state {
            State::Open(open) => open.receiver.total() + u64::from(open.receiver.ended()),
            _ => 0,
        }
    }

    /// What was received in order ends where a write of the server did.
    pub(super) fn is_pushed(&self) -> bool {
        matches!(&self.state, State::Open(open) if open.receiver.is_pushed())
    }

    /// Connections opened on the four-tuple so far.
    pub(super) fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// How much payload of the answers intercept is to send along.
    pub(super) fn ask_payload(&mut self, cx: &mut Context<'_>, mode: AnswerPayload) {
        if mode == self.mode {
            return;
        }
        self.mode = mode;
        if let State::Open(open) = &mut self.state {
            open.receiver.set_mode(mode);
        }
        cx.ask_payload(mode);
    }

    /// What intercept was asked for.
    pub(super) fn payload_mode(&self) -> AnswerPayload {
        self.mode
    }

    /// Sends a SYN.
    pub(super) fn open(&mut self, cx: &mut Context<'_>) {
        self.incarnation = self.incarnation.wrapping_add(1);
        let iss = initial_sequence_number(cx, self.incarnation);
        let mut opening = Opening { iss, tries: 0, sent: cx.now, retry: Time::NEVER, rtt: Rtt::new() };
        self.send_syn(cx, &mut opening);
        self.set_state(cx, State::Opening(opening));
    }

    fn send_syn(&self, cx: &mut Context<'_>, opening: &mut Opening) {
        opening.tries += 1;
        opening.sent = cx.now;
        opening.retry = cx.now + opening.rtt.timeout();
        opening.rtt.back_off();
        let timestamps = Timestamps { value: self.timestamp(cx), echo: 0 };
        cx.send(&Outgoing {
            seq: opening.iss,
            ack: Seq(0),
            flags: Flags::SYN,
            window: WINDOW_FIELD,
            options: Options {
                mss: Some(own_mss(cx)),
                window_scale: Some(WINDOW_SHIFT),
                timestamps: Some(timestamps),
            },
            payload: (&[], &[]),
        });
    }

    fn timestamp(&self, cx: &Context<'_>) -> u32 {
        cx.timestamp().wrapping_add(self.incarnation)
    }

    /// A segment of the test server; what was new in it goes to `received`.
    pub(super) fn handle_answer<'a>(
        &mut self,
        cx: &mut Context<'_>,
        answer: &Answer<'a>,
        outbox: &mut Outbox,
        received: &mut Received<'a>,
    ) -> Option<Event> {
        match &mut self.state {
            State::Closed => {
                cx.ledger.tcp.answers_stray += 1;
                if answer.flags.has(Flags::ACK) && !answer.flags.has(Flags::RST) {
                    // RFC 9293 section 3.10.7.1. A reset of ours with data in flight does not name the byte that the
                    // server expects; it asks back (RFC 5961 section 3.2) and would keep the connection otherwise.
                    let header = Header { ack: Seq(0), window: 0, timestamps: None };
                    send_control(cx, Flags::RST, answer.ack, &header);
                }
                None
            }
            State::Opening(_) => self.answer_to_syn(cx, answer, outbox),
            State::Open(_) => self.answer_to_data(cx, answer, outbox, received),
            State::TimeWait { until, seq, header } => {
                if answer.flags.has(Flags::FIN) && !answer.flags.has(Flags::RST) {
                    *until = cx.now + TIME_WAIT;
                    let (seq, header) = (*seq, *header);
                    send_control(cx, Flags::ACK, seq, &header);
                }
                None
            }
        }
    }

    fn answer_to_syn(&mut self, cx: &mut Context<'_>, answer: &Answer<'_>, outbox: &Outbox) -> Option<Event> {
        let State::Opening(opening) = &mut self.state else { return None };
        let acceptable = answer.flags.has(Flags::ACK) && answer.ack == opening.iss + 1;
        if answer.flags.has(Flags::RST) {
            if !acceptable {
                return None;
            }
            cx.ledger.tcp.refused += 1;
            self.set_state(cx, State::Closed);
            return Some(Event::Refused);
        }
        if !acceptable {
            if answer.flags.has(Flags::ACK) {
                self.reset_stale(cx, answer);
            }
            return None;
        }
        if !answer.flags.has(Flags::SYN) {
            return None;
        }
        let mut rtt = opening.rtt;
        if opening.tries == 1 {
            rtt.measure(cx.now - opening.sent);
        }
        let mss = segment_size(cx, answer);
        let sender = Sender::new(opening.iss, outbox.start(), answer, mss, rtt);
        let receiver = Receiver::new(answer, self.mode, mss);
        cx.ledger.tcp.connected += 1;
        self.set_state(cx, State::Open(Box::new(Open { sender, receiver })));
        Some(Event::Opened)
    }

    /// The server holds an older connection of this four-tuple (RFC 9293 section 3.5.1): its acknowledgement tells how
    /// to reset it. Then the SYN goes again.
    fn reset_stale(&mut self, cx: &mut Context<'_>, answer: &Answer<'_>) {
        cx.ledger.tcp.stale_reset += 1;
        let header = Header { ack: Seq(0), window: 0, timestamps: None };
        send_control(cx, Flags::RST, answer.ack, &header);
        let State::Opening(mut opening) = std::mem::replace(&mut self.state, State::Closed) else { return };
        // Late segments of the old connection come in bursts: one SYN for all that came at once.
        if opening.tries < SYN_TRIES && cx.now > opening.sent {
            opening.rtt.restart();
            cx.ledger.tcp.syn_retries += 1;
            self.send_syn(cx, &mut opening);
        }
        self.state = State::Opening(opening);
    }

    fn answer_to_data<'a>(
        &mut self,
        cx: &mut Context<'_>,
        answer: &Answer<'a>,
        outbox: &mut Outbox,
        received: &mut Received<'a>,
    ) -> Option<Event> {
        let State::Open(open) = &mut self.state else { return None };
        if answer.flags.has(Flags::RST) {
            if !open.receiver.accepts_reset(answer.seq) {
                return None;
            }
            if answer.flags.has(Flags::ACK) {
                // What the server had received before it gave up is not to be sent to it again.
                open.sender.receive(cx, answer, outbox);
            }
            self.set_state(cx, State::Closed);
            return Some(Event::Reset);
        }
        if answer.flags.has(Flags::SYN) {
            // The SYN-ACK again, or a challenge: our acknowledgement did not arrive.
            open.receiver.acknowledge_soon();
            return None;
        }
        if answer.flags.has(Flags::ACK) {
            open.sender.receive(cx, answer, outbox);
        }
        let behind = open.receiver.acknowledgement().distance(answer.seq);
        *received = open.receiver.receive(cx.now, answer);
        let tcp = &mut cx.ledger.tcp;
        tcp.answer_bytes += u64::from(received.fresh);
        if answer.payload_len > 0 && received.fresh == 0 {
            if behind < 0 {
                tcp.answers_out_of_order += 1;
            } else {
                tcp.answers_duplicate += 1;
            }
        }
        self.close_if_done(cx)
    }

    fn close_if_done(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        let State::Open(open) = &mut self.state else { return None };
        if !open.sender.is_closed() || !open.receiver.ended() {
            return None;
        }
        let header = open.header(cx, self.incarnation);
        let seq = open.sender.next_seq();
        if open.receiver.is_due(cx.now) {
            send_control(cx, Flags::ACK, seq, &header);
        }
        self.set_state(cx, State::TimeWait { until: cx.now + TIME_WAIT, seq, header });
        Some(Event::Closed)
    }

    /// How far the server has acknowledged the outbox on this connection.
    pub(super) fn acknowledged(&self) -> Option<u64> {
        match &self.state {
            State::Open(open) => Some(open.sender.acknowledged()),
            _ => None,
        }
    }

    /// No more bytes: sends a FIN behind what is in the outbox.
    pub(super) fn close(&mut self, cx: &mut Context<'_>, outbox: &Outbox) {
        if let State::Open(open) = &mut self.state {
            open.sender.close(outbox);
        }
        self.transmit(cx, outbox);
    }

    /// Sends a RST, if there is anything to reset.
    pub(super) fn reset(&mut self, cx: &mut Context<'_>) {
        match &self.state {
            State::Open(open) => {
                let header = open.header(cx, self.incarnation);
                // The server takes the one that names the byte it expects next.
                if open.sender.una_seq() != open.sender.next_seq() {
                    send_control(cx, Flags::RST | Flags::ACK, open.sender.una_seq(), &header);
                }
                send_control(cx, Flags::RST | Flags::ACK, open.sender.next_seq(), &header);
            }
            State::Opening(opening) => {
                // The server may have a half-open connection: this is within its window.
                let header = Header { ack: Seq(0), window: 0, timestamps: None };
                send_control(cx, Flags::RST, opening.iss + 1, &header);
            }
            State::Closed | State::TimeWait { .. } => {}
        }
        self.set_state(cx, State::Closed);
    }

    /// Sends all that the windows allow.
    pub(super) fn transmit(&mut self, cx: &mut Context<'_>, outbox: &Outbox) {
        if let State::Open(open) = &mut self.state {
            let header = open.header(cx, self.incarnation);
            if open.sender.transmit(cx, outbox, &header) {
                open.receiver.acknowledged();
            }
        }
    }

    /// An acknowledgement of its own is due.
    pub(super) fn wants_flush(&self, now: Time) -> bool {
        matches!(&self.state, State::Open(open) if open.receiver.is_due(now))
    }

    /// Sends an acknowledgement of its own, if one is due and none rode on data.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        if let State::Open(open) = &mut self.state
            && open.receiver.is_due(cx.now)
        {
            let header = open.header(cx, self.incarnation);
            send_control(cx, Flags::ACK, open.sender.next_seq(), &header);
            open.receiver.acknowledged();
        }
    }

    /// The earliest of the connection's timers.
    pub(super) fn next_timeout(&self) -> Time {
        match &self.state {
            State::Closed => Time::NEVER,
            State::Opening(opening) => opening.retry,
            State::Open(open) => open.sender.next_timeout().min(open.receiver.next_timeout()),
            State::TimeWait { until, .. } => *until,
        }
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Option<Event> {
        match &mut self.state {
            State::Opening(opening) if opening.retry <= cx.now => self.retry_syn(cx),
            State::Open(open) => {
                let header = open.header(cx, self.incarnation);
                if open.sender.handle_timeout(cx, outbox, &header) {
                    open.receiver.acknowledged();
                }
                self.flush(cx);
                None
            }
            State::TimeWait { until, .. } if *until <= cx.now => {
                self.set_state(cx, State::Closed);
                None
            }
            _ => None,
        }
    }

    fn retry_syn(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        let State::Opening(mut opening) = std::mem::replace(&mut self.state, State::Closed) else {
            return None;
        };
        if cx.link_up && opening.tries >= SYN_TRIES {
            return Some(Event::Unanswered);
        }
        if !cx.link_up {
            // Whatever is answered now is not heard: tries do not count.
            opening.tries = 1;
        }
        cx.ledger.tcp.syn_retries += 1;
        self.send_syn(cx, &mut opening);
        self.state = State::Opening(opening);
        None
    }

    /// A link to intercept is back: what was lost with it is made good at once.
    pub(super) fn hurry(&mut self, now: Time) {
        match &mut self.state {
            State::Opening(opening) => {
                opening.rtt.restart();
                opening.retry = opening.retry.min(now + opening.rtt.timeout());
            }
            State::Open(open) => {
                open.sender.hurry(now);
                open.receiver.acknowledge_soon();
            }
            State::Closed | State::TimeWait { .. } => {}
        }
    }
}

impl Open {
    fn header(&self, cx: &Context<'_>, incarnation: u32) -> Header {
        Header {
            ack: self.receiver.acknowledgement(),
            window: WINDOW_FIELD,
            timestamps: self
                .receiver
                .echo()
                .map(|echo| Timestamps { value: cx.timestamp().wrapping_add(incarnation), echo }),
        }
    }
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Opening(_) => "opening",
            Self::Open(_) => "open",
            Self::TimeWait { .. } => "time-wait",
        }
    }
}

fn send_control(cx: &mut Context<'_>, flags: Flags, seq: Seq, header: &Header) {
    cx.send(&Outgoing {
        seq,
        ack: header.ack,
        flags,
        window: header.window,
        options: Options { timestamps: header.timestamps, ..Options::default() },
        payload: (&[], &[]),
    });
}

fn own_mss(cx: &Context<'_>) -> u16 {
    match cx.flow.server.ip {
        IpAddr::V4(_) => cx.config.mss_v4,
        IpAddr::V6(_) => cx.config.mss_v6,
    }
}

/// Payload bytes a segment may carry: both ends' limits, less the options that every segment has.
fn segment_size(cx: &Context<'_>, syn_ack: &Answer<'_>) -> u16 {
    let options = if syn_ack.options.timestamps.is_some() { TIMESTAMPS_LENGTH } else { 0 };
    let peer = syn_ack.options.mss.unwrap_or(MSS_ASSUMED);
    own_mss(cx).min(peer).saturating_sub(options).max(MSS_MIN)
}

/// An initial sequence number that grows with time on each four-tuple (RFC 6528), and differs between seeds.
fn initial_sequence_number(cx: &Context<'_>, incarnation: u32) -> Seq {
    let Context { flow, config, now, .. } = cx;
    let address = match flow.client.ip {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64 ^ ip.to_bits() as u64,
    };
    let tuple = address ^ (u64::from(flow.client.port) << 48) ^ (u64::from(flow.server.port) << 32);
    let hash = mix(tuple ^ mix(config.seed)) as u32;
    let clock = (now.as_micros() / 4) as u32;
    Seq(hash.wrapping_add(clock).wrapping_add(incarnation << 16))
}

/// The finaliser of SplitMix64: every input bit reaches every output bit.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
