//! Binary forms of common types, as text that a person can read and change. A form is given here only if the same bytes
//! come out of its text again. Source: PostgreSQL, the types' `send` and `recv` functions and `pg_type.dat`.

use std::fmt::Write;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Unit};

/// Names and OIDs.
const TYPES: &[(&str, u32)] = &[
    ("bool", 16),
    ("name", 19),
    ("int8", 20),
    ("int2", 21),
    ("int4", 23),
    ("text", 25),
    ("oid", 26),
    ("json", 114),
    ("float4", 700),
    ("float8", 701),
    ("bpchar", 1042),
    ("varchar", 1043),
    ("date", 1082),
    ("timestamp", 1114),
    ("timestamptz", 1184),
    ("numeric", 1700),
    ("uuid", 2950),
    ("jsonb", 3802),
];

/// The version that begins the binary form of `jsonb`.
const JSONB: u8 = 1;

/// The type of this name.
pub(super) fn name(name: &str) -> Option<&'static str> {
    TYPES.iter().map(|(it, _)| *it).find(|it| *it == name)
}

/// The name of the type and the text; `None` if the type is not known, or its bytes would not come out again.
pub(super) fn decode(oid: u32, bytes: &[u8]) -> Option<(&'static str, String)> {
    let (name, _) = TYPES.iter().find(|(_, it)| *it == oid)?;
    let text = to_text(name, bytes)?;
    (encode(name, &text).as_deref() == Some(bytes)).then_some((name, text))
}

/// The bytes; `None` if the text is no value of the type.
pub(super) fn encode(name: &str, text: &str) -> Option<Vec<u8>> {
    Some(match name {
        "bool" => vec![u8::from(bool::from_str(text).ok()?)],
        "int2" => i16::from_str(text).ok()?.to_be_bytes().to_vec(),
        "int4" => i32::from_str(text).ok()?.to_be_bytes().to_vec(),
        "int8" => i64::from_str(text).ok()?.to_be_bytes().to_vec(),
        "oid" => u32::from_str(text).ok()?.to_be_bytes().to_vec(),
        "float4" => f32::from_str(text).ok()?.to_be_bytes().to_vec(),
        "float8" => f64::from_str(text).ok()?.to_be_bytes().to_vec(),
        "name" | "text" | "json" | "bpchar" | "varchar" => text.as_bytes().to_vec(),
        "jsonb" => [&[JSONB], text.as_bytes()].concat(),
        "uuid" => uuid(text)?,
        "date" => {
            let days = DateTime::from_str(text).ok()?.since((Unit::Day, epoch())).ok()?.get_days();
            days.to_be_bytes().to_vec()
        }
        "timestamp" | "timestamptz" => {
            let text = text.strip_suffix('Z').unwrap_or(text);
            let since = DateTime::from_str(text).ok()?.duration_since(epoch());
            i64::try_from(since.as_micros()).ok()?.to_be_bytes().to_vec()
        }
        "numeric" => numeric_bytes(text)?,
        _ => return None,
    })
}

fn to_text(name: &str, bytes: &[u8]) -> Option<String> {
    Some(match name {
        "bool" => match bytes {
            [0] => "false".to_owned(),
            [1] => "true".to_owned(),
            _ => return None,
        },
        "int2" => i16::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "int4" => i32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "int8" => i64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "oid" => u32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "float4" => f32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "float8" => f64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "name" | "text" | "json" | "bpchar" | "varchar" => String::from_utf8(bytes.to_vec()).ok()?,
        "jsonb" => String::from_utf8(bytes.strip_prefix(&[JSONB])?.to_vec()).ok()?,
        "uuid" => {
            let bytes: [u8; 16] = bytes.try_into().ok()?;
            let mut text = String::with_capacity(36);
            for (at, byte) in bytes.iter().enumerate() {
                let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
                write!(text, "{dash}{byte:02x}").ok()?;
            }
            text
        }
        "date" => {
            let days = i32::from_be_bytes(bytes.try_into().ok()?);
            let day = epoch().checked_add(SignedDuration::from_hours(24 * i64::from(days))).ok()?;
            day.date().to_string()
        }
        "timestamp" | "timestamptz" => {
            let micros = i64::from_be_bytes(bytes.try_into().ok()?);
            let time = epoch().checked_add(SignedDuration::from_micros(micros)).ok()?;
            format!("{time}{}", if name == "timestamptz" { "Z" } else { "" })
        }
        "numeric" => numeric_text(bytes)?,
        _ => return None,
    })
}

/// PostgreSQL counts days and microseconds from here.
fn epoch() -> DateTime {
    DateTime::constant(2000, 1, 1, 0, 0, 0, 0)
}

fn uuid(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|pair| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8)
        })
        .collect();
    bytes.filter(|bytes| bytes.len() == 16)
}

const NEGATIVE: u16 = 0x4000;

