//! The engine's handling of captured packets.

use common_core::flow::{Endpoint, Flow};
use common_core::time::{Stamp, Time};
use common_core::wire::{Flags, Segment, is_marked};
use common_os::io::Captured;

use super::Engine;
use super::classify::{Class, classify};
use super::newcomers::{Hold, Newcomer};
use super::slot::{Slot, WAITING_MAX, is_syn};
use crate::ledger::{DropReason, Outcome, PacketKind};
use crate::output::Output;
use crate::session::{ModuleHost, Session};
use crate::settings::EngineConfig;

/// A pushed segment shorter than this is most likely a whole request, even then. It is shorter than any usual segment
/// size, in bytes.
const SHORT: u32 = 1200;

impl Engine {
    /// A packet was captured on the online host.
    pub fn handle_packet(&mut self, now: Time, captured: Captured<'_>, out: &mut dyn Output) {
        self.stamp = match captured.stamp {
            // A source that does not tell: the order in which they are read.
            Stamp::FIRST => self.stamp.next(),
            stamp => stamp,
        };
        // Kept where it is: a segment is large.
        let Ok(segment) = &Segment::parse(captured.packet) else {
            return self.ledger.packet(PacketKind::Unreadable);
        };
        let EngineConfig { transfers, sees_copies, .. } = &self.config;
        let class = classify(transfers, *sees_copies, self.own.as_deref(), &captured, segment);
        let class = match &mut self.addresses {
            None => class,
            Some(addresses) => match addresses.translate(now, class) {
                Some(class) => class,
                None => {
                    self.ledger.packet(PacketKind::Client);
                    return self.turn_away(segment, DropReason::AddressCollision);
                }
            },
        };
        match class {
            Class::Client { flow, transfer } => {
                self.ledger.packet(PacketKind::Client);
                if flow.client.ip.is_loopback() && !flow.server.ip.is_loopback() {
                    self.ledger.loopback_packet();
                }
                self.handle_client(now, flow, transfer, segment, captured.packet, out);
            }
            Class::OnlineReset { flow } => {
                self.ledger.packet(PacketKind::OnlineReset);
                self.handle_online_reset(now, &flow, segment, out);
            }
            Class::OnlineSynAck { flow } => {
                self.ledger.packet(PacketKind::OnlineSynAck);
                self.handle_online_syn_ack(now, &flow, segment, out);
            }
            Class::OnlineAnswer { flow } => {
                self.ledger.packet(PacketKind::OnlineAnswer);
                self.handle_online_answer(now, &flow, segment, out);
            }
            Class::Own => self.ledger.packet(PacketKind::Own),
            Class::Unrelated => self.ledger.packet(PacketKind::Unrelated),
        }
    }

    fn handle_client(
        &mut self,
        now: Time,
        flow: Flow,
        transfer: usize,
        segment: &Segment<'_>,
        packet: &[u8],
        out: &mut dyn Output,
    ) {
        let opens = is_syn(segment);
        match self.table.find(&flow) {
            None if opens => {
                // The connection of before, if there was one, goes first.
                if let Some(newcomer) = self.newcomers.take(&flow) {
                    self.admit(now, flow, newcomer, out);
                }
            }
            None => return self.hold(now, flow, transfer, segment, packet, out),
            Some(_) => {}
        }
        self.handle_admitted(now, flow, transfer, segment, out);
    }

