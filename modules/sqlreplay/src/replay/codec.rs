//! What a replayer needs of a protocol, behind the login.

use std::io;

use crate::recording::record::{ErrorText, Message, Outcome};

/// Writes recorded messages, and reads what the server answers. Messages have the number of a group, which does not fall.
pub(super) trait Codec: Send + Sync {
    /// Whether the server has said all that is needed to write these messages.
    fn can_write(&self, _messages: &[Message]) -> bool {
        true
    }

    /// Appends the message's bytes.
    fn write(&mut self, group: u64, message: &Message, out: &mut Vec<u8>);

    /// Whether the server will answer what was written, without hearing more.
    fn is_flushed(&self) -> bool;

    /// Whether the server waits for data, of a COPY or of LOAD DATA LOCAL.
    fn is_copying(&self) -> bool;

    /// Whether all that was written up to this group is answered.
    fn is_answered(&self, group: u64) -> bool;

    /// The server's next bytes. `out` takes what must be sent at once, `outcome` what became of a group's statements.
    ///
    /// # Errors
    ///
    /// If they are not the protocol.
    fn received(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        outcome: &mut dyn FnMut(u64, Outcome),
    ) -> io::Result<()>;

    /// Why the server has ended the session, if it has said so.
    fn take_fatal(&mut self) -> Option<ErrorText>;

    /// Appends the goodbye.
    fn terminate(&self, out: &mut Vec<u8>);
}
