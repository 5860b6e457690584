//! The types of parameters that a client has bound before its session was seen: they are inferred from the values.

use super::cursor::{Commands, Stop};
use super::execute::MissingTypes;
use crate::counters::{Event, LeftOut};
use crate::online::infer::Sample;
use crate::session::warnings;
use crate::statements::table::Inferred;
use crate::wire::attributes::skip_value;
use crate::wire::packet::Reader;

/// After so many EXECUTEs of a statement its types change only if they cannot be right.
const TRIALS: u8 = 4;

/// After so many EXECUTEs of a statement whose types could not be inferred it is not tried again.
const FAILURES_MAX: u8 = 16;

/// An EXECUTE that refers to types bound before.
pub(super) struct Untyped<'a> {
    pub(super) online: u32,
    /// The place of the byte that announces types.
    pub(super) at: usize,
    pub(super) parameters: u16,
    pub(super) sample: Sample<'a>,
}

impl Commands<'_, '_> {
    /// The types that the EXECUTE must be sent with, if the test server does not know them.
    pub(super) fn inferred_types(&mut self, execute: &Untyped<'_>) -> Result<Option<MissingTypes>, Stop> {
        let Untyped { online, at, parameters, sample } = *execute;
        let before = self.cx.long_data.of(online);
        let is_elsewhere = |parameter: usize| before.and_then(|it| it.has(parameter)) == Some(true);
        let statements = &self.cx.statements;
        let Some(Inferred { types: before, is_bound, trials, failures }) = statements.inferred(online) else {
            return Ok(None);
        };
        let before = before.filter(|types| trials >= TRIALS && fill(sample, types, is_elsewhere));
        if before.is_some() && is_bound {
            self.cx.shared.counters.sessions.count(Event::TypesInferred);
            return Ok(None);
        }
        let types = match (before, self.cx.joined.online(), statements.executed(online)) {
            (Some(types), ..) => Some(types.to_vec()),
            (None, Some(server), Some((_, text))) if failures < FAILURES_MAX => {
                server.types.infer(text, parameters, sample, is_elsewhere)
            }
            _ => None,
        };
        let Some(types) = types else {
            self.cx.statements.inference_failed(online);
            return Err(Stop::LeaveOut(LeftOut::UnknownTypes));
        };
        self.cx.shared.counters.sessions.count(Event::TypesInferred);
        let is_new = self.cx.statements.set_inferred(online, parameters, &types);
        if is_new {
            warnings::types_are_inferred(&self.cx.shared);
        }
        Ok(is_new.then(|| (at, types.into())))
    }
}

/// Values of these types fill the packet.
fn fill(sample: Sample<'_>, types: &[u8], is_elsewhere: impl Fn(usize) -> bool) -> bool {
    let mut reader = Reader::new(sample.values);
    let mut kinds = types.iter().step_by(2).enumerate();
    kinds.all(|(at, kind)| sample.is_null(at) || is_elsewhere(at) || skip_value(&mut reader, *kind).is_some())
        && reader.rest().is_empty()
}
