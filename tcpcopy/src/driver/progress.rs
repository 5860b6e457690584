//! The progress bar of a replay of capture files, on a terminal only.

use std::io::{IsTerminal, stderr};

use common_os::process::start::ProcessOptions;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::ledger::Ledger;
use crate::offline::FileStats;

/// Its form; without a known size there is no bar.
const BAR: &str = "{percent:>3} % [{bar:30}] {elapsed} of about {duration}{msg}";
const COUNTER: &str = "{elapsed}{msg}";

/// A progress bar.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    repeats: u32,
}

impl Progress {
    /// A bar, if standard error is a terminal that belongs to this process.
    pub(super) fn new(process: &ProcessOptions, repeats: u32) -> Option<Self> {
        if process.background || !stderr().is_terminal() {
            return None;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
        bar.set_style(style(COUNTER));
        Some(Self { bar, repeats })
    }

    /// Draws the present state.
    pub(super) fn show(&self, files: &FileStats, ledger: &Ledger) {
        if files.bytes_total > 0 && self.bar.length().is_none() {
            self.bar.set_style(style(BAR));
            self.bar.set_length(files.bytes_total * u64::from(self.repeats));
        }
        // At the end of a pass its bytes count as read.
        let before = files.passes.min(u64::from(self.repeats) - 1);
        let all = self.bar.length().unwrap_or(u64::MAX);
        self.bar.set_position((files.bytes_total * before).saturating_add(files.bytes_read).min(all));
        self.bar.set_message(format!(
            ", {} sessions, {} open, {} bytes replayed",
            ledger.sessions.seen, ledger.sessions.active, ledger.bytes.replayed
        ));
        self.bar.tick();
    }

    /// Removes it.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // A template that cannot be read is a defect that the test finds; the default form serves as well.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        for template in [BAR, COUNTER] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
