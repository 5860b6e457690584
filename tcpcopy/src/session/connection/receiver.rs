//! The receiving half: acknowledges the test server's answers, and stores only what is ahead of a gap.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use common_core::answer_payload::AnswerPayload;
use common_core::control::ServerSegment;
use common_core::time::Time;
use common_core::wire::{Flags, Seq};

use super::ahead::{Ahead, Kept, SEGMENT_BYTES};
use crate::session::stream_offset::StreamOffset;

/// How long an acknowledgement may wait for data to carry it. RFC 9293 section 3.8.6.3 allows 500 ms; a server's
/// retransmission timer is at least 200 ms.
const ACK_DELAY: Duration = Duration::from_millis(40);

/// The window scale that we offer.
pub(super) const WINDOW_SHIFT: u8 = 7;

/// Our window, always the same because nothing in order is stored: 64 KB unscaled, 8 MB scaled, more than any path here
/// can hold.
pub(super) const WINDOW_FIELD: u16 = u16::MAX;

/// Largest distance of a segment ahead of the next byte, in bytes.
const WINDOW: u32 = (WINDOW_FIELD as u32) << WINDOW_SHIFT;

/// Memory for what is ahead of a gap, in bytes; the server sends again what needs more. Without payload: for 16 runs.
const KEPT_MAX: usize = WINDOW as usize;
const RUNS_MAX: usize = 16 * SEGMENT_BYTES;

/// The new part of a segment.
#[derive(Debug, Default)]
pub(in crate::session) struct Received<'a> {
    /// New payload bytes in order.
    pub(in crate::session) fresh: u64,
    /// Answer bytes before `payload` that intercept was not asked for.
    pub(in crate::session) skipped: u64,
    /// New payload bytes that intercept sent.
    pub(in crate::session) payload: Cow<'a, [u8]>,
    /// The last bytes of the segment, if they are new, were asked for and are not among `payload`.
    pub(in crate::session) tail: Cow<'a, [u8]>,
    /// The segment's acknowledgement number. Segments that were overtaken have an older one than the last to arrive.
    pub(in crate::session) ack: Seq,
}

#[derive(Debug)]
pub(super) struct Receiver {
    /// The next byte in order; a FIN counts as a byte.
    next: StreamOffset,
    /// Segments received ahead of a gap.
    ahead: Ahead,
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
            ahead: Ahead::default(),
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

    /// The number of the peer's first byte.
    pub(super) fn first(&self) -> Seq {
        self.next.first()
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

    /// Something is missing before what was received.
    pub(super) fn has_gap(&self) -> bool {
        !self.ahead.is_empty()
    }

    pub(super) fn set_mode(&mut self, mode: AnswerPayload) {
        self.mode = mode;
        if mode == AnswerPayload::All {
            self.ahead.forget_cut();
        }
    }

    /// Memory of the segments that wait for those before them, in bytes.
    pub(super) fn kept_memory(&self) -> usize {
        self.ahead.memory()
    }

    /// Takes in a segment's sequence space. `keeps_payload`: there is memory for payload that must wait. After this,
    /// [`Self::take_kept`] may return more.
    pub(super) fn receive<'a>(
        &mut self,
        now: Time,
        answer: &ServerSegment<'a>,
        keeps_payload: bool,
    ) -> Received<'a> {
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
            if behind > -(WINDOW as i32) && answer.payload_len > 0 {
                self.keep(answer, keeps_payload);
            }
            return Received::default();
        }
        let mut received = Received::default();
        let fresh = self.next.distance_to(end);
        if fresh > 0 && !self.ended {
            if self.lacks_payload(answer) {
                return Received::default();
            }
            let known = behind.unsigned_abs() as usize;
            let payload = Cow::Borrowed(payload_of(answer).get(known..).unwrap_or_default());
            let tail = Cow::Borrowed(answer.tail);
            received = self.advance(now, u64::from(fresh.unsigned_abs()), payload, tail, answer.ack);
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

    /// The next segment that waited for those before it, if it waits no longer.
    pub(super) fn take_kept(&mut self, now: Time) -> Option<Received<'static>> {
        while !self.ended
            && let Some((at, mut kept)) = self.ahead.take_up_to(self.next.bytes())
        {
            let known = self.next.bytes() - at;
            if kept.length > known {
                let mut payload = std::mem::take(&mut kept.payload).into_vec();
                payload.drain(..payload.len().min(known as usize));
                let (payload, tail) = (Cow::Owned(payload), Cow::Owned(kept.tail.into_vec()));
                return Some(self.advance(now, kept.length - known, payload, tail, kept.ack));
            }
        }
        None
    }

    /// Keeps a segment that is ahead of a gap.
    fn keep(&mut self, answer: &ServerSegment<'_>, keeps_payload: bool) {
        let with_payload = self.mode != AnswerPayload::None;
        if self.lacks_payload(answer) || with_payload && !keeps_payload {
            return;
        }
        let at = self.next.offset_of(answer.seq);
        let room = if with_payload { KEPT_MAX } else { RUNS_MAX };
        let kept = Kept {
            length: answer.payload_len.into(),
            ack: answer.ack,
            payload: payload_of(answer).into(),
            tail: answer.tail.into(),
        };
        self.ahead.keep(at, kept, room);
    }

    /// Bytes are missing that were asked for: the segment counts as not received, and the server sends it again.
    fn lacks_payload(&self, answer: &ServerSegment<'_>) -> bool {
        self.mode == AnswerPayload::All && answer.payload.len() < answer.payload_len as usize
    }

    /// The next `fresh` bytes are received; `payload` are the first of them, `tail` may be the last.
    fn advance<'a>(
        &mut self,
        now: Time,
        fresh: u64,
        payload: Cow<'a, [u8]>,
        tail: Cow<'a, [u8]>,
        ack: Seq,
    ) -> Received<'a> {
        self.next.advance(fresh);
        self.unacknowledged = self.unacknowledged.saturating_add(u32::try_from(fresh).unwrap_or(u32::MAX));
        self.acknowledge_at = self.acknowledge_at.min(now + ACK_DELAY);
        self.acknowledge_now |= self.unacknowledged >= self.ack_every || !self.ahead.is_empty();
        let skipped = self.skipped;
        let passed_over = fresh.saturating_sub(payload.len() as u64);
        self.skipped = if payload.is_empty() { skipped + passed_over } else { passed_over };
        let tail = if tail.len() as u64 <= fresh { tail } else { Cow::Borrowed(&[][..]) };
        Received { fresh, skipped, payload, tail, ack }
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

/// The payload that intercept sent.
fn payload_of<'a>(answer: &ServerSegment<'a>) -> &'a [u8] {
    answer.payload.get(..answer.payload_len as usize).unwrap_or(answer.payload)
}
