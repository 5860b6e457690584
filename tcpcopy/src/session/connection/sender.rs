//! The sending half: a TCP sender over the session's [`SendBuffer`].

use common_core::control::ServerSegment;
use common_core::time::Time;
use common_core::wire::{Flags, Options, Outgoing, Seq, Timestamps};

use super::congestion::Congestion;
use super::rtt::Rtt;
use crate::session::context::Context;
use crate::session::send_buffer::SendBuffer;

/// The fields of every segment that describe the receiving half.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) ack: Seq,
    pub(super) window: u16,
    pub(super) timestamps: Option<Timestamps>,
}

/// Duplicate acknowledgements that mean a loss (RFC 5681 section 3.2).
const DUPLICATES: u8 = 3;

/// Positions are send buffer offsets; a FIN takes the position after the last byte.
#[derive(Debug)]
pub(super) struct Sender {
    iss: Seq,
    /// The send buffer offset of the first byte sent on this connection.
    origin: u64,
    /// The oldest position that is not acknowledged.
    una: u64,
    /// The next position to send.
    next: u64,
    /// The position after the highest one ever sent.
    snd_max: u64,
    /// The position of the FIN, once no more data will follow.
    fin: Option<u64>,
    /// The peer's window in bytes, and its shift.
    window: u32,
    shift: u8,
    /// The largest window so far, in bytes.
    max_window: u32,
    mss: u16,
    congestion: Congestion,
    duplicates: u8,
    /// Fast recovery lasts until this is acknowledged.
    recover: Option<u64>,
    rtt: Rtt,
    /// A position whose acknowledgement is timed (Karn: it was sent once), and when it was sent.
    timed: Option<(u64, Time)>,
    timer: Time,
}

impl Sender {
    pub(super) fn new(iss: Seq, origin: u64, syn_ack: &ServerSegment<'_>, mss: u16, mut rtt: Rtt) -> Self {
        rtt.restart();
        Self {
            iss,
            origin,
            una: origin,
            next: origin,
            snd_max: origin,
            fin: None,
            window: u32::from(syn_ack.window),
            shift: syn_ack.options.window_scale.unwrap_or(0),
            max_window: u32::from(syn_ack.window),
            mss,
            congestion: Congestion::new(mss),
            duplicates: 0,
            recover: None,
            rtt,
            timed: None,
            timer: Time::NEVER,
        }
    }

    fn seq(&self, position: u64) -> Seq {
        self.iss + 1 + (position.wrapping_sub(self.origin) as u32)
    }

    /// The number of the first byte.
    pub(super) fn first(&self) -> Seq {
        self.iss + 1
    }

    /// The peer can have sent this acknowledgement number: it names something sent, and is not older than the peer's window
    /// is long (RFC 5961 section 5.2).
    pub(super) fn can_acknowledge(&self, ack: Seq) -> bool {
        let behind = self.seq(self.snd_max).distance(ack);
        let oldest = (self.snd_max - self.una).saturating_add(u64::from(self.max_window));
        behind >= 0 && u64::from(behind.unsigned_abs()) <= oldest.min(self.snd_max - self.origin)
    }

    /// The sequence number of the next byte to send.
    pub(super) fn next_seq(&self) -> Seq {
        self.seq(self.snd_max)
    }

    /// The sequence number of the oldest byte not acknowledged.
    pub(super) fn una_seq(&self) -> Seq {
        self.seq(self.una)
    }

    /// The position that a segment with this acknowledgement number acknowledges, which may be an overtaken one. Numbers
    /// before the first byte are no server's.
    pub(super) fn acknowledged_by(&self, ack: Seq) -> u64 {
        let behind = u64::from(self.una_seq().distance(ack).max(0).unsigned_abs());
        if behind > self.una - self.origin { self.una } else { self.una - behind }
    }

    /// No more data: a FIN follows the send buffer.
    pub(super) fn close(&mut self, send_buffer: &SendBuffer) {
        self.fin.get_or_insert(send_buffer.end());
    }

