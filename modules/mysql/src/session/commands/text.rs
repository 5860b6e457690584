//! The SQL of a command: which of its statements must not run.
//!
//! The way of a text: [`Commands::whole_text`] waits for it, [`Commands::decide`] judges it, it is sent or left out, and
//! [`Commands::said`] learns from it. `decide` may be called more than once for a text, because commands may wait after it: it
//! changes nothing of the session. `said` is called once for each text, whatever becomes of it.

use std::ops::Range;

use super::cursor::{Commands, Stop};
use super::file::name_of_file;
use super::kill::KillAs;
use crate::counters::{Event, LeftOut};
use crate::session::connection_state::{ChangeId, ConnectionState, Decision, Place, Run};
use crate::session::context::Context;
use crate::session::warnings;
use crate::sql::{self, Class, Effect, Lock, Script, Statement, Target};
use crate::wire::packet::{CHUNK_MAX, Header};

/// The longest text that is read as a whole if it is one statement, in bytes.
const TEXT_MAX: usize = 1 << 20;

/// Texts that are executed may contain others; so deep they are read.
const DEPTH_MAX: usize = 4;

/// Does nothing, in place of a statement that must not run.
const NOTHING: &[u8] = b"DO 0";

/// The same for a statement that ends a transaction beside what it does.
pub(super) const END: &[u8] = b"COMMIT";

/// What becomes of a text.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is sent, with these changes, which are in order.
    Send(Vec<Change>),
    LeaveOut(LeftOut),
}

/// A change of a text.
#[derive(Debug)]
pub(super) struct Change {
    /// The bytes of the text that are replaced, and by what.
    pub(super) range: Range<usize>,
    pub(super) with: Vec<u8>,
    /// The number of the statement that it belongs to.
    pub(super) statement: usize,
    /// The statement is left out, for this reason.
    pub(super) left_out: Option<LeftOut>,
    /// What is counted if it is not.
    pub(super) event: Event,
}

impl Change {
    fn of_kill(kill: KillAs, statement: &Statement<'_>, number: usize) -> Self {
        let (range, with, event) = match kill {
            KillAs::Naming(range, id, event) => (range, id, event),
            KillAs::Other(text, event) => (statement.range.clone(), text, event),
            KillAs::Nothing => {
                let (range, with) = instead(statement, NOTHING);
                (range, with, Event::KillOfIdle)
            }
        };
        Self { range, with, statement: number, left_out: None, event }
    }
}

impl Verdict {
    /// Why a statement is left out, if it is.
    pub(super) fn left_out(&self, statement: usize) -> Option<LeftOut> {
        match self {
            Self::LeaveOut(reason) => Some(*reason),
            Self::Send(changes) => {
                changes.iter().find(|change| change.statement == statement).and_then(|change| change.left_out)
            }
        }
    }
}

/// A text, or the beginning of a long one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'t> {
    pub(super) bytes: &'t [u8],
    pub(super) is_whole: bool,
}

