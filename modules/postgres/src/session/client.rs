//! The client's messages.

use module_kit::edits::{Edits, Fate};
use module_kit::framing::Frame;
use module_kit::{Actions, Failure, Loss};
use postgres_wire::framing::HEAD;
use postgres_wire::frontend::Frontend;

use super::admission::Admission;
use super::copy::Copy;
use super::resolve::resolve;
use super::state::Kind;
use super::{Phase, Server, Session, out_of_step};
use crate::counters::{Event, LeftOut, Message};
use crate::sql::{Effect, Reading};

impl Session {
    /// Deals with as many messages as it can.
    pub(super) fn messages(&mut self, bytes: &[u8], edits: &mut Edits<'_>) -> Result<(), Failure> {
        let may_go_on = matches!(self.server, Server::Live) && self.own.is_empty() && self.admission == Admission::Open
            // What it says next must not be what is cancelled.
            && !self.identity.is_being_cancelled();
        if !may_go_on {
            return Ok(());
        }
        let mut stream = std::mem::take(&mut self.stream);
        let result = stream.follow(bytes, edits, |frame, bytes, edits| self.message(frame, bytes, edits));
        self.stream = stream;
        result.map_err(|_| out_of_step("the client's bytes are no messages of PostgreSQL's protocol"))
    }

    /// The fate of a message. `bytes` begin with it.
    fn message(&mut self, frame: &Frame, bytes: &[u8], edits: &mut Edits<'_>) -> Option<Fate> {
        let message = bytes.get(..frame.head).unwrap_or_default();
        let kind = *message.first()?;
        let is_copy = matches!(kind, b'd' | b'c' | b'f');
        if !is_copy && !matches!(kind, b'H' | b'S') {
            self.end_copy(edits);
        }
        if self.state.has_unsaid() && !is_copy && !self.unit.is_begun() {
            self.say_again(edits.actions());
            return None;
        }
        let fate = match kind {
            b'Q' => self.query(message),
            b'P' | b'B' | b'D' | b'E' | b'C' => self.extended(kind, message, frame.body == 0, edits),
            b'S' => self.sync(),
            b'H' => {
                self.cycles.flushed();
                Fate::Pass
            }
            b'F' => self.function_call(),
            b'd' | b'c' | b'f' => self.copy_message(kind)?,
            b'p' => Fate::Replace,
            _ => Fate::Pass,
        };
        if fate == Fate::Pass
            && let Some(kind) = Message::of(kind)
        {
            self.shared.counters.messages.count(kind);
        }
        Some(fate)
    }

    /// The client's login is over.
    pub(super) fn in_messages(&mut self) {
        self.admission.command();
        self.phase = Phase::Messages;
    }

    fn query(&mut self, message: &[u8]) -> Fate {
        let text = text_of_query(message);
        let reading = Reading::of(text);
        // A Query ends what was said before, as far as it is not ended.
        self.unit.end();
        if self.lost.any()
            && let Some(loss) = self.lost.forbids(text, &reading)
        {
            self.learn_query(&reading);
            self.left_out(LeftOut::StateLost);
            return Fate::LeaveOut(loss);
        }
        let cycle = self.cycles.present();
        if !reading.effects.is_empty() {
            for effect in resolve(&reading.effects, None) {
                self.sent(cycle, &effect);
            }
        }
        self.cycles.close(true);
        Fate::Pass
    }

    fn function_call(&mut self) -> Fate {
        let reading = Reading { effects: Vec::new(), has_others: true };
        if let Some(loss) = self.lost.forbids(b"", &reading) {
            self.left_out(LeftOut::StateLost);
            return Fate::LeaveOut(loss);
        }
        self.cycles.close(false);
        Fate::Pass
    }

    fn sync(&mut self) -> Fate {
        if let Some(loss) = self.unit.end() {
            return Fate::LeaveOut(loss);
        }
        // While it takes data, the server skips it.
        if self.copy == Copy::None {
            self.cycles.close(false);
        }
        Fate::Pass
    }

