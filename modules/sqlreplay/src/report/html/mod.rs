//! The report as one page, which needs nothing else: no script, no font, no other host.

mod chart;

use std::fmt::{self, Display, Write};

use super::latency::OfFingerprint;
use super::{Figures, Percentiles, Report};
use chart::Scale;

/// Statements that have a place of their own in the page.
const STATEMENTS: usize = 200;

/// What was replayed, for the head of the page.
#[derive(Debug, Clone)]
pub struct About {
    /// The file.
    pub recording: String,
    /// The server.
    pub target: String,
    /// How fast.
    pub speed: String,
    /// When: RFC 3339.
    pub at: String,
}

/// A text that shows as it is, wherever it stands in the page.
struct Plain<'t>(&'t str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            character if character.is_control() => f.write_str("&#65533;"),
            character => f.write_char(character),
        })
    }
}

impl Report {
    /// The page.
    #[must_use]
    pub fn html(&self, about: &About) -> String {
        let figures = self.figures();
        let mut page = String::with_capacity(1 << 16);
        // Writing to a string does not fail.
        let _ = write(&mut page, &figures, about);
        page
    }
}

fn write(page: &mut String, figures: &Figures<'_>, about: &About) -> fmt::Result {
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Replay of {}</title><style>{}</style></head><body>",
        Plain(&about.recording),
        include_str!("page.css")
    )?;
    write!(
        page,
        "<h1>Replay of {}</h1><p class=\"about\">to {} at {}, {}</p>",
        Plain(&about.recording),
        Plain(&about.target),
        Plain(&about.speed),
        Plain(&about.at)
    )?;
    summary(page, figures)?;
    differences(page, figures)?;
    let all = &figures.statements;
    if let Some(scale) = Scale::of(all) {
        page.push_str(
            "<h2>Medians</h2><p>Each dot is a kind of statement. Above the line, it has become slower.</p>\n",
        );
        chart::medians(page, &scale, all)?;
        page.push_str("\n<h2>Durations</h2><p>Worst regressions first. ");
        legend(page, &scale)?;
        for statement in all.iter().take(STATEMENTS) {
            statement_block(page, &scale, statement)?;
        }
        if all.len() > STATEMENTS {
            write!(page, "<p>and {} more kinds (--json has all)</p>", all.len() - STATEMENTS)?;
        }
    }
    page.push_str("</body></html>\n");
    Ok(())
}

fn summary(page: &mut String, figures: &Figures<'_>) -> fmt::Result {
    page.push_str("<dl>");
    let mut item = |name: &str, value: &dyn Display, is_bad: bool| {
        let class = if is_bad { " class=\"bad\"" } else { "" };
        write!(page, "<div><dt>{name}</dt><dd{class}>{value}</dd></div>")
    };
    item("executed", &figures.executed, false)?;
    item("seconds", &format_args!("{:.3}", figures.seconds.seconds()), false)?;
    item("statements/s", &format_args!("{:.0}", figures.statements_per_second), false)?;
    item("failed", &figures.failed, false)?;
    item("differing", &format_args!("{} of {}", figures.differing, figures.compared), figures.differing > 0)?;
    for (count, name) in [
        (figures.not_run, "not run"),
        (figures.timed_out, "timed out"),
        (figures.lock_errors, "lock errors"),
        (figures.connections_broken, "connections broken"),
        (figures.connections_failed, "connections not made"),
        (figures.cancels, "cancels"),
    ] {
        if count > 0 {
            item(name, &count, true)?;
        }
    }
    if let Some(behind) = figures.behind {
        item("behind time, p99", &format_args!("{:.3} ms", behind.p99), false)?;
    }
    if let Some(lag) = figures.lag {
        item("replayer's lag, p99", &format_args!("{:.3} ms", lag.p99), false)?;
    }
    page.push_str("</dl>\n");
    Ok(())
}

fn differences(page: &mut String, figures: &Figures<'_>) -> fmt::Result {
    if !figures.errors.is_empty() {
        page.push_str("<h2>Errors</h2><ul>");
        for (sqlstate, count) in figures.errors {
            write!(page, "<li>{count} × {}</li>", Plain(sqlstate))?;
        }
        page.push_str("</ul>\n");
    }
    if !figures.problems.is_empty() {
        page.push_str("<h2>Connections</h2><ul>");
        for (problem, count) in figures.problems {
            write!(page, "<li>{count} × {}</li>", Plain(problem))?;
        }
        page.push_str("</ul>\n");
    }
    if !figures.differences.is_empty() {
        page.push_str("<h2>Differences</h2><ul>");
        for it in &figures.differences {
            let (what, statement) = (Plain(it.difference), Plain(it.statement));
            write!(page, "<li>{} × {what}<code>{statement}</code></li>", it.count)?;
        }
        page.push_str("</ul>\n");
    }
    Ok(())
}