    /// A segment that no session knows waits for the online server's verdict.
    fn hold(
        &mut self,
        now: Time,
        flow: Flow,
        transfer: usize,
        segment: &Segment<'_>,
        packet: &[u8],
        out: &mut dyn Output,
    ) {
        if self.copies.contain(&flow) {
            return self.ledger.copy_of_another();
        }
        if segment.payload.is_empty() && !self.newcomers.contains(&flow) {
            return self.ledger.stray_packet();
        }
        if self.config.only_from_syn {
            return self.turn_away(segment, DropReason::BegunBefore);
        }
        if self.lacks_room_for(segment.payload.len() as u64) {
            return self.turn_away(segment, DropReason::MemoryLimit);
        }
        match self.newcomers.hold(now, flow, transfer, packet, self.stamp) {
            Hold::Full => self.turn_away(segment, DropReason::MemoryLimit),
            Hold::Waits => self.ledger.capture(segment.payload.len() as u64),
            Hold::Enough => {
                self.ledger.capture(segment.payload.len() as u64);
                if let Some(newcomer) = self.newcomers.take(&flow) {
                    self.admit(now, flow, newcomer, out);
                }
            }
        }
    }

    /// The online server has not rejected these flows in time: they become sessions.
    pub(super) fn admit_due(&mut self, now: Time, out: &mut dyn Output) {
        while let Some((flow, newcomer)) = self.newcomers.take_due(now, self.capture_unread) {
            self.admit(now, flow, newcomer, out);
        }
    }

    /// No verdict will come any more.
    pub(super) fn admit_all(&mut self, now: Time, out: &mut dyn Output) {
        while let Some((flow, newcomer)) = self.newcomers.take_any() {
            self.admit(now, flow, newcomer, out);
        }
    }

    /// The flow becomes a session.
    fn admit(&mut self, now: Time, flow: Flow, newcomer: Newcomer, out: &mut dyn Output) {
        let stamp = self.stamp;
        for held in newcomer.packets {
            let Ok(segment) = &Segment::parse(&held.packet) else { continue };
            self.stamp = held.stamp;
            self.ledger.hand_over(segment.payload.len() as u64);
            self.handle_admitted(now, flow, newcomer.transfer, segment, out);
        }
        self.stamp = stamp;
    }

    fn handle_online_reset(&mut self, now: Time, flow: &Flow, segment: &Segment<'_>, out: &mut dyn Output) {
        let Some(index) = self.table.find(flow) else {
            if let Some(newcomer) = self.newcomers.take_rejected(flow, segment) {
                self.reject(newcomer);
            }
            return;
        };
        if self.table.slot(index).is_none_or(|slot| slot.online != segment.source) {
            return;
        }
        self.with_slot(now, index, out, |slot, cx| {
            if let Some(session) = slot.session_reset(segment) {
                session.handle_online_reset(cx, segment);
            }
        });
    }

    /// The online server knows no connection of this flow.
    fn reject(&mut self, newcomer: Newcomer) {
        for held in newcomer.packets {
            if let Ok(segment) = Segment::parse(&held.packet) {
                self.ledger.drop_bytes(DropReason::RejectedOnline, segment.payload.len() as u64);
            }
        }
        self.ledger.session_begins();
        self.ledger.session_joined();
        self.ledger.session_ends(Outcome::Incomplete(DropReason::RejectedOnline));
    }

    /// A segment of a session, which may be new.
    fn handle_admitted(
        &mut self,
        now: Time,
        flow: Flow,
        transfer: usize,
        segment: &Segment<'_>,
        out: &mut dyn Output,
    ) {
        let opens = is_syn(segment);
        if opens && self.config.sees_copies && is_marked(segment) {
            self.copies.note(now, &flow, segment.destination);
            return self.ledger.copy_of_another();
        }
        let found = match self.table.find(&flow) {
            None if !opens && self.copies.contain(&flow) => return self.ledger.copy_of_another(),
            None if opens || !segment.payload.is_empty() => {
                self.add_slot(now, flow, transfer, segment.destination, out)
            }
            None => return self.ledger.stray_packet(),
            found => found,
        };
        let Some(index) = found else {
            return self.turn_away(segment, DropReason::MemoryLimit);
        };
        if opens {
            self.copies.forget(&flow);
        }
        if self.collides(index, segment) {
            return;
        }
        let joins = self.table.slot(index).is_some_and(|slot| slot.is_empty());
        let waiting = if opens && !joins && self.is_full() { 1 } else { WAITING_MAX };
        let mut new = if opens || joins { self.new_session(now, flow, transfer, segment) } else { None };
        self.with_slot_in_batch(now, index, out, |slot, cx| {
            // Taken out only if there is one: a session is large, and this line runs for every segment.
            if new.is_some() && !(opens && slot.is_repeated(cx.now, segment)) {
                if !opens {
                    cx.ledger.session_joined();
                }
                new.take().into_iter().for_each(|session| slot.add(cx, session, waiting));
            }
            if !opens && let Some(session) = slot.session_of(segment) {
                session.handle_client(cx, segment);
            } else if opens && !segment.payload.is_empty() {
                slot.keep_data_of_syn(segment);
            }
        });
        self.respect_memory_limit(now, out);
    }