    /// The client sends a statement with this effect, in this cycle.
    pub(super) fn sent(&mut self, cycle: u64, effect: &Effect) {
        self.lost.sent(effect);
        match effect {
            Effect::Begin => {
                self.in_transaction = true;
                // The client has ended a lost one without our knowledge.
                if std::mem::take(&mut self.lost.transaction) {
                    self.state.failed(u64::MAX);
                }
            }
            Effect::End { chained, .. } => {
                if !self.in_transaction {
                    self.shared.counters.sessions.count(Event::TransactionStartMissed);
                }
                if std::mem::replace(&mut self.in_transaction, *chained) {
                    self.ends.push_back(cycle);
                }
            }
            Effect::Deallocate(name) => self.statements.close(name),
            Effect::DeallocateAll | Effect::DiscardAll => self.statements.clear(),
            _ => {}
        }
        self.state.propose(cycle, effect);
    }

    /// The same of a statement that is not sent. The client believes in its effect.
    pub(super) fn unsent(&mut self, effect: &Effect) {
        self.lost.unsent(effect);
        match effect {
            Effect::Begin => self.lost.begin(&self.shared.counters),
            Effect::End { commits, chained } => {
                if *commits {
                    self.state.commit(u64::MAX, false);
                } else {
                    self.state.roll_back(u64::MAX, false, false);
                }
                self.lost.transaction = *chained;
            }
            Effect::Deallocate(name) => self.statements.close(name),
            Effect::DeallocateAll | Effect::DiscardAll => self.statements.clear(),
            _ => {}
        }
        if self.lost.transaction {
            self.state.propose(u64::MAX, effect);
        } else {
            self.state.apply(effect.clone(), false);
        }
    }

    fn learn_query(&mut self, reading: &Reading) {
        for effect in resolve(&reading.effects, None) {
            self.unsent(&effect);
        }
    }

    /// Says what the connection does not know of the client's state. The client waits for the answers.
    pub(super) fn say_again(&mut self, actions: &mut Actions) {
        let (state, cycles, own, counters) =
            (&mut self.state, &mut self.cycles, &mut self.own, &self.shared.counters);
        let mut messages = Vec::new();
        state.say(|kind, name, text| {
            Frontend::Query(text).write(&mut messages);
            own.push_back((cycles.present(), (kind == Kind::Setting).then(|| name.to_vec())));
            cycles.close(true);
            counters.sessions.count(Event::SaidAgain);
        });
        actions.send(&messages);
    }

    /// Bytes that do not reach the test server: the next connection needs what they have set.
    pub(super) fn learn_dropped(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while self.phase == Phase::Opening {
            match self.learn_opening(rest) {
                0 => return,
                length => rest = rest.get(length..).unwrap_or_default(),
            }
        }
        if self.phase == Phase::Lost {
            return;
        }
        let mut nowhere = Actions::new();
        let mut edits = Edits::new(&mut nowhere);
        let mut stream = std::mem::take(&mut self.stream);
        // What cannot be read has no effect that is known.
        let _ = stream.follow(rest, &mut edits, |frame, bytes, _| {
            let message = bytes.get(..frame.head)?;
            match *message.first()? {
                b'p' => {}
                b'Q' => {
                    self.in_messages();
                    self.learn_query(&Reading::of(text_of_query(message)));
                }
                b'S' => drop(self.unit.end()),
                kind => {
                    self.in_messages();
                    self.learn_extended(kind, message, frame.body == 0);
                }
            }
            Some(Fate::LeaveOut(Loss::StateLost))
        });
        // The next bytes begin a turn.
        self.unit.end();
    }
}

/// The text of a Query, of which perhaps only the beginning is there.
fn text_of_query(message: &[u8]) -> &[u8] {
    let text = message.get(HEAD..).unwrap_or_default();
    text.strip_suffix(b"\0").unwrap_or(text)
}
