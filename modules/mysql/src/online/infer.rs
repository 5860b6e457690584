//! Infers the types of parameters from EXECUTEs that refer to types which were bound before.
//!
//! A client binds the types of a statement's parameters with its first EXECUTE, and no server tells them afterwards. But the
//! values show them: they must fill the packet exactly, in each EXECUTE, and they must be plausible. Of all assignments that
//! fill the packets, that with the least information wins: a number costs its digits, a text its characters. Where two
//! are equally good, as for the byte 0 (an empty text, or a false), nothing tells which is right.

use std::collections::HashMap;

use crate::wire::packet::Reader;

/// So many EXECUTEs are compared.
pub(crate) const SAMPLES_MAX: usize = 4;

/// More parameters than this are not inferred.
const PARAMETERS_MAX: usize = 4096;

/// So many places are followed after each parameter.
const PLACES_MAX: usize = 64;

/// So many places in all, as far as there are more than a few for each parameter.
const WORK_MAX: usize = 16 << 10;

/// The information in a byte of usual values, in bits.
const USUAL: u32 = 3;

/// The values of one EXECUTE.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample<'a> {
    /// Which are NULL: a bit for each.
    pub(crate) nulls: &'a [u8],
    pub(crate) values: &'a [u8],
}

impl Sample<'_> {
    pub(crate) fn is_null(&self, parameter: usize) -> bool {
        self.nulls.get(parameter / 8).is_some_and(|byte| byte >> (parameter % 8) & 1 == 1)
    }
}

/// A type that values can have. Types that are written in the same way and mean the same are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Blob,
    Long,
    UnsignedLong,
    LongLong,
    UnsignedLongLong,
    Double,
    Float,
    DateTime,
    Time,
    Short,
    Tiny,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Text,
        Self::Long,
        Self::LongLong,
        Self::UnsignedLong,
        Self::UnsignedLongLong,
        Self::Double,
        Self::DateTime,
        Self::Time,
        Self::Short,
        Self::Tiny,
        Self::Float,
        Self::Blob,
    ];

    /// As an EXECUTE names it: the type, and whether it has no sign.
    fn code(self) -> [u8; 2] {
        match self {
            Self::Tiny => [0x01, 0],
            Self::Short => [0x02, 0],
            Self::Long => [0x03, 0],
            Self::UnsignedLong => [0x03, 0x80],
            Self::Float => [0x04, 0],
            Self::Double => [0x05, 0],
            Self::LongLong => [0x08, 0],
            Self::UnsignedLongLong => [0x08, 0x80],
            Self::Time => [0x0B, 0],
            Self::DateTime => [0x0C, 0],
            Self::Blob => [0xFC, 0],
            Self::Text => [0xFD, 0],
        }
    }

    /// Reads a value. Returns the information that it holds, in bits; `None` if it is none of this type.
    fn cost(self, reader: &mut Reader<'_>) -> Option<u32> {
        Some(match self {
            Self::Tiny => 4 + signed(i64::from(reader.array::<1>()?[0] as i8)),
            Self::Short => 4 + signed(i64::from(i16::from_le_bytes(reader.array()?))),
            Self::Long => 1 + signed(i64::from(i32::from_le_bytes(reader.array()?))),
            Self::UnsignedLong => 2 + unsigned(u64::from(u32::from_le_bytes(reader.array()?))),
            Self::LongLong => 1 + signed(i64::from_le_bytes(reader.array()?)),
            Self::UnsignedLongLong => 2 + unsigned(u64::from_le_bytes(reader.array()?)),
            Self::Float => {
                6 + float(f64::from(f32::from_le_bytes(reader.array()?)), |it| format!("{:e}", it as f32))
            }
            Self::Double => 3 + float(f64::from_le_bytes(reader.array()?), |it| format!("{it:e}")),
            Self::DateTime => date_time(reader.short()?)?,
            Self::Time => time(reader.short()?)?,
            Self::Text => 3 + text(std::str::from_utf8(string(reader)?).ok()?),
            Self::Blob => 6 + 8 * u32::try_from(string(reader)?.len()).ok()?,
        })
    }
}

