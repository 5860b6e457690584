//! The engine's handling of captured packets.

use common_core::flow::{Endpoint, Flow};
use common_core::time::{Stamp, Time};
use common_core::wire::{Flags, Segment, is_marked};
use common_os::io::Captured;

use super::Engine;
use super::classify::{Class, classify};
use super::clients::{ClientId, Clients, Copied};
use super::newcomers::{Hold, Newcomer};
use super::slot::{Slot, WAITING_MAX, is_syn};
use crate::ledger::{DropReason, Outcome, PacketKind};
use crate::output::{Beginning, Output};
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
                let replaced = |clients: &Clients| clients.replaces(flow.client);
                if flow.client.ip.is_loopback()
                    && !flow.server.ip.is_loopback()
                    && !self.clients.as_deref().is_some_and(replaced)
                {
                    self.ledger.loopback_packet();
                }
                if self.clients.is_some() {
                    let flow = Flow { client: flow.client, server: segment.destination };
                    return self.handle_client_of_many(now, flow, transfer, segment, captured.packet, out);
                }
                let copied = Copied { flow, transfer, client: None };
                self.handle_client(now, copied, segment, captured.packet, out);
            }
            Class::OnlineReset { flow } => {
                self.ledger.packet(PacketKind::OnlineReset);
                self.for_copies(now, segment, flow, |engine, flow| {
                    engine.handle_online_reset(now, &flow, segment, out)
                });
            }
            Class::OnlineSynAck { flow } => {
                self.ledger.packet(PacketKind::OnlineSynAck);
                self.for_copies(now, segment, flow, |engine, flow| {
                    engine.handle_online_syn_ack(now, &flow, segment, out)
                });
            }
            Class::OnlineAnswer { flow } => {
                self.ledger.packet(PacketKind::OnlineAnswer);
                self.for_copies(now, segment, flow, |engine, flow| {
                    engine.handle_online_answer(now, &flow, segment, out)
                });
            }
            Class::Own => self.ledger.packet(PacketKind::Own),
            Class::Unrelated => self.ledger.packet(PacketKind::Unrelated),
        }
    }

    fn handle_client(
        &mut self,
        now: Time,
        copied: Copied,
        segment: &Segment<'_>,
        packet: &[u8],
        out: &mut dyn Output,
    ) {
        let opens = is_syn(segment);
        match self.table.find(&copied.flow) {
            Some(index) if !opens => return self.handle_known(now, index, segment, out),
            Some(_) => {}
            None if opens => self.admit_earlier(now, &copied.flow, out),
            None => return self.hold(now, copied, segment, packet, out),
        }
        self.handle_admitted(now, copied, segment, out);
    }

    /// A segment that opens no connection, of a client that has a slot: nearly every one.
    fn handle_known(&mut self, now: Time, index: u32, segment: &Segment<'_>, out: &mut dyn Output) {
        if self.collides(index, segment) {
            return;
        }
        self.with_slot_in_batch(now, index, out, |slot, cx| {
            if let Some(session) = slot.session_of(segment) {
                session.handle_client(cx, segment);
            }
        });
        self.respect_memory_limit(now, out);
    }

    /// A segment of a client whose connection may have several copies; `flow` is the one to the online server.
    #[inline(never)]
    fn handle_client_of_many(
        &mut self,
        now: Time,
        flow: Flow,
        transfer: usize,
        segment: &Segment<'_>,
        packet: &[u8],
        out: &mut dyn Output,
    ) {
        let opens = is_syn(segment);
        if opens {
            self.admit_earlier(now, &flow, out);
        }
        let Some(clients) = &mut self.clients else { return };
        let copied = Copied { flow, transfer, client: None };
        if clients.find(&flow).is_none() {
            if let Some(reason) = clients.refusal(now, &flow, opens) {
                return self.turn_away(segment, reason);
            }
            if !opens {
                return self.hold(now, copied, segment, packet, out);
            }
        }
        self.handle_admitted(now, copied, segment, out);
    }

    /// A connection opens: the one of before, if it waits for a verdict, goes first.
    fn admit_earlier(&mut self, now: Time, flow: &Flow, out: &mut dyn Output) {
        if let Some(newcomer) = self.newcomers.take(flow) {
            self.admit(now, *flow, newcomer, out);
        }
    }

    /// A segment that no session knows waits for the online server's verdict.
    fn hold(
        &mut self,
        now: Time,
        copied: Copied,
        segment: &Segment<'_>,
        packet: &[u8],
        out: &mut dyn Output,
    ) {
        let Copied { flow, transfer, .. } = copied;
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
                self.admit_earlier(now, &flow, out);
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
            let copied = Copied { flow, transfer: newcomer.transfer, client: None };
            self.handle_admitted(now, copied, segment, out);
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
    fn handle_admitted(&mut self, now: Time, copied: Copied, segment: &Segment<'_>, out: &mut dyn Output) {
        if copied.client.is_none() && self.clients.is_some() {
            return self.handle_copies(now, copied, segment, out);
        }
        let (flow, opens) = (copied.flow, is_syn(segment));
        if self.is_opened_by_another(now, &flow, segment) {
            return;
        }
        let found = match self.table.find(&flow) {
            Some(index) if !opens => return self.handle_known(now, index, segment, out),
            None if !opens && self.copies.contain(&flow) => return self.ledger.copy_of_another(),
            None if !opens && !segment.payload.is_empty() && self.config.only_from_syn => {
                return self.turn_away(segment, DropReason::BegunBefore);
            }
            None if self.moves.contain(&flow) => {
                return self.turn_away(segment, DropReason::AddressCollision);
            }
            None if opens || !segment.payload.is_empty() => {
                self.add_slot(now, copied, segment.destination, out)
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
        let is_new = self.table.slot(index).is_some_and(|slot| slot.is_empty());
        let waiting = if !is_new && self.is_full() { 1 } else { WAITING_MAX };
        let new = self.new_session(now, copied, segment);
        self.with_slot_in_batch(now, index, out, |slot, cx| {
            if let Some(session) = new
                && !(opens && slot.is_repeated(cx.now, segment))
            {
                if !opens {
                    cx.ledger.session_joined();
                }
                cx.out.session_begins(&Beginning {
                    client: segment.source,
                    online: segment.destination,
                    copy: flow,
                });
                slot.add(cx, session, waiting);
            }
            if !opens && let Some(session) = slot.session_of(segment) {
                session.handle_client(cx, segment);
            } else if opens && !segment.payload.is_empty() {
                slot.keep_data_of_syn(segment);
            }
        });
        self.respect_memory_limit(now, out);
    }

    /// A segment of a client whose connection may have several copies: of each of them.
    fn handle_copies(&mut self, now: Time, copied: Copied, segment: &Segment<'_>, out: &mut dyn Output) {
        let Copied { flow, transfer, .. } = copied;
        if self.is_opened_by_another(now, &flow, segment) {
            return;
        }
        let opens = is_syn(segment);
        let Some(clients) = &mut self.clients else { return };
        let id = match clients.find(&flow) {
            None if !opens && self.copies.contain(&flow) => return self.ledger.copy_of_another(),
            None if !opens && segment.payload.is_empty() => return self.ledger.stray_packet(),
            None => match clients.add(now, flow, transfer) {
                Ok((id, early)) => {
                    self.ledger.tcp().early_ports += early;
                    id
                }
                Err(reason) => return self.turn_away(segment, reason),
            },
            Some(id) => {
                clients.enter(id);
                id
            }
        };
        if opens {
            self.copies.forget(&flow);
        }
        for number in 0..self.clients.as_deref().map_or(0, |clients| clients.count(id)) {
            match self.clients.as_deref().and_then(|clients| clients.copy(id, number)) {
                Some(copied) => self.handle_admitted(now, copied, segment, out),
                None => self.turn_away(segment, DropReason::NoFreePort),
            }
        }
        self.leave(now, id);
    }

    /// A slot of a client connection is gone, or work on it is over.
    pub(super) fn leave(&mut self, now: Time, id: ClientId) {
        if let Some(clients) = &mut self.clients {
            clients.leave(now, id);
        }
    }

    /// Does `handle` for each copy of the connection to which a segment of the online server belongs. `flow` is the copy if there is
    /// one only.
    fn for_copies(
        &mut self,
        now: Time,
        segment: &Segment<'_>,
        flow: Flow,
        mut handle: impl FnMut(&mut Self, Flow),
    ) {
        let Some(clients) = &mut self.clients else { return handle(self, flow) };
        let flow = Flow { client: flow.client, server: segment.source };
        // It may still wait for the online server's verdict.
        let Some(id) = clients.find(&flow) else { return handle(self, flow) };
        clients.enter(id);
        for number in 0..clients.count(id) {
            if let Some(copied) = self.clients.as_deref().and_then(|clients| clients.copy(id, number)) {
                handle(self, copied.flow);
            }
        }
        self.leave(now, id);
    }

    /// A SYN of another tcpcopy's copy, which is not copied again.
    fn is_opened_by_another(&mut self, now: Time, flow: &Flow, segment: &Segment<'_>) -> bool {
        let is_copy = is_syn(segment) && self.config.sees_copies && is_marked(segment);
        if is_copy {
            self.copies.note(now, flow, segment.destination);
            self.ledger.copy_of_another();
        }
        is_copy
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
            if self.clients.is_some() {
                return self.for_copies(now, segment, *flow, |engine, flow| {
                    engine.handle_online_answer(now, &flow, segment, out);
                });
            }
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

    fn new_session(&self, now: Time, copied: Copied, segment: &Segment<'_>) -> Option<Session> {
        let from_start = is_syn(segment);
        let protocol = self.config.transfers.get(copied.transfer)?.protocol.as_ref();
        // A module asks the online server about the client.
        let flow = Flow { client: segment.source, server: copied.flow.server };
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
    fn add_slot(&mut self, now: Time, copied: Copied, online: Endpoint, out: &mut dyn Output) -> Option<u32> {
        if self.is_full() {
            self.make_room(now, out);
            if self.is_full() {
                return None;
            }
        }
        let index = self.table.insert(|id| Slot::new(id, copied, online))?;
        if let (Some(clients), Some(id)) = (&mut self.clients, copied.client) {
            clients.enter(id);
        }
        Some(index)
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
