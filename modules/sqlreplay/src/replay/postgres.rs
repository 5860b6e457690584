//! PostgreSQL's codec.

use std::io;

use postgres_wire::frontend::Frontend;

use super::codec::Codec;
use super::incoming::Incoming;
use super::outgoing;
use crate::decoding::{Body, Stream};
use crate::recording::record::{ErrorText, Message, Outcome};

#[derive(Debug)]
pub(super) struct Postgres {
    stream: Stream,
    incoming: Incoming,
    is_flushed: bool,
}

impl Postgres {
    pub(super) fn new(keeps_rows: bool) -> Self {
        Self { stream: Stream::of_server(), incoming: Incoming::new(keeps_rows), is_flushed: true }
    }
}

impl Codec for Postgres {
    fn write(&mut self, group: u64, message: &Message, out: &mut Vec<u8>) {
        outgoing::write(message, out);
        if let Some(expected) = outgoing::expected(message) {
            self.incoming.exchange.sent(group, expected);
        }
        if matches!(message, Message::CopyDone | Message::CopyFail(_)) {
            self.incoming.is_copying = false;
        }
        self.is_flushed = outgoing::is_flushing(message);
    }

    fn is_flushed(&self) -> bool {
        self.is_flushed || self.incoming.is_copying
    }

    fn is_copying(&self) -> bool {
        self.incoming.is_copying
    }

    fn is_answered(&self, group: u64) -> bool {
        self.incoming.exchange.is_answered(group)
    }

    fn received(
        &mut self,
        bytes: &[u8],
        _out: &mut Vec<u8>,
        outcome: &mut dyn FnMut(u64, Outcome),
    ) -> io::Result<()> {
        let keeps_rows = self.incoming.keeps_rows;
        let incoming = &mut self.incoming;
        let handle = |kind, body: Body<'_>| {
            if let Some((number, it)) = incoming.received(kind, body) {
                outcome(number, it);
            }
        };
        self.stream
            .feed(bytes, |kind| keeps_rows || !matches!(kind, b'D' | b'd'), handle)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn take_fatal(&mut self) -> Option<ErrorText> {
        self.incoming.fatal.take()
    }

    fn terminate(&self, out: &mut Vec<u8>) {
        Frontend::Terminate.write(out);
    }
}
