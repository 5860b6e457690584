//! Text of unknown origin, made fit for one line of a log or an error.

/// The text of an error with control characters escaped: what a user wrote may be part of it, and it stays one line.
#[must_use]
pub fn one_line(error: &dyn std::error::Error) -> String {
    escaped(error.to_string().chars())
}

/// What the user wrote, fit for one line: control characters escaped, cut at `limit` characters.
#[must_use]
pub fn shown(text: &str, limit: usize) -> String {
    let mut shown = escaped(text.chars().take(limit));
    if text.chars().nth(limit).is_some() {
        shown.push_str("...");
    }
    shown
}

fn escaped(text: impl Iterator<Item = char>) -> String {
    text.flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_stays_one_line() {
        assert_eq!(shown("a\nb\t", 80), "a\\nb\\t");
        assert_eq!(shown("abcdef", 3), "abc...");
        assert_eq!(shown("abc", 3), "abc");
    }
}
