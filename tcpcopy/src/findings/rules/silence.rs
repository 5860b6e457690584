//! Nothing comes back from a test server: at which hop does it stop?

use std::net::IpAddr;
use std::time::Duration;

use common_core::time::Time;

use super::super::clues::Clues;
use super::super::finding::Finding;
use super::super::history::{History, Span};
use super::super::place::Setup;
use super::super::sample::{Probe, Sample};
use super::heard;

/// Seconds without any segment of the test server.
const WINDOW: usize = 4;
/// After so many seconds a probe is sent.
const SUSPICION: usize = 2;
/// Timeouts in the window: a single lost packet has fewer.
const REPEATED: u64 = 3;
/// Packets seen elsewhere: fewer may be answers to probes.
pub(in super::super) const SEEN: u64 = 3;
/// intercept's counters come once a second: they show the answer to a probe after this time at the latest.
const PROBE_TIME: Duration = Duration::from_secs(3);
/// A probe is repeated after this time, because the fault may have become another one.
const PROBE_AGAIN: Duration = Duration::from_secs(60);
/// Another cause is believed after so many seconds.
const CHANGED: u32 = 3;

/// All causes that [`Heard::No`] may name.
pub(in super::super) const CAUSES: [Finding; 9] = [
    Finding::NeighbourUnknown,
    Finding::TargetSilent,
    Finding::SourcesDropped,
    Finding::RouteMissing,
    Finding::TunnelSilent,
    Finding::CopiesUnanswered,
    Finding::OtherAddress,
    Finding::OldConnections,
    Finding::InterceptMisses,
];

/// What is known of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Heard {
    /// Something comes.
    Yes,
    /// Nothing is known.
    Unclear,
    /// Nothing comes, for this reason.
    No(Finding, String),
}

/// The silence of one target.
#[derive(Debug, Default)]
pub(in super::super) struct Silence {
    /// When something came last.
    heard: Time,
    probe: Option<Asked>,
    known: Option<Finding>,
    /// Another cause, and for how many seconds it has been the apparent one.
    other: Option<(Finding, u32)>,
}

/// A probe that was asked for.
#[derive(Debug)]
struct Asked {
    request: u64,
    at: Time,
    /// Probes that intercept had seen answered before.
    own_before: u64,
    foreign_before: u64,
}

impl Silence {
    /// A second has passed.
    pub(in super::super) fn judge(&mut self, history: &History, setup: &Setup, target: usize) -> Heard {
        let Some(latest) = history.latest() else { return Heard::Unclear };
        let received = |span: Span<'_>| span.of_target(target, heard);
        if history.over(1).is_none_or(|span| received(span) > 0) {
            if self.known.take().is_some() {
                // The next silence may have another cause.
                self.probe = None;
            }
            (self.heard, self.other) = (latest.now, None);
            return Heard::Yes;
        }
        let Some(span) = history.over(WINDOW) else { return Heard::Unclear };
        let repeated = span.of_target(target, |counts| counts.sent_again);
        if repeated < REPEATED || received(span) > 0 || !span.is_linked() {
            return Heard::Unclear;
        }
        let Some((cause, evidence)) = self.cause(span, latest, setup, target) else { return Heard::Unclear };
        if self.settle(cause) != cause {
            return Heard::Unclear;
        }
        let waiting = latest.targets.get(target).map_or(0, |target| target.counts.awaiting);
        let since = setup.clock_time(self.heard);
        Heard::No(cause, format!("nothing came back since {since}, {waiting} sessions wait; {evidence}"))
    }

    /// The first cause stays, until another one is apparent for some time.
    fn settle(&mut self, cause: Finding) -> Finding {
        let known = *self.known.get_or_insert(cause);
        if cause == known {
            self.other = None;
            return known;
        }
        let seconds = self.other.filter(|(other, _)| *other == cause).map_or(1, |(_, seconds)| seconds + 1);
        self.other = Some((cause, seconds));
        if seconds < CHANGED {
            return known;
        }
        (self.known, self.other) = (Some(cause), None);
        cause
    }

