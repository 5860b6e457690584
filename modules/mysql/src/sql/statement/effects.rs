//! The list of what a statement does.

use crate::sql::effect::{Assignment, Effect, Kill, Value, Victim};

/// No statement has more effects, tables or variables that are kept.
pub(super) const EFFECTS_MAX: usize = 512;

/// The effects of a statement, each once.
#[derive(Debug, Default)]
pub(super) struct Effects<'t> {
    pub(super) list: Vec<Effect<'t>>,
    /// What is assigned may not happen, or later: its values are not known.
    pub(super) is_conditional: bool,
}

impl<'t> Effects<'t> {
    pub(super) fn extend(&mut self, effects: impl IntoIterator<Item = Effect<'t>>) {
        effects.into_iter().for_each(|effect| self.push(effect));
    }

    pub(super) fn push(&mut self, effect: Effect<'t>) {
        let effect = if self.is_conditional { conditional(effect) } else { effect };
        if self.list.len() >= EFFECTS_MAX {
            // The list is bounded, and so is the time to search it.
            let last = self.list.last_mut();
            last.into_iter().for_each(|last| *last = Effect::Unreadable);
        } else if !self.list.contains(&effect) || matches!(effect, Effect::Set(_)) {
            self.list.push(effect);
        }
    }
}

/// An effect that may happen, once, or more than once.
fn conditional(effect: Effect<'_>) -> Effect<'_> {
    match effect {
        Effect::Set(assignment) => Effect::Set(Assignment { value: Value::Unknown, ..assignment }),
        Effect::Kill(kill) => Effect::Kill(Kill { victim: Victim::Expression, ..kill }),
        effect => effect,
    }
}
