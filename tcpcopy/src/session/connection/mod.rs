//! The copied client's TCP connection to the test server (RFC 9293). A session may open several, one after the other.

mod ahead;
mod belief;
mod congestion;
mod receiver;
mod rtt;
mod sender;
mod syn_sent;

use std::net::IpAddr;
use std::time::Duration;

use common_core::answer_payload::AnswerPayload;
use common_core::control::{PROOF_SLACK, Proof, ServerSegment};
use common_core::time::Time;
use common_core::wire::{Flags, Options, Outgoing, Seq, Timestamps};

use self::belief::Belief;
use self::receiver::{Receiver, WINDOW_FIELD};
use self::sender::{Header, Sender};
pub(crate) use self::syn_sent::TupleHistory;
use self::syn_sent::{Outcome, SynSent};
use crate::session::context::Context;
use crate::session::send_buffer::SendBuffer;

pub(super) use self::receiver::Received;

/// How long the last acknowledgement is kept for a server that asks for it again.
const TIME_WAIT: Duration = Duration::from_secs(1);

/// How often data is announced to several intercepts, once a round trip. If they share the answers, each has most likely seen one
/// by then.
const TOLD_MAX: u8 = 32;

/// What intercepts were told of an open connection since a link came up.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    link_epoch: u32,
    count: u8,
    /// The latest of them: the oldest number not acknowledged, and the one after the highest sent.
    latest: Option<(Seq, Seq)>,
}

impl Told {
    /// What is in flight is between these numbers. False if intercepts know as much as they need.
    fn needs(&mut self, link_epoch: u32, una: Seq, max: Seq) -> bool {
        if self.link_epoch != link_epoch {
            *self = Self { link_epoch, ..Self::default() };
        }
        // Numbers a little beyond what was announced are believed.
        let is_near =
            |told: (Seq, Seq)| told.0 == una && max.distance(told.1).unsigned_abs() < PROOF_SLACK / 2;
        if self.count >= TOLD_MAX || self.latest.is_some_and(is_near) {
            return false;
        }
        self.count += 1;
        self.latest = Some((una, max));
        true
    }
}

/// Bytes of the timestamps option in every segment, padding included.
const TIMESTAMPS_LENGTH: u16 = 12;

/// RFC 9293 section 3.7.1: the segment size of a peer that names none, over IPv4.
const MSS_ASSUMED: u16 = 536;

/// The smallest segment size, whatever the peer says (Linux's own floor, tcp_min_snd_mss).
const MSS_MIN: u16 = 48;

/// An event of the connection that the session must act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The test server accepted the connection.
    Opened,
    /// The test server answered the SYN with RST.
    Refused,
    /// No SYN was answered.
    Unanswered,
    /// The test server reset the connection. `certain`: it had received no more than it acknowledged, because it says
    /// so, or had closed before. Otherwise its acknowledgements and answers may have been lost.
    Reset { certain: bool },
    /// Both halves were closed in order.
    Closed,
}

/// The three-way handshake is done.
#[derive(Debug)]
struct Established {
    sender: Sender,
    receiver: Receiver,
    /// When a segment that is not believed may be challenged again.
    challenge_from: Time,
}

#[derive(Debug)]
enum State {
    /// No connection yet, or no longer.
    Closed,
    SynSent(SynSent),
    Established(Box<Established>),
    /// Both sides have closed. A server that did not receive the last acknowledgement may ask for it.
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
    /// The history of the four-tuple, the present connection included once it is opened.
    past: TupleHistory,
    /// The payload that intercept was asked for.
    mode: AnswerPayload,
    /// [`Context::link_epoch`] when an answer was received last, or a SYN was sent. An intercept that came up since may
    /// not know what was sent since.
    heard: u32,
    /// How often the route was announced with data.
    told: Told,
    /// The acknowledgement that completes the handshake is not to be sent yet.
    withholds: bool,
}

impl Connection {
    pub(super) fn new(past: TupleHistory) -> Self {
        Self {
            state: State::Closed,
            past,
            mode: AnswerPayload::None,
            heard: 0,
            told: Told::default(),
            withholds: false,
        }
    }

