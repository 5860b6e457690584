//! Reports to the user: log lines, and the statistics file.

use std::sync::Arc;
use std::time::Duration;

use common_core::time::Time;
use common_os::clock::Clock;
use common_os::process::line_file::LineWriter;
use common_os::process::logging;
use module_kit::Protocol;

use super::phase::END_LIMIT;
use super::progress::Progress;
use super::watch::Watch;
use crate::report::{
    self, FindingStats, OutputStats, Percentage, ProtocolStats, Recent, Report, Service, StatsFile,
    TargetStats, Totals, WorkerStats,
};

/// Between two summaries in the log.
const REPORT: Duration = Duration::from_secs(30);

/// The outcome of a run.
#[derive(Debug)]
pub(super) struct Outcome {
    /// At least as much was replayed as `--fail-below` wants.
    pub(super) enough: bool,
    /// Payload bytes that were replayed.
    pub(super) replayed: u64,
    /// The first cause of losses, if the counters show one.
    pub(super) cause: Option<String>,
}

/// Files that are written beside the log.
pub(super) struct OutputFiles {
    /// `--stats-json`.
    pub(super) stats: Option<StatsFile>,
    /// `--map-log`.
    pub(super) map_log: Option<LineWriter>,
}

/// Reports on all workers together.
pub(super) struct Reporter {
    clock: Clock,
    stats: Option<StatsFile>,
    /// Protocols whose counters are reported.
    protocols: Vec<Arc<dyn Protocol>>,
    services: Vec<Service>,
    map_log: Option<LineWriter>,
    watch: Watch,
    totals: Totals,
    recent: Recent,
    fail_below: Option<Percentage>,
    /// The progress bar of a replay of files.
    progress: Option<Progress>,
    next_report: Time,
    ending: bool,
}

impl Reporter {
    pub(super) fn new(
        clock: Clock,
        files: OutputFiles,
        protocols: Vec<Arc<dyn Protocol>>,
        services: Vec<Service>,
        watch: Watch,
        fail_below: Option<Percentage>,
        progress: Option<Progress>,
    ) -> Self {
        Self {
            clock,
            stats: files.stats,
            protocols,
            services,
            map_log: files.map_log,
            watch,
            totals: Totals::default(),
            recent: Recent::default(),
            fail_below,
            progress,
            next_report: clock.now() + REPORT,
            ending: false,
        }
    }

    /// The statistics are complete, as they are once a second.
    pub(super) fn tick(&mut self, parts: &[WorkerStats]) {
        let now = self.clock.now();
        let sum = WorkerStats::sum(parts);
        if !self.ending {
            self.watch.tick(now, &sum);
        }
        self.recent = self.totals.tick(&self.account(now, parts, &sum));
        let account = self.account(now, parts, &sum);
        if let Some(stats) = &mut self.stats {
            stats.put(&account);
        }
        if let (Some(progress), Some(files)) = (&self.progress, &sum.files) {
            progress.show(files, &sum.ledger);
        } else if self.next_report <= now {
            self.next_report = now + REPORT;
            log::info!("{}", report::short(&account));
        }
    }

    /// Logs the complete report, because a signal asks for it.
    pub(super) fn report(&self, parts: &[WorkerStats]) {
        let sum = WorkerStats::sum(parts);
        let account = self.account(self.clock.now(), parts, &sum);
        log::info!(target: logging::REPORT, "{}", report::complete(&account).trim_end());
    }

    /// Logs that the end has begun.
    pub(super) fn ending(&mut self) {
        if !std::mem::replace(&mut self.ending, true) {
            log::info!("ending: replaying pending data for at most {} s", END_LIMIT.as_secs());
        }
    }

    /// Writes the last report.
    pub(super) fn close(mut self, parts: &[WorkerStats]) -> Outcome {
        logging::flush();
        self.tick(parts);
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
        self.report(parts);
        let sum = WorkerStats::sum(parts);
        let account = self.account(self.clock.now(), parts, &sum);
        let outcome = Outcome {
            enough: self.is_enough(&account),
            replayed: sum.ledger.bytes.replayed,
            cause: report::first_cause(&account),
        };
        if let Some(stats) = self.stats {
            stats.finish();
        }
        outcome
    }

    fn is_enough(&self, account: &Report<'_>) -> bool {
        let Some(limit) = self.fail_below else { return true };
        let replayed = report::replayed(account);
        let enough = replayed >= limit;
        if !enough {
            log::error!(target: logging::REPORT, "replayed {replayed} %, less than the {limit} % of --fail-below");
        }
        enough
    }

    fn targets(&self, sum: &WorkerStats) -> Vec<TargetStats> {
        let named = self.watch.setup().targets.iter().zip(&sum.targets);
        named
            .map(|(target, counts)| TargetStats { target: target.address.to_string(), counts: *counts })
            .collect()
    }

    fn account<'a>(&self, now: Time, parts: &[WorkerStats], sum: &'a WorkerStats) -> Report<'a> {
        let statistics_skipped = self.stats.as_ref().map_or(0, StatsFile::skipped);
        Report {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: now.since(Time::ZERO).as_secs(),
            balanced: parts.iter().all(|part| part.ledger.balances()),
            client_bytes: sum.ledger.client_bytes(),
            recent: self.recent,
            findings: self
                .watch
                .episodes()
                .iter()
                .map(|episode| FindingStats::of(episode, self.watch.setup(), now))
                .collect(),
            ledger: &sum.ledger,
            capture: sum.capture,
            files: sum.files.clone(),
            inject: &sum.inject,
            intercepts: sum.intercepts.clone(),
            targets: self.targets(sum),
            services: self.services.clone(),
            protocols: self.protocols.iter().map(|protocol| ProtocolStats::of(&**protocol)).collect(),
            workers: if parts.len() > 1 { parts.iter().map(Into::into).collect() } else { Vec::new() },
            output: OutputStats {
                log_lines_lost: logging::lost(),
                map_lines_lost: self.map_log.as_ref().map_or(0, LineWriter::lost),
                statistics_skipped,
            },
        }
    }
}
