//! A percentage that is compared exactly.

use std::fmt;
use std::str::FromStr;

/// A percentage of at most 100, in thousandths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percentage(u32);

impl Percentage {
    const WHOLE: u32 = 100_000;

    /// Of this many thousandths of a percent.
    #[must_use]
    pub(super) fn of_thousandths(thousandths: u32) -> Self {
        Self(thousandths.min(Self::WHOLE))
    }
}

impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

impl FromStr for Percentage {
    type Err = &'static str;

    /// Reads a limit: above 0, at most 100, with up to three decimals.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "give a percentage above 0 and up to 100, as in 99.9";
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(decimals) || decimals.len() > 3 {
            return Err(wrong);
        }
        let thousandths = format!("{whole}{decimals:0<3}").parse().map_err(|_| wrong)?;
        if (1..=Self::WHOLE).contains(&thousandths) { Ok(Self(thousandths)) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_to_thousandths() {
        for (text, shown) in [("100", "100.000"), ("99.9", "99.900"), ("0.001", "0.001"), ("050", "50.000")] {
            assert_eq!(text.parse::<Percentage>().unwrap().to_string(), shown);
        }
        for text in
            ["", ".5", "0", "0.000", "100.001", "101", "-1", "1e1", "99.9999", "99,9", "nan", "99999999999"]
        {
            assert!(text.parse::<Percentage>().is_err(), "{text}");
        }
    }

    #[test]
    fn they_compare_as_numbers() {
        let of = |text: &str| text.parse::<Percentage>().unwrap();
        assert!(of("99.999") < of("100") && of("9.5") < of("10"));
        assert_eq!(Percentage::default().to_string(), "0.000");
    }
}