    fn set_state(&mut self, cx: &Context<'_>, state: State) {
        log::trace!("{} {:?}: {} > {}", cx.flow, cx.now, self.state.name(), state.name());
        self.past = self.past();
        self.state = state;
    }

    /// Neither open nor opening; TIME_WAIT counts as closed.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed | State::TimeWait { .. })
    }

    /// No segment can come that needs an answer.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Established(_))
    }

    /// The test server will send nothing more on this connection.
    pub(super) fn peer_closed(&self) -> bool {
        matches!(&self.state, State::Established(open) if open.receiver.ended())
    }

    /// Answer bytes received in order on this connection; a FIN counts as one, as in acknowledgement numbers.
    pub(super) fn received(&self) -> u64 {
        match &self.state {
            State::Established(open) => open.receiver.total() + u64::from(open.receiver.ended()),
            _ => 0,
        }
    }

    /// The last answer byte in order ended a write of the server.
    pub(super) fn is_pushed(&self) -> bool {
        matches!(&self.state, State::Established(open) if open.receiver.is_pushed())
    }

    /// The history of the four-tuple, the present connection included.
    pub(super) fn past(&self) -> TupleHistory {
        let top = match &self.state {
            State::SynSent(opening) => Some(opening.iss() + 1),
            State::Established(open) => Some(open.sender.next_seq()),
            State::Closed | State::TimeWait { .. } => self.past.top,
        };
        TupleHistory { top, ..self.past }
    }

    /// Asks intercept for this much payload of the answers.
    pub(super) fn ask_payload(&mut self, cx: &mut Context<'_>, mode: AnswerPayload) {
        if mode == self.mode {
            return;
        }
        self.mode = mode;
        if let State::Established(open) = &mut self.state {
            open.receiver.set_mode(mode);
        }
        // Otherwise there is no route yet; its announcement will say it.
        if self.past.connections > 0 {
            cx.ask_payload(mode);
        }
    }

    /// The payload that intercept was asked for.
    pub(super) fn payload_mode(&self) -> AnswerPayload {
        self.mode
    }

    /// What proves to an intercept that answers are those of this connection; `None` if there is none.
    pub(super) fn proof(&self) -> Option<Proof> {
        match &self.state {
            State::SynSent(opening) => Some(opening.proof(self.past)),
            State::Established(open) => Some(Proof::Open {
                una: open.sender.una_seq(),
                max: open.sender.next_seq(),
                next: open.receiver.acknowledgement(),
            }),
            State::TimeWait { seq, header, .. } => {
                Some(Proof::Open { una: *seq, max: *seq, next: header.ack })
            }
            State::Closed => None,
        }
    }

    /// Announces the route again, with the present proof.
    fn announce(&self, cx: &mut Context<'_>) {
        if let Some(proof) = self.proof() {
            cx.announce(proof, self.mode);
        }
    }

    /// Sends a SYN. With `withhold`, nothing more is sent before [`Self::complete`].
    pub(super) fn open(&mut self, cx: &mut Context<'_>, withhold: bool) {
        self.withholds = withhold;
        let past = self.past();
        self.past = TupleHistory { connections: past.connections.wrapping_add(1), ..past };
        (self.heard, self.told) = (cx.link_epoch, Told::default());
        let opening = SynSent::new(cx, self.past, self.mode);
        self.set_state(cx, State::SynSent(opening));
    }

    /// The handshake may be completed.
    pub(super) fn complete(&mut self) {
        self.withholds = false;
    }

    /// A segment of the test server arrived; its new bytes are reported in `received`. To be called after this:
    /// [`Self::take_kept`] until it returns `None`, then [`Self::close_if_done`].
    pub(super) fn handle_answer<'a>(
        &mut self,
        cx: &mut Context<'_>,
        answer: &ServerSegment<'a>,
        send_buffer: &mut SendBuffer,
        received: &mut Received<'a>,
    ) -> Option<Event> {
        self.heard = cx.link_epoch;
        match &mut self.state {
            State::Closed => {
                cx.ledger.tcp().received_stray += 1;
                cx.target.counts.received_again += u64::from(occupies_numbers(answer));
                if answer.flags.has(Flags::ACK) && !answer.flags.has(Flags::RST) {
                    // RFC 9293 section 3.10.7.1. A reset of ours with data in flight does not name the byte that the
                    // server expects. The server asks back (RFC 5961 section 3.2), and would keep the connection
                    // otherwise.
                    send_reset(cx, answer.ack);
                }
                None
            }
            State::SynSent(_) => self.answer_to_syn(cx, answer, send_buffer),
            State::Established(_) => self.answer_to_data(cx, answer, send_buffer, received),
            State::TimeWait { until, seq, header } => {
                cx.target.counts.received_again += u64::from(occupies_numbers(answer));
                if answer.flags.has(Flags::FIN) && !answer.flags.has(Flags::RST) {
                    *until = cx.now + TIME_WAIT;
                    let (seq, header) = (*seq, *header);
                    send_control(cx, Flags::ACK, seq, &header);
                }
                None
            }
        }
    }

    fn answer_to_syn(
        &mut self,
        cx: &mut Context<'_>,
        answer: &ServerSegment<'_>,
        send_buffer: &SendBuffer,
    ) -> Option<Event> {
        let State::SynSent(opening) = &mut self.state else { return None };
        match opening.handle_answer(cx, answer) {
            Outcome::Waiting => None,
            Outcome::Refused => {
                cx.ledger.tcp().refused += 1;
                cx.target.counts.refused += 1;
                self.set_state(cx, State::Closed);
                Some(Event::Refused)
            }
            Outcome::Accepted(rtt) => {
                let mss = segment_size(cx, answer);
                let sender = Sender::new(opening.iss(), send_buffer.start(), answer, mss, rtt);
                let receiver = Receiver::new(answer, self.mode, mss);
                cx.ledger.tcp().connected += 1;
                cx.target.counts.connected += 1;
                let challenge_from = Time::ZERO;
                self.set_state(
                    cx,
                    State::Established(Box::new(Established { sender, receiver, challenge_from })),
                );
                Some(Event::Opened)
            }
        }
    }

    fn answer_to_data<'a>(
        &mut self,
        cx: &mut Context<'_>,
        answer: &ServerSegment<'a>,
        send_buffer: &mut SendBuffer,
        received: &mut Received<'a>,
    ) -> Option<Event> {
        let State::Established(open) = &mut self.state else { return None };
        match open.judge(answer) {
            Belief::Take => {}
            Belief::Accepted => {
                cx.target.counts.received_again += 1;
                open.receiver.acknowledge_soon();
                return None;
            }
            Belief::Challenge => {
                cx.ledger.tcp().received_unbelieved += 1;
                if open.may_challenge(cx.now) {
                    cx.ledger.tcp().challenges_sent += 1;
                    open.receiver.acknowledge_soon();
                }
                return None;
            }
            Belief::Discard => {
                cx.ledger.tcp().received_unbelieved += 1;
                return None;
            }
        }
        if answer.flags.has(Flags::RST) {
            let certain = answer.flags.has(Flags::ACK) || open.receiver.ended();
            if answer.flags.has(Flags::ACK) {
                // Bytes that the server received before it gave up must not be sent to it again.
                open.sender.receive(cx, answer, send_buffer);
            }
            cx.target.counts.reset += 1;
            self.set_state(cx, State::Closed);
            return Some(Event::Reset { certain });
        }
        let una = open.sender.una_seq();
        open.sender.receive(cx, answer, send_buffer);
        let behind = open.receiver.acknowledgement().distance(answer.seq);
        // Segments that wait must not be the reason why sessions are given up.
        let keeps_payload = cx.ledger.modules.memory <= cx.config.memory_limit / 4;
        let ended = open.receiver.ended();
        *received = open.receiver.receive(cx.now, answer, keeps_payload);
        let is_news = received.fresh > 0
            || behind < 0
            || open.receiver.ended() != ended
            || open.sender.una_seq() != una;
        if !is_news && occupies_numbers(answer) {
            cx.target.counts.received_again += 1;
        }
        let tcp = cx.ledger.tcp();
        tcp.answer_bytes += received.fresh;
        if answer.payload_len > 0 && received.fresh == 0 {
            if behind < 0 {
                tcp.received_out_of_order += 1;
            } else {
                tcp.received_duplicate += 1;
            }
        }
        None
    }

    /// The next segment that waited for those before it, if it waits no longer.
    pub(super) fn take_kept(&mut self, cx: &mut Context<'_>) -> Option<Received<'static>> {
        let State::Established(open) = &mut self.state else { return None };
        let received = open.receiver.take_kept(cx.now)?;
        cx.ledger.tcp().answer_bytes += received.fresh;
        Some(received)
    }

    /// Memory of the segments that wait for those before them, in bytes.
    pub(super) fn kept_memory(&self) -> usize {
        match &self.state {
            State::Established(open) => open.receiver.kept_memory(),
            _ => 0,
        }
    }

    /// Both halves may be closed now.
    pub(super) fn close_if_done(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        let State::Established(open) = &mut self.state else { return None };
        if !open.sender.is_closed() || !open.receiver.ended() {
            return None;
        }
        let header = open.header(cx, self.past);
        let seq = open.sender.next_seq();
        if open.receiver.is_due(cx.now) {
            send_control(cx, Flags::ACK, seq, &header);
        }
        self.set_state(cx, State::TimeWait { until: cx.now + TIME_WAIT, seq, header });
        Some(Event::Closed)
    }

    /// Up to where the server had acknowledged the send buffer on this connection when it sent a segment with this
    /// acknowledgement number.
    pub(super) fn acknowledged_by(&self, ack: Seq) -> u64 {
        match &self.state {
            State::Established(open) => open.sender.acknowledged_by(ack),
            _ => 0,
        }
    }

    /// Sends a FIN after the bytes in the send buffer.
    pub(super) fn close(&mut self, cx: &mut Context<'_>, send_buffer: &SendBuffer) {
        if let State::Established(open) = &mut self.state {
            open.sender.close(send_buffer);
        }
        self.transmit(cx, send_buffer);
    }

    /// Sends a RST, if there is anything to reset.
    pub(super) fn reset(&mut self, cx: &mut Context<'_>) {
        match &self.state {
            State::Established(open) => {
                let header = open.header(cx, self.past);
                // The server accepts the reset that names the byte it expects next.
                if open.sender.una_seq() != open.sender.next_seq() {
                    send_control(cx, Flags::RST | Flags::ACK, open.sender.una_seq(), &header);
                }
                send_control(cx, Flags::RST | Flags::ACK, open.sender.next_seq(), &header);
            }
            State::SynSent(opening) => {
                // The server may have a half-open connection: this reset is within its window.
                send_reset(cx, opening.iss() + 1);
            }
            State::Closed | State::TimeWait { .. } => {}
        }
        self.set_state(cx, State::Closed);
    }

    /// Something is to be sent or retransmitted; [`Self::transmit`] decides whether now.
    pub(super) fn has_to_send(&self, send_buffer: &SendBuffer) -> bool {
        matches!(&self.state, State::Established(open) if open.sender.has_to_send(send_buffer))
    }

    /// Something will be sent as soon as the test server answers.
    pub(super) fn awaits_answer(&self, send_buffer: &SendBuffer) -> bool {
        match &self.state {
            State::Established(open) => open.sender.awaits_acknowledgement(send_buffer),
            State::SynSent(_) => true,
            State::Closed | State::TimeWait { .. } => false,
        }
    }

    /// Sends all that the windows allow.
    pub(super) fn transmit(&mut self, cx: &mut Context<'_>, send_buffer: &SendBuffer) {
        if let State::Established(open) = &mut self.state
            && !self.withholds
        {
            let header = open.header(cx, self.past);
            if open.sender.transmit(cx, send_buffer, &header) {
                open.receiver.acknowledged();
                // What was in flight when a link came up proves nothing to an intercept whose first answer acknowledges
                // more. Nor does the SYN to an intercept that another one has kept the SYN-ACK from.
                let (una, max) = (open.sender.una_seq(), open.sender.next_seq());
                if (self.heard != cx.link_epoch || cx.several_links)
                    && self.told.needs(cx.link_epoch, una, max)
                {
                    self.announce(cx);
                }
            }
        }
    }

    /// An acknowledgement without data is due.
    pub(super) fn wants_flush(&self, now: Time) -> bool {
        matches!(&self.state, State::Established(open) if !self.withholds && open.receiver.is_due(now))
    }

    /// Sends an acknowledgement without data, if one is due and no data carried it.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        if let State::Established(open) = &mut self.state
            && !self.withholds
            && open.receiver.is_due(cx.now)
        {
            let header = open.header(cx, self.past);
            send_control(cx, Flags::ACK, open.sender.next_seq(), &header);
            open.receiver.acknowledged();
            // What is missing may be held back by an intercept that believes nothing yet.
            let (una, max) = (open.sender.una_seq(), open.sender.next_seq());
            if cx.several_links && open.receiver.has_gap() && self.told.needs(cx.link_epoch, una, max) {
                self.announce(cx);
            }
        }
    }

    /// The earliest of the connection's timers.
    pub(super) fn next_timeout(&self) -> Time {
        match &self.state {
            State::Closed => Time::NEVER,
            State::SynSent(opening) => opening.retry_at(),
            State::Established(open) if self.withholds => open.sender.next_timeout(),
            State::Established(open) => open.sender.next_timeout().min(open.receiver.next_timeout()),
            State::TimeWait { until, .. } => *until,
        }
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context<'_>, send_buffer: &SendBuffer) -> Option<Event> {
        match &mut self.state {
            State::SynSent(opening) if opening.retry_at() <= cx.now => {
                if opening.retry(cx, self.past, self.mode) {
                    return None;
                }
                self.set_state(cx, State::Closed);
                Some(Event::Unanswered)
            }
            State::Established(open) => {
                let header = open.header(cx, self.past);
                if open.sender.handle_timeout(cx, send_buffer, &header) {
                    open.receiver.acknowledged();
                    // An intercept may be silent because it takes the answers for those of another connection.
                    self.announce(cx);
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

    /// A link to intercept is back: its losses are repaired at once.
    pub(super) fn hurry(&mut self, now: Time) {
        match &mut self.state {
            State::SynSent(opening) => opening.hurry(now),
            State::Established(open) => {
                open.sender.hurry(now);
                open.receiver.acknowledge_soon();
            }
            State::Closed | State::TimeWait { .. } => {}
        }
    }
}

impl Established {
    fn header(&self, cx: &Context<'_>, past: TupleHistory) -> Header {
        Header {
            ack: self.receiver.acknowledgement(),
            window: WINDOW_FIELD,
            timestamps: self.receiver.echo().map(|echo| Timestamps { value: past.timestamp(cx), echo }),
        }
    }
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::SynSent(_) => "opening",
            Self::Established(_) => "open",
            Self::TimeWait { .. } => "time-wait",
        }
    }
}

/// Sends a reset that names the byte that the server expects next.
fn send_reset(cx: &mut Context<'_>, seq: Seq) {
    send_control(cx, Flags::RST, seq, &Header { ack: Seq(0), window: 0, timestamps: None });
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

/// Payload bytes of a segment: the smaller limit of both ends, less the options of every segment.
fn segment_size(cx: &Context<'_>, syn_ack: &ServerSegment<'_>) -> u16 {
    let options = if syn_ack.options.timestamps.is_some() { TIMESTAMPS_LENGTH } else { 0 };
    let peer = syn_ack.options.mss.unwrap_or(MSS_ASSUMED);
    own_mss(cx).min(peer).saturating_sub(options).max(MSS_MIN)
}

/// The segment is acknowledged when it arrives (RFC 9293 section 3.4), and sent again if it is not.
fn occupies_numbers(answer: &ServerSegment<'_>) -> bool {
    answer.payload_len > 0 || answer.flags.has(Flags::SYN) || answer.flags.has(Flags::FIN)
}
