//! Packets that begin no command: of the file of a LOAD DATA LOCAL, or of a login within the session.

use module_kit::Loss;

use super::cursor::{Commands, Stop, Taken};
use crate::answers::expected::Request;
use crate::counters::LeftOut;
use crate::session::stream::LastCommand;
use crate::wire::packet::Header;
use module_kit::edits::Fate;

/// The bytes of a file that wait for the test server's answer to LOAD DATA, at most.
const FILE_WAIT_MAX: usize = 1 << 20;

impl Commands<'_, '_> {
    pub(super) fn further_packet(&mut self, header: Header, rest: &[u8]) -> Taken {
        match self.cx.stream.last {
            LastCommand::ChangeUser => {
                let taken = self.begin(header, Fate::Replace);
                self.cx.login_packet(header.sequence)?;
                Ok(taken)
            }
            LastCommand::Query => self.file_packet(header, rest),
            LastCommand::Other => self.lose(rest),
        }
    }

    fn file_packet(&mut self, header: Header, rest: &[u8]) -> Taken {
        let is_end = header.length == 0;
        let answers = &mut self.ready.answers;
        if self.ready.file_wanted.is_some() {
            if is_end {
                self.ready.file_wanted = None;
                answers.expect(Request::Other, None);
            }
            return Ok(self.begin(header, Fate::Pass));
        }
        if answers.is_waiting() && answers.is_pipelined() && answers.segments() > 0 {
            // The answer to LOAD DATA came in one segment with another: most likely it is the online server's.
            self.ready.file_wanted = Some(header.sequence);
            return Ok(0);
        }
        if answers.is_waiting() && rest.len() < FILE_WAIT_MAX {
            return Err(Stop::Wait);
        }
        if is_end {
            self.cx.shared.counters.left_out.count(LeftOut::File);
            self.edits.actions().answered();
        }
        Ok(self.begin(header, Fate::LeaveOut(Loss::LeftOut)))
    }

    /// The test server wants a file that the online server did not want: it gets an empty one.
    pub(super) fn no_file(&mut self) {
        if let Some(sequence) = self.ready.file_wanted.take() {
            self.edits.send(&Header { length: 0, sequence }.bytes());
        }
    }
}
