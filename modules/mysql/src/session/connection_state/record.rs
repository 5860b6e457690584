//! Additions to the list of what a new connection is told.

use super::repeats::{Repeat, Said};
use super::variable::Variable;
use super::{ConnectionState, Place, Run};
use crate::session::client::NAME_MAX;
use crate::sql::{Name, Source};

impl ConnectionState {
    /// The client goes to another database. A name that no server takes changes nothing.
    pub(super) fn used(&mut self, name: &[u8], place: Place<'_>) {
        if name.len() > NAME_MAX {
            return;
        }
        let is_kept = self.say(Said::Database(name.into()), vec![Variable::Database], Vec::new(), place);
        for held in [&mut self.held, &mut self.lost] {
            held.remove(&Variable::unknown_database());
        }
        if !is_kept {
            self.held.insert(&Variable::unknown_database());
        }
    }

    /// The client is in no database if this was its own: a new connection must not be in one either.
    pub(super) fn dropped(&mut self, name: &[u8], place: Place<'_>) {
        if self.database().is_some_and(|database| database.eq_ignore_ascii_case(name)) {
            self.say_nothing(vec![Variable::Database], place);
            self.held.insert(&Variable::unknown_database());
        }
    }

    pub(super) fn prepare(
        &mut self,
        name: &Name<'_>,
        source: &Source<'_>,
        text: &[u8],
        run: Run,
        place: Place<'_>,
    ) {
        let sets = vec![Variable::prepared(name.bytes())];
        let mut reads = vec![Variable::Database, Variable::session(b"sql_mode")];
        reads.extend(Variable::character_sets());
        let is_known = match source {
            Source::Literal(_) => true,
            Source::Variable(name) => {
                let variable = Variable::user(name.bytes());
                let is_known = !self.held.has(&variable) && !self.lost.has(&variable);
                reads.push(variable);
                is_known
            }
            Source::Expression(_) => false,
        };
        let keeps_types = self.resolve(source).is_some_and(|text| self.keeps_types_of_variables(&text));
        let is_known = is_known && !keeps_types && run != Run::LeftOut;
        self.keep(is_known.then_some(text), sets, reads, run, place);
    }

    pub(super) fn deallocate(&mut self, name: &Name<'_>, place: Place<'_>) {
        let variables = vec![Variable::prepared(name.bytes())];
        for variable in &variables {
            self.held.remove(variable);
            self.lost.remove(variable);
        }
        self.say_nothing(variables, place);
    }

    /// The client has set these: by `text`, if that may be said again.
    pub(super) fn keep(
        &mut self,
        text: Option<&[u8]>,
        sets: Vec<Variable>,
        reads: Vec<Variable>,
        run: Run,
        place: Place<'_>,
    ) {
        let is_kept = match text {
            Some(text) => self.say(Said::Query(text.into()), sets.clone(), reads, place),
            None => false,
        };
        for variable in &sets {
            self.held.remove(variable);
            self.lost.remove(variable);
            match run {
                _ if is_kept => {}
                Run::Sent => self.held.insert(variable),
                Run::LeftOut | Run::Dropped | Run::Refused => self.lost.insert(variable),
            }
        }
        if !is_kept {
            self.say_nothing(sets, place);
        }
    }

    /// A new connection is told this. Returns whether there is room for it.
    pub(super) fn say(
        &mut self,
        said: Said,
        sets: Vec<Variable>,
        reads: Vec<Variable>,
        Place { change, statements }: Place<'_>,
    ) -> bool {
        let place = statements.next_serial();
        let repeat = Repeat { change, place, said, sets, reads };
        let is_kept = self.repeats.push(repeat, |between| statements.any_in(between)).is_ok();
        self.repeats_changed();
        is_kept
    }

    /// A new connection need not be told these.
    fn say_nothing(&mut self, sets: Vec<Variable>, place: Place<'_>) {
        if sets.iter().any(|variable| self.repeats.setting(variable).is_some()) {
            self.say(Said::Nothing, sets, Vec::new(), place);
        }
    }
}
