//! The server's messages.

use postgres_wire::backend::Backend;

use super::{Recorder, Stage};
use crate::decoding::answers::{Answers, error_of};
use crate::decoding::exchange::Expected;
use crate::decoding::known::{Columns, integers};
use crate::decoding::stream::Body;
use crate::recording::Micros;
use crate::recording::record::{Outcome, Record};

impl Recorder {
    pub(super) fn received(&mut self, now: Micros, kind: u8, body: Body<'_>, out: &mut Vec<Record>) {
        if matches!(self.stage, Stage::Login(_)) {
            return self.received_in_login(now, kind, body, out);
        }
        // Answers belong to no statement.
        if matches!(kind, b'N' | b'S' | b'A') {
            return;
        }
        let group = self.exchange.next().map(|(group, _)| *group);
        let bytes = if let Body::Whole(bytes) = body { bytes } else { &[] };
        match (kind, self.exchange.next().map(|(_, expected)| expected)) {
            (b't', Some(Expected::DescribeStatement(name))) => {
                self.known.described(name, integers(bytes.get(2..).unwrap_or_default()).collect());
            }
            (b'T', Some(Expected::DescribeStatement(name))) if self.settings.results => {
                self.known.has_columns(name, Columns::read(bytes));
            }
            (b'T', Some(Expected::Query | Expected::DescribePortal)) if self.settings.results => {
                self.result.begin(Columns::read(bytes));
            }
            (b'2', _) => self.result = Answers::default(),
            (b'D', expected) => {
                if let (Some(Expected::Execute(portal)), true) = (expected, self.settings.results)
                    && self.result.is_new()
                {
                    self.result.begin(self.known.columns_of(portal));
                }
                let values = match Backend::of_body(b'D', bytes) {
                    Some(Backend::DataRow(values)) if self.settings.results => Some(values),
                    _ => None,
                };
                self.result.row(values, &self.settings.masking);
            }
            (b'C', _) => {
                let tag = bytes.strip_suffix(b"\0").unwrap_or(bytes);
                let outcome = self.result.done(tag);
                self.groups.outcome(group, outcome);
            }
            (b's', _) => {
                let outcome = self.result.suspended();
                self.groups.outcome(group, outcome);
            }
            (b'I', _) => self.groups.outcome(group, Outcome::Empty),
            (b'E', _) => self.error(group, bytes),
            // The client sends data next: what asked for them must stand before them.
            (b'G' | b'W', _) => self.groups.write_unanswered(1, now, out),
            _ => {}
        }
        self.exchange.received(kind);
        self.write(now, out);
    }

    fn received_in_login(&mut self, now: Micros, kind: u8, body: Body<'_>, out: &mut Vec<Record>) {
        let Stage::Login(session) = &mut self.stage else { return };
        let Body::Whole(bytes) = body else { return };
        match Backend::of_body(kind, bytes) {
            Some(Backend::BackendKeyData { pid, key }) => self.key = Some((pid, key.to_vec())),
            Some(Backend::ErrorResponse(fields)) => {
                session.refused = Some(error_of(fields, &self.settings.masking, false));
            }
            Some(Backend::ReadyForQuery(_)) => {
                session.login = Some(now.since(session.at));
                out.push(Record::Session((**session).clone()));
                self.stage = Stage::Ready;
            }
            _ => {}
        }
    }

    fn error(&mut self, group: Option<u64>, fields: &[u8]) {
        let is_secret = self.groups.has_password();
        let error = error_of(fields, &self.settings.masking, is_secret);
        self.result = Answers::default();
        if group.is_some() {
            self.groups.outcome(group, Outcome::Error(error));
        } else {
            self.fatal = Some(error);
        }
    }
}
