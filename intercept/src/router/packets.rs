//! The router's handling of captured packets.

use std::net::IpAddr;

use common_core::answer_payload::AnswerPayload;
use common_core::control::{FlowId, FromIntercept, ServerSegment};
use common_core::flow::Flow;
use common_core::time::Time;
use common_core::wire::{Flags, ParseError, Segment, Seq};
use common_os::io::Captured;

use super::standing::Verdict;
use super::{DELAY, Output, Router};

impl Router {
    /// A packet was captured.
    pub fn handle_packet(&mut self, now: Time, captured: Captured<'_>, out: &mut dyn Output) {
        self.counters.captured += 1;
        if self.policy.datagrams {
            return self.handle_datagram(captured, out);
        }
        let Ok(segment) = &Segment::parse(captured.packet) else {
            self.counters.unreadable += 1;
            return;
        };
        let flow = Flow { client: segment.destination, server: segment.source };
        if !self.policy.loopback && (flow.client.ip.is_loopback() || flow.server.ip.is_loopback()) {
            self.counters.withheld += 1;
            return;
        }
        // A host that forwards answers captures each twice, incoming and outgoing. An outgoing packet counts only if its
        // source is this host; an incoming one, which over loopback is a second copy, only if its source is not.
        if captured.outgoing != self.is_local(segment.source.ip) {
            if captured.outgoing && self.routes.subscribers(&flow).is_some() {
                self.counters.relayed += 1;
            }
            return;
        }
        self.handle_answer(now, &flow, segment, out);
    }

    /// The kernel of this host sends a packet to a copied client, through the device of `--tun`.
    pub fn handle_tunnelled_answer(&mut self, now: Time, packet: &[u8], out: &mut dyn Output) {
        let segment = match Segment::parse(packet) {
            Ok(segment) => segment,
            // The kernel says more than TCP on a device of its own.
            Err(ParseError::NotTcp) => return,
            Err(_) => {
                self.counters.captured += 1;
                self.counters.unreadable += 1;
                return;
            }
        };
        self.counters.captured += 1;
        let flow = Flow { client: segment.destination, server: segment.source };
        self.handle_answer(now, &flow, &segment, out);
    }

    /// A segment of a test server on its way to a client.
    fn handle_answer(&mut self, now: Time, flow: &Flow, segment: &Segment<'_>, out: &mut dyn Output) {
        let Some(subscribers) = self.routes.subscribers(flow) else {
            return self.handle_unrouted(now, flow, segment);
        };
        let is_shared = subscribers.second.is_some();
        let (mut owners, mut news) = (0, [None; 2]);
        for (subscriber, news) in subscribers.iter_mut().zip(&mut news) {
            let verdict = subscriber.standing.judge(segment.into());
            match verdict {
                Verdict::Own | Verdict::Proving => {
                    owners += 1;
                    out.send(
                        subscriber.peer,
                        &FromIntercept::ServerSegment(answer(segment, subscriber.id, subscriber.mode)),
                    );
                }
                Verdict::Foreign | Verdict::Refuting(_) => {}
            }
            if let Verdict::Proving | Verdict::Refuting(_) = verdict {
                *news = Some((subscriber.peer, verdict));
            }
        }
        self.counters.forwarded += owners;
        self.counters.shared += u64::from(is_shared && owners > 0);
        for (peer, verdict) in news.into_iter().flatten() {
            match verdict {
                Verdict::Refuting(points) => self.note_refuted(now, peer, points),
                _ => self.note_proved(now, peer),
            }
        }
        if owners == 0 {
            self.handle_unproved(now, flow, segment, out);
        } else if segment.flags.has(Flags::SYN) {
            self.routes.forget_owner(flow);
            self.tell_of_sharing(now, flow, out);
        }
    }

    /// Nobody has announced the flow.
    fn handle_unrouted(&mut self, now: Time, flow: &Flow, segment: &Segment<'_>) {
        if !answers_syn(segment) {
            self.counters.unrouted += 1;
            return;
        }
        let prober = segment.destination.ip;
        self.counters.probed += u64::from(self.routes.have_peer_on(prober.into()));
        self.counters.probed_local += u64::from(self.is_local(prober));
        self.keep(now, flow, segment);
    }

    /// Nobody has proved that the server's connection is its own.
    #[cold]
    fn handle_unproved(&mut self, now: Time, flow: &Flow, segment: &Segment<'_>, out: &mut dyn Output) {
        self.counters.unproved += 1;
        if self.trusts_peers && segment.flags == Flags::ACK && segment.payload_len == 0 {
            return self.show_stale(flow, segment, out);
        }
        if answers_syn(segment) {
            self.keep(now, flow, segment);
        }
    }

    /// An acknowledgement of a connection that nobody here has opened may answer a SYN (RFC 9293 section 3.10.7.4, RFC 5961
    /// section 4): its numbers are what resets the connection. Who knows them can also take it over, so a peer learns them only
    /// if it has the key.
    fn show_stale(&mut self, flow: &Flow, segment: &Segment<'_>, out: &mut dyn Output) {
        let Some(subscribers) = self.routes.subscribers(flow) else { return };
        for subscriber in subscribers.iter_mut().filter(|subscriber| subscriber.standing.is_opening()) {
            let answer = answer(segment, subscriber.id, AnswerPayload::None);
            out.send(subscriber.peer, &FromIntercept::ServerSegment(answer));
            self.counters.forwarded += 1;
        }
    }

    /// Keeps an answer to a SYN, which may have overtaken its route.
    fn keep(&mut self, now: Time, flow: &Flow, segment: &Segment<'_>) {
        if segment.flags.has(Flags::SYN) {
            self.routes.forget_owner(flow);
        }
        let kept =
            ServerSegment { payload: &[], tail: &[], ..answer(segment, FlowId(0), AnswerPayload::None) };
        self.counters.unrouted += self.delayed.keep(now + DELAY, *flow, kept);
    }

    pub(super) fn is_local(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.local.contains(&ip)
    }
}

/// The answer to one subscriber, with as much payload as it asked for.
fn answer<'a>(segment: &Segment<'a>, id: FlowId, mode: AnswerPayload) -> ServerSegment<'a> {
    let (head, tail) = match mode {
        AnswerPayload::None => (0, 0),
        AnswerPayload::All => (usize::MAX, 0),
        AnswerPayload::Ends { head, tail } => (usize::from(head), usize::from(tail)),
    };
    let (payload, rest) = segment.payload.split_at(segment.payload.len().min(head));
    // The capture may have cut the segment.
    let is_whole = segment.payload.len() == segment.payload_len as usize;
    let tail = if is_whole { &rest[rest.len() - rest.len().min(tail)..] } else { &[] };
    ServerSegment {
        id,
        seq: segment.seq,
        ack: segment.ack,
        flags: segment.flags,
        window: segment.window,
        payload_len: segment.payload_len,
        options: segment.options,
        payload,
        tail,
    }
}

/// Whether a segment answers a SYN. Only such a segment can overtake its route: all others answer segments that tcpcopy sent
/// after it had received this one.
fn answers_syn(segment: &Segment<'_>) -> bool {
    let accepted = segment.flags.has(Flags::SYN | Flags::ACK);
    // RFC 9293 section 3.10.7.1: a reset that answers a segment without acknowledgement has sequence number zero.
    let refused = segment.flags.has(Flags::RST | Flags::ACK) && segment.seq == Seq(0);
    accepted || refused
}