/// A string whose length is written in as few bytes as it can be.
fn string<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let before = reader.rest().len();
    let string = reader.sized()?;
    let least = match string.len() {
        ..=0xFA => 1,
        0xFB..=0xFFFF => 3,
        0x1_0000..=0xFF_FFFF => 4,
        _ => 9,
    };
    (before - reader.rest().len() - string.len() == least).then_some(string)
}

fn unsigned(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

fn signed(value: i64) -> u32 {
    unsigned(value.unsigned_abs()) + if value < 0 { 4 } else { 0 }
}

/// People and programs write fractions with few digits, or compute them with all.
fn float(value: f64, shortest: impl Fn(f64) -> String) -> u32 {
    if value == 0.0 {
        return 1;
    }
    let written = shortest(value);
    let (digits, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let digits = digits.bytes().filter(u8::is_ascii_digit).count() as u32;
    let is_usual = exponent.parse::<i32>().is_ok_and(|exponent| (-9..=15).contains(&exponent));
    if value.is_finite() && is_usual { 3 + (digits * 10 / 3).min(54) } else { 100 }
}

fn text(text: &str) -> u32 {
    text.chars()
        .map(|char| match char {
            ' '..='~' => 3,
            '\n' | '\t' | '\r' => 5,
            '\0'..='\x1F' | '\x7F' => 12,
            _ => 6,
        })
        .sum()
}

fn date_time(value: &[u8]) -> Option<u32> {
    if value.is_empty() {
        return Some(12);
    }
    let mut reader = Reader::new(value);
    let (year, month, day) = (reader.u16()?, reader.u8()?, reader.u8()?);
    let is_date = (1..=9999).contains(&year) && month <= 12 && day <= 31;
    let is_whole = match value.len() {
        4 => true,
        7 => is_clock(&mut reader)?,
        11 => is_clock(&mut reader)? && reader.u32()? < 1_000_000,
        _ => false,
    };
    (is_date && is_whole).then_some(if (1900..2200).contains(&year) { 12 } else { 24 })
}

fn time(value: &[u8]) -> Option<u32> {
    if value.is_empty() {
        return Some(16);
    }
    let mut reader = Reader::new(value);
    let (is_negative, days) = (reader.u8()?, reader.u32()?);
    let is_whole = match value.len() {
        8 => is_clock(&mut reader)?,
        12 => is_clock(&mut reader)? && reader.u32()? < 1_000_000,
        _ => false,
    };
    (is_negative <= 1 && days <= 34 && is_whole).then_some(16)
}

fn is_clock(reader: &mut Reader<'_>) -> Option<bool> {
    Some(reader.u8()? < 24 && reader.u8()? < 60 && reader.u8()? < 60)
}

/// A place in all samples, and how it was reached.
#[derive(Debug, Clone)]
struct Place {
    at: [usize; SAMPLES_MAX],
    cost: u32,
    /// The place before, among those of the last parameter, and the type that leads here.
    from: usize,
    kind: Kind,
}

impl Place {
    /// With the cost of the rest, if that is as usual.
    fn likely_cost(&self, samples: &[Sample<'_>]) -> u32 {
        let left = samples.iter().zip(self.at).map(|(sample, at)| sample.values.len() - at).sum::<usize>();
        self.cost.saturating_add(USUAL * u32::try_from(left).unwrap_or(u32::MAX / USUAL))
    }
}

/// The types of `parameters` parameters, two bytes each, that all `samples` can have; of more than [`SAMPLES_MAX`] the first
/// ones. `None` if there are no such types. `is_elsewhere`: the value of this parameter is not in the last sample, because it
/// was sent before.
pub(crate) fn infer(
    samples: &[Sample<'_>],
    parameters: u16,
    is_elsewhere: impl Fn(usize) -> bool,
) -> Option<Vec<u8>> {
    let samples = &samples[..samples.len().min(SAMPLES_MAX)];
    let parameters = usize::from(parameters);
    if parameters > PARAMETERS_MAX || samples.is_empty() {
        return None;
    }
    let most = (WORK_MAX / parameters.max(1)).clamp(8, PLACES_MAX);
    let start = Place { at: [0; SAMPLES_MAX], cost: 0, from: 0, kind: Kind::Text };
    let mut places = vec![vec![start]];
    for parameter in 0..parameters {
        let mut next: Vec<Place> = Vec::new();
        let mut known: HashMap<[usize; SAMPLES_MAX], usize> = HashMap::new();
        for (from, place) in places[parameter].iter().enumerate() {
            for kind in Kind::ALL {
                let skip = |sample: usize| {
                    samples[sample].is_null(parameter)
                        || (sample + 1 == samples.len() && is_elsewhere(parameter))
                };
                let Some((at, cost)) = step(place, kind, samples, skip) else { continue };
                let new = Place { at, cost, from, kind };
                // What follows depends on the place alone.
                match known.get(&at).and_then(|index| next.get_mut(*index)) {
                    Some(known) if known.cost <= cost => {}
                    Some(known) => *known = new,
                    None => {
                        known.insert(at, next.len());
                        next.push(new);
                    }
                }
            }
        }
        if next.len() > most {
            next.sort_by_key(|place| place.likely_cost(samples));
            next.truncate(most);
        }
        places.push(next);
    }
    let is_end = |place: &&Place| samples.iter().zip(place.at).all(|(sample, at)| at == sample.values.len());
    let mut place = places.last()?.iter().find(is_end)?;
    let mut kinds = Vec::with_capacity(parameters);
    for parameter in (0..parameters).rev() {
        kinds.push(place.kind);
        place = places[parameter].get(place.from)?;
    }
    Some(kinds.iter().rev().flat_map(|kind| kind.code()).collect())
}

/// The place behind a value of this type in each sample.
fn step(
    place: &Place,
    kind: Kind,
    samples: &[Sample<'_>],
    skip: impl Fn(usize) -> bool,
) -> Option<([usize; SAMPLES_MAX], u32)> {
    let (mut at, mut cost) = (place.at, place.cost);
    for (index, sample) in samples.iter().enumerate() {
        if skip(index) {
            // Values that are sent before are texts or blobs; of NULL nothing is known.
            cost += u32::from(kind != Kind::Text);
            continue;
        }
        let rest = sample.values.get(at[index]..)?;
        let mut reader = Reader::new(rest);
        cost = cost.saturating_add(kind.cost(&mut reader)?);
        at[index] += rest.len() - reader.rest().len();
    }
    Some((at, cost))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: [u8; 2] = [1, 0];
    const SHORT: [u8; 2] = [2, 0];
    const LONG: [u8; 2] = [3, 0];
    const FLOAT: [u8; 2] = [4, 0];
    const DOUBLE: [u8; 2] = [5, 0];
    const LONGLONG: [u8; 2] = [8, 0];
    const TIME: [u8; 2] = [0x0B, 0];
    const DATETIME: [u8; 2] = [0x0C, 0];
    const BLOB: [u8; 2] = [0xFC, 0];
    const TEXT: [u8; 2] = [0xFD, 0];

    fn inferred(samples: &[&[u8]], parameters: u16) -> Option<Vec<[u8; 2]>> {
        let samples: Vec<_> = samples.iter().map(|values| Sample { nulls: &[0, 0], values }).collect();
        let types = infer(&samples, parameters, |_| false)?;
        Some(types.chunks_exact(2).map(|it| [it[0], it[1]]).collect())
    }

    #[test]
    fn what_sysbench_sends_is_read_at_once() {
        let id = 4711_i32.to_le_bytes();
        let c = [b"\x77", &[b'7'; 119][..]].concat();
        let pad = [b"\x3b", &[b'3'; 59][..]].concat();
        assert_eq!(inferred(&[&id], 1), Some(vec![LONG]));
        assert_eq!(inferred(&[&[id, id].concat()], 2), Some(vec![LONG, LONG]));
        assert_eq!(inferred(&[&[&c[..], &id].concat()], 2), Some(vec![TEXT, LONG]));
        let row = [&id[..], &id, &c, &pad].concat();
        assert_eq!(inferred(&[&row], 4), Some(vec![LONG, LONG, TEXT, TEXT]));
        for id in 0..100_000_i32 {
            assert_eq!(inferred(&[&id.to_le_bytes()], 1), Some(vec![LONG]), "{id}");
        }
    }

    #[test]
    fn each_type_shows_in_its_values() {
        let value = |value: f64| value.to_le_bytes();
        assert_eq!(inferred(&[&value(19.99)], 1), Some(vec![DOUBLE]));
        assert_eq!(inferred(&[&value(1.0 / 3.0)], 1), Some(vec![DOUBLE]));
        assert_eq!(inferred(&[&value(-2.5)], 1), Some(vec![DOUBLE]));
        assert_eq!(inferred(&[&2.5_f32.to_le_bytes()], 1), Some(vec![FLOAT]));
        assert_eq!(inferred(&[&1_700_000_000_123_i64.to_le_bytes()], 1), Some(vec![LONGLONG]));
        assert_eq!(inferred(&[&(-1_i64).to_le_bytes()], 1), Some(vec![LONGLONG]));
        assert_eq!(inferred(&[&(-1_i32).to_le_bytes()], 1), Some(vec![LONG]));
        assert_eq!(inferred(&[&0xC0A8_0001_u32.to_le_bytes()], 1), Some(vec![[3, 0x80]]), "an address");
        assert_eq!(inferred(&[&u64::MAX.wrapping_sub(1 << 40).to_le_bytes()], 1), Some(vec![LONGLONG]));
        assert_eq!(inferred(&[b"\x07\xea\x07\x0b\x1d\x0e\x25\x07"], 1), Some(vec![DATETIME]));
        assert_eq!(inferred(&[b"\x0b\xea\x07\x0b\x1d\x0e\x25\x07\x01\0\0\0"], 1), Some(vec![DATETIME]));
        assert_eq!(inferred(&[b"\x04\xea\x07\x0b\x1d"], 1), Some(vec![DATETIME]));
        assert_eq!(inferred(&[b"\x08\x00\0\0\0\0\x0e\x25\x07"], 1), Some(vec![TIME]));
        assert_eq!(inferred(&[b"\x05hello"], 1), Some(vec![TEXT]));
        assert_eq!(inferred(&["\x07gr\u{fc}\u{df}e".as_bytes()], 1), Some(vec![TEXT]));
        assert_eq!(inferred(&[b"\x05\xff\xfe\0\x80\x81"], 1), Some(vec![BLOB]));
        assert_eq!(inferred(&[&300_i16.to_le_bytes()], 1), Some(vec![SHORT]));
        assert_eq!(inferred(&[b"\x05"], 1), Some(vec![TINY]));
        assert_eq!(
            inferred(&[&[5_i32.to_le_bytes().to_vec(), 7_i64.to_le_bytes().to_vec()].concat()], 2),
            Some(vec![LONG, LONGLONG])
        );
    }

    #[test]
    fn what_one_execution_leaves_open_others_tell() {
        // A text of three characters, or a number.
        assert_eq!(inferred(&[b"\x03abc"], 1), Some(vec![TEXT]));
        assert_eq!(inferred(&[b"\x03abc", &4711_i32.to_le_bytes()], 1), Some(vec![LONG]));
        assert_eq!(inferred(&[b"\x00"], 1), Some(vec![TEXT]));
        assert_eq!(inferred(&[b"\x00", b"\x01"], 1), Some(vec![TINY]));
    }

    #[test]
    fn null_and_values_that_were_sent_before_are_not_in_the_packet() {
        let values = 7_i32.to_le_bytes();
        let sample = Sample { nulls: &[0b01], values: &values };
        assert_eq!(infer(&[sample], 2, |_| false), Some([TEXT, LONG].concat()));
        let sample = Sample { nulls: &[0], values: &values };
        assert_eq!(infer(&[sample], 2, |parameter| parameter == 1), Some([LONG, TEXT].concat()));
        assert_eq!(infer(&[sample], 0, |_| false), None, "there is more than nothing");
    }

    #[test]
    fn nothing_is_inferred_that_does_not_fill_the_packet() {
        assert_eq!(inferred(&[b"\x05ab"], 1), None);
        assert_eq!(inferred(&[b"\x01"], 9), None);
        assert_eq!(inferred(&[], 1), None);
        assert_eq!(inferred(&[&[0xFF; 3]], 1), None);
        let long = vec![0xFF; 64 << 10];
        assert_eq!(inferred(&[&long], u16::MAX), None);
    }

    /// Many rows in one statement.
    #[test]
    fn a_thousand_parameters_are_read() {
        let row = [&4711_i32.to_le_bytes()[..], b"\x05hello", &19.99_f64.to_le_bytes()].concat();
        let types = inferred(&[&row.repeat(300)], 900).unwrap();
        assert_eq!(types, [LONG, TEXT, DOUBLE].repeat(300));
    }
}
