//! A whole connection, from its first bytes: requests for encryption, the first message, then the session.

use std::sync::Arc;

use postgres_wire::opening::{NoOpening, Opening};

use super::{Dialogue, Recorder, Settings};
use crate::recording::record::{EndedBy, Record, Skipped};
use crate::recording::{Bytes, Micros};

/// A connection of which all bytes are seen, on both sides.
#[derive(Debug)]
pub struct Wire {
    settings: Arc<Settings>,
    session: u64,
    client: String,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The client's first bytes.
    Opening(Vec<u8>),
    /// The server's answer to a request for encryption: one byte.
    Asked(Vec<u8>),
    Session(Box<Recorder>),
    /// Nothing is recorded.
    Lost,
}

impl Wire {
    /// A connection of this client. `session` is its number if it becomes a session.
    #[must_use]
    pub fn new(settings: Arc<Settings>, session: u64, client: String) -> Self {
        Self { settings, session, client, stage: Stage::Opening(Vec::new()) }
    }

    /// A connection whose beginning was not seen: it is logged in.
    #[must_use]
    pub fn joined(
        settings: Arc<Settings>,
        session: u64,
        at: Micros,
        client: String,
        [user, database]: [Bytes; 2],
        out: &mut Vec<Record>,
    ) -> Self {
        let recorder =
            Recorder::joined(Arc::clone(&settings), session, at, client.clone(), [user, database], out);
        Self { settings, session, client, stage: Stage::Session(Box::new(recorder)) }
    }
}

impl Dialogue for Wire {
    fn is_session(&self) -> bool {
        matches!(self.stage, Stage::Session(_))
    }

    fn client(&mut self, now: Micros, bytes: &[u8], out: &mut Vec<Record>) {
        match &mut self.stage {
            Stage::Session(recorder) => recorder.client(now, bytes, out),
            Stage::Asked(waiting) => waiting.extend_from_slice(bytes),
            Stage::Opening(first) => {
                first.extend_from_slice(bytes);
                self.open(now, out);
            }
            Stage::Lost => {}
        }
    }

    fn server(&mut self, now: Micros, bytes: &[u8], out: &mut Vec<Record>) {
        match &mut self.stage {
            Stage::Session(recorder) => recorder.server(now, bytes, out),
            Stage::Asked(waiting) => {
                if bytes.first() == Some(&b'N') {
                    self.stage = Stage::Opening(std::mem::take(waiting));
                    self.open(now, out);
                } else {
                    self.lost(now, "the session is encrypted", out);
                }
            }
            Stage::Opening(_) | Stage::Lost => {}
        }
    }

    fn is_waiting(&self) -> bool {
        matches!(&self.stage, Stage::Session(recorder) if recorder.is_waiting())
    }

    fn take_key(&mut self) -> Option<(u32, Vec<u8>)> {
        match &mut self.stage {
            Stage::Session(recorder) => recorder.take_key(),
            _ => None,
        }
    }

    fn tick(&mut self, now: Micros, out: &mut Vec<Record>) {
        if let Stage::Session(recorder) = &mut self.stage {
            recorder.tick(now, out);
        }
    }

    fn lost(&mut self, now: Micros, reason: &str, out: &mut Vec<Record>) {
        match std::mem::replace(&mut self.stage, Stage::Lost) {
            Stage::Lost => {}
            Stage::Session(recorder) => {
                self.skipped(now, Some(self.session), format!("the rest of the session: {reason}"), out);
                recorder.end(now, EndedBy::Recorder, out);
            }
            Stage::Opening(_) | Stage::Asked(_) => {
                self.skipped(now, None, format!("a connection: {reason}"), out)
            }
        }
    }

    fn end(self: Box<Self>, now: Micros, by: EndedBy, out: &mut Vec<Record>) {
        if let Stage::Session(recorder) = self.stage {
            recorder.end(now, by, out);
        }
    }
}

impl Wire {
    fn open(&mut self, now: Micros, out: &mut Vec<Record>) {
        let Stage::Opening(first) = &mut self.stage else { return };
        match Opening::read(first) {
            Ok(None) => {}
            Ok(Some((Opening::Ssl | Opening::GssEnc, length))) => {
                let rest = first.split_off(length);
                self.stage = Stage::Asked(rest);
            }
            // Whose statement it means cannot be told: the keys are not kept.
            Ok(Some((Opening::Cancel { .. }, _))) => self.lost(now, "a cancel", out),
            Ok(Some((Opening::Startup(startup), length))) => {
                if startup.parameter(b"replication").is_some() {
                    return self.lost(now, "a replication connection", out);
                }
                let mut recorder = Recorder::new(
                    Arc::clone(&self.settings),
                    self.session,
                    now,
                    self.client.clone(),
                    &startup,
                );
                let rest = first.split_off(length);
                recorder.client(now, &rest, out);
                self.stage = Stage::Session(Box::new(recorder));
            }
            Err(NoOpening::Tls) => self.lost(now, "the session is encrypted", out),
            Err(error) => self.lost(now, &error.to_string(), out),
        }
    }

    fn skipped(&self, at: Micros, session: Option<u64>, reason: String, out: &mut Vec<Record>) {
        out.push(Record::Skipped(Skipped { at, client: Some(self.client.clone()), session, reason }));
    }
}
