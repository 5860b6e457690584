//! The place in the client's stream of commands, and the ways in which a command leaves it.

use module_kit::{Failure, Loss};

use crate::answers::expected::Request;
use crate::counters::LeftOut;
use crate::session::context::Context;
use crate::session::state::Ready;
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::packet::{HEADER, Header};
use module_kit::edits::{Edits, Fate};

/// Commands of the client, and the connection that takes them.
pub(super) struct Commands<'a, 'b> {
    pub(super) cx: &'a mut Context,
    pub(super) ready: &'a mut Ready,
    pub(super) edits: &'a mut Edits<'b>,
    /// The client has sent more than the present command: it does not wait for answers, or has waited in vain.
    pub(super) has_more: bool,
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

    pub(super) fn server_knows(&self, capability: Capabilities) -> bool {
        self.ready.agreed.capabilities.has(capability)
    }

    /// A command goes to the test server.
    fn send(&mut self, command: Command, header: Header, request: Request) {
        self.cx.shared.counters.commands.count(command);
        if !command.has_no_answer() {
            self.ready.answers.expect(request, (!header.goes_on()).then_some(1));
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
        self.cx.shared.counters.left_out.count(reason);
        self.cx.expect_online(command, header, request);
        let taken = self.begin(header, Fate::LeaveOut(Loss::LeftOut));
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
        head: &[u8],
        replaced: usize,
        cut: usize,
    ) -> usize {
        self.send(command, header, Request::Other);
        self.send_head(header, head, replaced, cut);
        self.edits.take(header.length - replaced - cut, Fate::Pass);
        self.edits.take(cut, Fate::Replace);
        self.cx.stream.enter(header, header.length, Fate::Pass);
        HEADER + header.length
    }

    fn send_head(&mut self, header: Header, head: &[u8], replaced: usize, cut: usize) {
        let length = header.length - replaced - cut + head.len();
        self.edits.take(HEADER + replaced, Fate::Replace);
        self.edits.send(&Header { length, ..header }.bytes());
        self.edits.send(head);
    }
}