impl Commands<'_, '_> {
    /// The text behind the first `text_at` bytes of a payload, once as much of it is here as is read.
    pub(super) fn whole_text<'p>(
        &self,
        header: Header,
        payload: &'p [u8],
        text_at: usize,
        is_prepared: bool,
    ) -> Result<Text<'p>, Stop> {
        // Only one statement can be prepared.
        let several = self.cx.may_send_several() && !is_prepared;
        let most = if several { CHUNK_MAX - 1 } else { TEXT_MAX };
        let needed = header.length.min(most);
        if payload.len() < needed {
            return Err(Stop::Wait);
        }
        let is_whole = needed == header.length;
        Ok(Text { bytes: payload.get(text_at..needed).unwrap_or_default(), is_whole })
    }

    /// What becomes of a text. Changes nothing.
    pub(super) fn decide(&mut self, text: Text<'_>, script: &Script<'_>) -> Result<Verdict, Stop> {
        if text.is_whole && script.effects().next().is_none() && self.cx.state.is_whole() {
            return Ok(Verdict::Send(Vec::new()));
        }
        let lost = self.cx.decide(script, text.bytes);
        if !text.is_whole {
            return Ok(match lost {
                Decision::Send => self.decide_beginning(script),
                Decision::Without(..) | Decision::LeaveOut(_) => Verdict::LeaveOut(LeftOut::StateLost),
            });
        }
        let mut changes = Vec::new();
        let mut before = self.cx.state_before(script);
        for (number, statement) in script.statements().iter().enumerate() {
            let state = before.as_ref().unwrap_or(&self.cx.state);
            let reason =
                self.cx.must_not_run(statement, state).or_else(|| unprepared(script, number, &changes));
            let change = match self.decide_statement(text.bytes, statement, number, reason, &lost)? {
                Some(Change { left_out: Some(reason @ LeftOut::UnreadableSql), .. }) => {
                    return Ok(Verdict::LeaveOut(reason));
                }
                change => change,
            };
            if let Some(state) = &mut before {
                let is_left_out = change.as_ref().is_some_and(|change| change.left_out.is_some());
                let run = if is_left_out { Run::LeftOut } else { Run::Sent };
                state.statement(statement, text.bytes, run, self.cx.place(), true);
            }
            changes.extend(change);
        }
        let is_left_out = |number| changes.iter().any(|it| it.statement == number && it.left_out.is_some());
        let mut statements = script.statements().iter().enumerate();
        let nothing_is_left =
            statements.all(|(number, statement)| is_empty(statement) || is_left_out(number));
        let fits = |change: &Change| change.left_out.is_none() || change.range.len() >= END.len();
        match changes.iter().find_map(|change| change.left_out) {
            Some(reason) if nothing_is_left || !changes.iter().all(fits) => Ok(Verdict::LeaveOut(reason)),
            _ => Ok(Verdict::Send(changes)),
        }
    }

    /// One statement of a text: how it is changed, if it is.
    fn decide_statement(
        &mut self,
        text: &[u8],
        statement: &Statement<'_>,
        number: usize,
        mut left_out: Option<LeftOut>,
        lost: &Decision,
    ) -> Result<Option<Change>, Stop> {
        if lost.leaves_out(number) && !is_empty(statement) {
            left_out = left_out.or(Some(LeftOut::StateLost));
        }
        let mut change = None;
        if statement.effects.iter().any(|effect| matches!(effect, Effect::Kill(_))) {
            self.kill_falls_due();
        }
        // From now on its refusal is noticed, whatever else is waited for.
        let refusal = match left_out {
            None if statement.effects.iter().any(concerns_all) => self.is_refused_online(),
            _ => Ok(false),
        };
        if let Ok(true) = refusal {
            left_out = Some(LeftOut::RefusedOnline);
        }
        for effect in &statement.effects {
            if let (Effect::Kill(kill), None) = (effect, left_out) {
                let own = text.get(statement.range.clone()).unwrap_or_default();
                match self.kill(kill, own) {
                    Ok(kill) => change = Some(Change::of_kill(kill, statement, number)),
                    Err(Stop::LeaveOut(reason)) => left_out = Some(reason),
                    Err(stop) => return Err(stop),
                }
            }
        }
        if left_out.is_none() {
            refusal?;
        }
        let Some(reason) = left_out else { return Ok(change) };
        let nothing = if commits(statement, reason) { END } else { NOTHING };
        let (range, with) = instead(statement, nothing);
        let event = Event::KillMapped;
        Ok(Some(Change { range, with, statement: number, left_out: Some(reason), event }))
    }

    /// What becomes of a text of which only the beginning is read.
    fn decide_beginning(&self, script: &Script<'_>) -> Verdict {
        let statements = script.statements();
        let Some(first) = statements.first() else { return Verdict::LeaveOut(LeftOut::UnreadableSql) };
        // Its end need not be an end.
        let effects = || first.effects.iter().filter(|effect| **effect != Effect::Unreadable);
        let is_data = matches!(first.class, Class::Reads | Class::Writes);
        let is_unclear = match self.cx.may_send_several() {
            true => statements.len() > 1 || !is_data || effects().next().is_some(),
            false => !is_begun(first),
        };
        if is_unclear {
            return Verdict::LeaveOut(LeftOut::UnreadableSql);
        }
        let kills = |effect: &&Effect<'_>| matches!(effect, Effect::Kill(_));
        let reason = effects().find_map(|effect| self.cx.forbidden(effect, &self.cx.state, 0));
        match reason.or(effects().find(kills).map(|_| LeftOut::Kill)) {
            Some(reason) => Verdict::LeaveOut(reason),
            None => Verdict::Send(Vec::new()),
        }
    }

    /// The answer to a text must be seen: its statement changes what a new connection is told, and a server may refuse it.
    pub(super) fn must_see_answer(script: &Script<'_>) -> bool {
        script.effects().any(|effect| matches!(effect, Effect::Use(_) | Effect::LoadLocal))
    }

    /// The files that a text asks for.
    pub(super) fn expect_files(&mut self, text: Text<'_>, script: &Script<'_>) {
        for statement in script.statements() {
            if statement.effects.contains(&Effect::LoadLocal) {
                let bytes = text.bytes.get(statement.range.clone()).unwrap_or_default();
                self.files.push(&name_of_file(bytes));
            }
        }
    }

    /// The client has said a text, which was sent or left out. Statements that were left out were executed in production all
    /// the same, unless it has refused them.
    pub(super) fn said(
        &mut self,
        text: Text<'_>,
        script: &Script<'_>,
        change: Option<ChangeId>,
        verdict: &Verdict,
    ) {
        if let Verdict::Send(changes) = verdict {
            for change in changes {
                match change.left_out {
                    Some(reason) => self.cx.count_left_out(reason),
                    None => self.kill_is_sent(change.event),
                }
            }
        }
        let run = |number| match verdict.left_out(number) {
            None => Run::Sent,
            Some(LeftOut::RefusedOnline) => Run::Refused,
            Some(_) => Run::LeftOut,
        };
        self.cx.said(script, text.bytes, change, run);
    }
}

