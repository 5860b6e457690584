//! The place in the client's stream of packets.

use module_kit::edits::{Edits, Fate};
use module_kit::framing::{Frame, Framing, OutOfStep, Place};

use crate::wire::packet::{HEADER, Header};

/// The place of the client's next byte, and the kind of its last command.
#[derive(Debug)]
pub(super) struct Stream {
    phase: Phase,
    pub(super) last: LastCommand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before a packet of the login.
    Login,
    /// Among commands. The fate is that of the command that has begun, if the place is not a boundary.
    Commands(Place, Fate),
    /// Anywhere: the next turn most likely begins with a command.
    Lost,
}

/// The kind of the client's last command. Packets with other sequence ids than 0 belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastCommand {
    Query,
    ChangeUser,
    Other,
}

/// MySQL's packets as frames: a packet of the greatest length goes on in the next.
struct Packets;

impl Framing for Packets {
    fn frame(bytes: &[u8], _: bool) -> Result<Option<Frame>, OutOfStep> {
        Ok(Header::read(bytes).map(|header| frame(header, 0)))
    }
}

/// The frame of a packet of whose payload `taken` bytes count as its head.
fn frame(header: Header, taken: usize) -> Frame {
    Frame {
        head: HEADER + taken,
        body: header.length.saturating_sub(taken) as u64,
        more: u64::from(header.goes_on()),
    }
}

impl Stream {
    /// From the client's first byte on.
    pub(super) fn login() -> Self {
        Self { phase: Phase::Login, last: LastCommand::Other }
    }

    /// From an unknown place on.
    pub(super) fn lost() -> Self {
        Self { phase: Phase::Lost, last: LastCommand::Other }
    }

    pub(super) fn is_in_login(&self) -> bool {
        self.phase == Phase::Login
    }

    pub(super) fn is_lost(&self) -> bool {
        self.phase == Phase::Lost
    }

    pub(super) fn is_at_boundary(&self) -> bool {
        matches!(self.phase, Phase::Commands(place, _) if place.is_boundary())
    }

    /// A command begins here.
    pub(super) fn at_boundary(&mut self) {
        self.phase = Phase::Commands(Place::default(), Fate::Pass);
    }

    pub(super) fn lose(&mut self) {
        self.phase = Phase::Lost;
    }

    /// A packet whose beginning went to a lost connection is not completed on another.
    pub(super) fn connection_lost(&mut self) {
        if !self.is_in_login() && !self.is_at_boundary() {
            self.lose();
        }
        self.last = LastCommand::Other;
    }

    /// Bytes are missing; the next ones begin a turn.
    pub(super) fn client_lost(&mut self) {
        if !self.is_in_login() {
            self.lose();
        }
        self.last = LastCommand::Other;
    }

    /// A packet with this header begins. `taken` bytes of its payload have their fate, the rest has this one.
    pub(super) fn enter(&mut self, header: Header, taken: usize, fate: Fate) {
        self.phase = Phase::Commands(Place::behind_head(&frame(header, taken)), fate);
    }

    /// Moves over the bytes whose fate is decided; returns how many they are.
    pub(super) fn follow(&mut self, bytes: &[u8], edits: &mut Edits<'_>) -> usize {
        let Phase::Commands(place, fate) = &mut self.phase else { return 0 };
        // Every header begins a packet.
        let length = place.skip::<Packets>(bytes).unwrap_or(bytes.len());
        edits.take(length, *fate);
        length
    }
}