    /// The FIN was acknowledged.
    pub(super) fn is_closed(&self) -> bool {
        self.fin.is_some_and(|fin| self.una > fin)
    }

    fn in_flight(&self) -> u32 {
        u32::try_from(self.snd_max - self.una).unwrap_or(u32::MAX)
    }

    /// Takes an acknowledgement and a window into account.
    pub(super) fn receive(
        &mut self,
        cx: &mut Context<'_>,
        answer: &ServerSegment<'_>,
        send_buffer: &mut SendBuffer,
    ) {
        let advance = answer.ack.distance(self.seq(self.una));
        if advance < 0 || u64::from(advance.unsigned_abs()) > self.snd_max - self.una {
            return;
        }
        let window = u32::from(answer.window) << self.shift;
        let opened = window != self.window;
        self.window = window;
        self.max_window = self.max_window.max(window);
        if advance == 0 {
            let duplicate = answer.payload_len == 0 && !answer.flags.has(Flags::FIN) && !opened;
            if duplicate && self.snd_max > self.una {
                self.duplicate(cx);
            }
            return;
        }
        self.advance(cx, u64::from(advance.unsigned_abs()), send_buffer);
    }

    fn duplicate(&mut self, cx: &mut Context<'_>) {
        self.duplicates = self.duplicates.saturating_add(1);
        if self.recover.is_some() {
            self.congestion.inflate();
        } else if self.duplicates == DUPLICATES {
            self.recover = Some(self.snd_max);
            self.congestion.loss(self.in_flight());
            cx.ledger.tcp().fast_retransmits += 1;
            self.timed = None;
            self.next = self.una;
        }
    }

    fn advance(&mut self, cx: &mut Context<'_>, bytes: u64, send_buffer: &mut SendBuffer) {
        self.una += bytes;
        self.next = self.next.max(self.una);
        self.duplicates = 0;
        self.rtt.restart();
        if let Some((position, sent)) = self.timed
            && self.una >= position
        {
            self.rtt.measure(cx.now - sent);
            self.timed = None;
        }
        match self.recover {
            Some(recover) if self.una >= recover => {
                self.recover = None;
                self.congestion.recovered();
            }
            // A partial acknowledgement shows the next lost segment (RFC 6582).
            Some(_) => self.next = self.una,
            None => self.congestion.acknowledged(u32::try_from(bytes).unwrap_or(u32::MAX)),
        }
        self.timer = if self.snd_max > self.una { cx.now + self.rtt.timeout() } else { Time::NEVER };
        let replayed = send_buffer.acknowledge(self.una);
        cx.ledger.replay(replayed);
    }

    /// Something is not acknowledged.
    pub(super) fn has_to_send(&self, send_buffer: &SendBuffer) -> bool {
        !send_buffer.is_empty() || self.fin.is_some_and(|fin| self.una <= fin)
    }

    /// An acknowledgement lets more be sent.
    pub(super) fn awaits_acknowledgement(&self, send_buffer: &SendBuffer) -> bool {
        self.next < send_buffer.end() || self.recover.is_some()
    }

    /// Sends all that the windows allow; true if a segment was sent.
    pub(super) fn transmit(
        &mut self,
        cx: &mut Context<'_>,
        send_buffer: &SendBuffer,
        header: &Header,
    ) -> bool {
        if self.recover.is_some() && self.next == self.una && self.next < self.snd_max {
            // One lost segment at a time: the bytes after it have most likely arrived.
            self.send_again(cx, send_buffer, header);
            self.next = self.snd_max;
        }
        let idle = self.snd_max == self.una;
        let mut sent = false;
        loop {
            let limit = self.una + u64::from(self.window.min(self.congestion.window()));
            let left = send_buffer.end().saturating_sub(self.next);
            let room = limit.saturating_sub(self.next);
            let length = self.share(cx, left, room);
            let fin_due = self.fin.is_some_and(|fin| self.next + length == fin);
            if length == 0 && !fin_due {
                break;
            }
            // Avoids silly windows (RFC 9293 section 3.8.6.2.1): a full segment, all there is, or nothing else in
            // flight.
            let whole = length.is_multiple_of(u64::from(self.mss)) || length == left;
            if !whole && self.next > self.una {
                break;
            }
            self.send(cx, send_buffer, header, length);
            sent = true;
        }
        let waiting = self.snd_max > self.una || send_buffer.end() > self.next;
        if idle && sent || waiting && self.timer == Time::NEVER {
            // Something is in flight, or the window is closed and must be probed.
            self.timer = cx.now + self.rtt.timeout();
        }
        sent
    }

