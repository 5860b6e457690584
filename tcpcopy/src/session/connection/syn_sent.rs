//! A SYN was sent: the first half of the handshake, and the traces of older connections on the four-tuple.

use std::net::IpAddr;
use std::time::Duration;

use common_core::answer_payload::AnswerPayload;
use common_core::control::{Proof, ServerSegment};
use common_core::time::Time;
use common_core::wire::{Flags, Options, Outgoing, Seq, Timestamps, copy_mark};

use super::receiver::{WINDOW_FIELD, WINDOW_SHIFT};
use super::rtt::Rtt;
use super::{own_mss, send_reset};
use crate::session::context::{Context, Port};

/// SYNs sent in vain before a connection counts as impossible: about 12 seconds.
const SYN_TRIES: u32 = 13;

/// How long after a segment of an older connection the SYN is sent again. Most such segments are late ones of a
/// finished connection, and come in bursts: the answer to the SYN follows them.
const STALE_WAIT: Duration = Duration::from_millis(20);

/// How often that is done before only the ordinary retransmissions are left.
const STALE_TRIES: u32 = 50;

/// SYNs sent in vain before the test server may be holding a connection with this four-tuple that intercept knows nothing of.
const TRIES_BEFORE_MOVE: u32 = 3;

/// The distance of an initial sequence number from the last one used: as in Linux for a port in TIME_WAIT.
const ISS_DISTANCE: u32 = 65_537;

/// The history of a four-tuple before a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TupleHistory {
    /// Connections opened. The number is added to the timestamp clock: each connection must be newer than the one
    /// before for a server that has that one in TIME_WAIT (RFC 6191).
    pub(super) connections: u32,
    /// The sequence number after the highest one used.
    pub(super) top: Option<Seq>,
}

impl TupleHistory {
    /// A connection was opened.
    pub(crate) fn is_used(self) -> bool {
        self.connections > 0
    }

    /// The timestamp of a segment that is sent now.
    pub(super) fn timestamp(self, cx: &Context<'_>) -> u32 {
        cx.timestamp().wrapping_add(self.connections)
    }

    /// An initial sequence number that grows with time on each four-tuple (RFC 6528), differs between seeds, and is
    /// ahead of all numbers used before: no late segment, and no reset of an old connection, fits the new one.
    fn initial_sequence_number(self, cx: &Context<'_>) -> Seq {
        let Context { flow, config, now, .. } = cx;
        let address = match flow.client.ip {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64 ^ ip.to_bits() as u64,
        };
        let tuple = address ^ (u64::from(flow.client.port) << 48) ^ (u64::from(flow.server.port) << 32);
        let hash = mix(tuple ^ mix(config.seed)) as u32;
        let clock = (now.as_micros() / 4) as u32;
        let chosen = Seq(hash.wrapping_add(clock).wrapping_add(self.connections << 16));
        match self.top.map(|top| top + ISS_DISTANCE) {
            Some(least) if chosen.distance(least) < 0 => least,
            _ => chosen,
        }
    }
}

/// The meaning of an answer to a SYN.
pub(super) enum Outcome {
    /// None: the wait goes on.
    Waiting,
    /// The test server accepts. The round-trip time is there if it could be measured.
    Accepted(Rtt),
    /// The test server refuses.
    Refused,
}

#[derive(Debug)]
pub(super) struct SynSent {
    iss: Seq,
    /// SYNs sent, and how many of them may have been in vain.
    sent: u32,
    in_vain: u32,
    /// SYNs sent again because of an older connection.
    stale: u32,
    first: Time,
    last: Time,
    retry: Time,
    rtt: Rtt,
}

impl SynSent {
    /// Sends the first SYN; `past` already counts the connection.
    pub(super) fn new(cx: &mut Context<'_>, past: TupleHistory, mode: AnswerPayload) -> Self {
        let iss = past.initial_sequence_number(cx);
        let mut opening = Self {
            iss,
            sent: 0,
            in_vain: 0,
            stale: 0,
            first: cx.now,
            last: cx.now,
            retry: Time::NEVER,
            rtt: Rtt::new(),
        };
        opening.send_syn(cx, past, mode);
        opening
    }

    pub(super) fn iss(&self) -> Seq {
        self.iss
    }

