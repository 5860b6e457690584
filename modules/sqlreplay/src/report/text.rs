//! The report for people.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::{Percentiles, Report};
use crate::inspect::on_one_line;

/// Statements and differences that are shown.
const LINES: usize = 20;

impl Report {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let figures = self.figures();
        let mut text = String::new();
        let _ = writeln!(
            text,
            "executed    {} statements in {:.3} s ({:.0}/s)",
            figures.executed,
            figures.seconds.seconds(),
            figures.statements_per_second
        );
        let _ = writeln!(text, "failed      {}{}", figures.failed, counts(figures.errors));
        let _ = writeln!(text, "differing   {} of {} compared", figures.differing, figures.compared);
        for (count, what) in [
            (figures.not_run, "not run     "),
            (figures.timed_out, "timed out   "),
            (figures.lock_errors, "lock errors "),
            (figures.connections_broken, "connections broken "),
            (figures.connections_failed, "connections not made "),
            (figures.cancels, "cancels     "),
        ] {
            if count > 0 {
                let _ = writeln!(text, "{what}{count}");
            }
        }
        for (problem, count) in figures.problems {
            let _ = writeln!(text, "            {count} x {problem}");
        }
        if let Some(behind) = figures.behind {
            let _ = writeln!(text, "behind time {}", line(behind));
        }
        if let Some(lag) = figures.lag {
            let _ = writeln!(text, "replayer lag {}", line(lag));
        }
        for difference in figures.differences.iter().take(LINES) {
            let statement = on_one_line(difference.statement, 100);
            let _ = writeln!(text, "  {} x {}: {statement}", difference.count, difference.difference);
        }
        if figures.differences.len() > LINES {
            let _ = writeln!(text, "  and {} more kinds (--json has all)", figures.differences.len() - LINES);
        }
        text.push('\n');
        text.push_str(&self.latency_table());
        text
    }

    fn latency_table(&self) -> String {
        let figures = self.figures();
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(["count", "p50", "p95", "p99 ms", "was p50", "p95", "p99 ms", "ratio", "statement"]);
        for statement in figures.statements.iter().take(LINES) {
            let [count, p50, p95, p99] = cells(statement.replayed);
            let [_, was50, was95, was99] = cells(statement.recorded);
            let ratio = statement.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
            table.add_row([
                count,
                p50,
                p95,
                p99,
                was50,
                was95,
                was99,
                ratio,
                on_one_line(statement.statement, 70),
            ]);
        }
        for at in 0..8 {
            if let Some(column) = table.column_mut(at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let more = figures.statements.len().saturating_sub(LINES);
        let more = if more > 0 { format!("\nand {more} more (--json has all)") } else { String::new() };
        format!("{}{more}\n", table.trim_fmt())
    }
}

fn counts(errors: &std::collections::BTreeMap<String, u64>) -> String {
    if errors.is_empty() {
        return String::new();
    }
    let all: Vec<String> = errors.iter().map(|(sqlstate, count)| format!("{sqlstate}: {count}")).collect();
    format!(" ({})", all.join(", "))
}

fn line(times: Percentiles) -> String {
    format!(
        "p50 {:.3} ms, p95 {:.3} ms, p99 {:.3} ms, max {:.3} ms",
        times.p50, times.p95, times.p99, times.max
    )
}

fn cells(times: Option<Percentiles>) -> [String; 4] {
    match times {
        Some(it) => [
            it.count.to_string(),
            format!("{:.3}", it.p50),
            format!("{:.3}", it.p95),
            format!("{:.3}", it.p99),
        ],
        None => ["-".to_owned(), "-".to_owned(), "-".to_owned(), "-".to_owned()],
    }
}
