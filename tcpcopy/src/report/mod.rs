//! Reports for the user: as text whose first line answers "did it work?", and as JSON for other programs.

mod finding;
mod headline;
mod hint;
mod number;
mod percentage;
mod protocol;
mod recent;
mod schema;
mod text;
mod worker_stats;

pub use common_os::process::stats_file::{StatsFile, StatsFileError};
pub use finding::FindingStats;
pub use headline::replayed;
pub use percentage::Percentage;
pub use protocol::ProtocolStats;
pub use recent::{Recent, Totals};
pub use schema::{
    CaptureStats, InjectStats, InterceptCounters, InterceptStats, OutputStats, Report, Service, TargetStats,
};
pub use text::{complete, short};
pub use worker_stats::{WorkerStats, WorkerSummary};

/// The first fault that was found, or else the hop where everything stops, or the first other cause of a loss, if the counters
/// show one.
#[must_use]
pub fn first_cause(report: &Report<'_>) -> Option<String> {
    let found = report.findings.first().map(|finding| finding.line.clone());
    found.or_else(|| hint::hints(report).into_iter().next())
}