    pub(super) fn retry_at(&self) -> Time {
        self.retry
    }

    /// The proof that an answer to the SYN is ours; `past` is the history before this connection.
    pub(super) fn proof(&self, past: TupleHistory) -> Proof {
        Proof::Opening { isn: self.iss, past: past.top }
    }

    /// The route is announced each time: intercept may have given its place to another, or be new.
    fn send_syn(&mut self, cx: &mut Context<'_>, past: TupleHistory, mode: AnswerPayload) {
        cx.announce(self.proof(past), mode);
        self.sent += 1;
        self.in_vain += 1;
        self.last = cx.now;
        self.retry = cx.now + self.rtt.timeout();
        self.rtt.back_off();
        let value = past.timestamp(cx);
        cx.send(&Outgoing {
            seq: self.iss,
            ack: Seq(0),
            flags: Flags::SYN,
            window: WINDOW_FIELD,
            options: Options {
                mss: Some(own_mss(cx)),
                window_scale: Some(WINDOW_SHIFT),
                // For another tcpcopy that captures it.
                timestamps: Some(Timestamps { value, echo: copy_mark(self.iss, value) }),
            },
            payload: (&[], &[]),
        });
    }

    /// A segment of the test server.
    pub(super) fn handle_answer(&mut self, cx: &mut Context<'_>, answer: &ServerSegment<'_>) -> Outcome {
        let flags = answer.flags;
        if !flags.has(Flags::ACK) {
            return Outcome::Waiting;
        }
        let acceptable = answer.ack == self.iss + 1;
        if flags.has(Flags::RST) {
            return if acceptable { Outcome::Refused } else { Outcome::Waiting };
        }
        if !acceptable {
            self.reset_stale(cx, answer);
            return Outcome::Waiting;
        }
        if !flags.has(Flags::SYN) {
            return Outcome::Waiting;
        }
        if self.sent == 1 {
            self.rtt.measure(cx.now - self.last);
            cx.ledger.tcp().round_trip_us.add(cx.now - self.last);
        }
        Outcome::Accepted(self.rtt)
    }

    /// A segment of an older connection: late, or of one that the server still holds (RFC 9293 section 3.5.1). Its
    /// acknowledgement number tells how to reset that connection, which does no harm if it is over. Such a server has
    /// not accepted the SYN: the SYN is sent again, soon.
    fn reset_stale(&mut self, cx: &mut Context<'_>, answer: &ServerSegment<'_>) {
        cx.ledger.tcp().stale_reset += 1;
        send_reset(cx, answer.ack);
        if self.stale < STALE_TRIES && self.retry > cx.now + STALE_WAIT {
            self.stale += 1;
            self.in_vain = 0;
            self.rtt.restart();
            self.retry = cx.now + STALE_WAIT;
        }
    }

    /// Sends the SYN again. False if that was done often enough.
    pub(super) fn retry(&mut self, cx: &mut Context<'_>, past: TupleHistory, mode: AnswerPayload) -> bool {
        if cx.link_up && self.in_vain >= SYN_TRIES {
            return false;
        }
        if !cx.link_up {
            // Answers cannot be received now: this try does not count.
            self.in_vain = 0;
        }
        cx.ledger.tcp().syn_retries += 1;
        cx.target.sent_again();
        self.move_if_granted(cx);
        self.send_syn(cx, past, mode);
        if cx.port == Port::Own
            && self.in_vain == TRIES_BEFORE_MOVE
            && cx.target.answers_others_around(self.first)
        {
            cx.port = Port::Wanted;
        }
        true
    }

    /// Another port. A late answer to the SYNs from the one before must not be taken for one to this.
    fn move_if_granted(&mut self, cx: &mut Context<'_>) {
        if let Port::Granted(flow) = cx.port {
            (cx.port, cx.flow) = (Port::Moved(flow), flow);
            self.iss = self.iss + ISS_DISTANCE;
            cx.ledger.tcp().moved += 1;
        }
    }

    /// Answers can be received again.
    pub(super) fn hurry(&mut self, now: Time) {
        self.rtt.restart();
        self.retry = self.retry.min(now + self.rtt.timeout());
    }
}

/// The finaliser of SplitMix64: every input bit reaches every output bit.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
