//! Losses at a limit of tcpcopy, intercept or their hosts.

use super::super::Report;
use super::applying;
use crate::ledger::DropReason;

/// The limits that were reached, each with the setting that changes it.
pub(super) fn hints(report: &Report<'_>) -> Vec<String> {
    let memory = report.lost(DropReason::MemoryLimit);
    let lacked_intercept = report.may_have_lacked_intercept();
    applying([
        (
            report.capture.kernel_dropped > 0,
            "the capture buffer overflowed: enlarge it with -B; if drops continue, tcpcopy needs more CPU",
        ),
        (
            memory && !lacked_intercept,
            "the memory limit was reached: the test server is too slow; speed it up, or raise -m for bursts",
        ),
        (
            memory && lacked_intercept,
            "the memory limit was reached: sessions wait in memory while no intercept is connected; see the intercept \
             lines below, and raise -m for longer interruptions",
        ),
        (
            report.lost(DropReason::Evicted),
            "idle sessions were evicted for new ones: more sessions need several workers (-C) or more memory (-m); if \
             there are not that many clients, someone sends forged packets",
        ),
        (
            report.lost(DropReason::NoFreePort),
            "copies had no free port: name more client addresses with -c, or copy less with -n or -r",
        ),
        (report.lost(DropReason::Truncated), "packets were truncated on capture: raise -S or leave it out"),
        (
            report.intercept_counters().any(|intercept| intercept.kernel_dropped > 0),
            "the capture buffer of intercept overflowed: its host is too slow or too busy",
        ),
        (
            report.intercept_counters().any(|intercept| intercept.overflowed > 0),
            "the control connection was too slow for the answers: check the network between intercept and this host",
        ),
    ])
}
