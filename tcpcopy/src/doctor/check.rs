//! A check and its outcome.

use crate::findings::{Finding, Place};

/// A hop on the way of the packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// Its name, in one word.
    pub(super) hop: &'static str,
    pub(super) outcome: Outcome,
}

/// What a check has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The hop works; how that shows.
    Good(String),
    /// It does not.
    Fault(Fault),
    /// It could not be checked; why.
    Unchecked(String),
}

/// A hop that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Its name. That of a finding has a section in docs/TROUBLESHOOTING.md, any other one in docs/DOCTOR.md.
    pub(super) name: &'static str,
    /// What is wrong, with the evidence.
    pub(super) text: String,
    /// Absent if no command can mend it: then the text says what to do.
    pub(super) cure: Option<Cure>,
}

/// A command that mends a fault, or that shows what must be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cure {
    /// The host where it is to be run: `online`, `test` or `assistant`.
    pub(super) host: &'static str,
    pub(super) command: String,
}

impl Check {
    pub(super) fn good(hop: &'static str, text: impl Into<String>) -> Self {
        Self { hop, outcome: Outcome::Good(text.into()) }
    }

    pub(super) fn unchecked(hop: &'static str, reason: impl Into<String>) -> Self {
        Self { hop, outcome: Outcome::Unchecked(reason.into()) }
    }

    /// A fault of the table of findings.
    pub(super) fn finding(hop: &'static str, finding: Finding, evidence: &str, place: &Place) -> Self {
        let cure = Cure { host: finding.host().name(), command: finding.command(place) };
        let text = format!("{} ({evidence})", finding.summary());
        Self { hop, outcome: Outcome::Fault(Fault { name: finding.name(), text, cure: Some(cure) }) }
    }

    /// A fault that only the doctor finds, with a command for this host.
    pub(super) fn fault(
        hop: &'static str,
        name: &'static str,
        text: String,
        command: Option<String>,
    ) -> Self {
        let cure = command.map(|command| Cure { host: "online", command });
        Self { hop, outcome: Outcome::Fault(Fault { name, text, cure }) }
    }
}

/// The first hop that fails.
pub(super) fn first_fault(checks: &[Check]) -> Option<&Fault> {
    checks.iter().find_map(|check| match &check.outcome {
        Outcome::Fault(fault) => Some(fault),
        Outcome::Good(_) | Outcome::Unchecked(_) => None,
    })
}
