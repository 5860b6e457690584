//! The test server's messages.

use module_kit::{Actions, Failure, ServerData};
use postgres_wire::backend::TransactionStatus;
use postgres_wire::server_error::ServerError;

use super::copy::Copy;
use super::cycles::Settles;
use super::login::Next;
use super::{Server, Session, out_of_step};
use crate::answers::end::{End, Last};
use crate::answers::may_have_gap;
use crate::counters::Event;

impl Session {
    /// The next bytes of the test server.
    pub(super) fn server_data(&mut self, data: ServerData<'_>, actions: &mut Actions) -> Result<(), Failure> {
        if self.missed && !matches!(self.server, Server::Live) {
            return Err(out_of_step("a part of the test server's answers was not captured"));
        }
        self.server_bytes(data.bytes, actions)?;
        if !data.tail.is_empty() && !may_have_gap(data.tail) {
            self.answers.was_read(data.tail.len());
            self.server_bytes(data.tail, actions)?;
            if self.answers.is_lost() {
                let whole = [data.bytes, data.tail].concat();
                return self.server_data(ServerData { bytes: &whole, tail: &[], ..data }, actions);
            }
            return Ok(());
        }
        let mut answers = std::mem::take(&mut self.answers);
        if !data.tail.is_empty()
            && let Some((kind, body)) = answers.cut_error()
        {
            self.live_message(kind, body, actions);
        }
        let end = answers.segment_end(data.bytes, data.tail);
        if let Some((end, _)) = end {
            self.answer_end(end, actions);
        }
        self.answers = answers;
        match end {
            Some((_, rest)) if !rest.is_empty() => self.server_bytes(rest, actions),
            _ => Ok(()),
        }
    }

    /// An answer ends so, of which a part was not seen.
    fn answer_end(&mut self, end: End<'_>, actions: &mut Actions) {
        match end {
            End::CopyIn if !self.cycles.awaits_copy() => {}
            End::CopyIn => self.live_message(b'G', &[], actions),
            End::Ready { status, last } => {
                match last {
                    Last::Complete(tag) => self.cycles.tagged(tag),
                    Last::Error(code) if !self.cycles.has_error() => {
                        match code {
                            Some(code) => self.shared.counters.server_errors.count(&code),
                            None => self.shared.counters.server_errors.count_other(),
                        }
                        self.cycles.error();
                    }
                    Last::Error(_) | Last::Other => {}
                }
                let cycle = self.cycles.gap();
                self.statements.gap(cycle, self.cycles.has_error());
                self.now_ready(status, actions);
            }
        }
    }

    fn server_bytes(&mut self, bytes: &[u8], actions: &mut Actions) -> Result<(), Failure> {
        let mut answers = std::mem::take(&mut self.answers);
        let mut rest = bytes;
        let result = loop {
            match answers.next(&mut rest) {
                Ok(Some((kind, body))) => {
                    if let Err(failure) = self.server_message(kind, body, actions) {
                        break Err(failure);
                    }
                }
                Ok(None) => break Ok(()),
                Err(_) => break Err(out_of_step("the test server's bytes are not PostgreSQL's protocol")),
            }
        };
        self.answers = answers;
        result
    }

    fn server_message(&mut self, kind: u8, body: &[u8], actions: &mut Actions) -> Result<(), Failure> {
        match (&mut self.server, &self.who) {
            (Server::LoggingIn(login), Some(who)) => {
                match login.handle(kind, body, who, &self.shared, actions)? {
                    Next::Goes => {}
                    Next::Done(key) => {
                        self.identity.set_test(key);
                        self.logged_in(actions);
                    }
                    Next::Refused => {
                        self.server = Server::Down;
                        self.identity.set_test(None);
                        actions.refused();
                    }
                }
            }
            (Server::Live, _) => self.live_message(kind, body, actions),
            // An error before the login was sent, say.
            _ => {}
        }
        Ok(())
    }

    fn logged_in(&mut self, actions: &mut Actions) {
        self.server = Server::Live;
        if self.state.has_unsaid() {
            self.say_again(actions);
        } else {
            self.release(actions);
            self.reduce_payload(actions);
        }
    }

    fn live_message(&mut self, kind: u8, body: &[u8], actions: &mut Actions) {
        let is_answered = match kind {
            b'Z' => return self.ready_for_query(body, actions),
            b'E' => self.server_error(body),
            b'G' => {
                let is_simple = self.cycles.copy_in();
                self.copy = Copy::In { is_simple };
                true
            }
            b'C' => {
                self.cycles.tagged(body.strip_suffix(b"\0").unwrap_or(body));
                self.cycles.replied()
            }
            b'1' => {
                self.statements.confirmed();
                self.cycles.replied()
            }
            b'2' | b'3' | b'T' | b'n' | b'I' | b's' => self.cycles.replied(),
            _ => false,
        };
        if is_answered {
            self.answered(actions);
        }
    }

    /// Returns whether the answer is complete.
    fn server_error(&mut self, body: &[u8]) -> bool {
        match ServerError::read(body) {
            Some(error) => self.shared.counters.server_errors.count(&error.code),
            None => self.shared.counters.server_errors.count_other(),
        }
        self.copy = Copy::None;
        let (cycle, is_answered) = self.cycles.error();
        self.statements.cycle_over(cycle);
        is_answered
    }

    fn ready_for_query(&mut self, body: &[u8], actions: &mut Actions) {
        let status = body.first().and_then(|letter| TransactionStatus::read(*letter)).unwrap_or_default();
        self.now_ready(status, actions);
    }

    fn now_ready(&mut self, status: TransactionStatus, actions: &mut Actions) {
        let outcome = self.cycles.ready(status);
        self.copy = Copy::None;
        self.statements.cycle_over(outcome.cycle);
        match outcome.settles {
            Settles::Commits => self.state.commit(outcome.cycle, true),
            Settles::RollsBack => self.state.roll_back(outcome.cycle, outcome.has_error, true),
            Settles::Nothing if outcome.has_error => self.state.failed(outcome.cycle),
            Settles::Nothing => {}
        }
        while self.ends.front().is_some_and(|cycle| *cycle <= outcome.cycle) {
            self.ends.pop_front();
        }
        let had_own = !self.own.is_empty();
        while self.own.front().is_some_and(|(cycle, _)| *cycle <= outcome.cycle)
            && let Some((_, name)) = self.own.pop_front()
        {
            if outcome.has_error {
                self.shared.counters.sessions.count(Event::SaidAgainRefused);
                if let Some(name) = name {
                    self.lost.setting(name, &self.shared.counters);
                }
            }
        }
        if self.cycles.is_waiting() {
            return;
        }
        // Nothing is on its way that could change this.
        self.in_transaction = status != TransactionStatus::Idle;
        if had_own || self.is_ready {
            self.release(actions);
        }
        if had_own && self.own.is_empty() {
            self.reduce_payload(actions);
        }
    }
}
