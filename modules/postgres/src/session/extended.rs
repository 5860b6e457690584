//! The extended protocol: Parse, Bind, Describe, Execute, Close up to a Sync.

use module_kit::Loss;
use module_kit::edits::{Edits, Fate};
use postgres_wire::framing::HEAD;
use postgres_wire::frontend::{Frontend, Target, names_of_bind};

use super::Session;
use super::resolve::resolve;
use super::statements::Need;
use crate::counters::{LeftOut, StateLost};
use crate::sql::{Effect, Reading, memory};

/// Portals with effects, whose names are kept.
const PORTALS_MAX: usize = 16;

/// What the client says between two cycles.
#[derive(Debug, Default)]
pub(super) struct Unit {
    /// Something was said since the last Sync.
    is_open: bool,
    /// Something of it was sent.
    was_sent: bool,
    /// The rest of it is left out.
    skips: Option<Loss>,
    /// The effects of the portals, as far as they have any: most have none.
    portals: Vec<(Vec<u8>, Vec<Effect>)>,
    /// Statements that were prepared again.
    pub(super) prepared_again: u64,
}

impl Unit {
    /// The rest of it belongs to what another connection got.
    pub(super) fn connection_lost(&mut self) {
        if self.is_open {
            self.skips = Some(Loss::StateLost);
        }
        self.was_sent = false;
    }

    /// Something was said of it.
    pub(super) fn is_begun(&self) -> bool {
        self.is_open
    }

    /// A portal is made.
    fn bind(&mut self, portal: &[u8], effects: Vec<Effect>) {
        self.portals.retain(|(name, _)| name != portal);
        if !effects.is_empty() && self.portals.len() < PORTALS_MAX {
            self.portals.push((portal.to_vec(), effects));
        }
    }

    /// The effects of a portal.
    fn effects(&self, portal: &[u8]) -> Vec<Effect> {
        self.portals
            .iter()
            .find(|(name, _)| name == portal)
            .map_or_else(Vec::new, |(_, effects)| effects.clone())
    }

    /// It ends. Returns whether anything of it was left out, and nothing sent.
    pub(super) fn end(&mut self) -> Option<Loss> {
        self.is_open = false;
        let was_sent = std::mem::take(&mut self.was_sent);
        self.skips.take().filter(|_| !was_sent)
    }

    pub(super) fn memory(&self) -> usize {
        self.portals.iter().map(|(name, effects)| name.capacity() + memory(effects) + 48).sum()
    }
}

impl Session {
    /// A message of the extended protocol but Sync and Flush. `message` is as much of it as is read, `is_whole` if that is
    /// all.
    pub(super) fn extended(
        &mut self,
        kind: u8,
        message: &[u8],
        is_whole: bool,
        edits: &mut Edits<'_>,
    ) -> Fate {
        let body = message.get(HEAD..).unwrap_or_default();
        self.unit.is_open = true;
        if self.unit.skips.is_none() {
            self.unit.skips = self.why_not(kind, body, edits);
        }
        if let Some(loss) = self.unit.skips {
            self.learn_extended(kind, message, is_whole);
            self.left_out(if loss == Loss::StateUnknown {
                LeftOut::UnknownStatement
            } else {
                LeftOut::StateLost
            });
            return Fate::LeaveOut(loss);
        }
        self.unit.was_sent = true;
        self.cycles.expect_reply();
        let cycle = self.cycles.present();
        match kind {
            b'P' => self.statements.parse(string(body), message, is_whole, Some(cycle)),
            b'B' => self.bind(message, is_whole),
            b'E' => {
                for effect in self.unit.effects(string(body)) {
                    self.sent(cycle, &effect);
                }
            }
            b'C' if body.first() == Some(&b'S') => {
                self.statements.close(string(body.get(1..).unwrap_or_default()))
            }
            _ => {}
        }
        Fate::Pass
    }

