//! Finds faults in the counters.

use std::net::IpAddr;
use std::time::Duration;

use common_core::flow::Endpoint;
use common_core::time::Time;

use super::finding::Finding;
use super::history::History;
use super::place::Setup;
use super::rules::silence::{CAUSES, Heard, Silence};
use super::rules::{LAST, RULES, TARGET_RULES, Verdict, View};
use super::sample::Sample;

/// Between two probes, whatever their targets: production's host must not become a source of connections.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// A fault is over when it has been absent for so many seconds.
const ABSENT: u32 = 2;

/// Episodes that are kept for the report.
const EPISODES: usize = 64;

/// A fault has begun or is over: the line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It has begun.
    Begun(Finding, String),
    /// It is over.
    Ended(Finding, String),
}

/// A fault from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    /// The fault.
    pub finding: Finding,
    /// The index of the target in `-x`, if it concerns one.
    pub target: Option<usize>,
    /// When it was found.
    pub since: Time,
    /// When it was over, if it is.
    pub until: Option<Time>,
    /// The latest evidence.
    pub evidence: String,
    /// The line for the log.
    pub line: String,
    absent: u32,
}

/// A probe to be sent: a connection from the host's own address, and a SYN from `foreign`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeWanted {
    /// To be returned with the result.
    pub request: u64,
    /// The index of the target in `-x`.
    pub target: usize,
    /// The target.
    pub address: Endpoint,
    /// The address of an intercept, if it has the family of the target.
    pub foreign: Option<IpAddr>,
}

/// Finds faults in the counters, once a second.
#[derive(Debug)]
pub struct Detector {
    setup: Setup,
    history: History,
    silences: Vec<Silence>,
    /// Faults that are present come last.
    episodes: Vec<Episode>,
    requests: u64,
    probed: Option<Time>,
}

