//! Faults that show in the answers of the test server.

use super::{Verdict, View, heard};

/// Seconds that the rules look back.
const WINDOW: usize = 5;

/// Seconds in which something must have come, if something was repeated.
const RECENT: usize = 2;

/// So many events are no coincidence.
const SOME: u64 = 3;

/// Seconds of each of the three parts of a window in which something must go on.
const PART: usize = 2;

/// With fewer answer bytes a connection on average, the test server has hardly answered.
const HARDLY_ANSWERED: u64 = 40;

/// A copy that is behind by less than this is not late, in seconds.
const LATE: u64 = 10;
/// A copy that is behind by no more than this has caught up, in seconds.
const CAUGHT_UP: u64 = 5;
/// The lag grows in each third of a minute by this many seconds or more.
const GROWTH: u64 = 2;

/// Every SYN was answered with RST.
pub(super) fn refused(view: &View<'_>, target: usize) -> Verdict {
    let Some(span) = view.history.over(WINDOW) else { return Verdict::Open };
    let refused = span.of_target(target, |counts| counts.refused);
    let connected = span.of_target(target, |counts| counts.connected);
    Verdict::of(refused > 0 && connected == 0, connected > 0, || {
        format!("{refused} connections refused in {WINDOW} s, none accepted")
    })
}

/// The assistant's host sends answers on. They have routes, so a tcpcopy waits for them.
pub(super) fn assistant_forwards(view: &View<'_>, target: usize) -> Verdict {
    let Some(span) = view.history.over(WINDOW) else { return Verdict::Open };
    let relayed = span.growth(|sample| sample.sum(|counters| counters.relayed));
    let received = span.of_target(target, |counts| counts.received);
    Verdict::of(relayed >= SOME && received > 0, relayed == 0 && received > 0, || {
        format!("{relayed} answers forwarded in {WINDOW} s")
    })
}

/// The test server, or somebody in its name, resets connections soon after they are open, all the time.
pub(super) fn reset(view: &View<'_>, target: usize) -> Verdict {
    let Some(span) = view.history.over(3 * PART) else { return Verdict::Open };
    let of =
        |sample: &super::super::Sample| sample.targets.get(target).map_or(0, |target| target.counts.reset);
    let resets: Vec<u64> = span.samples().map(of).collect();
    let goes_on = resets.windows(PART + 1).step_by(PART).all(|part| part[PART] > part[0]);
    let reset = span.growth(of);
    let connected = span.of_target(target, |counts| counts.connected);
    let bytes = span.of_target(target, |counts| counts.answer_bytes);
    let is_answered = bytes >= connected.max(reset).saturating_mul(HARDLY_ANSWERED);
    let is_forwarded = span.growth(|sample| sample.sum(|counters| counters.relayed)) > 0;
    let is_reset = goes_on && reset >= 2 * SOME && reset * 2 >= connected && !is_answered && !is_forwarded;
    Verdict::of(is_reset, connected + bytes > 0, || {
        format!("{reset} connections reset in {} s, {connected} opened, {bytes} bytes answered", 3 * PART)
    })
}

/// Sessions wait for answers that production has given, and not a byte comes, although packets are acknowledged.
pub(super) fn server_hangs(view: &View<'_>, target: usize) -> Verdict {
    let Some(span) = view.history.over(WINDOW) else { return Verdict::Open };
    if span.of_target(target, |counts| counts.answer_bytes) > 0 {
        return Verdict::Absent;
    }
    let waits =
        span.samples().map(|sample| sample.targets.get(target).map_or(0, |target| target.counts.awaiting));
    let waits = waits.min().unwrap_or(0);
    let received = span.of_target(target, heard);
    let rejected = span.of_target(target, |counts| counts.refused + counts.reset);
    // At the beginning of a silence the last acknowledgements are in the window.
    let responds = view.history.over(RECENT).is_some_and(|recent| {
        recent.of_target(target, heard) > 0 || recent.of_target(target, |counts| counts.sent_again) == 0
    }) && rejected == 0;
    Verdict::of(waits > 0 && responds && span.is_linked() && !view.is_broken, false, || {
        format!("{waits} sessions wait; {received} segments and not a byte of an answer in {WINDOW} s")
    })
}

/// intercept has sent answers of a flow to two connections.
pub(super) fn two_tcpcopies(view: &View<'_>) -> Verdict {
    let Some(span) = view.history.over(WINDOW) else { return Verdict::Open };
    let shared = span.growth(|sample| sample.sum(|counters| counters.shared));
    let forwarded = span.growth(|sample| sample.sum(|counters| counters.forwarded));
    Verdict::of(shared >= SOME, shared == 0 && forwarded > 0, || {
        format!("{shared} answers in {WINDOW} s were for two tcpcopies")
    })
}

/// The oldest turn waits longer and longer, for a minute.
pub(super) fn copy_lags(view: &View<'_>) -> Verdict {
    let Some(latest) = view.history.latest() else { return Verdict::Open };
    if latest.lag <= CAUGHT_UP {
        return Verdict::Absent;
    }
    let at =
        |seconds| view.history.over(seconds).and_then(|span| span.samples().next()).map(|sample| sample.lag);
    let (Some(first), Some(second), Some(third)) = (at(60), at(40), at(20)) else { return Verdict::Open };
    let lags = [first, second, third, latest.lag];
    let grows = lags.windows(2).all(|pair| pair[1] >= pair[0] + GROWTH);
    // It was behind a minute ago already: a burst that takes less than that to make up is none of our business.
    Verdict::of(grows && first > 0 && latest.lag >= LATE && !view.is_broken, false, || {
        format!("{} s behind, {} s more than a minute ago", latest.lag, latest.lag - first)
    })
}
