//! The start of the client's stream: requests for encryption, the StartupMessage, and the messages of its login.

use module_kit::edits::{Edits, Fate};
use module_kit::{Failure, FailureKind, Loss};
use postgres_wire::framing::{HEAD, Head};
use postgres_wire::opening::{NoOpening, Opening};

use super::login::Who;
use super::messages::is_likely;
use super::{Phase, Server, Session, out_of_step, warnings};
use crate::counters::{Event, LeftOut};

const NOT_POSTGRES: &str = "the client's bytes are not PostgreSQL's protocol";

impl Session {
    /// A first message is replaced by ours, or left out.
    pub(super) fn opening(&mut self, bytes: &[u8], edits: &mut Edits<'_>) -> Result<(), Failure> {
        let (opening, length) = match Opening::read(bytes) {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(()),
            Err(problem) => return Err(self.no_opening(problem)),
        };
        match opening {
            Opening::Ssl | Opening::GssEnc => {
                // The client goes on with another first message, if the online server has refused. That is seen there.
                self.one_byte_answers += 1;
                edits.take(length, Fate::Replace);
            }
            Opening::Cancel { pid, key } => self.cancel(pid, key, length, edits),
            Opening::Startup(startup) => {
                if startup.parameter(b"replication").is_some_and(is_replication) {
                    self.shared.counters.sessions.count(Event::Replication);
                    let reason = "replication connections are not copied";
                    return Err(Failure { kind: FailureKind::Unsupported, reason });
                }
                if self.one_byte_answers > 0 {
                    self.shared.counters.sessions.count(Event::EncryptionRefusedOnline);
                }
                self.who = Some(Who::of_startup(&startup, &self.flow.server, &self.shared));
                self.phase = Phase::Login;
                edits.take(length, Fate::Replace);
                if let Server::Connected = self.server {
                    self.log_in(edits.actions())?;
                }
            }
        }
        Ok(())
    }

    fn no_opening(&self, problem: NoOpening) -> Failure {
        let kind = match problem {
            NoOpening::Tls | NoOpening::Gss => {
                let how = if problem == NoOpening::Tls { "TLS" } else { "GSSAPI encryption" };
                warnings::client_encrypts(&self.shared, &self.flow, how);
                return Failure { kind: FailureKind::Tls, reason: "the session is encrypted" };
            }
            NoOpening::Old(_) => FailureKind::Unsupported,
            NoOpening::NotPostgres => FailureKind::OutOfStep,
        };
        Failure { kind, reason: NOT_POSTGRES }
    }

    /// The messages of the client's own login are worth nothing here.
    pub(super) fn client_login(&mut self, bytes: &[u8], edits: &mut Edits<'_>) -> Result<(), Failure> {
        match Head::of_frontend(bytes) {
            Ok(Some(Head { kind: b'p', body })) => {
                // A message of a login is short, so that it is waited for.
                let length = HEAD + body as usize;
                if bytes.len() >= length {
                    edits.take(length, Fate::Replace);
                }
            }
            Ok(Some(_)) => {
                self.in_messages();
            }
            Ok(None) => {}
            Err(_) => return Err(out_of_step(NOT_POSTGRES)),
        }
        Ok(())
    }

    /// The place in the stream is not known: the next turn most likely begins with a message.
    pub(super) fn seek(&mut self, bytes: &[u8], edits: &mut Edits<'_>) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.who.is_none() {
            if matches!(Opening::read(bytes), Ok(Some(_))) {
                self.phase = Phase::Opening;
                return Ok(());
            }
            let Some(who) = Who::default(&self.flow.server, &self.shared) else {
                warnings::no_default_login(&self.shared);
                let reason = "joined in mid-session, and no default login is given";
                return Err(Failure { kind: FailureKind::LoginFailed, reason });
            };
            self.who = Some(who);
            self.shared.counters.sessions.count(Event::Joined);
            if let Server::Connected = self.server {
                self.log_in(edits.actions())?;
            }
        }
        if is_likely(bytes) {
            self.phase = if bytes.first() == Some(&b'p') { Phase::Login } else { Phase::Messages };
            self.stream.restart();
        } else if let Server::Live = self.server {
            self.left_out(LeftOut::OutOfStep);
            edits.take(bytes.len(), Fate::LeaveOut(Loss::StateUnknown));
        }
        Ok(())
    }

    /// A first message that does not reach the test server: the next connection needs it. Returns its length.
    pub(super) fn learn_opening(&mut self, bytes: &[u8]) -> usize {
        match Opening::read(bytes) {
            Ok(Some((Opening::Startup(startup), length))) => {
                self.who = Some(Who::of_startup(&startup, &self.flow.server, &self.shared));
                self.phase = Phase::Login;
                length
            }
            Ok(Some((Opening::Ssl | Opening::GssEnc, length))) => {
                self.one_byte_answers += 1;
                length
            }
            _ => 0,
        }
    }
}

/// The values with which a server begins to replicate.
fn is_replication(value: &[u8]) -> bool {
    let off: [&[u8]; 5] = [b"false", b"off", b"no", b"0", b""];
    !off.iter().any(|off| value.eq_ignore_ascii_case(off))
}
