//! The rules: which counters show which fault.
//!
//! Each rule looks at the last seconds only, so that a fault is found whatever came before. A service may be idle, slow or
//! bursty: no rule draws a conclusion from the absence of clients.

mod answers;
mod losses;
mod online;
pub(super) mod silence;

use super::finding::Finding;
use super::history::History;
use super::place::Setup;
use crate::ledger::TargetCounts;

/// What a rule concludes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The fault is there; the evidence for it.
    Present(String),
    /// The fault is not there.
    Absent,
    /// The counters show neither.
    Open,
}

impl Verdict {
    /// Present if `is_present`, otherwise absent if `is_absent`.
    fn of(is_present: bool, is_absent: bool, evidence: impl FnOnce() -> String) -> Self {
        match (is_present, is_absent) {
            (true, _) => Self::Present(evidence()),
            (false, true) => Self::Absent,
            (false, false) => Self::Open,
        }
    }
}

/// What a rule may look at.
pub(super) struct View<'v> {
    pub(super) history: &'v History,
    pub(super) setup: &'v Setup,
    /// Some fault of the way to the test server and back is present: what follows from it is no finding.
    pub(super) is_broken: bool,
}

/// Segments of a test server that show that copies reach it. One that lacks our acknowledgements goes on to send the same again.
fn heard(counts: &TargetCounts) -> u64 {
    counts.received.saturating_sub(counts.received_again)
}

/// A rule about the run as a whole.
type Rule = fn(&View<'_>) -> Verdict;
/// A rule about the target of this index.
type TargetRule = fn(&View<'_>, usize) -> Verdict;

/// Rules about the run as a whole.
pub(super) const RULES: [(Finding, Rule); 10] = [
    (Finding::NotCaptured, online::not_captured),
    (Finding::CaptureOverflow, losses::capture_overflow),
    (Finding::NobodyListens, online::nobody_listens),
    (Finding::SynFlood, online::syn_flood),
    (Finding::InterceptAway, losses::intercept_away),
    (Finding::SendsFail, losses::sends_fail),
    (Finding::TunnelFull, losses::tunnel_full),
    (Finding::TwoTcpcopies, answers::two_tcpcopies),
    (Finding::MemoryLimit, losses::memory_limit),
    (Finding::AnswersLost, losses::answers_lost),
];

/// Rules about one target.
pub(super) const TARGET_RULES: [(Finding, TargetRule); 4] = [
    (Finding::AssistantForwards, answers::assistant_forwards),
    (Finding::Refused, answers::refused),
    (Finding::Reset, answers::reset),
    (Finding::ServerHangs, answers::server_hangs),
];

/// The last rule: it needs the verdicts of the others.
pub(super) const LAST: (Finding, Rule) = (Finding::CopyLags, answers::copy_lags);
