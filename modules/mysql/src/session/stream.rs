//! The place in the client's stream of packets.

use super::edits::{Edits, Verdict};
use crate::wire::packet::{HEADER, Header};

/// Where in the stream the next byte stands, and what the client said last.
#[derive(Debug)]
pub(super) struct Stream {
    place: Place,
    pub(super) last: LastCommand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before a packet of the login.
    Login,
    /// Before a packet of a command.
    Boundary,
    /// Inside a packet whose verdict is decided.
    Inside { left: usize, goes_on: bool, verdict: Verdict },
    /// Before a packet that continues the one before.
    Between(Verdict),
    /// Anywhere: the next turn most likely begins with a command.
    Lost,
}

/// The kind of command that the client said last: what packets with other sequence ids than 0 belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastCommand {
    Query,
    ChangeUser,
    Other,
}

impl Stream {
    /// From the client's first byte on.
    pub(super) fn login() -> Self {
        Self { place: Place::Login, last: LastCommand::Other }
    }

    /// From somewhere.
    pub(super) fn lost() -> Self {
        Self { place: Place::Lost, last: LastCommand::Other }
    }

    pub(super) fn is_in_login(&self) -> bool {
        self.place == Place::Login
    }

    pub(super) fn is_past_login(&self) -> bool {
        !self.is_in_login()
    }

    pub(super) fn is_lost(&self) -> bool {
        self.place == Place::Lost
    }

    pub(super) fn is_at_boundary(&self) -> bool {
        self.place == Place::Boundary
    }

    /// A command begins here.
    pub(super) fn at_boundary(&mut self) {
        self.place = Place::Boundary;
    }

    pub(super) fn lose(&mut self) {
        self.place = Place::Lost;
    }

    /// What of a packet went to a connection that is gone is not completed on another.
    pub(super) fn connection_lost(&mut self) {
        if matches!(self.place, Place::Inside { .. } | Place::Between(_)) {
            self.place = Place::Lost;
        }
        self.last = LastCommand::Other;
    }

    /// What comes next begins with a turn; some before it was lost.
    pub(super) fn client_lost(&mut self) {
        if !self.is_in_login() {
            self.lose();
        }
        self.last = LastCommand::Other;
    }

    /// A packet with this header begins, of whose payload `taken` bytes were dealt with; the rest has this verdict.
    pub(super) fn enter(&mut self, header: Header, taken: usize, verdict: Verdict) {
        self.place = Place::Inside {
            left: header.length - taken.min(header.length),
            goes_on: header.goes_on(),
            verdict,
        };
        self.settle();
    }

    /// Moves over the bytes whose verdict is decided; returns how many they are.
    pub(super) fn follow(&mut self, bytes: &[u8], edits: &mut Edits<'_>) -> usize {
        let mut rest = bytes;
        loop {
            match &mut self.place {
                Place::Inside { left, verdict, .. } => {
                    let taken = rest.len().min(*left);
                    *left -= taken;
                    edits.take(taken, *verdict);
                    rest = &rest[taken..];
                    self.settle();
                    if rest.is_empty() {
                        return bytes.len();
                    }
                }
                Place::Between(verdict) => {
                    let verdict = *verdict;
                    let Some(header) = Header::read(rest) else { break };
                    edits.take(HEADER, verdict);
                    rest = &rest[HEADER..];
                    self.enter(header, 0, verdict);
                }
                Place::Login | Place::Boundary | Place::Lost => break,
            }
        }
        bytes.len() - rest.len()
    }

    /// A packet of which nothing is left is over.
    fn settle(&mut self) {
        if let Place::Inside { left: 0, goes_on, verdict } = self.place {
            self.place = if goes_on { Place::Between(verdict) } else { Place::Boundary };
        }
    }
}
