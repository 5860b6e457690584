//! MySQL's binary values as text that a person can read and change. A form is given here only if the same bytes come out of
//! its text again. Source: dev.mysql.com, "Binary Protocol Value".

use std::fmt::Write;
use std::str::FromStr;

/// MYSQL_TYPE_VAR_STRING: its values are plain strings in a recording.
pub(crate) const VAR_STRING: u16 = 0xFD;

/// MYSQL_TYPE_NULL.
pub(crate) const NULL: u16 = 0x06;

/// The flag of an unsigned type.
const UNSIGNED: u16 = 0x8000;

/// Names and types. PostgreSQL has names of its own for some, so those begin with `mysql_`.
const TYPES: &[(&str, u16)] = &[
    ("tinyint", 0x01),
    ("smallint", 0x02),
    ("int", 0x03),
    ("bigint", 0x08),
    ("tinyint unsigned", 0x01 | UNSIGNED),
    ("smallint unsigned", 0x02 | UNSIGNED),
    ("int unsigned", 0x03 | UNSIGNED),
    ("bigint unsigned", 0x08 | UNSIGNED),
    ("float", 0x04),
    ("double", 0x05),
    ("mediumint", 0x09),
    ("year", 0x0D),
    ("mysql_timestamp", 0x07),
    ("mysql_date", 0x0A),
    ("time", 0x0B),
    ("datetime", 0x0C),
    ("string", 0xFE),
    ("decimal", 0xF6),
    ("blob", 0xFC),
    ("tiny_blob", 0xF9),
    ("medium_blob", 0xFA),
    ("long_blob", 0xFB),
    ("mysql_varchar", 0x0F),
    ("mysql_json", 0xF5),
];

/// The type of this name.
pub(super) fn name(name: &str) -> Option<&'static str> {
    TYPES.iter().map(|(it, _)| *it).find(|it| *it == name)
}

/// The type's number.
pub(crate) fn kind(name: &str) -> Option<u16> {
    TYPES.iter().find(|(it, _)| *it == name).map(|(_, kind)| *kind)
}

/// The name of the type and the text; `None` if the type is not known, or its bytes would not come out again.
pub(super) fn decode(kind: u16, bytes: &[u8]) -> Option<(&'static str, String)> {
    let (name, _) = TYPES.iter().find(|(_, it)| *it == kind)?;
    let text = to_text(kind, bytes)?;
    (encode(name, &text).as_deref() == Some(bytes)).then_some((name, text))
}

fn to_text(kind: u16, bytes: &[u8]) -> Option<String> {
    let number = |bytes: &[u8]| Some(u64::from_le_bytes(*[bytes, &[0; 8]].concat().first_chunk()?));
    Some(match (kind & 0xFF, kind & UNSIGNED != 0) {
        (0x01 | 0x02 | 0x03 | 0x08, true) | (0x0D, _) => number(bytes)?.to_string(),
        (0x01, _) => i8::from_le_bytes(bytes.try_into().ok()?).to_string(),
        (0x02, _) => i16::from_le_bytes(bytes.try_into().ok()?).to_string(),
        (0x03 | 0x09, _) => i32::from_le_bytes(bytes.try_into().ok()?).to_string(),
        (0x08, _) => i64::from_le_bytes(bytes.try_into().ok()?).to_string(),
        (0x04, _) => f32::from_le_bytes(bytes.try_into().ok()?).to_string(),
        (0x05, _) => f64::from_le_bytes(bytes.try_into().ok()?).to_string(),
        (0x07 | 0x0A | 0x0C, _) => date(bytes)?,
        (0x0B, _) => time(bytes)?,
        _ => std::str::from_utf8(bytes).ok()?.to_owned(),
    })
}

/// Bytes of the value, without their length; `None` if the text is no value of the type.
pub(super) fn encode(name: &str, text: &str) -> Option<Vec<u8>> {
    let kind = kind(name)?;
    Some(match (kind & 0xFF, kind & UNSIGNED != 0) {
        (0x01, true) => u8::from_str(text).ok()?.to_le_bytes().to_vec(),
        (0x02, true) | (0x0D, _) => u16::from_str(text).ok()?.to_le_bytes().to_vec(),
        (0x03, true) => u32::from_str(text).ok()?.to_le_bytes().to_vec(),
        (0x08, true) => u64::from_str(text).ok()?.to_le_bytes().to_vec(),
        (0x01, _) => i8::from_str(text).ok()?.to_le_bytes().to_vec(),
        (0x02, _) => i16::from_str(text).ok()?.to_le_bytes().to_vec(),
        (0x03 | 0x09, _) => i32::from_str(text).ok()?.to_le_bytes().to_vec(),
        (0x08, _) => i64::from_str(text).ok()?.to_le_bytes().to_vec(),
        (0x04, _) => f32::from_str(text).ok()?.to_le_bytes().to_vec(),
        (0x05, _) => f64::from_str(text).ok()?.to_le_bytes().to_vec(),
        (0x07 | 0x0A | 0x0C, _) => date_bytes(text)?,
        (0x0B, _) => time_bytes(text)?,
        _ => text.as_bytes().to_vec(),
    })
}