    fn cause(
        &self,
        span: Span<'_>,
        latest: &Sample,
        setup: &Setup,
        target: usize,
    ) -> Option<(Finding, String)> {
        let sample = latest.targets.get(target)?;
        if setup.tunnels {
            // No packet of the copy is on any wire, and no answer.
            let failing = sends_fail(span);
            return (!failing).then(|| (Finding::TunnelSilent, "intercept is connected".to_owned()));
        }
        if let Some(hop) = sample.hop.as_ref().filter(|hop| hop.is_unresolved) {
            let evidence = format!("{} on {} does not tell its MAC address", hop.ip, hop.interface);
            return Some((Finding::NeighbourUnknown, evidence));
        }
        if sends_fail(span) {
            return None;
        }
        let unproved = span.growth(|sample| sample.sum(|counters| counters.unproved));
        if unproved >= SEEN {
            let evidence =
                format!("intercept kept back {unproved} segments of connections that nobody has opened");
            return Some((Finding::OldConnections, evidence));
        }
        let passing = span.growth(|sample| sample.sum(|counters| counters.passing));
        let captured = span.growth(|sample| sample.sum(|counters| counters.captured));
        if passing >= SEEN && captured == 0 {
            let evidence =
                format!("{passing} packets of the targets reached the assistant, intercept captured none");
            return Some((Finding::InterceptMisses, evidence));
        }
        let asked = self.probe.as_ref()?;
        let probe = sample.probe.as_ref().filter(|probe| probe.request == asked.request)?;
        let is_complete = latest.now.since(asked.at) >= PROBE_TIME;
        let address = setup.targets.get(target).map(|target| target.address.ip);
        is_complete.then(|| asked.conclude(probe, span, latest, address))
    }

    /// A probe would tell more, and there was none for some time.
    pub(in super::super) fn wants_probe(&self, history: &History, setup: &Setup, target: usize) -> bool {
        if setup.tunnels {
            return false;
        }
        let (Some(span), Some(latest)) = (history.over(SUSPICION), history.latest()) else { return false };
        let repeated = span.of_target(target, |counts| counts.sent_again);
        let received = span.of_target(target, heard);
        let recent = self.probe.as_ref().is_some_and(|asked| latest.now.since(asked.at) < PROBE_AGAIN);
        repeated >= 2 && received == 0 && span.is_linked() && !recent
    }

    /// A probe is sent.
    pub(in super::super) fn probing(&mut self, request: u64, latest: &Sample) {
        self.probe = Some(Asked {
            request,
            at: latest.now,
            own_before: latest.sum(|counters| counters.probed),
            foreign_before: latest.sum(|counters| counters.probed_local),
        });
    }
}

impl Asked {
    fn conclude(
        &self,
        probe: &Probe,
        span: Span<'_>,
        latest: &Sample,
        target: Option<IpAddr>,
    ) -> (Finding, String) {
        let unrouted = span.growth(|sample| sample.sum(|counters| counters.unrouted));
        let probed = span.growth(|sample| sample.sum(|counters| counters.probed + counters.probed_local));
        let clues = Clues {
            own: probe.own.clone(),
            own_seen: latest.sum(|counters| counters.probed) > self.own_before,
            foreign_seen: latest.sum(|counters| counters.probed_local) > self.foreign_before,
            source: probe.foreign.filter(|source| Some(*source) != target),
            unrouted: unrouted.saturating_sub(probed),
        };
        clues.conclude()
    }
}

/// The kernel refuses most packets, which is a finding of its own.
fn sends_fail(span: Span<'_>) -> bool {
    let failed = span.growth(|sample| sample.failed);
    failed > 0 && failed >= span.growth(|sample| sample.sent)
}