/// Groups of four decimal digits, the weight of the first of them, sign, and digits behind the point.
fn numeric_text(bytes: &[u8]) -> Option<String> {
    let (head, digits) = bytes.split_first_chunk::<8>()?;
    let number = |at: usize| Some(u16::from_be_bytes([*head.get(at)?, *head.get(at + 1)?]));
    let (count, weight, sign, scale) = (number(0)?, number(2)? as i16, number(4)?, number(6)?);
    let digits: Vec<u16> = digits.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    // Longer ones are given as they are: nobody edits them, and a weight could ask for much memory.
    if digits.len() != usize::from(count)
        || !matches!(sign, 0 | NEGATIVE)
        || weight.abs() > 100
        || scale > 400
    {
        return None;
    }
    let group = |weight_of: i32| {
        let at = usize::try_from(i32::from(weight) - weight_of).ok();
        at.and_then(|at| digits.get(at)).copied().unwrap_or_default()
    };
    let whole: String = (0..=i32::from(weight).max(0))
        .rev()
        .fold(String::new(), |text, at| format!("{text}{:04}", group(at)));
    let whole = whole.trim_start_matches('0');
    let behind: String = (1..=i32::from(scale).div_euclid(4) + 1)
        .fold(String::new(), |text, at| format!("{text}{:04}", group(-at)));
    let sign = if sign == NEGATIVE { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if scale > 0 { "." } else { "" };
    Some(format!("{sign}{whole}{point}{}", behind.get(..usize::from(scale))?))
}

fn numeric_bytes(text: &str) -> Option<Vec<u8>> {
    let (sign, text) = text.strip_prefix('-').map_or((0, text), |text| (NEGATIVE, text));
    let (whole, behind) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty()
        || text.len() > 1000
        || !whole.bytes().chain(behind.bytes()).all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let pad = |length: usize| "0".repeat(length.next_multiple_of(4) - length);
    let all = format!("{}{whole}{behind}{}", pad(whole.len()), pad(behind.len()));
    let mut digits: Vec<u16> = all
        .as_bytes()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|group| group.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
        .collect();
    let mut weight = i16::try_from(whole.len().div_ceil(4)).ok()? - 1;
    let leading = digits.iter().take_while(|group| **group == 0).count();
    digits.drain(..leading);
    weight -= i16::try_from(leading).ok()?;
    while digits.last() == Some(&0) {
        digits.pop();
    }
    if digits.is_empty() {
        weight = 0;
    }
    let count = u16::try_from(digits.len()).ok()?;
    let scale = u16::try_from(behind.len()).ok()?;
    let head = [count, weight as u16, sign, scale];
    Some(head.iter().chain(&digits).flat_map(|number| number.to_be_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        text.as_bytes()
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// The bytes are those of PostgreSQL 15: `SELECT encode(numeric_send(...), 'hex')`.
    #[test]
    fn the_binary_forms_are_those_of_postgresql() {
        for (name, bytes, text) in [
            ("bool", "01", "true"),
            ("int2", "fffe", "-2"),
            ("int4", "00000005", "5"),
            ("int8", "7fffffffffffffff", "9223372036854775807"),
            ("oid", "ffffffff", "4294967295"),
            ("float4", "3fc00000", "1.5"),
            ("float8", "3fb999999999999a", "0.1"),
            ("float8", "7ff8000000000000", "NaN"),
            ("text", "61c3a4", "aä"),
            ("jsonb", "017b7d", "{}"),
            ("uuid", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ("date", "00000000", "2000-01-01"),
            ("date", "ffffffff", "1999-12-31"),
            ("date", "00002665", "2026-11-29"),
            ("timestamp", "0000000000000001", "2000-01-01T00:00:00.000001"),
            ("timestamptz", "fffffffffffffff6", "1999-12-31T23:59:59.99999Z"),
            ("numeric", "0000000000000000", "0"),
            ("numeric", "0000000000000002", "0.00"),
            ("numeric", "0002000000000002000c0d48", "12.34"),
            ("numeric", "00010001400000000001", "-10000"),
            ("numeric", "0001ffff000000050009", "0.00090"),
        ] {
            let bytes = hex(bytes);
            let oid = TYPES.iter().find(|(it, _)| *it == name).unwrap().1;
            assert_eq!(decode(oid, &bytes), Some((name, text.to_owned())), "{name} {text}");
        }
        // A last group with more digits than the scale shows, and NaN: such bytes are kept as they are.
        for bytes in ["0002000000000001000c0d80", "00000000c0000000", "0001000000000000"] {
            assert_eq!(decode(1700, &hex(bytes)), None, "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_out_again_or_are_not_given_as_text(at in 0..TYPES.len(), bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let (name, oid) = TYPES[at];
            if let Some((it, text)) = decode(oid, &bytes) {
                prop_assert_eq!(it, name);
                prop_assert_eq!(encode(name, &text), Some(bytes));
            }
        }

        #[test]
        fn any_text_is_encoded_without_harm(at in 0..TYPES.len(), text in "[-0-9.eTZ: a]{0,30}") {
            let _ = encode(TYPES[at].0, &text);
        }
    }
}