impl Context {
    /// A statement is left out.
    pub(super) fn count_left_out(&self, reason: LeftOut) {
        self.shared.counters.left_out.count(reason);
        if reason == LeftOut::Accounts {
            warnings::accounts_are_not_copied(&self.shared);
        }
    }

    fn place(&self) -> Place<'_> {
        Place { change: ChangeId::default(), statements: &self.statements }
    }

    /// The state before the first of several statements, if a later one executes what an earlier one may have made.
    fn state_before(&self, script: &Script<'_>) -> Option<ConnectionState> {
        let executes = |effect: &Effect<'_>| {
            matches!(
                effect,
                Effect::Prepare { .. } | Effect::Execute { .. } | Effect::ExecuteImmediate { .. }
            )
        };
        (script.statements().len() > 1 && script.effects().any(executes)).then(|| self.state.clone())
    }

    /// Why a statement must not run, if it must not. `state` is that before it. A KILL may have to be changed.
    fn must_not_run(&self, statement: &Statement<'_>, state: &ConnectionState) -> Option<LeftOut> {
        statement.effects.iter().find_map(|effect| self.forbidden(effect, state, 0))
    }

    fn forbidden(&self, effect: &Effect<'_>, state: &ConnectionState, depth: usize) -> Option<LeftOut> {
        match effect {
            Effect::Shutdown => Some(LeftOut::Shutdown),
            Effect::Accounts if !self.shared.copy_accounts => Some(LeftOut::Accounts),
            Effect::Unreadable => Some(LeftOut::UnreadableSql),
            Effect::Prepare { source, .. } | Effect::ExecuteImmediate { source, .. } => {
                match state.resolve(source) {
                    Some(text) => self.forbidden_text(&text, state, depth),
                    None => Some(LeftOut::UnreadableSql),
                }
            }
            Effect::Execute { name, .. } => {
                let text = state.prepared_text(name.bytes())?;
                self.forbidden_text(&text, state, depth)
            }
            _ => None,
        }
    }

    /// Why a text must not be executed, or prepared, if it must not. It is one statement.
    fn forbidden_text(&self, text: &[u8], state: &ConnectionState, depth: usize) -> Option<LeftOut> {
        if depth == DEPTH_MAX {
            return Some(LeftOut::UnreadableSql);
        }
        let script = self.read_one(text);
        script.effects().find_map(|effect| match effect {
            // Nothing in such a text is changed.
            Effect::Kill(_) => Some(LeftOut::Kill),
            effect => self.forbidden(effect, state, depth + 1),
        })
    }

    /// Why a statement with this text must not be prepared, if it must not. Its parameters may name anything.
    pub(in crate::session) fn must_not_be_prepared(&self, text: &[u8], is_whole: bool) -> Option<LeftOut> {
        let reason = self.forbidden_text(text, &self.state, 0);
        if is_whole {
            return reason;
        }
        // Its end need not be an end.
        let script = sql::read(text, self.dialect());
        let is_clear = script.statements().first().is_some_and(is_begun);
        reason
            .filter(|reason| *reason != LeftOut::UnreadableSql || !is_clear)
            .or((!is_clear).then_some(LeftOut::UnreadableSql))
    }
}

