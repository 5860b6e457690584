//! Values and names as SQL, whatever the session's `sql_mode` and character set are.

/// A value whose type is not known: a number if it is written as servers write numbers, else a text in the character set of
/// `collation`, that of the session if it is known.
pub(super) fn literal(value: Option<&[u8]>, collation: Option<&str>) -> Vec<u8> {
    let collation = collation.unwrap_or(USUAL_COLLATION);
    let charset = collation.split('_').next().unwrap_or_default();
    let is_utf8 = charset.starts_with("utf8");
    match value {
        None => b"NULL".to_vec(),
        Some(value) if is_number(value) => value.to_vec(),
        // It is binary.
        Some(value) if charset == "binary" || is_utf8 && std::str::from_utf8(value).is_err() => {
            hex("", value)
        }
        Some(value) => {
            let text = hex(&format!("_{charset} "), value);
            let explicit =
                if collation == USUAL_COLLATION { String::new() } else { format!(" COLLATE {collation}") };
            [text, explicit.into_bytes()].concat()
        }
    }
}

/// MySQL's usual collation is not named, because MariaDB does not know it: it has one of its own.
pub(super) const USUAL_COLLATION: &str = "utf8mb4_0900_ai_ci";

/// Whether it is known what a variable is whose value is told in this way. No server tells types: a number may be a text of
/// digits, or a DOUBLE, which MariaDB rounds to an integer. Both tell an empty text as NULL. What is not UTF-8 is binary, or a
/// text in the session's character set if that is not known (`is_charset_known`).
pub(super) fn is_certain(value: Option<&[u8]>, is_charset_known: bool) -> bool {
    value.is_some_and(|value| {
        !is_told_as_number(value) && (is_charset_known || std::str::from_utf8(value).is_ok())
    })
}

/// Digits without a leading zero, and a fraction and an exponent, in whatever way servers write them: `1105`, `-0.`, `1.2e20`.
fn is_told_as_number(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let has_leading_zero = matches!(digits, [b'0', b'0'..=b'9', ..]);
    let is_number = std::str::from_utf8(digits).is_ok_and(|text| text.parse::<f64>().is_ok());
    digits.first().is_some_and(u8::is_ascii_digit) && !has_leading_zero && is_number
}

fn hex(introducer: &str, value: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(introducer.len() + 3 + 2 * value.len());
    text.extend_from_slice(introducer.as_bytes());
    text.extend_from_slice(b"x'");
    for byte in value {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text.push(b'\'');
    text
}

/// Digits that would be written in the same way again: no leading zeros, no sign but a minus, at most 18 digits.
fn is_number(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let (whole, fraction) = match digits.iter().position(|byte| *byte == b'.') {
        Some(point) => (&digits[..point], Some(&digits[point + 1..])),
        None => (digits, None),
    };
    let all = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    digits.len() <= 18
        && all(whole)
        && (whole.len() == 1 || whole[0] != b'0')
        && fraction.is_none_or(all)
        && value != b"-0"
}

/// A name in backticks.
pub(super) fn name(name: &[u8]) -> Vec<u8> {
    let mut text = vec![b'`'];
    for byte in name {
        text.push(*byte);
        if *byte == b'`' {
            text.push(b'`');
        }
    }
    text.push(b'`');
    text
}

/// A text in quotes. `None` if it cannot be written in a way that both readings of a backslash agree on.
pub(super) fn quoted(text: &[u8]) -> Option<Vec<u8>> {
    if text.contains(&b'\\') || text.contains(&0) {
        return None;
    }
    let mut quoted = vec![b'\''];
    for byte in text {
        quoted.push(*byte);
        if *byte == b'\'' {
            quoted.push(b'\'');
        }
    }
    quoted.push(b'\'');
    Some(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &[u8]) -> String {
        String::from_utf8(literal(Some(value), None)).unwrap()
    }

    #[test]
    fn numbers_are_numbers_and_all_else_is_a_text() {
        for number in ["0", "1", "-17", "1.50", "0.5", "123456789012345678"] {
            assert_eq!(said(number.as_bytes()), number);
        }
        for text in ["", "007", "-", "-0", "1.", ".5", "1e5", "1234567890123456789", "1; DROP TABLE t", "+1"]
        {
            assert!(said(text.as_bytes()).starts_with("_utf8mb4 x'"), "{text}");
        }
        assert_eq!(said(b"x'y"), "_utf8mb4 x'782779'");
        assert_eq!(said(b"\0\xff"), "x'00ff'");
        assert_eq!(literal(None, None), b"NULL");
    }

    #[test]
    fn a_text_is_in_the_character_set_of_its_session() {
        let said =
            |value: &[u8], collation: &str| String::from_utf8(literal(Some(value), Some(collation))).unwrap();
        assert_eq!(said(b"\xfc", "latin1_german1_ci"), "_latin1 x'fc' COLLATE latin1_german1_ci");
        assert_eq!(said(b"a", "utf8mb4_bin"), "_utf8mb4 x'61' COLLATE utf8mb4_bin");
        assert_eq!(said(b"a", USUAL_COLLATION), "_utf8mb4 x'61'");
        assert_eq!(said(b"\xfc", "utf8mb4_bin"), "x'fc'");
        assert_eq!(said(b"a", "binary"), "x'61'");
        assert_eq!(said(b"17", "latin1_german1_ci"), "17");
    }

    /// As MariaDB 10.11 and MySQL 9.7 tell the DOUBLEs 1104.75, -0.3, 1e20 and 12345678901234567890.
    #[test]
    fn a_number_may_be_another_value_than_it_is_told_as() {
        for told in [
            "0",
            "42",
            "1105",
            "-0.",
            "-0.3",
            "1104.75",
            "1e20",
            "1.2345678901234567e19",
            "12345678901234567000",
        ] {
            assert!(!is_certain(Some(told.as_bytes()), true), "{told}");
        }
        assert!(!is_certain(None, true), "it may be an empty text");
        for told in ["a", "007", "1a", "inf", "NaN", "-", "+1", ".5", "2026-01-01", "1,2", " 1"] {
            assert!(is_certain(Some(told.as_bytes()), false), "{told}");
        }
        assert!(is_certain(Some(b"\xff"), true) && !is_certain(Some(b"\xff"), false));
    }

    #[test]
    fn quotes_end_where_they_should() {
        assert_eq!(name(b"a`b"), b"`a``b`");
        assert_eq!(quoted(b"it's").unwrap(), b"'it''s'");
        assert_eq!(quoted(b"a\\'"), None);
    }
}
