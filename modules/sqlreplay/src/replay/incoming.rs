//! What the server says, as outcomes of what was sent.

use postgres_wire::backend::Backend;

use crate::decoding::{Answers, Body, Exchange, error_of};
use crate::masking::Masking;
use crate::recording::record::{ErrorText, Outcome};

/// The server's side of a connection.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) exchange: Exchange,
    answers: Answers,
    masking: Masking,
    /// The server waits for the data of a COPY.
    pub(super) is_copying: bool,
    /// Why it has ended the session.
    pub(super) fatal: Option<ErrorText>,
    pub(super) keeps_rows: bool,
}

impl Incoming {
    pub(super) fn new(keeps_rows: bool) -> Self {
        Self {
            exchange: Exchange::default(),
            answers: Answers::default(),
            masking: Masking::default(),
            is_copying: false,
            fatal: None,
            keeps_rows,
        }
    }

    /// The server's next message. Returns an outcome, and of which group.
    pub(super) fn received(&mut self, kind: u8, body: Body<'_>) -> Option<(u64, Outcome)> {
        if matches!(kind, b'N' | b'S' | b'A') {
            return None;
        }
        let group = self.exchange.next().map(|(group, _)| *group);
        let bytes = if let Body::Whole(bytes) = body { bytes } else { &[] };
        let outcome = match kind {
            b'2' => {
                self.answers = Answers::default();
                None
            }
            b'D' => {
                let values = match Backend::of_body(b'D', bytes) {
                    Some(Backend::DataRow(values)) if self.keeps_rows => Some(values),
                    _ => None,
                };
                self.answers.row(values, &self.masking);
                None
            }
            b'C' => Some(self.answers.done(bytes.strip_suffix(b"\0").unwrap_or(bytes))),
            b's' => Some(self.answers.suspended()),
            b'I' => Some(Outcome::Empty),
            b'E' => {
                self.answers = Answers::default();
                let error = error_of(bytes, &self.masking, false);
                if group.is_none() {
                    self.fatal = Some(error.clone());
                }
                Some(Outcome::Error(error))
            }
            _ => None,
        };
        match kind {
            b'G' | b'W' => self.is_copying = true,
            b'C' | b'E' | b'Z' => self.is_copying = false,
            _ => {}
        }
        self.exchange.received(kind);
        Some((group?, outcome?))
    }
}
