//! Numbers as users write them.

use std::ops::RangeInclusive;

/// A reader of whole numbers in `range`, whose complaint names the range.
pub(super) fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("give a whole number from {} to {}", range.start(), range.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_in_their_range() {
        let read = whole::<u16>(5..=100_000);
        for (text, number) in [("5", Some(5)), ("65535", Some(65535)), ("007", Some(7))] {
            assert_eq!(read(text).ok(), number, "{text}");
        }
        for text in ["4", "65536", "100001", "-5", "5.0", "5k", "", " 5", "99999999999999999999999"] {
            assert_eq!(read(text), Err("give a whole number from 5 to 100000".to_owned()), "{text}");
        }
    }
}
