//! The findings of a run, as the report shows them.

use serde::Serialize;

use crate::findings::{Episode, Setup};

/// A fault of this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingStats {
    /// Its name, which is its section in docs/TROUBLESHOOTING.md.
    pub name: &'static str,
    /// The target that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concerns: Option<String>,
    /// It has not ended.
    pub present: bool,
    /// The time of day in UTC when it was found.
    pub begun: String,
    /// How long it lasted, or has lasted, in seconds.
    pub seconds: u64,
    /// The latest evidence.
    pub evidence: String,
    /// The line that was logged.
    #[serde(skip)]
    pub line: String,
}

impl FindingStats {
    /// A fault as of `now`.
    #[must_use]
    pub fn of(episode: &Episode, setup: &Setup, now: common_core::time::Time) -> Self {
        let target = episode.target.and_then(|target| setup.targets.get(target));
        Self {
            name: episode.finding.name(),
            concerns: target.map(|target| target.address.to_string()),
            present: episode.until.is_none(),
            begun: setup.clock_time(episode.since),
            seconds: episode.until.unwrap_or(now).since(episode.since).as_secs(),
            evidence: episode.evidence.clone(),
            line: episode.line.clone(),
        }
    }
}
