//! One TCP connection: its segments become the bytes of both sides, in the order in which the two have said them.

use std::collections::VecDeque;

use common_core::wire::{Flags, Segment, Seq};

use crate::decoding::Dialogue;
use crate::recording::Micros;
use crate::recording::record::{EndedBy, Record};

/// Segments that wait for others: more are not kept, in bytes with [`OVERHEAD`] for each.
const WAITING_MAX: usize = 8 << 20;

/// What a waiting segment takes beside its payload, in bytes.
const OVERHEAD: usize = 100;

#[derive(Debug)]
pub(super) struct Conversation {
    wire: Box<dyn Dialogue>,
    /// The next sequence number of each side; the server's is known with its SYN-ACK.
    client: Seq,
    server: Option<Seq>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    ended: Vec<EndedBy>,
    is_lost: bool,
}

/// A segment for which something before it is missing.
#[derive(Debug)]
struct Waiting {
    is_client: bool,
    seq: Seq,
    /// What its sender had seen of the other side.
    ack: Option<Seq>,
    payload: Vec<u8>,
}

/// Whether a segment can be handed over.
enum Place {
    /// From this byte of its payload on.
    Now(usize),
    Later,
    /// It was there before.
    Past,
}

impl Conversation {
    /// Begun by a SYN with this number.
    pub(super) fn new(wire: Box<dyn Dialogue>, syn: Seq) -> Self {
        Self {
            wire,
            client: syn + 1,
            server: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            ended: Vec::new(),
            is_lost: false,
        }
    }

    /// Whether this SYN has begun it, and comes again.
    pub(super) fn is_begun_by(&self, syn: Seq) -> bool {
        self.server.is_none() && self.client == syn + 1
    }

    pub(super) fn is_session(&self) -> bool {
        self.wire.is_session()
    }

