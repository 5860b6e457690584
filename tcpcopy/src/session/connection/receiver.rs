//! The receiving half: acknowledges the test server's answers, and stores none of them.

use std::time::Duration;

use common_core::answer_payload::AnswerPayload;
use common_core::control::ServerSegment;
use common_core::time::Time;
use common_core::wire::{Flags, Seq};

use crate::session::range_set::RangeSet;
use crate::session::stream_offset::StreamOffset;

/// How long an acknowledgement may wait for data to carry it. RFC 9293 section 3.8.6.3 allows 500 ms; a server's
/// retransmission timer is at least 200 ms.
const ACK_DELAY: Duration = Duration::from_millis(40);

/// The window scale that we offer.
pub(super) const WINDOW_SHIFT: u8 = 7;

/// Our window, always the same because nothing is stored: 64 KB unscaled, 8 MB scaled, more than any path here can
/// hold.
pub(super) const WINDOW_FIELD: u16 = u16::MAX;

/// Largest distance of a segment ahead of the next byte, in bytes.
const WINDOW: u32 = (WINDOW_FIELD as u32) << WINDOW_SHIFT;

/// Runs of bytes ahead of a gap that are remembered; the server sends the others again.
const RUNS_MAX: usize = 16;

/// The new part of a segment.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::session) struct Received<'a> {
    /// New payload bytes in order, bytes after a filled gap included.
    pub(in crate::session) fresh: u32,
    /// Answer bytes before `payload` that intercept was not asked for.
    pub(in crate::session) skipped: u64,
    /// New payload bytes that intercept sent.
    pub(in crate::session) payload: &'a [u8],
}

#[derive(Debug)]
pub(super) struct Receiver {
    /// The next byte in order; a FIN counts as a byte.
    next: StreamOffset,
    /// Bytes received ahead of a gap.
    ahead: RangeSet,
    /// The server's FIN was received.
    ended: bool,
    /// The byte after the last segment with PSH.
    push: Seq,
    mode: AnswerPayload,
    /// Payload bytes passed over since the last delivered ones.
    skipped: u64,
    /// Bytes received since our last acknowledgement.
    unacknowledged: u32,
    acknowledge_now: bool,
    acknowledge_at: Time,
    /// TSval to echo (RFC 7323 section 4.3).
    echo: u32,
    timestamps: bool,
    /// Bytes received after which an acknowledgement must go.
    ack_every: u32,
}

impl Receiver {
    /// The state after the server's SYN-ACK.
    pub(super) fn new(syn_ack: &ServerSegment<'_>, mode: AnswerPayload, mss: u16) -> Self {
        Self {
            next: StreamOffset::start(syn_ack.seq + 1),
            ahead: RangeSet::default(),
            ended: false,
            push: syn_ack.seq + 1,
            mode,
            skipped: 0,
            unacknowledged: 0,
            acknowledge_now: true,
            acknowledge_at: Time::NEVER,
            echo: syn_ack.options.timestamps.map_or(0, |timestamps| timestamps.value),
            timestamps: syn_ack.options.timestamps.is_some(),
            ack_every: 2 * u32::from(mss),
        }
    }

    /// The acknowledgement number to send.
    pub(super) fn acknowledgement(&self) -> Seq {
        self.next.seq()
    }

    /// The timestamp to echo, if the connection has the option.
    pub(super) fn echo(&self) -> Option<u32> {
        self.timestamps.then_some(self.echo)
    }

    /// Payload bytes in order so far.
    pub(super) fn total(&self) -> u64 {
        self.next.bytes() - u64::from(self.ended)
    }

    /// The server has closed its half.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// The last byte in order ended a write of the server.
    pub(super) fn is_pushed(&self) -> bool {
        self.ended || self.push == self.next.seq()
    }

    pub(super) fn set_mode(&mut self, mode: AnswerPayload) {
        self.mode = mode;
    }

    /// A reset with this sequence number belongs to this connection. Answers that intercept missed must not make it
    /// look foreign, so the whole window is accepted (RFC 9293 section 3.5.3).
    pub(super) fn accepts_reset(&self, seq: Seq) -> bool {
        let distance = self.next.distance_to(seq);
        (-1..=WINDOW as i32).contains(&distance)
    }

