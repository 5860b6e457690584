//! The commands of a compressed client: inflated, dealt with as others are, and sent as our own words.

use module_kit::{Action, Actions, FailureKind};

use super::{Server, Session};
use crate::compression::{Compression, Inflated};
use crate::counters::Happened;
use crate::edits::{Edits, Fate};

/// No more than this is inflated at a time, in bytes, and a piece of a packet: what is sent waits with the engine, and so does
/// a packet of which something is left.
const BATCH: usize = 1 << 20;

/// While nothing of it is sent, so much: without anything sent, nothing comes that would have the rest offered again. The longest
/// packet is half of it.
const IN_VAIN: usize = 32 << 20;

impl Session {
    /// Commands, compressed or not.
    pub(super) fn any_commands(&mut self, rest: &[u8], edits: &mut Edits<'_>) {
        if !self.stream.is_in_login() && !rest.is_empty() {
            self.decide_compression(rest);
        }
        match std::mem::replace(&mut self.compression, Compression::No) {
            Compression::Yes(mut inflated) => {
                self.compressed(&mut inflated, rest, edits);
                self.compression = Compression::Yes(inflated);
            }
            // Too little to tell.
            undecided @ Compression::Undecided => self.compression = undecided,
            Compression::No => {
                self.commands(rest, edits);
            }
        }
    }

    /// Decides, if that is not done, whether the client speaks compressed, whose first command begins here.
    pub(super) fn decide_compression(&mut self, rest: &[u8]) {
        // Behind a login whose answer is not here yet nothing is believed.
        if !matches!(self.compression, Compression::Undecided) || self.awaits_admission() {
            return;
        }
        self.compression.decide(rest);
        if let Compression::Yes(_) = self.compression {
            self.shared.counters.happened(Happened::Compressed, 1);
            // So are the online server's answers.
            self.online = None;
        }
    }

    fn compressed(&mut self, inflated: &mut Inflated, rest: &[u8], edits: &mut Edits<'_>) {
        let mut at = usize::from(inflated.holds_byte && !rest.is_empty());
        let mut done = 0;
        let mut batch = inflated.plain.len();
        let mut sent = false;
        loop {
            sent |= self.plain_commands(inflated, edits);
            if !matches!(self.server, Server::Ready(_)) || sent && batch > BATCH {
                break;
            }
            if batch > IN_VAIN {
                let reason =
                    "so much of what a client sent compressed at a time is of no use to the test server";
                return self.fail(FailureKind::OutOfStep, reason, edits.actions());
            }
            let before = inflated.work;
            match inflated.packet(&rest[at..]) {
                Ok(Some(length)) => {
                    at += length;
                    batch += inflated.work.wrapping_sub(before);
                }
                Ok(None) => break,
                Err(_) => {
                    let reason = "what a client sent compressed cannot be read";
                    return self.fail(FailureKind::OutOfStep, reason, edits.actions());
                }
            }
        }
        if !inflated.plain.is_empty() && at > 0 {
            // As long as the engine holds something, it offers it again.
            done = 1;
        }
        edits.take(at - done, Fate::Replace);
        inflated.holds_byte = done == 1;
    }

    /// Deals with what was inflated, as far as possible; returns whether anything of it is sent.
    fn plain_commands(&mut self, inflated: &mut Inflated, edits: &mut Edits<'_>) -> bool {
        if inflated.plain.is_empty() {
            return false;
        }
        let mut sent = false;
        let mut plain = Actions::new();
        self.commands(&inflated.plain, &mut Edits::new(&mut plain));
        let mut at = 0;
        for action in plain.list() {
            match action {
                Action::Pass(bytes) => {
                    sent = true;
                    edits.send(&inflated.plain[at..at + bytes]);
                    at += bytes;
                }
                Action::Replace(bytes) | Action::LeaveOut(bytes, _) => at += bytes,
                Action::Send(range) => {
                    sent = true;
                    edits.send(&plain.own_bytes()[range.clone()]);
                }
                Action::Answers(mode) => edits.actions().answers(*mode),
                Action::Ready => edits.actions().ready(),
                Action::Answered => edits.actions().answered(),
                Action::Refused => edits.actions().refused(),
                Action::Fail(failure) => edits.actions().fail(failure.kind, failure.reason),
            }
        }
        inflated.consume(at);
        sent
    }
}