    /// Whether packets are missing.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost || !self.waiting.is_empty()
    }

    /// The next segment. Returns whether the connection is over.
    pub(super) fn segment(
        &mut self,
        now: Micros,
        is_client: bool,
        segment: &Segment<'_>,
        out: &mut Vec<Record>,
    ) -> bool {
        if self.is_lost {
            return segment.flags.has(Flags::RST);
        }
        if segment.flags.has(Flags::SYN) {
            if !is_client {
                self.server.get_or_insert(segment.seq + 1);
                self.go_on(now, out);
            }
        } else if !segment.payload.is_empty() {
            let ack = segment.flags.has(Flags::ACK).then_some(segment.ack);
            match self.place(is_client, segment.seq, ack, segment.payload.len()) {
                Place::Now(from) => {
                    self.hand_over(now, is_client, segment.payload.get(from..).unwrap_or_default(), out);
                    self.go_on(now, out);
                }
                Place::Later => self.wait(now, is_client, segment, ack, out),
                Place::Past => {}
            }
        }
        self.wire.tick(now, out);
        if segment.flags.has(Flags::FIN) {
            self.ended.push(if is_client { EndedBy::Client } else { EndedBy::Server });
        }
        let both = self.ended.contains(&EndedBy::Client) && self.ended.contains(&EndedBy::Server);
        segment.flags.has(Flags::RST) || (both && self.waiting.is_empty())
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Micros, out: &mut Vec<Record>) {
        self.wire.tick(now, out);
    }

    fn place(&self, is_client: bool, seq: Seq, ack: Option<Seq>, length: usize) -> Place {
        let (own, other) =
            if is_client { (Some(self.client), self.server) } else { (self.server, Some(self.client)) };
        let (Some(own), Some(other)) = (own, other) else { return Place::Later };
        let from = own.distance(seq);
        // Its sender has seen more of the other side than was captured so far.
        let is_early = ack.is_some_and(|ack| ack.after(other + 1));
        match usize::try_from(from) {
            Ok(from) if from >= length => Place::Past,
            Ok(from) if !is_early => Place::Now(from),
            _ => Place::Later,
        }
    }

    fn hand_over(&mut self, now: Micros, is_client: bool, bytes: &[u8], out: &mut Vec<Record>) {
        let length = bytes.len() as u32;
        if is_client {
            self.client = self.client + length;
            self.wire.client(now, bytes, out);
        } else {
            self.server = self.server.map(|next| next + length);
            self.wire.server(now, bytes, out);
        }
    }

    fn wait(
        &mut self,
        now: Micros,
        is_client: bool,
        segment: &Segment<'_>,
        ack: Option<Seq>,
        out: &mut Vec<Record>,
    ) {
        self.waiting_bytes += segment.payload.len() + OVERHEAD;
        if self.waiting_bytes > WAITING_MAX {
            self.is_lost = true;
            self.waiting.clear();
            self.wire.lost(now, "packets are missing in the capture", out);
            return;
        }
        self.waiting.push_back(Waiting {
            is_client,
            seq: segment.seq,
            ack,
            payload: segment.payload.to_vec(),
        });
    }

    /// Hands over what waits, as long as there is something. One that begins to wait changes nothing for the others: this is
    /// called where something was handed over, or the server's number has become known.
    fn go_on(&mut self, now: Micros, out: &mut Vec<Record>) {
        let mut at = 0;
        while let Some(waiting) = self.waiting.get(at) {
            match self.place(waiting.is_client, waiting.seq, waiting.ack, waiting.payload.len()) {
                Place::Later => at += 1,
                place => {
                    let Some(waiting) = self.waiting.remove(at) else { return };
                    self.waiting_bytes -= waiting.payload.len() + OVERHEAD;
                    if let Place::Now(from) = place {
                        let bytes = waiting.payload.get(from..).unwrap_or_default();
                        self.hand_over(now, waiting.is_client, bytes, out);
                        at = 0;
                    }
                }
            }
        }
    }

    /// It is over, or the capture is.
    pub(super) fn end(mut self, now: Micros, out: &mut Vec<Record>) {
        if !self.waiting.is_empty() {
            self.wire.lost(now, "packets are missing in the capture", out);
        }
        let by = self.ended.first().copied().unwrap_or(EndedBy::Recorder);
        self.wire.end(now, by, out);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use common_core::flow::Endpoint;
    use common_core::wire::Options;

    use super::*;
    use crate::decoding::{Settings, dialogue};

    /// Who, sequence number, acknowledgement number, bytes.
    type Said = (bool, u32, u32, Vec<u8>);

    fn records(said: &[Said]) -> (Vec<Record>, bool) {
        records_with(said, 0)
    }

    /// The SYN-ACK comes before this segment.
    fn records_with(said: &[Said], syn_ack: usize) -> (Vec<Record>, bool) {
        let mut out = Vec::new();
        let wire = dialogue(Arc::<Settings>::default(), 1, "c:1".into());
        let mut conversation = Conversation::new(wire, Seq(u32::MAX));
        let endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
        let mut send = |is_client: bool, seq: u32, ack: u32, flags, payload: &[u8]| {
            let segment = Segment {
                source: endpoint,
                destination: endpoint,
                seq: Seq(seq),
                ack: Seq(ack),
                flags,
                window: 0,
                options: Options::default(),
                payload,
                payload_len: payload.len() as u32,
            };
            conversation.segment(Micros(0), is_client, &segment, &mut out)
        };
        for at in 0..=said.len() {
            if at == syn_ack {
                send(false, 999, 0, Flags::SYN | Flags::ACK, b"");
            }
            if let Some((is_client, seq, ack, payload)) = said.get(at) {
                send(*is_client, *seq, *ack, Flags::ACK, payload);
            }
        }
        let is_lost = conversation.is_lost();
        conversation.end(Micros(0), &mut out);
        (out, is_lost)
    }

    #[test]
    fn segments_in_any_order_and_twice_are_the_same_dialogue() {
        let startup = b"\0\0\0\x12\0\x03\0\0user\0app\0\0".to_vec();
        let ready = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I".to_vec();
        let query = b"Q\0\0\0\x0dSELECT 1\0".to_vec();
        let answer = b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I".to_vec();
        let (after_startup, after_ready) = (startup.len() as u32, 1000 + ready.len() as u32);
        let after_query = after_startup + query.len() as u32;
        let in_order: Vec<Said> = vec![
            (true, 0, 1000, startup),
            (false, 1000, after_startup, ready),
            (true, after_startup, after_ready, query.clone()),
            (false, after_ready, after_query, answer),
        ];
        let (expected, is_lost) = records(&in_order);
        assert!(!is_lost && expected.len() == 3, "{expected:?}");
        for order in [[1, 0, 2, 3], [0, 1, 3, 2], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let mut said: Vec<Said> = order.iter().map(|at| in_order[*at].clone()).collect();
            said.insert(2, said[0].clone());
            // A part again, with new bytes behind it.
            said.push((true, after_startup, after_ready, query[..3].to_vec()));
            for syn_ack in 0..=said.len() {
                assert_eq!(records_with(&said, syn_ack), (expected.clone(), false), "{order:?} {syn_ack}");
            }
        }
        let (lost, is_lost) = records(&[in_order[0].clone(), in_order[1].clone(), in_order[3].clone()]);
        assert!(is_lost && lost.iter().any(|record| matches!(record, Record::Skipped(_))), "{lost:?}");
    }
}