    /// How much of `left` to send at once, with `room` in the windows: whole segments, or all there is.
    fn share(&self, cx: &Context<'_>, left: u64, room: u64) -> u64 {
        let (most, mss) = (left.min(room), u64::from(self.mss));
        if most <= mss {
            return most;
        }
        match most.min(cx.longest(self.mss)) {
            all if all == left => all,
            part => part - part % mss,
        }
    }

    /// Retransmits from `next` on, one segment at most and nothing that was not sent before: the peer's window may have
    /// no room for more.
    fn send_again(&mut self, cx: &mut Context<'_>, send_buffer: &SendBuffer, header: &Header) {
        let length = u64::from(self.mss)
            .min(self.snd_max - self.next)
            .min(send_buffer.end().saturating_sub(self.next));
        self.send(cx, send_buffer, header, length);
    }

    /// Sends from `next` on.
    fn send(&mut self, cx: &mut Context<'_>, send_buffer: &SendBuffer, header: &Header, length: u64) {
        let payload = send_buffer.slice(self.next, usize::try_from(length).unwrap_or(0));
        let end = self.next + length;
        let fin = self.fin == Some(end);
        let mut flags = Flags::ACK;
        if length > 0 && end == send_buffer.end() {
            flags = flags | Flags::PSH;
        }
        if fin {
            flags = flags | Flags::FIN;
        }
        let data = Outgoing {
            seq: self.seq(self.next),
            ack: header.ack,
            flags,
            window: header.window,
            options: Options { timestamps: header.timestamps, ..Options::default() },
            payload,
        };
        let segments = cx.send_data(&data, self.mss);
        let again = self.next < self.snd_max;
        self.next = end + u64::from(fin);
        if again {
            cx.ledger.tcp().retransmitted += segments;
            self.timed = None;
        } else if self.timed.is_none() {
            self.timed = Some((self.next, cx.now));
        }
        self.snd_max = self.snd_max.max(self.next);
    }

    /// The retransmission or persist timer.
    pub(super) fn next_timeout(&self) -> Time {
        self.timer
    }

    /// Retransmits, or probes a closed window, if the timer has run out.
    pub(super) fn handle_timeout(
        &mut self,
        cx: &mut Context<'_>,
        send_buffer: &SendBuffer,
        header: &Header,
    ) -> bool {
        if cx.now < self.timer {
            return false;
        }
        self.rtt.back_off();
        if self.snd_max > self.una {
            cx.ledger.tcp().timeouts += 1;
            cx.target.sent_again();
            self.congestion.timed_out(self.in_flight());
            self.recover = None;
            self.duplicates = 0;
            self.next = self.una;
            // The first segment goes even into a closed window: its acknowledgement tells when the window opens.
            self.send_again(cx, send_buffer, header);
        } else {
            cx.ledger.tcp().window_probes += 1;
            cx.target.counts.sent_again += 1;
            cx.send(&Outgoing {
                seq: self.seq(self.una) - 1,
                ack: header.ack,
                flags: Flags::ACK,
                window: header.window,
                options: Options { timestamps: header.timestamps, ..Options::default() },
                payload: (&[], &[]),
            });
        }
        self.timer = cx.now + self.rtt.timeout();
        true
    }

    /// The path may be back: bytes in flight are retransmitted without waiting for the back-off.
    pub(super) fn hurry(&mut self, now: Time) {
        self.rtt.restart();
        if self.timer != Time::NEVER {
            self.timer = self.timer.min(now + self.rtt.timeout());
        }
    }
}
