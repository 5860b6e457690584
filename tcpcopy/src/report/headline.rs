//! The first line: did it work, and if not, what was lost?

use std::fmt;

use crate::ledger::{DropReason, Ledger};

use super::number::{Grouped, Percent};
use super::{CaptureStats, Percentage, Report};

/// How many reasons are named before the rest is summed.
const NAMED: usize = 3;

/// How much of the clients' payload was replayed, and the largest losses.
pub(super) struct Headline<'a>(pub(super) &'a Report<'a>);

impl fmt::Display for Headline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { ledger, client_bytes, capture, .. } = self.0;
        let sessions = &ledger.sessions;
        if sessions.seen == 0 {
            f.write_str("nothing replayed: no client session was seen")?;
        } else {
            let said = self.said();
            if *client_bytes == 0 {
                f.write_str("no client payload was captured")?;
            } else {
                let percent = self.percent();
                let (about, known) = if said > *client_bytes { ("about ", " known") } else { ("", "") };
                let bytes = Grouped(*client_bytes);
                write!(f, "replayed {about}{percent} % of client payload ({bytes} bytes{known})")?;
            }
            write!(
                f,
                ", {} of {} sessions complete",
                Grouped(sessions.replayed),
                Grouped(ledger.client_sessions())
            )?;
        }
        if sessions.active > 0 {
            write!(f, " ({} still open)", Grouped(sessions.active))?;
        }
        write_losses(f, ledger)?;
        let CaptureStats { kernel_dropped, unread, .. } = *capture;
        if kernel_dropped > 0 {
            write!(f, "; the kernel dropped {} packets before capture", Grouped(kernel_dropped))?;
        }
        if unread > 0 {
            write!(f, "; {} packets were left unread at the end", Grouped(unread))?;
        }
        Ok(())
    }
}

/// The part of the clients' payload that was replayed; 0 if there was none.
#[must_use]
pub fn replayed(report: &Report<'_>) -> Percentage {
    if report.client_bytes == 0 { Percentage::default() } else { Headline(report).percent().rounded() }
}

impl Headline<'_> {
    fn percent(&self) -> Percent {
        let Report { ledger, capture, balanced, .. } = self.0;
        let lost = capture.kernel_dropped > 0 || capture.unread > 0;
        let incomplete = lost || !ledger.is_whole() || !balanced;
        Percent { part: ledger.bytes.replayed, whole: self.said(), incomplete }
    }

    /// The client payload of which the percentage is. What the kernel dropped at the end of a stream leaves no gap: then the
    /// dropped packets count like the others, on average.
    fn said(&self) -> u64 {
        let Report { ledger, client_bytes, capture, .. } = self.0;
        let captured = client_bytes.saturating_sub(ledger.gaps.bytes);
        let read = capture.kernel_received.saturating_sub(capture.kernel_dropped);
        let all = u128::from(captured) * u128::from(capture.kernel_received);
        let estimate = all.checked_div(read.into()).unwrap_or_default();
        u64::try_from(estimate).unwrap_or(u64::MAX).max(*client_bytes)
    }
}

fn write_losses(f: &mut fmt::Formatter<'_>, ledger: &Ledger) -> fmt::Result {
    let dropped = ledger.bytes.dropped.occurred().filter(|(reason, _)| !reason.is_no_loss());
    let dropped: Vec<_> = dropped.collect();
    let incomplete = ledger.sessions.incomplete.occurred().filter(|(reason, _)| !reason.is_no_loss());
    let incomplete: Vec<_> = incomplete.collect();
    if !dropped.is_empty() {
        write_by_reason(f, "bytes dropped", dropped)?;
    } else if !incomplete.is_empty() {
        write_by_reason(f, "sessions incomplete", incomplete)?;
    }
    let missing = ledger.gaps.bytes.saturating_sub(ledger.gaps.captured);
    if missing > 0 {
        write!(f, "; {} bytes never captured", Grouped(missing))?;
    }
    Ok(())
}

/// `; 95 bytes dropped: state_lost 85, no_answer 10`. A single reason has no count of its own.
fn write_by_reason(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    mut reasons: Vec<(DropReason, u64)>,
) -> fmt::Result {
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let total = reasons.iter().map(|(_, count)| count).sum();
    write!(f, "; {} {what}: ", Grouped(total))?;
    if let [(reason, _)] = &reasons[..] {
        return f.write_str(reason.name());
    }
    let (named, others) = reasons.split_at(NAMED.min(reasons.len()));
    for (index, (reason, count)) in named.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(f, "{comma}{} {}", reason.name(), Grouped(*count))?;
    }
    if !others.is_empty() {
        let rest = others.iter().map(|(_, count)| count).sum();
        write!(f, ", others {}", Grouped(rest))?;
    }
    Ok(())
}
