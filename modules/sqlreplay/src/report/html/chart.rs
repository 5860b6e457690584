//! The charts of the page: SVG.

use std::fmt::{self, Write};

use super::OfFingerprint;
use crate::report::Percentiles;

/// The width of a chart, in its own units.
pub(super) const WIDTH: f64 = 320.0;

/// Shorter durations are drawn as this, in milliseconds: a recording has no finer times.
const LEAST: f64 = 0.001;

/// A logarithmic scale for durations, in milliseconds: whole powers of ten.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    least: i32,
    greatest: i32,
}

impl Scale {
    /// A scale on which all of them have a place; `None` if there are none.
    pub(super) fn of(statements: &[OfFingerprint<'_>]) -> Option<Self> {
        let all = || statements.iter().flat_map(|it| [it.recorded, it.replayed]).flatten();
        let least = all().map(|it| it.p50.max(LEAST)).min_by(f64::total_cmp)?;
        let greatest = all().map(|it| it.p99.max(LEAST)).max_by(f64::total_cmp)?;
        let (least, greatest) = (least.log10().floor() as i32, greatest.log10().ceil() as i32);
        Some(Self { least, greatest: greatest.max(least + 1) })
    }

    /// The shortest duration on it.
    pub(super) fn least(&self) -> f64 {
        10_f64.powi(self.least)
    }

    /// The longest duration on it.
    pub(super) fn greatest(&self) -> f64 {
        10_f64.powi(self.greatest)
    }

    /// The place of a duration, from 0 to `length`.
    fn place(&self, millis: f64, length: f64) -> f64 {
        let decades = f64::from(self.greatest - self.least);
        ((millis.max(LEAST).log10() - f64::from(self.least)) / decades).clamp(0.0, 1.0) * length
    }

    /// The powers of ten on it.
    fn decades(&self) -> impl Iterator<Item = f64> {
        (self.least..=self.greatest).map(|power| 10_f64.powi(power))
    }
}

/// Two bars, recorded and replayed.
pub(super) fn bars(page: &mut String, scale: &Scale, statement: &OfFingerprint<'_>) -> fmt::Result {
    write!(page, "<svg viewBox=\"0 0 {WIDTH} 24\" aria-hidden=\"true\">")?;
    for millis in scale.decades() {
        let x = scale.place(millis, WIDTH);
        write!(page, "<path class=\"grid\" d=\"M{x:.1} 0V24\"/>")?;
    }
    for (times, class, y) in [(statement.recorded, "was", 2), (statement.replayed, "now", 14)] {
        let Some(Percentiles { p50, p95, p99, .. }) = times else { continue };
        let (from, tick, to) =
            (scale.place(p50, WIDTH - 2.0), scale.place(p95, WIDTH - 2.0), scale.place(p99, WIDTH - 2.0));
        let width = (to - from).max(2.0);
        write!(
            page,
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"8\"/>"
        )?;
        write!(page, "<rect class=\"tick\" x=\"{tick:.1}\" y=\"{y}\" width=\"1\" height=\"8\"/>")?;
    }
    page.push_str("</svg>");
    Ok(())
}

/// The median of each kind of statement, recorded (to the right) and replayed (upwards).
pub(super) fn medians(page: &mut String, scale: &Scale, statements: &[OfFingerprint<'_>]) -> fmt::Result {
    /// Room for the numbers, and the side of the square.
    const LEFT: f64 = 40.0;
    const SIDE: f64 = 270.0;
    write!(
        page,
        "<svg class=\"medians\" viewBox=\"0 0 {WIDTH} 312\" role=\"img\" aria-label=\"medians, recorded and replayed\">"
    )?;
    for millis in scale.decades() {
        let along = scale.place(millis, SIDE);
        let (x, y) = (LEFT + along, 6.0 + SIDE - along);
        write!(
            page,
            "<path class=\"grid\" d=\"M{x:.1} 6V{:.1}M{LEFT} {y:.1}H{:.1}\"/>",
            6.0 + SIDE,
            LEFT + SIDE
        )?;
        write!(page, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{millis}</text>", 20.0 + SIDE)?;
        write!(
            page,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{millis}</text>",
            LEFT - 4.0,
            y + 4.0
        )?;
    }
    write!(page, "<path class=\"same\" d=\"M{LEFT} {:.1}L{:.1} 6\"/>", 6.0 + SIDE, LEFT + SIDE)?;
    write!(
        page,
        "<text x=\"{:.1}\" y=\"308\" text-anchor=\"middle\">recorded, ms</text>",
        LEFT + SIDE / 2.0
    )?;
    write!(page, "<text x=\"{:.1}\" y=\"16\">replayed, ms</text>", LEFT + 4.0)?;
    for statement in statements {
        let (Some(was), Some(now)) = (statement.recorded, statement.replayed) else { continue };
        let (x, y) = (LEFT + scale.place(was.p50, SIDE), 6.0 + SIDE - scale.place(now.p50, SIDE));
        let class = if now.p50 > was.p50 * 1.1 { "bad" } else { "now" };
        write!(
            page,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{}</title></circle>",
            super::Plain(statement.statement)
        )?;
    }
    page.push_str("</svg>");
    Ok(())
}
