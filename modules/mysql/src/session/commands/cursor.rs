//! The place in the client's stream of commands, and the ways in which a command leaves it.

use std::time::Duration;

use module_kit::Failure;

use super::text::Change;
use crate::answers::expected::Request;
use crate::answers::files::Files;
use crate::counters::{LeftOut, Sent};
use crate::session::context::Context;
use crate::session::state::Ready;
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::packet::{CHUNK_MAX, HEADER, Header};
use module_kit::edits::{Edits, Fate};

/// Commands of the client, and the connection that takes them.
pub(super) struct Commands<'a, 'b> {
    pub(super) cx: &'a mut Context,
    pub(super) ready: &'a mut Ready,
    pub(super) edits: &'a mut Edits<'b>,
    /// The client has sent more than the present command: it does not wait for answers, or has waited in vain.
    pub(super) has_more: bool,
    /// The files that the present command may ask for.
    pub(super) files: Files,
}

/// Why a command is not sent.
pub(super) enum Stop {
    /// More of its packet is needed, or something else must come first.
    Wait,
    LeaveOut(LeftOut),
    /// The connection becomes another user's.
    ChangeUser,
    Fail(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Fail(failure)
    }
}

/// How many bytes of the client have a fate; the stream's place may decide on further ones.
pub(super) type Taken = Result<usize, Stop>;

impl Commands<'_, '_> {
    /// The command that is sent now is answered with a segment of its own.
    pub(super) fn await_answers(&self) -> Result<(), Stop> {
        if self.ready.answers.is_quiet() { Ok(()) } else { Err(Stop::Wait) }
    }

    /// The same, and no answer before it can be mistaken for its own: those of a client that does not wait for answers are waited
    /// for a little longer.
    pub(super) fn await_all_answers(&mut self) -> Result<(), Stop> {
        self.await_answers()?;
        if self.ready.answers.is_waiting() { self.wait_at_most(Duration::from_millis(250)) } else { Ok(()) }
    }

    /// The present command waits for something that may never come, no longer than this.
    pub(super) fn wait_at_most(&mut self, limit: Duration) -> Result<(), Stop> {
        let now = self.edits.actions().now();
        let end = *self.cx.waiting_since.get_or_insert(now) + limit;
        if now >= end {
            return Ok(());
        }
        self.edits.actions().call_again_at(end);
        Err(Stop::Wait)
    }

    pub(super) fn server_knows(&self, capability: Capabilities) -> bool {
        self.ready.agreed.capabilities.has(capability)
    }

    /// A command goes to the test server.
    pub(super) fn send(&mut self, command: Command, header: Header, request: Request) {
        self.cx.shared.counters.commands.count(Sent(command));
        self.cx.state.next_command();
        if !command.has_no_answer() {
            self.ready.answers.expect(request, (!header.goes_on()).then_some(1));
            self.ready.answers.expect_files(self.files.clone());
        }
        self.cx.expect_online(command, header, request);
    }

    /// Lets a command pass as it is.
    pub(super) fn pass(&mut self, command: Command, header: Header, request: Request) -> usize {
        self.send(command, header, request);
        self.begin(header, Fate::Pass)
    }

    /// Leaves a command out, which the online server answers.
    pub(super) fn leave_out(
        &mut self,
        command: Command,
        header: Header,
        request: Request,
        reason: LeftOut,
    ) -> usize {
        self.cx.count_left_out(reason);
        self.cx.expect_online(command, header, request);
        let taken = self.begin(header, Fate::LeaveOut(reason.loss()));
        // The test server will not answer it.
        self.edits.actions().answered();
        taken
    }

    /// A packet begins whose bytes have one fate.
    pub(super) fn begin(&mut self, header: Header, fate: Fate) -> usize {
        self.edits.take(HEADER, fate);
        self.cx.stream.enter(header, 0, fate);
        HEADER
    }

    /// Sends `head` instead of the first `replaced` bytes of a command's payload. The rest passes.
    pub(super) fn rewrite(
        &mut self,
        command: Command,
        header: Header,
        request: Request,
        head: &[u8],
        replaced: usize,
    ) -> usize {
        self.send(command, header, request);
        self.send_head(header, head, replaced, 0);
        self.cx.stream.enter(header, replaced, Fate::Pass);
        HEADER + replaced
    }

    /// The same, but the last `cut` bytes of the payload are not sent; all of it is here.
    pub(super) fn rewrite_and_cut(
        &mut self,
        command: Command,
        header: Header,
        request: Request,
        head: &[u8],
        replaced: usize,
        cut: usize,
    ) -> usize {
        self.send(command, header, request);
        self.send_head(header, head, replaced, cut);
        self.edits.take(header.length - replaced - cut, Fate::Pass);
        self.edits.take(cut, Fate::Replace);
        self.cx.stream.enter(header, header.length, Fate::Pass);
        HEADER + header.length
    }

    /// Sends a query with changes of its text, which begins at `text_at` of the payload. The first `blanks` bytes behind the
    /// command's byte are overwritten.
    pub(super) fn rewrite_text(
        &mut self,
        header: Header,
        request: Request,
        blanks: usize,
        text_at: usize,
        changes: &[Change],
    ) -> Taken {
        let before: usize = changes.iter().map(|change| change.range.len()).sum();
        let after: usize = changes.iter().map(|change| change.with.len()).sum();
        let length = (header.length + after).saturating_sub(before);
        if length != header.length && (header.goes_on() || length >= CHUNK_MAX) {
            return Err(Stop::LeaveOut(LeftOut::Unreadable));
        }
        self.send(Command::QUERY, header, request);
        self.edits.take(HEADER, Fate::Replace);
        self.edits.send(&Header { length, ..header }.bytes());
        self.edits.take(1, Fate::Pass);
        let mut at = 1;
        if blanks > 0 {
            self.edits.take(blanks, Fate::Replace);
            self.edits.send(&vec![b' '; blanks]);
            at += blanks;
        }
        for change in changes {
            let (start, end) = (text_at + change.range.start, text_at + change.range.end);
            self.edits.take(start - at, Fate::Pass);
            let fate = change.left_out.map_or(Fate::Replace, |reason| Fate::LeaveOut(reason.loss()));
            self.edits.take(end - start, fate);
            self.edits.send(&change.with);
            at = end;
        }
        self.cx.stream.enter(header, at, Fate::Pass);
        Ok(HEADER + at)
    }

    fn send_head(&mut self, header: Header, head: &[u8], replaced: usize, cut: usize) {
        let length = header.length - replaced - cut + head.len();
        self.edits.take(HEADER + replaced, Fate::Replace);
        self.edits.send(&Header { length, ..header }.bytes());
        self.edits.send(head);
    }
}
