//! A part of a scenario, to which a failing run is cut down. Its text form is SIM_LESS, so that one command repeats it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::client::Session;
use crate::network::PathPlan;
use crate::scenario::{Ending, Scenario};
use crate::server::{AppPlan, StackPlan};
use crate::strangers::StrangerPlan;

/// A fault that a scenario can do without.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// Removes it.
    without: fn(&mut Scenario),
}

/// All faults. The clients' script is written before the run, and cut by [`Less::cut`].
pub(crate) const FAULTS: [Fault; 22] = [
    Fault { name: "control-cuts", without: |s| s.cuts = 0 },
    Fault { name: "late-link", without: |s| s.link_from = 0 },
    Fault { name: "outage", without: |s| s.outage = None },
    Fault { name: "standstill", without: |s| (s.app.frozen, s.unreachable) = (None, None) },
    Fault { name: "restart", without: |s| s.restart_at = None },
    Fault { name: "truncated", without: |s| s.truncated = 0 },
    Fault { name: "noise", without: |s| s.noise = 0 },
    Fault { name: "strangers", without: |s| s.strangers = StrangerPlan::default() },
    Fault { name: "forged", without: |s| s.forged = 0 },
    Fault { name: "own-copies", without: |s| s.own_seen = 0 },
    Fault { name: "abort", without: |s| s.ending = Ending::Drain },
    Fault { name: "capture-faults", without: |s| s.capture = calm(s.capture) },
    Fault { name: "inject-faults", without: |s| s.inject = calm(s.inject) },
    Fault { name: "answer-faults", without: |s| s.answer = calm(s.answer) },
    Fault { name: "capture-jitter", without: |s| s.capture.jitter = 0 },
    Fault { name: "inject-jitter", without: |s| s.inject.jitter = 0 },
    Fault { name: "answer-jitter", without: |s| s.answer.jitter = 0 },
    Fault { name: "link-jitter", without: |s| s.link.jitter = 0 },
    Fault { name: "full-queues", without: |s| s.stack.accept_queue_full = 0 },
    Fault { name: "small-buffers", without: |s| s.stack.buffer = StackPlan::BASE.buffer },
    Fault { name: "closing", without: |s| (s.app.close, s.app.idle_close, s.app.busy) = (0, 0, 0) },
    Fault {
        name: "slowness",
        without: |s| (s.app.think, s.app.slow, s.app.silent) = (AppPlan::BASE.think, 0, 0),
    },
];

fn calm(path: PathPlan) -> PathPlan {
    PathPlan { reorder: 0, loss: 0, duplicate: 0, ..path }
}

/// The paths whose faults are numbered.
pub(crate) const PATHS: [&str; 3] = ["capture", "inject", "answer"];

/// The rest of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Less {
    /// Names of [`FAULTS`].
    pub(crate) without: Vec<&'static str>,
    /// For each path, the packets that are still lost, doubled or delayed, by their number in the run.
    pub(crate) faults: [Range<u64>; PATHS.len()],
    /// The remaining sessions, and the turns of each; all of them if the map is empty.
    pub(crate) sessions: BTreeMap<u32, usize>,
}

/// The whole run of a scenario.
impl Default for Less {
    fn default() -> Self {
        Self {
            without: Vec::new(),
            faults: [0..u64::MAX, 0..u64::MAX, 0..u64::MAX],
            sessions: BTreeMap::new(),
        }
    }
}

impl Less {
    pub(crate) fn of(&self, scenario: &Scenario) -> Scenario {
        let mut scenario = *scenario;
        for fault in FAULTS.iter().filter(|fault| self.without.contains(&fault.name)) {
            (fault.without)(&mut scenario);
        }
        if !self.sessions.is_empty() {
            // The amount that must arrive of the whole means nothing for a part.
            scenario.expect.floor = 0;
        }
        scenario
    }

    /// Leaves out all that changes nothing in `scenario`.
    pub(crate) fn tidy(&mut self, scenario: &Scenario) {
        let text = |scenario: &Scenario| format!("{scenario:?}");
        let mut left = *scenario;
        self.without.retain(|name| {
            let before = text(&left);
            FAULTS.iter().filter(|fault| fault.name == *name).for_each(|fault| (fault.without)(&mut left));
            text(&left) != before
        });
        let paths = [left.capture, left.inject, left.answer];
        for (faults, path) in self.faults.iter_mut().zip(paths) {
            if format!("{path:?}") == format!("{:?}", calm(path)) {
                *faults = 0..u64::MAX;
            }
        }
    }

    /// Cuts the script to the remaining part.
    pub(crate) fn cut(&self, sessions: &mut Vec<Session>) {
        if self.sessions.is_empty() {
            return;
        }
        sessions.retain(|session| self.sessions.contains_key(&session.id));
        for session in sessions {
            session.cut(self.sessions[&session.id]);
        }
    }
}

impl fmt::Display for Less {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.without.iter().map(|name| format!("-{name}")).collect();
        for (name, Range { start, end }) in PATHS.iter().zip(&self.faults) {
            if (*start, *end) != (0, u64::MAX) {
                parts.push(format!("{name}={start}..{end}"));
            }
        }
        parts.extend(self.sessions.iter().map(|(id, turns)| format!("session={id}:{turns}")));
        f.write_str(&parts.join(","))
    }
}

impl FromStr for Less {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut less = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            less.read(part).ok_or_else(|| format!("SIM_LESS: {part}"))?;
        }
        Ok(less)
    }
}

impl Less {
    fn read(&mut self, part: &str) -> Option<()> {
        if let Some(name) = part.strip_prefix('-') {
            self.without.push(FAULTS.iter().find(|fault| fault.name == name)?.name);
            return Some(());
        }
        let (name, value) = part.split_once('=')?;
        if name == "session" {
            let (id, turns) = value.split_once(':')?;
            self.sessions.insert(id.parse().ok()?, turns.parse().ok()?);
        } else {
            let (start, end) = value.split_once("..")?;
            let path = PATHS.iter().position(|path| *path == name)?;
            self.faults[path] = start.parse().ok()?..end.parse().ok()?;
        }
        Some(())
    }
}

#[test]
fn what_is_left_is_read_back() {
    let text = "-noise,-inject-jitter,inject=3..4,answer=0..0,session=2:1,session=7:3";
    let less: Less = text.parse().unwrap();
    assert_eq!(less.to_string(), text);
    assert_eq!(Less::default().to_string().parse(), Ok(Less::default()));
    assert!("-nothing".parse::<Less>().is_err() && "session=2".parse::<Less>().is_err());
}
