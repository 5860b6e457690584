//! Cuts a failing run down, step by step, as long as it fails at the same place.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::less::{FAULTS, Less, PATHS};

/// Runs spent on one failure at most; one takes some milliseconds.
const TRIES: u32 = 1000;

/// How a run failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// File and line of the panic: two failures with the same place are the same.
    place: String,
    pub(crate) payload: Box<dyn Any + Send>,
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs something that may panic; a quiet panic is not reported.
pub(crate) fn attempt(quiet: bool, run: impl FnOnce()) -> Result<(), Failure> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            PLACE.with_borrow_mut(|kept| *kept = place);
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    QUIET.set(quiet);
    let result = catch_unwind(AssertUnwindSafe(run));
    QUIET.set(false);
    result.map_err(|payload| Failure { place: PLACE.take(), payload })
}

/// The smallest part of a failing run with the same failure. `sessions` are those of the run, with the number of their
/// turns; `run` repeats a part of it.
pub(crate) fn shrink(
    failure: &Failure,
    start: Less,
    sessions: &BTreeMap<u32, usize>,
    run: impl FnMut(&Less),
) -> Less {
    let mut search = Search { place: &failure.place, run, tries: TRIES, least: start };
    // Each cut may make room for another.
    loop {
        let before = search.least.clone();
        search.drop_faults();
        search.drop_sessions(sessions);
        search.drop_turns();
        search.narrow_faults();
        if search.least == before || search.tries == 0 {
            return search.least;
        }
    }
}

struct Search<'a, R> {
    place: &'a str,
    run: R,
    tries: u32,
    least: Less,
}

impl<R: FnMut(&Less)> Search<'_, R> {
    /// Makes a change, if the run still fails.
    fn try_less(&mut self, change: impl FnOnce(&mut Less)) -> bool {
        let mut less = self.least.clone();
        change(&mut less);
        if less == self.least || self.tries == 0 {
            return false;
        }
        self.tries -= 1;
        let same = attempt(true, || (self.run)(&less)).is_err_and(|failure| failure.place == self.place);
        if same {
            self.least = less;
        }
        same
    }

    fn drop_faults(&mut self) {
        for fault in &FAULTS {
            if !self.least.without.contains(&fault.name) {
                self.try_less(|less| less.without.push(fault.name));
            }
        }
    }

    /// Half of the sessions, quarters, and so on down to single ones.
    fn drop_sessions(&mut self, all: &BTreeMap<u32, usize>) {
        if self.least.sessions.is_empty() && !self.try_less(|less| less.sessions = all.clone()) {
            return;
        }
        let mut size = self.least.sessions.len().div_ceil(2);
        while size > 0 {
            let ids: Vec<u32> = self.least.sessions.keys().copied().collect();
            for part in ids.chunks(size) {
                if part.len() < self.least.sessions.len() {
                    self.try_less(|less| less.sessions.retain(|id, _| !part.contains(id)));
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    fn drop_turns(&mut self) {
        for (id, turns) in self.least.sessions.clone() {
            (0..turns).find(|fewer| {
                self.try_less(|less| {
                    less.sessions.insert(id, *fewer);
                })
            });
        }
    }

    /// Ever smaller pieces off both ends of each path's numbered faults.
    fn narrow_faults(&mut self) {
        for path in 0..PATHS.len() {
            self.try_less(|less| less.faults[path] = 0..0);
            let mut size: u64 = 1 << 12;
            while size > 0 {
                let Range { start, end } = self.least.faults[path].clone();
                let known = if end == u64::MAX { start.saturating_add(2 * size) } else { end };
                let (later, earlier) = (start.saturating_add(size).min(known), known.saturating_sub(size));
                let cut = self.try_less(|less| less.faults[path].end = earlier.max(start))
                    | self.try_less(|less| {
                        let end = less.faults[path].end;
                        less.faults[path].start = later.min(end);
                    });
                if !cut {
                    size /= 2;
                }
            }
        }
    }
}

#[test]
fn what_has_no_part_in_a_failure_is_cut_away() {
    let culprit = |less: &Less| {
        let turns = less.sessions.get(&5).copied().unwrap_or(if less.sessions.is_empty() { 9 } else { 0 });
        assert!(turns < 3 || less.without.contains(&"noise") || !less.faults[1].contains(&77), "the culprit");
    };
    let sessions: BTreeMap<u32, usize> = (0..12).map(|id| (id, 9)).collect();
    let failure = attempt(true, || culprit(&Less::default())).unwrap_err();
    let least = shrink(&failure, Less::default(), &sessions, culprit);
    assert_eq!(least.sessions, BTreeMap::from([(5, 3)]));
    assert_eq!(least.faults, [0..0, 77..78, 0..0]);
    assert_eq!(least.without.len(), FAULTS.len() - 1);
}
