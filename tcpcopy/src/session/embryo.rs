//! A session of which only the SYN is known: the online server may never establish its connection.
//!
//! Its copy sends the SYN at once, but not the acknowledgement that completes the handshake, until there is a proof: the
//! client's first data or FIN, which carries that acknowledgement and saves a packet; an answer of the online server; or that
//! the online server does not repeat its SYN-ACK. A stranger's SYN costs the test server a half-open connection for some
//! seconds, as it does the online server.

use std::time::Duration;

use common_core::time::Time;
use common_core::wire::{Flags, Segment};

use crate::ledger::DropReason;
use crate::session::{Context, Phase, Session};

/// Linux repeats a SYN-ACK after a second that no one acknowledges.
const REPEATED_AFTER: Duration = Duration::from_millis(1200);

/// SYN-ACKs closer together are one, captured on several interfaces.
const APART: Duration = Duration::from_millis(500);

/// How long the half-open connection to the test server may stand.
const HALF_OPEN: Duration = Duration::from_millis(2500);

/// How long a client may keep silent that is not known to be there: as long as Linux repeats a SYN-ACK. In a flood, less.
const LIFE: Duration = Duration::from_secs(64);
const LIFE_IN_FLOOD: Duration = Duration::from_secs(4);

/// After the client's first data, how long to wait for the online server's reset if the number that it acknowledges is only
/// plausible.
const VERDICT_WAIT: Duration = Duration::from_millis(2);

/// Whether the online server holds the session's connection.
#[derive(Debug)]
pub(super) enum Evidence {
    /// It does, or did.
    Established,
    /// Not known yet.
    Awaited(Embryo),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Embryo {
    /// The client's last SYN.
    syn: Time,
    /// The client has repeated it.
    syn_again: bool,
    /// The online server's last SYN-ACK; `None` before the first.
    syn_ack: Option<Time>,
    /// How often it was repeated.
    repeated: u8,
    /// When the copy's half-open connection ends; [`Time::NEVER`] once it has.
    half_open_until: Time,
}

impl Embryo {
    pub(super) fn new(now: Time) -> Self {
        Self { syn: now, syn_again: false, syn_ack: None, repeated: 0, half_open_until: now + HALF_OPEN }
    }

    /// When the SYN-ACK would have been repeated.
    fn silent_at(&self) -> Time {
        match self.syn_ack {
            // After the connection was given up, only the client can prove that it is there.
            Some(at) if self.repeated == 0 && self.half_open_until != Time::NEVER => at + REPEATED_AFTER,
            _ => Time::NEVER,
        }
    }

    fn ends_at(&self, crowded: bool) -> Time {
        self.syn.max(self.syn_ack.unwrap_or(self.syn)) + if crowded { LIFE_IN_FLOOD } else { LIFE }
    }
}

impl Evidence {
    pub(super) fn is_awaited(&self) -> bool {
        matches!(self, Self::Awaited(_))
    }

    /// Nothing is to be opened before there is a proof.
    pub(super) fn is_given_up(&self) -> bool {
        matches!(self, Self::Awaited(embryo) if embryo.half_open_until == Time::NEVER)
    }

    pub(super) fn next_timeout(&self, cx: &Context<'_>) -> Time {
        match self {
            Self::Established => Time::NEVER,
            Self::Awaited(embryo) => {
                let end = embryo.ends_at(cx.embryos.are_crowded());
                end.min(embryo.half_open_until).min(embryo.silent_at())
            }
        }
    }
}

impl Session {
    /// It is not known whether the online server has established the connection.
    pub(crate) fn is_embryonic(&self) -> bool {
        self.evidence.is_awaited()
    }

    /// The client has sent its SYN again.
    pub(crate) fn syn_repeated(&mut self, now: Time) {
        if let Evidence::Awaited(embryo) = &mut self.evidence {
            (embryo.syn, embryo.syn_again) = (now, true);
        }
    }

    /// The online server's SYN-ACK, perhaps again.
    pub(super) fn count_syn_ack(&mut self, cx: &mut Context<'_>) {
        let Evidence::Awaited(embryo) = &mut self.evidence else { return };
        let before = embryo.syn_ack.replace(cx.now);
        if before.is_none_or(|before| cx.now < before + APART) {
            embryo.syn_ack = before.or(embryo.syn_ack);
            return;
        }
        embryo.repeated = embryo.repeated.saturating_add(1);
        cx.embryos.syn_ack_repeated(cx.now);
        // The client's acknowledgement may have been lost once, and so may the SYN-ACK, as a repeated SYN shows.
        if embryo.repeated > 1 && !embryo.syn_again {
            return self.end_embryo(cx, DropReason::NeverEstablished);
        }
        self.give_up_half_open(cx);
    }

    /// A segment of the client that may prove that the online server has established the connection.
    pub(super) fn prove_by_client(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        if segment.flags.has(Flags::RST) && !segment.flags.has(Flags::ACK) {
            // The answer of a host to a SYN-ACK that it did not ask for.
            return self.end_embryo(cx, DropReason::NeverEstablished);
        }
        if !segment.flags.has(Flags::ACK) || !self.client_stream.is_plausible(segment) {
            return;
        }
        if self.client_stream.acknowledges_more_than_syn_ack(segment) {
            // The server speaks first, most likely. If not, it answers with a reset.
            self.activity.hold_until(cx.now + VERDICT_WAIT);
        }
        self.establish(cx);
    }

    /// There is a proof.
    pub(super) fn establish(&mut self, cx: &mut Context<'_>) {
        self.evidence = Evidence::Established;
        self.connection.complete();
        if self.phase == Phase::Replaying && self.connection.is_closed() && self.is_unbroken() {
            self.open_connection(cx);
        }
    }

    /// Time has passed without a proof.
    pub(super) fn handle_embryo_timeout(&mut self, cx: &mut Context<'_>) {
        let Evidence::Awaited(embryo) = self.evidence else { return };
        if cx.now >= embryo.ends_at(cx.embryos.are_crowded()) {
            self.end_embryo(cx, DropReason::NeverEstablished);
        } else if cx.now >= embryo.silent_at() && cx.embryos.silence_proves(cx.now) {
            self.establish(cx);
        } else if cx.now >= embryo.half_open_until.min(embryo.silent_at()) {
            self.give_up_half_open(cx);
        }
    }

    /// The session ends although its client has not ended it: nothing more will be captured, or a newer connection uses its
    /// addresses.
    pub(super) fn finish_embryo(&mut self, cx: &mut Context<'_>) {
        let Evidence::Awaited(embryo) = self.evidence else { return };
        if embryo.syn_ack.is_none() || embryo.half_open_until == Time::NEVER || self.superseded {
            self.end_embryo(cx, DropReason::NeverEstablished);
        } else {
            // Its first data may just not have come. There is nothing to replay.
            self.evidence = Evidence::Established;
            self.client_stream.forget_data_of_syn();
            self.connection.reset(cx);
            self.set_phase(cx, Phase::Finished);
        }
    }

    /// The online server has not established the connection.
    pub(super) fn end_embryo(&mut self, cx: &mut Context<'_>, reason: DropReason) {
        self.evidence = Evidence::Established;
        self.abandon(cx, reason);
        self.set_phase(cx, Phase::Finished);
    }

    fn give_up_half_open(&mut self, cx: &mut Context<'_>) {
        if let Evidence::Awaited(embryo) = &mut self.evidence {
            embryo.half_open_until = Time::NEVER;
            if self.connection.is_open() {
                self.reconnect.not_accepted();
            }
            self.connection.reset(cx);
        }
    }
}
