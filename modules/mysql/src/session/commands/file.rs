//! Packets that begin no command: of the file of a LOAD DATA LOCAL, or of a login within the session.
//!
//! The client sends a file if the online server has asked for it; the test server gets it if it has asked, too. Either may
//! refuse, and the test server may answer late. So a command behind a LOAD DATA LOCAL waits until the test server has asked
//! for the file, or has refused it.

use std::time::Duration;

use super::cursor::{Commands, Stop, Taken};
use crate::counters::LeftOut;
use crate::session::file::{FileFate, FilePart};
use crate::session::stream::LastCommand;
use crate::wire::packet::Header;
use module_kit::edits::Fate;

/// The bytes of a file that wait for the test server's answer to LOAD DATA, at most.
const FILE_WAIT_MAX: usize = 16 << 20;

/// A command waits so long behind a LOAD DATA whose answer may have come unseen.
const IN_DOUBT_MAX: Duration = Duration::from_secs(2);

impl Commands<'_, '_> {
    /// Moves over the bytes of a file, if the client sends one. Returns how many they are.
    pub(super) fn file(&mut self, rest: &[u8]) -> usize {
        let Some((taken, part, fate)) = self.cx.stream.follow_file(rest, self.edits) else { return 0 };
        match (part, fate) {
            (FilePart::GoesOn, _) => {}
            (FilePart::End, FileFate::Pass { .. }) => self.ready.answers.expect_after_file(),
            _ => self.edits.actions().answered(),
        }
        taken
    }

    /// A packet behind a command that is not the next command.
    pub(super) fn further_packet(&mut self, header: Header, rest: &[u8]) -> Taken {
        if self.cx.stream.last == LastCommand::ChangeUser {
            let taken = self.begin(header, Fate::Replace);
            self.cx.login_packet(header.sequence)?;
            return Ok(taken);
        }
        let answers = &self.ready.answers;
        let fate = if let Some(first) = self.ready.file_wanted.take() {
            FileFate::Pass { shift: first.wrapping_sub(header.sequence) }
        } else if answers.may_ask_for_file() && rest.len() < FILE_WAIT_MAX {
            return Err(Stop::Wait);
        } else if let LastCommand::Load { .. } = self.cx.stream.last {
            self.cx.shared.counters.left_out.count(LeftOut::File);
            FileFate::LeaveOut
        } else {
            self.cx.shared.counters.left_out.count(LeftOut::OutOfStep);
            FileFate::Unknown
        };
        self.cx.stream.enter_file(header.sequence, fate);
        Ok(0)
    }

    /// The client goes on with a command. The test server gets an empty file if it wants one that the online server did not
    /// want, and must not take the command for a file.
    pub(super) fn no_file(&mut self) -> Result<(), Stop> {
        if let Some(sequence) = self.ready.file_wanted.take() {
            self.edits.send(&Header { length: 0, sequence }.bytes());
            self.ready.answers.expect_after_file();
        }
        let answers = &self.ready.answers;
        match answers.may_ask_for_file() {
            false => Ok(()),
            // Its refusal may have been taken for the answer to another command.
            true if answers.is_in_doubt() => self.wait_at_most(IN_DOUBT_MAX),
            true => Err(Stop::Wait),
        }
    }
}

/// The name of the file in the text of a LOAD DATA LOCAL: the first string behind INFILE.
pub(super) fn name_of_file(text: &[u8]) -> Vec<u8> {
    const INFILE: &[u8] = b"INFILE";
    let mut words = text.windows(INFILE.len());
    let at =
        words.position(|word| word.eq_ignore_ascii_case(INFILE)).map_or(text.len(), |at| at + INFILE.len());
    let mut rest = text[at..].iter().copied().skip_while(|byte| !matches!(byte, b'\'' | b'"'));
    let Some(quote) = rest.next() else { return Vec::new() };
    let mut name = Vec::new();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' => name.extend(rest.next()),
            _ if byte == quote => break,
            _ => name.push(byte),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_is_the_first_string() {
        assert_eq!(name_of_file(b"LOAD DATA LOCAL INFILE '/f' INTO TABLE t"), b"/f");
        assert_eq!(name_of_file(b"load data local infile /* x */ \"C:\\\\a\" into table t"), b"C:\\a");
        assert_eq!(name_of_file(b"LOAD DATA LOCAL INFILE 'unfinished"), b"unfinished");
        assert_eq!(name_of_file(b"LOAD XML"), b"");
    }
}
