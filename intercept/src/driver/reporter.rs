//! Reports to the user: log lines, and the file of `--stats-json`.

use std::collections::VecDeque;

use common_core::control::Statistics;
use common_core::time::Time;
use common_os::process::logging;
use common_os::process::stats_file::StatsFile;

use super::control_port::ControlPort;
use super::tunnel::Tunnel;
use crate::report::{Complete, ConnReport, Counters, HostReport, OutputStats, Recent, Report, Short};
use crate::router::{Host, Router};

/// Between two lines in the log, and the length of what they call recent, in ticks of a second.
const PERIOD: usize = 30;

/// What a report is made of, beside the counters.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) control: &'a ControlPort,
    pub(super) router: &'a Router,
    pub(super) tunnel: Option<&'a Tunnel>,
}

/// Writes the reports.
#[derive(Default)]
pub(super) struct Reporter {
    stats: Option<StatsFile>,
    /// The counters of the last seconds, oldest first.
    history: VecDeque<Statistics>,
    ticks: usize,
    /// The last line said that nothing happens.
    is_quiet: bool,
}

impl Reporter {
    pub(super) fn new(stats: Option<StatsFile>) -> Self {
        Self { stats, ..Self::default() }
    }

    /// A second has passed.
    pub(super) fn tick(&mut self, now: Time, statistics: Statistics, parts: Parts<'_>) {
        self.ticks += 1;
        let is_due = self.ticks.is_multiple_of(PERIOD);
        if is_due || self.stats.is_some() {
            let report = self.report(now, statistics, parts);
            if let Some(stats) = &mut self.stats {
                stats.put(&report);
            }
            // One line is enough to say that nothing happens.
            if is_due && !(std::mem::replace(&mut self.is_quiet, report.recent.is_empty()) && self.is_quiet) {
                log::info!("{}", Short(&report));
            }
        }
        self.history.push_back(statistics);
        if self.history.len() > PERIOD {
            self.history.pop_front();
        }
    }

    /// Logs the complete report.
    pub(super) fn complete(&self, now: Time, statistics: Statistics, parts: Parts<'_>) {
        log::info!(target: logging::REPORT, "{}", Complete(&self.report(now, statistics, parts)));
    }

    /// Writes the last report.
    pub(super) fn close(&mut self, now: Time, statistics: Statistics, parts: Parts<'_>) {
        self.complete(now, statistics, parts);
        let report = self.report(now, statistics, parts);
        if let Some(mut stats) = self.stats.take() {
            stats.put(&report);
            stats.finish();
        }
    }

    fn report(&self, now: Time, statistics: Statistics, parts: Parts<'_>) -> Report {
        let Parts { control, router, tunnel } = parts;
        let since = self.history.front().copied().unwrap_or_default();
        let seconds = self.history.len() as u64;
        Report {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: now.since(Time::ZERO).as_secs(),
            key: control.wants_key(),
            connections: control.peers.len(),
            routes: router.routes(),
            targets: router.targets().count(),
            total: Counters(statistics),
            recent: Recent { seconds, since, until: statistics },
            hosts: hosts(now, control),
            tunnel: tunnel.map(Tunnel::report),
            output: OutputStats {
                log_lines_lost: logging::lost(),
                statistics_skipped: self.stats.as_ref().map_or(0, StatsFile::skipped),
            },
        }
    }
}

/// The hosts, those with the most answers first.
fn hosts(now: Time, control: &ControlPort) -> Vec<HostReport> {
    let known = control.hosts.iter().map(|(host, state)| (Some(host), state));
    let others = [(None, control.hosts.others())].into_iter().filter(|(_, state)| state.account.accepted > 0);
    let report = |(host, state): (Option<Host>, &super::hosts::HostState)| {
        let connections: Vec<_> = control
            .peers
            .iter()
            .filter(|peer| Some(peer.host()) == host)
            .map(|peer| ConnReport {
                address: peer.address.to_string(),
                seconds: now.since(peer.since()).as_secs(),
                key: peer.is_secret(),
                answers: peer.answers,
                overflowed: peer.overflowed,
                queued_bytes: peer.queued(),
            })
            .collect();
        let account = &state.account;
        HostReport {
            address: host.map_or_else(|| "others".to_owned(), |host| host.to_string()),
            known: state.is_known(),
            cut_off: account.cut_off,
            accepted: account.accepted,
            answers: account.answers + connections.iter().map(|conn| conn.answers).sum::<u64>(),
            overflowed: account.overflowed + connections.iter().map(|conn| conn.overflowed).sum::<u64>(),
            refused: account.refused.clone(),
            connections,
        }
    };
    let mut hosts: Vec<_> = known.chain(others).map(report).collect();
    hosts.sort_by(|a, b| b.answers.cmp(&a.answers).then_with(|| a.address.cmp(&b.address)));
    hosts
}