fn legend(page: &mut String, scale: &Scale) -> fmt::Result {
    let (least, greatest) = (scale.least(), scale.greatest());
    write!(
        page,
        "<span class=\"was\">■</span> recorded, <span class=\"now\">■</span> replayed: the bar reaches from the median to p99, \
         the tick is p95. All bars have one logarithmic scale, from {least} to {greatest} ms.</p>"
    )
}

fn statement_block(page: &mut String, scale: &Scale, statement: &OfFingerprint<'_>) -> fmt::Result {
    let ratio = statement.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}×"));
    let class = if statement.ratio.is_some_and(|ratio| ratio > 1.1) { "ratio bad" } else { "ratio" };
    let count = statement.replayed.map_or(0, |it| it.count);
    write!(
        page,
        "<section><code>{}</code><p class=\"{class}\">{ratio} <small>{count} executed</small></p>",
        Plain(statement.statement)
    )?;
    chart::bars(page, scale, statement)?;
    page.push_str("<table><tr><th>ms</th><th>p50</th><th>p95</th><th>p99</th><th>max</th></tr>");
    row(page, "recorded", statement.recorded)?;
    row(page, "replayed", statement.replayed)?;
    page.push_str("</table></section>\n");
    Ok(())
}

fn row(page: &mut String, name: &str, times: Option<Percentiles>) -> fmt::Result {
    let Some(Percentiles { p50, p95, p99, max, .. }) = times else { return Ok(()) };
    write!(
        page,
        "<tr><td>{name}</td><td>{p50:.3}</td><td>{p95:.3}</td><td>{p99:.3}</td><td>{max:.3}</td></tr>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Micros;
    use crate::report::Played;

    fn about(recording: &str) -> About {
        About {
            recording: recording.to_owned(),
            target: "test:5432".to_owned(),
            speed: "speed 1".to_owned(),
            at: "2026-11-29T18:25:30Z".to_owned(),
        }
    }

    fn played(fingerprint: &str, recorded: u64, took: u64) -> Played {
        Played {
            fingerprint: Some(fingerprint.into()),
            executions: 1,
            recorded: Some(Micros(recorded)),
            took: Micros(took),
            behind: None,
            lag: Micros(10),
            error: None,
        }
    }

    #[test]
    fn texts_of_statements_cannot_leave_their_place() {
        let mut report = Report::default();
        let statement = "select \"</code><script>alert('x')</script>\" & \u{7}";
        report.add(played(statement, 100, 200), Some(Some("SELECT: <b>1</b> rows, now 2".to_owned())));
        report.not_connected("<img src=x>");
        let page = report.html(&about("</title><script>.jsonl"));
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>"), "{page}");
        assert!(page.contains("select &quot;&lt;/code&gt;&lt;script&gt;alert(&#39;x&#39;)"), "{page}");
        assert!(!page.contains("http"), "it asks no other host");
    }

    #[test]
    fn the_worst_regression_is_the_first_and_every_bar_is_inside() {
        let mut report = Report::default();
        report.add(played("same", 1000, 1000), Some(None));
        report.add(played("slower", 1000, 90_000_000), Some(None));
        report.add(played("faster", 1000, 1), Some(None));
        let page = report.html(&about("a.jsonl"));
        let place = |text: &str| page.find(&format!("<code>{text}</code>")).unwrap();
        assert!(place("slower") < place("same") && place("same") < place("faster"), "{page}");
        assert!(page.contains("class=\"ratio bad\">") && page.contains("<small>1 executed</small>"));
        for number in page.split(" x=\"").skip(1) {
            let x: f64 = number.split('"').next().unwrap().parse().unwrap();
            assert!((0.0..=chart::WIDTH).contains(&x), "{x}");
        }
    }

    #[test]
    fn a_report_of_nothing_is_a_page() {
        let page = Report::default().html(&about("a.jsonl"));
        assert!(page.ends_with("</body></html>\n") && !page.contains("<svg"), "{page}");
    }
}