/// Why a statement is left out that executes what an earlier one of its text would have prepared, and was left out.
fn unprepared(script: &Script<'_>, number: usize, changes: &[Change]) -> Option<LeftOut> {
    let statement = script.statements().get(number)?;
    let executed = |effect: &Effect<'_>, prepared: &Effect<'_>| match (effect, prepared) {
        (Effect::Execute { name, .. }, Effect::Prepare { name: prepared, .. }) => {
            name.may_be(prepared.bytes())
        }
        _ => false,
    };
    changes.iter().find_map(|change| {
        let before = script.statements().get(change.statement)?;
        let prepares = |effect: &Effect<'_>| before.effects.iter().any(|before| executed(effect, before));
        change.left_out.filter(|_| statement.effects.iter().any(prepares))
    })
}

/// Whether a statement that is left out has ended a transaction in production.
pub(super) fn commits(statement: &Statement<'_>, reason: LeftOut) -> bool {
    reason == LeftOut::Accounts && statement.effects.contains(&Effect::ImplicitCommit)
}

/// The bytes of a statement, and a shorter one in their place.
fn instead(statement: &Statement<'_>, shorter: &[u8]) -> (Range<usize>, Vec<u8>) {
    let range = statement.range.clone();
    let mut with = shorter.to_vec();
    with.resize(range.len().max(with.len()), b' ');
    (range, with)
}

/// The statement concerns other connections, or all of the server. Production may refuse it to the user, to whom the test server
/// allows more.
fn concerns_all(effect: &Effect<'_>) -> bool {
    match effect {
        Effect::Kill(_) | Effect::Accounts => true,
        Effect::Lock(lock) => matches!(lock, Lock::GlobalRead | Lock::Instance | Lock::Backup),
        Effect::Set(assignment) => matches!(assignment.target, Target::Global(_) | Target::Persist(_)),
        _ => false,
    }
}

/// The beginning of a statement, cut anywhere, shows what it is.
fn is_begun(statement: &Statement<'_>) -> bool {
    match statement.class {
        Class::Empty => false,
        Class::Other => !statement.effects.contains(&Effect::Unreadable),
        Class::Reads | Class::Writes | Class::Defines | Class::Calls => true,
    }
}

fn is_empty(statement: &Statement<'_>) -> bool {
    statement.class == Class::Empty && statement.effects.is_empty()
}