impl Detector {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let silences = setup.targets.iter().map(|_| Silence::default()).collect();
        Self { setup, history: History::default(), silences, episodes: Vec::new(), requests: 0, probed: None }
    }

    /// A second has passed: what has begun, and what is over.
    pub fn tick(&mut self, sample: Sample) -> Vec<Change> {
        let now = sample.now;
        self.history.push(sample);
        let mut changes = Vec::new();
        for (finding, target, verdict) in self.verdicts() {
            changes.extend(self.settle(now, finding, target, verdict));
        }
        changes
    }

    fn verdicts(&mut self) -> Vec<(Finding, Option<usize>, Verdict)> {
        let mut verdicts = Vec::new();
        let mut is_broken = false;
        for (target, silence) in self.silences.iter_mut().enumerate() {
            let heard = silence.judge(&self.history, &self.setup, target);
            is_broken |= matches!(heard, Heard::No(..));
            verdicts.extend(CAUSES.map(|cause| (cause, Some(target), of_cause(cause, &heard))));
        }
        is_broken |= self.present().any(|episode| is_of_the_way(episode.finding));
        let view = View { history: &self.history, setup: &self.setup, is_broken };
        verdicts.extend(RULES.map(|(finding, judge)| (finding, None, judge(&view))));
        for target in 0..self.silences.len() {
            let of_target =
                TARGET_RULES.map(|(finding, judge)| (finding, Some(target), judge(&view, target)));
            verdicts.extend(of_target);
        }
        let is_present = |(finding, _, verdict): &(Finding, _, Verdict)| {
            is_of_the_way(*finding) && matches!(verdict, Verdict::Present(_))
        };
        let is_broken = is_broken || verdicts.iter().any(is_present);
        verdicts.push((LAST.0, None, (LAST.1)(&View { is_broken, ..view })));
        verdicts
    }

    fn settle(
        &mut self,
        now: Time,
        finding: Finding,
        target: Option<usize>,
        verdict: Verdict,
    ) -> Option<Change> {
        let is_it = |episode: &&mut Episode| {
            episode.until.is_none() && episode.finding == finding && episode.target == target
        };
        match (self.episodes.iter_mut().find(is_it), verdict) {
            (None, Verdict::Present(evidence)) => Some(self.begin(now, finding, target, evidence)),
            (Some(episode), Verdict::Present(evidence)) => {
                (episode.evidence, episode.absent) = (evidence, 0);
                None
            }
            (Some(episode), Verdict::Absent) => {
                episode.absent += 1;
                if episode.absent < ABSENT {
                    return None;
                }
                episode.until = Some(now);
                let seconds = now.since(episode.since).as_secs();
                Some(Change::Ended(finding, format!("{}: over after {seconds} s", finding.name())))
            }
            (Some(episode), Verdict::Open) => {
                episode.absent = 0;
                None
            }
            (None, Verdict::Absent | Verdict::Open) => None,
        }
    }

    fn begin(&mut self, now: Time, finding: Finding, target: Option<usize>, evidence: String) -> Change {
        let hop = self
            .history
            .latest()
            .and_then(|sample| sample.targets.get(target.unwrap_or_default())?.hop.clone())
            .map(|hop| (hop.ip, hop.interface));
        let several = self.setup.targets.len() > 1;
        let named = target.filter(|_| several).and_then(|target| self.setup.targets.get(target));
        let evidence = named.map_or(evidence.clone(), |target| format!("{}: {evidence}", target.address));
        let line = finding.line(&evidence, &self.setup.place(target, hop));
        if self.episodes.len() >= EPISODES {
            let oldest = self.episodes.iter().position(|episode| episode.until.is_some());
            oldest.map(|index| self.episodes.remove(index));
        }
        let episode =
            Episode { finding, target, since: now, until: None, evidence, line: line.clone(), absent: 0 };
        self.episodes.push(episode);
        Change::Begun(finding, line)
    }

    /// The faults of this run, those that are over included, the latest last.
    #[must_use]
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    /// What does not change during the run.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The faults that are present.
    pub fn present(&self) -> impl Iterator<Item = &Episode> {
        self.episodes.iter().filter(|episode| episode.until.is_none())
    }

    /// The targets to which packets are repeated, or cannot be sent: their next hop, in [`super::TargetSample::hop`], would be of use.
    pub fn suspects(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.silences.len()).filter(|&target| {
            self.history.over(1).is_some_and(|span| {
                span.of_target(target, |counts| counts.sent_again) > 0
                    || span.growth(|sample| sample.failed) > 0
            })
        })
    }

    /// A probe that is to be sent now. There is none unless a test server is silent.
    pub fn poll_probe(&mut self) -> Option<ProbeWanted> {
        let latest = self.history.latest()?;
        if self.probed.is_some_and(|probed| latest.now.since(probed) < PROBE_INTERVAL) {
            return None;
        }
        let wanting = self
            .silences
            .iter()
            .enumerate()
            .position(|(target, silence)| silence.wants_probe(&self.history, &self.setup, target))?;
        let address = self.setup.targets.get(wanting)?.address;
        let connected = latest.intercepts.iter().zip(&self.setup.intercepts);
        let foreign = connected
            .filter(|(intercept, _)| intercept.connected)
            .map(|(_, endpoint)| endpoint.ip)
            .find(|ip| ip.is_ipv4() == address.ip.is_ipv4() && *ip != address.ip && !ip.is_loopback());
        self.requests += 1;
        self.probed = Some(latest.now);
        if let Some(silence) = self.silences.get_mut(wanting) {
            silence.probing(self.requests, latest);
        }
        Some(ProbeWanted { request: self.requests, target: wanting, address, foreign })
    }
}

/// A fault because of which copies are not answered.
fn is_of_the_way(finding: Finding) -> bool {
    let others = [
        Finding::InterceptAway,
        Finding::SendsFail,
        Finding::AssistantForwards,
        Finding::Refused,
        Finding::Reset,
        Finding::ServerHangs,
    ];
    CAUSES.contains(&finding) || others.contains(&finding)
}

fn of_cause(cause: Finding, heard: &Heard) -> Verdict {
    match heard {
        Heard::Yes => Verdict::Absent,
        Heard::Unclear => Verdict::Open,
        Heard::No(finding, evidence) if *finding == cause => Verdict::Present(evidence.clone()),
        Heard::No(..) => Verdict::Absent,
    }
}