/// `2026-11-29`, `2026-11-29 10:00:00`, `2026-11-29 10:00:00.000001`, by the length; nothing for the zero date.
fn date(bytes: &[u8]) -> Option<String> {
    let [low, high, month, day, rest @ ..] = bytes else {
        return bytes.is_empty().then(String::new);
    };
    let mut text = format!("{:04}-{month:02}-{day:02}", u16::from_le_bytes([*low, *high]));
    if let [hour, minute, second, micros @ ..] = rest {
        let _ = write!(text, " {hour:02}:{minute:02}:{second:02}");
        append_micros(micros, &mut text)?;
    }
    Some(text)
}

fn append_micros(micros: &[u8], text: &mut String) -> Option<()> {
    if !micros.is_empty() {
        let _ = write!(text, ".{:06}", u32::from_le_bytes(micros.try_into().ok()?));
    }
    Some(())
}

fn date_bytes(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let (date, time) = text.split_once(' ').map_or((text, None), |(date, time)| (date, Some(time)));
    let mut parts = date.split('-');
    let year: u16 = parts.next()?.parse().ok()?;
    let mut bytes = year.to_le_bytes().to_vec();
    for _ in 0..2 {
        bytes.push(parts.next()?.parse().ok()?);
    }
    if let Some(time) = time {
        clock_bytes(time, &mut bytes)?;
    }
    parts.next().is_none().then_some(bytes)
}

/// `10:00:00`, `-1 10:00:00.000001`: days, hours, minutes, seconds; nothing for zero.
fn time(bytes: &[u8]) -> Option<String> {
    let [negative, a, b, c, d, hour, minute, second, micros @ ..] = bytes else {
        return bytes.is_empty().then(String::new);
    };
    let sign = if *negative == 1 { "-" } else { "" };
    let days = u32::from_le_bytes([*a, *b, *c, *d]);
    let mut text = format!("{sign}{days} {hour:02}:{minute:02}:{second:02}");
    append_micros(micros, &mut text)?;
    Some(text)
}

fn time_bytes(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let (negative, text) = text.strip_prefix('-').map_or((0, text), |text| (1, text));
    let (days, clock) = text.split_once(' ').unwrap_or(("0", text));
    let mut bytes = vec![negative];
    bytes.extend_from_slice(&days.parse::<u32>().ok()?.to_le_bytes());
    clock_bytes(clock, &mut bytes)?;
    Some(bytes)
}

/// Hours, minutes, seconds, and six digits of microseconds if there are any.
fn clock_bytes(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let (clock, micros) = text.split_once('.').map_or((text, None), |(clock, micros)| (clock, Some(micros)));
    let mut parts = clock.split(':');
    for _ in 0..3 {
        bytes.push(parts.next()?.parse().ok()?);
    }
    if let Some(micros) = micros {
        let micros = micros.parse::<u32>().ok().filter(|_| micros.len() == 6)?;
        bytes.extend_from_slice(&micros.to_le_bytes());
    }
    parts.next().is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_texts_of_which_they_come_out_again() {
        for (kind, bytes, name, text) in [
            (0x08, &b"\xff\xff\xff\xff\xff\xff\xff\xff"[..], "bigint", "-1"),
            (0x8008, b"\xff\xff\xff\xff\xff\xff\xff\xff", "bigint unsigned", "18446744073709551615"),
            (0x01, b"\x80", "tinyint", "-128"),
            (0x05, b"\0\0\0\0\0\0\xf8\x3f", "double", "1.5"),
            (0xFE, b"it's", "string", "it's"),
            (0x0A, b"\xea\x07\x0b\x1d", "mysql_date", "2026-11-29"),
            (0x0C, b"\xea\x07\x0b\x1d\x0a\0\x05", "datetime", "2026-11-29 10:00:05"),
            (0x07, b"\xea\x07\x0b\x1d\x0a\0\x05\x01\0\0\0", "mysql_timestamp", "2026-11-29 10:00:05.000001"),
            (0x0B, b"\x01\x01\0\0\0\x0a\0\x05", "time", "-1 10:00:05"),
            (0x0B, b"", "time", ""),
        ] {
            assert_eq!(decode(kind, bytes), Some((name, text.to_owned())));
            assert_eq!(encode(name, text).as_deref(), Some(bytes));
            assert_eq!(super::kind(name), Some(kind));
        }
        // Not UTF-8, no such length, a payload of NaN, no known type.
        for (kind, bytes) in [
            (0xFE, &b"\xff"[..]),
            (0x0A, b"\0"),
            (0x05, b"\x01\0\0\0\0\0\xf8\x7f"),
            (0x10, b"\x01"),
            (3, b""),
        ] {
            assert_eq!(decode(kind, bytes), None, "{kind} {bytes:?}");
        }
        for (name, text) in [("int", "x"), ("mysql_date", "2026-11"), ("time", "1:2"), ("datetime", "a b")] {
            assert_eq!(encode(name, text), None);
        }
        assert_eq!(name("int"), Some("int"));
    }
}