    /// Why this message, and what follows it, is left out, if it is. The statement of a Bind or Describe is prepared, if need
    /// be.
    fn why_not(&mut self, kind: u8, body: &[u8], edits: &mut Edits<'_>) -> Option<Loss> {
        let is_begin = |effects: &[Effect]| effects.first() == Some(&Effect::Begin);
        let passes = match (kind, body) {
            (b'B', _) => return self.before_bind(body, edits),
            _ if !self.lost.transaction => true,
            // A transaction that begins is not the lost one.
            (b'P', _) => is_begin(&Reading::of(text_of_parse(body)).effects),
            (b'E', _) => is_begin(&self.unit.effects(string(body))),
            (b'D', [b'P', name @ ..]) => is_begin(&self.unit.effects(string(name))),
            _ => false,
        };
        match (kind, body) {
            _ if !passes => Some(Loss::StateLost),
            (b'D', [b'S', name @ ..]) => self.prepare_if_needed(string(name), edits),
            _ => None,
        }
    }

    /// Why this Bind, and what follows it, is left out, if it is. Its statement is prepared, if need be.
    fn before_bind(&mut self, body: &[u8], edits: &mut Edits<'_>) -> Option<Loss> {
        let (_, statement) = names_of_bind(body)?;
        if self.lost.any()
            && let Some((text, reading)) = self.statements.get(statement)
            && let Some(loss) = self.lost.forbids(text, reading)
        {
            return Some(loss);
        }
        self.prepare_if_needed(statement, edits)
    }

    /// The statement is used: prepares it on the test server, if it is not there.
    fn prepare_if_needed(&mut self, name: &[u8], edits: &mut Edits<'_>) -> Option<Loss> {
        if self.cycles.is_skipping() {
            return None;
        }
        match self.statements.need(name, self.cycles.present()) {
            Need::Nothing => return None,
            Need::Prepare(message) => edits.send(message),
            Need::PrepareAnew(message) => {
                let mut messages = Vec::new();
                Frontend::Close(Target::Statement(name)).write(&mut messages);
                messages.extend_from_slice(message);
                edits.send(&messages);
                self.cycles.expect_reply();
            }
            Need::NotKept => {
                self.shared.counters.state_lost.count(StateLost::Prepared);
                return Some(Loss::StateLost);
            }
            Need::Unknown if self.state.has_prepared(name) => return None,
            Need::Unknown => return Some(Loss::StateUnknown),
        }
        self.cycles.expect_reply();
        self.unit.prepared_again += 1;
        None
    }

    /// A portal is made: keeps the effects that its execution has.
    fn bind(&mut self, message: &[u8], is_whole: bool) {
        let body = message.get(HEAD..).unwrap_or_default();
        let Some((portal, statement)) = names_of_bind(body) else { return };
        let effects = match self.statements.get(statement) {
            Some((_, reading)) if !reading.effects.is_empty() => {
                let read = is_whole.then(|| Frontend::read(message).ok().flatten()).flatten();
                let bind = match &read {
                    Some((Frontend::Bind(bind), _)) => Some(bind),
                    _ => None,
                };
                resolve(&reading.effects, bind)
            }
            _ => Vec::new(),
        };
        self.unit.bind(portal, effects);
    }

    /// A message of the extended protocol that is not sent.
    pub(super) fn learn_extended(&mut self, kind: u8, message: &[u8], is_whole: bool) {
        let body = message.get(HEAD..).unwrap_or_default();
        match kind {
            b'P' => self.statements.parse(string(body), message, is_whole, None),
            b'B' => self.bind(message, is_whole),
            b'E' => {
                for effect in self.unit.effects(string(body)) {
                    self.unsent(&effect);
                }
            }
            b'C' if body.first() == Some(&b'S') => {
                self.statements.close(string(body.get(1..).unwrap_or_default()))
            }
            _ => {}
        }
    }
}

/// The string that begins `bytes`; all of them if it is not terminated.
fn string(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The text of a Parse, as far as it is there.
fn text_of_parse(body: &[u8]) -> &[u8] {
    body.split(|byte| *byte == 0).nth(1).unwrap_or_default()
}
