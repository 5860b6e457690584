//! The place in the client's stream of packets.

use module_kit::Actions;
use module_kit::edits::{Edits, Fate};
use module_kit::framing::{Frame, Framing, OutOfStep, Place};

use super::file::{File, FileFate, FilePart};
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
    /// In the file of a LOAD DATA LOCAL.
    File(File),
    /// Anywhere: the next turn most likely begins with a command.
    Lost(LostPlace),
}

/// Where the place was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LostPlace {
    Anywhere,
    /// In a file.
    InFile,
    /// The next turn most likely begins with a packet of a file: the online server has asked for it, or has reported the
    /// progress of a statement.
    BeforeFile,
}

/// A longer packet is taken for no file's, if nothing but its header tells: what looks like its header may be anything.
const UNKNOWN_MAX: usize = 1 << 20;

/// The kind of the client's last command. Packets with other sequence ids than 0 belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastCommand {
    ChangeUser,
    /// LOAD DATA LOCAL: the client sends a file if the online server asks for it. If that was captured, `first` is the
    /// sequence id of the file's first packet.
    Load {
        first: Option<u8>,
    },
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
        Self { phase: Phase::Lost(LostPlace::Anywhere), last: LastCommand::Other }
    }

    pub(super) fn is_in_login(&self) -> bool {
        self.phase == Phase::Login
    }

    /// The client has sent a command.
    pub(super) fn login_is_over(&mut self) {
        if self.is_in_login() {
            self.at_boundary();
        }
    }

    /// Where the place was lost, if it is.
    pub(super) fn lost_place(&self) -> Option<LostPlace> {
        match self.phase {
            Phase::Lost(place) => Some(place),
            _ => None,
        }
    }

    pub(super) fn is_at_boundary(&self) -> bool {
        matches!(self.phase, Phase::Commands(place, _) if place.is_boundary())
    }

    /// A command begins here.
    pub(super) fn at_boundary(&mut self) {
        self.phase = Phase::Commands(Place::default(), Fate::Pass);
    }

    pub(super) fn lose(&mut self) {
        self.phase = Phase::Lost(match self.phase {
            Phase::File(_) => LostPlace::InFile,
            Phase::Lost(place) => place,
            Phase::Login | Phase::Commands(..) => LostPlace::Anywhere,
        });
    }

    /// A file begins here, or may begin here.
    pub(super) fn enter_file(&mut self, first: u8, fate: FileFate) {
        self.phase = Phase::File(File::new(first, fate));
    }

    /// A packet that begins no command: it may be one of a file.
    pub(super) fn enter_unknown(&mut self, header: Header) {
        let is_in_file = matches!(self.lost_place(), Some(LostPlace::InFile | LostPlace::BeforeFile));
        if is_in_file || header.sequence != 0 && header.length <= UNKNOWN_MAX {
            self.enter_file(header.sequence, FileFate::Unknown);
        }
    }

    /// The online server asks for a file, whose first packet has this sequence id.
    pub(super) fn file_asked_online(&mut self, first: u8) {
        if self.is_at_boundary() {
            self.last = LastCommand::Load { first: Some(first) };
        }
    }

    /// The same, most likely, after a loss: the file may be of a command that was lost.
    pub(super) fn file_asked_while_lost(&mut self, first: u8) {
        if first == 0 && self.lost_place().is_some() {
            self.phase = Phase::Lost(LostPlace::BeforeFile);
        }
    }

    /// A packet with this header is the first of a file, or belongs to a login: it begins no command.
    pub(super) fn is_further_packet(&self, header: Header) -> bool {
        header.sequence != 0 || self.last == LastCommand::Load { first: Some(0) }
    }

    /// The online server has reported the progress of a statement.
    pub(super) fn progress_reported(&mut self) {
        if self.phase == Phase::Lost(LostPlace::InFile) {
            self.phase = Phase::Lost(LostPlace::BeforeFile);
        }
    }

    /// A packet whose beginning went to a lost connection is not completed on another; nor is a file, whose place is known.
    pub(super) fn connection_lost(&mut self) {
        match &mut self.phase {
            Phase::File(file) => file.leave_out(),
            Phase::Commands(place, _) if !place.is_boundary() => self.lose(),
            Phase::Commands(..) | Phase::Login | Phase::Lost(_) => {}
        }
        if self.last == LastCommand::ChangeUser {
            self.last = LastCommand::Other;
        }
    }

    /// The client's bytes `lost` do not reach the test server; without any, others were never captured. The next ones begin a
    /// turn. Returns how many of `lost` belong to a file.
    pub(super) fn client_lost(&mut self, lost: &[u8]) -> usize {
        self.last = LastCommand::Other;
        if self.is_in_login() {
            return 0;
        }
        match (&mut self.phase, Header::read(lost)) {
            (Phase::File(file), _) => file.leave_out(),
            // The file of a LOAD DATA LOCAL that was lost too.
            (Phase::Commands(place, _), Some(header)) if place.is_boundary() => self.enter_unknown(header),
            (Phase::Lost(_), Some(header)) => self.enter_unknown(header),
            _ => {}
        }
        let Phase::File(file) = &mut self.phase else {
            self.lose();
            return 0;
        };
        // Nothing is sent of them.
        let mut actions = Actions::new();
        let (taken, part) = file.follow(lost, &mut Edits::new(&mut actions));
        if lost.is_empty() || part != FilePart::GoesOn || taken < lost.len() {
            self.phase = Phase::Lost(match part {
                FilePart::GoesOn => LostPlace::InFile,
                FilePart::End | FilePart::Broken => LostPlace::Anywhere,
            });
        }
        taken
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

    /// Moves over the bytes of a file, if the place is in one.
    pub(super) fn follow_file(
        &mut self,
        bytes: &[u8],
        edits: &mut Edits<'_>,
    ) -> Option<(usize, FilePart, FileFate)> {
        let Phase::File(file) = &mut self.phase else { return None };
        let (taken, part) = file.follow(bytes, edits);
        let fate = file.fate();
        if let (FilePart::End, LastCommand::Load { first }) = (part, &mut self.last) {
            // The next packet is a command, or of a file that is asked for now.
            *first = None;
        }
        match part {
            FilePart::GoesOn => {}
            FilePart::End if fate != FileFate::Unknown => self.at_boundary(),
            FilePart::End | FilePart::Broken => self.phase = Phase::Lost(LostPlace::Anywhere),
        }
        Some((taken, part, fate))
    }
}
