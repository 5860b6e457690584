//! Numbers in a form that people can read.

use std::fmt;

use super::Percentage;

/// A count with its digits in groups of three: `51 234 567`.
pub(super) struct Grouped(pub(super) u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(" ")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// A percentage with three decimals, rounded down: 100.000 only if nothing is missing.
pub(super) struct Percent {
    /// The amount that is present.
    pub(super) part: u64,
    /// The amount that should be present; not zero.
    pub(super) whole: u64,
    /// Something is missing that `whole` does not include.
    pub(super) incomplete: bool,
}

impl Percent {
    pub(super) fn rounded(&self) -> Percentage {
        let thousandths = u128::from(self.part) * 100_000 / u128::from(self.whole.max(1));
        let most = if self.incomplete { 99_999 } else { 100_000 };
        Percentage::of_thousandths(
            u32::try_from(thousandths).map_or(most, |thousandths| thousandths.min(most)),
        )
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rounded().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_three() {
        for (number, shown) in [(0, "0"), (999, "999"), (1000, "1 000"), (51_234_567, "51 234 567")] {
            assert_eq!(Grouped(number).to_string(), shown);
        }
    }

    #[test]
    fn percentages_are_rounded_down() {
        for (part, whole, shown) in [
            (0, 3, "0.000"),
            (1, 3, "33.333"),
            (2, 3, "66.666"),
            (u64::MAX - 1, u64::MAX, "99.999"),
            (u64::MAX, u64::MAX, "100.000"),
            (0, 0, "0.000"),
        ] {
            assert_eq!(Percent { part, whole, incomplete: false }.to_string(), shown);
        }
        assert_eq!(Percent { part: 3, whole: 3, incomplete: true }.to_string(), "99.999");
        assert_eq!(Percent { part: 1, whole: 2, incomplete: true }.to_string(), "50.000");
    }
}