    /// Takes in a segment's sequence space.
    pub(super) fn receive<'a>(&mut self, now: Time, answer: &ServerSegment<'a>) -> Received<'a> {
        let behind = self.next.seq().distance(answer.seq);
        if let Some(timestamps) = answer.options.timestamps
            && behind >= 0
            && timestamps.value.wrapping_sub(self.echo) as i32 > 0
        {
            self.echo = timestamps.value;
        }
        if answer.payload_len > WINDOW {
            // No IP packet is this long.
            return Received::default();
        }
        let fin = answer.flags.has(Flags::FIN);
        if answer.payload_len == 0 && !fin {
            // A keep-alive probe is one byte before the next, and expects an answer.
            self.acknowledge_now |= behind == 1;
            return Received::default();
        }
        let end = answer.seq + answer.payload_len;
        if answer.flags.has(Flags::PSH) && end.after(self.push) {
            self.push = end;
        }
        if behind < 0 {
            self.acknowledge_now = true;
            if behind > -(WINDOW as i32) && answer.payload_len > 0 && self.mode == AnswerPayload::None {
                self.ahead.insert(self.next.offset_of(answer.seq)..self.next.offset_of(end));
                self.ahead.truncate(RUNS_MAX);
            }
            return Received::default();
        }
        let mut received = Received::default();
        let fresh = self.next.distance_to(end);
        if fresh > 0 && !self.ended {
            if !self.take_payload(answer, behind.unsigned_abs() as usize, fresh.unsigned_abs(), &mut received)
            {
                return Received::default();
            }
            self.next.jump_to(end);
            received.fresh = fresh.unsigned_abs() + self.join_ahead();
            self.unacknowledged = self.unacknowledged.saturating_add(received.fresh);
            self.acknowledge_at = self.acknowledge_at.min(now + ACK_DELAY);
            self.acknowledge_now |= self.unacknowledged >= self.ack_every || !self.ahead.is_empty();
        } else if fresh < 0 || !fin || self.ended {
            self.acknowledge_now = true;
        }
        if fin && !self.ended && end == self.next.seq() {
            self.next.advance(1);
            self.ended = true;
            self.acknowledge_now = true;
        }
        received
    }

    /// Finds the new payload. False if bytes are missing that were asked for: then the segment counts as not received,
    /// and the server sends it again.
    fn take_payload<'a>(
        &mut self,
        answer: &ServerSegment<'a>,
        known: usize,
        fresh: u32,
        received: &mut Received<'a>,
    ) -> bool {
        if self.mode == AnswerPayload::All && answer.payload.len() < answer.payload_len as usize {
            return false;
        }
        let payload = answer.payload.get(known..).unwrap_or_default();
        received.payload = payload;
        received.skipped = self.skipped;
        let passed_over = u64::from(fresh).saturating_sub(payload.len() as u64);
        self.skipped = if payload.is_empty() { self.skipped + passed_over } else { passed_over };
        true
    }

    /// Takes over the runs that are no longer ahead of a gap; returns their new bytes.
    fn join_ahead(&mut self) -> u32 {
        let before = self.next.bytes();
        while let Some(run) = self.ahead.pop_up_to(self.next.bytes()) {
            self.next.advance(run.end.saturating_sub(self.next.bytes()));
        }
        let joined = self.next.bytes() - before;
        self.skipped += joined;
        joined as u32
    }

    /// A segment with the acknowledgement was sent.
    pub(super) fn acknowledged(&mut self) {
        self.unacknowledged = 0;
        self.acknowledge_now = false;
        self.acknowledge_at = Time::NEVER;
    }

    /// An acknowledgement should not wait.
    pub(super) fn acknowledge_soon(&mut self) {
        self.acknowledge_now = true;
    }

    /// An acknowledgement without data is due.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.acknowledge_now || self.acknowledge_at <= now
    }

    /// When the delayed acknowledgement is due.
    pub(super) fn next_timeout(&self) -> Time {
        self.acknowledge_at
    }
}
