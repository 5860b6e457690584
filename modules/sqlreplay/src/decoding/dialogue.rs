//! What a recorder needs of a protocol.

use std::fmt;
use std::sync::Arc;

use super::{Settings, Wire, mysql};
use crate::protocol::Protocol;
use crate::recording::Micros;
use crate::recording::record::{EndedBy, Record};

/// A connection of which all bytes are seen, on both sides, in the order in which they were said. It becomes records.
pub trait Dialogue: fmt::Debug + Send {
    /// The next bytes of the client.
    fn client(&mut self, now: Micros, bytes: &[u8], out: &mut Vec<Record>);

    /// The next bytes of the server.
    fn server(&mut self, now: Micros, bytes: &[u8], out: &mut Vec<Record>);

    /// Whether a statement waits for its answer, so that [`Dialogue::tick`] has something to do.
    fn is_waiting(&self) -> bool;

    /// Nothing was said for a while.
    fn tick(&mut self, now: Micros, out: &mut Vec<Record>);

    /// The process and the secret for a cancel, once; none if the protocol has no such thing.
    fn take_key(&mut self) -> Option<(u32, Vec<u8>)> {
        None
    }

    /// Whether it has become a session.
    fn is_session(&self) -> bool;

    /// It is not recorded any further, for this reason.
    fn lost(&mut self, now: Micros, reason: &str, out: &mut Vec<Record>);

    /// It is over.
    fn end(self: Box<Self>, now: Micros, by: EndedBy, out: &mut Vec<Record>);
}

/// A connection of this client. `session` is its number if it becomes a session.
#[must_use]
pub fn dialogue(settings: Arc<Settings>, session: u64, client: String) -> Box<dyn Dialogue> {
    match settings.protocol {
        Protocol::Postgres => Box::new(Wire::new(settings, session, client)),
        Protocol::Mysql => Box::new(mysql::Wire::new(settings, session, client)),
    }
}