    fn handle_online_syn_ack(&mut self, now: Time, flow: &Flow, segment: &Segment<'_>, out: &mut dyn Output) {
        let Some(index) = self.table.find(flow) else { return };
        self.with_slot_in_batch(now, index, out, |slot, cx| {
            if let Some(session) = slot.session_accepted(segment) {
                session.handle_online_syn_ack(cx, segment);
                if session.awaits_syn_ack() {
                    session.handle_syn_acknowledged(cx, segment);
                }
            }
        });
    }

    fn handle_online_answer(&mut self, now: Time, flow: &Flow, segment: &Segment<'_>, out: &mut dyn Output) {
        if let Some(newcomer) = self.newcomers.take(flow) {
            // The online server answers it.
            self.admit(now, *flow, newcomer, out);
        }
        let Some(index) = self.table.find(flow) else { return };
        if self.table.slot(index).is_none_or(|slot| slot.online != segment.source) {
            return;
        }
        self.with_slot(now, index, out, |slot, cx| {
            if let Some(session) = slot.session_answered(segment) {
                session.handle_online_answer(cx, segment);
            }
        });
        self.respect_memory_limit(now, out);
    }

    fn new_session(&self, now: Time, flow: Flow, transfer: usize, segment: &Segment<'_>) -> Option<Session> {
        let from_start = is_syn(segment);
        let protocol = self.config.transfers.get(transfer)?.protocol.as_ref();
        // A module asks the online server about the client.
        let flow = Flow { client: segment.source, server: flow.server };
        let module = protocol
            .map(|protocol| ModuleHost::new(protocol.module(&flow, from_start), protocol.online_answers()));
        Some(if from_start {
            Session::from_syn(now, segment.seq, module)
        } else {
            let whole = segment.flags.has(Flags::PSH) && segment.payload_len < SHORT;
            let mid_turn = !whole && now < self.settled_at;
            Session::joined(now, segment, mid_turn, module)
        })
    }

    /// `None` if there is no room for it.
    fn add_slot(
        &mut self,
        now: Time,
        flow: Flow,
        transfer: usize,
        online: Endpoint,
        out: &mut dyn Output,
    ) -> Option<u32> {
        if self.is_full() {
            self.make_room(now, out);
            if self.is_full() {
                return None;
            }
        }
        self.table.insert(|id| Slot::new(id, flow, transfer, online))
    }

    /// The client has a connection to another service that is copied to the same target: both would be one connection
    /// there.
    fn collides(&mut self, index: u32, segment: &Segment<'_>) -> bool {
        let collides = self.table.slot(index).is_some_and(|slot| slot.online != segment.destination);
        if collides {
            self.turn_away(segment, DropReason::AddressCollision);
        }
        collides
    }

    /// A segment whose session is not copied at all.
    fn turn_away(&mut self, segment: &Segment<'_>, reason: DropReason) {
        let bytes = segment.payload.len() as u64;
        self.ledger.capture(bytes);
        self.ledger.drop_bytes(reason, bytes);
        if is_syn(segment) {
            self.ledger.session_begins();
            self.ledger.session_ends(Outcome::Incomplete(reason));
        }
    }
}
