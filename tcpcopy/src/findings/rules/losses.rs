//! Losses at limits, and of the control connection.

use super::super::sample::{Sample, TargetSample};
use super::{Verdict, View};

/// Seconds that the rules look back.
const WINDOW: usize = 5;

/// A control connection that is away for this long is no short interruption, in seconds.
const AWAY: usize = 3;

/// Fewer failed sends in a window are not told, nor those of fewer seconds.
const FAILED: u64 = 10;
const LASTING: usize = 3;

pub(super) fn capture_overflow(view: &View<'_>) -> Verdict {
    grows(view, |sample| sample.kernel_dropped, "packets")
}

pub(super) fn memory_limit(view: &View<'_>) -> Verdict {
    grows(view, |sample| sample.memory_dropped, "bytes")
}

pub(super) fn answers_lost(view: &View<'_>) -> Verdict {
    let lost = |sample: &Sample| sample.sum(|counters| counters.kernel_dropped + counters.overflowed);
    grows(view, lost, "answers")
}

fn grows(view: &View<'_>, counter: fn(&Sample) -> u64, unit: &str) -> Verdict {
    let Some(span) = view.history.over(WINDOW) else { return Verdict::Open };
    let dropped = span.growth(counter);
    Verdict::of(dropped > 0, dropped == 0, || format!("{dropped} {unit} dropped in {WINDOW} s"))
}

/// No control connection for some seconds, or one on which nothing comes: counters come every second.
pub(super) fn intercept_away(view: &View<'_>) -> Verdict {
    let (Some(span), Some(latest)) = (view.history.over(AWAY), view.history.latest()) else {
        return Verdict::Open;
    };
    let away = span.samples().all(|sample| !sample.is_linked());
    let silent = view
        .history
        .over(WINDOW)
        .is_some_and(|span| span.samples().all(Sample::is_linked) && span.growth(Sample::reports) == 0);
    let heard = latest.is_linked() && span.growth(Sample::reports) > 0;
    Verdict::of(away || silent, heard, || {
        let error = latest.intercepts.iter().find_map(|intercept| intercept.last_error.clone());
        let silence = || format!("connected, but nothing was received for {WINDOW} s");
        error.filter(|_| away).unwrap_or_else(silence)
    })
}

/// The kernel refuses a tenth of the packets or more.
pub(super) fn sends_fail(view: &View<'_>) -> Verdict {
    if view.setup.tunnels { Verdict::Absent } else { failing(view) }
}

/// The control connection does not take a tenth of the copies or more. Without one that has a finding of its own.
pub(super) fn tunnel_full(view: &View<'_>) -> Verdict {
    if !view.setup.tunnels {
        return Verdict::Absent;
    }
    let is_linked = view.history.over(WINDOW).is_some_and(|span| span.samples().all(Sample::is_linked));
    if is_linked { failing(view) } else { Verdict::Open }
}

fn failing(view: &View<'_>) -> Verdict {
    let (Some(span), Some(latest)) = (view.history.over(WINDOW), view.history.latest()) else {
        return Verdict::Open;
    };
    // The kernel refuses packets to a next hop that it does not find, too; that has a finding of its own.
    let is_unresolved = |target: &TargetSample| target.hop.as_ref().is_some_and(|hop| hop.is_unresolved);
    if span.samples().any(|sample| sample.targets.iter().any(is_unresolved)) {
        return Verdict::Open;
    }
    let failed = span.growth(|sample| sample.failed);
    let sent = span.growth(|sample| sample.sent);
    let counts: Vec<u64> = span.samples().map(|sample| sample.failed).collect();
    let lasts = counts.windows(2).filter(|pair| pair[1] > pair[0]).count() >= LASTING;
    let lasts = lasts && counts.windows(2).last().is_some_and(|pair| pair[1] > pair[0]);
    Verdict::of(lasts && failed >= FAILED && failed >= sent / 10, failed == 0 && sent > 0, || {
        format!("{failed} sends failed in {WINDOW} s: {}", latest.errno.as_deref().unwrap_or("an error"))
    })
}
