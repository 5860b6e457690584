//! The parameters of COM_STMT_EXECUTE.
//!
//! Source: dev.mysql.com, "COM_STMT_EXECUTE", "Binary Protocol Value".

use crate::packet::{Reader, write_length, write_sized};

/// PARAMETER_COUNT_AVAILABLE: the number of parameters is in the packet.
const COUNT_AVAILABLE: u8 = 8;

/// A parameter's type (MYSQL_TYPE_*) in the low byte, and 0x8000 if it is unsigned.
pub type Kind = u16;

/// A value: its type, and its bytes without their length; `None` is NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter<'p> {
    /// Its type.
    pub kind: Kind,
    /// Its bytes.
    pub value: Option<&'p [u8]>,
}

/// What an EXECUTE says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execute<'p> {
    /// The statement.
    pub statement: u32,
    /// Its rows are fetched by other commands.
    pub has_cursor: bool,
    /// The parameters. A value that was sent before (SEND_LONG_DATA) is as `long` says.
    pub parameters: Vec<Parameter<'p>>,
}

/// What is known of the statement that is executed.
#[derive(Debug, Clone, Copy)]
pub struct Known<'k> {
    /// The number of its parameters.
    pub parameters: u16,
    /// The types that were bound last.
    pub kinds: &'k [Kind],
    /// Both sides know query attributes.
    pub attributes: bool,
}

/// Bytes before the parameters: command, statement, flags, iterations.
const FIXED: usize = 10;

/// The statement that an EXECUTE or another command names.
#[must_use]
pub fn statement_of(payload: &[u8]) -> Option<u32> {
    Reader::new(payload.get(1..)?).u32()
}

/// Reads the payload of an EXECUTE. `long` is the value of a parameter that was sent before.
pub fn read<'p>(
    payload: &'p [u8],
    known: Known<'_>,
    long: impl Fn(usize) -> Option<&'p [u8]>,
) -> Option<Execute<'p>> {
    let statement = statement_of(payload)?;
    let flags = *payload.get(5)?;
    let mut reader = Reader::new(payload.get(FIXED..)?);
    let mut execute = Execute { statement, has_cursor: flags & 7 != 0, parameters: Vec::new() };
    let has_count = known.attributes && (known.parameters > 0 || flags & COUNT_AVAILABLE != 0);
    let count = if has_count { usize::try_from(reader.length()?).ok()? } else { known.parameters.into() };
    if count == 0 {
        return Some(execute);
    }
    let nulls = reader.take(count.div_ceil(8))?;
    let bound = reader.u8()? == 1;
    let mut kinds = Vec::new();
    if bound {
        for _ in 0..count {
            kinds.push(reader.u16()?);
            if has_count {
                reader.sized()?;
            }
        }
    } else {
        kinds.extend_from_slice(known.kinds);
    }
    // Attributes follow the parameters.
    for (at, kind) in kinds.iter().copied().enumerate().take(count.min(known.parameters.into())) {
        let is_null = nulls.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
        let value = match long(at) {
            Some(value) => Some(value),
            None if is_null => None,
            None => Some(value(&mut reader, kind)?),
        };
        execute.parameters.push(Parameter { kind, value });
    }
    (execute.parameters.len() == usize::from(known.parameters)).then_some(execute)
}

/// The length of values of a type whose length is fixed, in bytes; `None` if it is written before them.
fn fixed(kind: Kind) -> Option<usize> {
    Some(match kind as u8 {
        0x06 => 0,
        0x01 => 1,
        0x02 | 0x0D => 2,
        0x03 | 0x04 | 0x09 => 4,
        0x05 | 0x08 => 8,
        _ => return None,
    })
}

/// Whether the length of a date or time is one byte.
fn is_time(kind: Kind) -> bool {
    matches!(kind as u8, 0x07 | 0x0A | 0x0B | 0x0C)
}

/// Reads a value of the binary protocol, without its length.
pub fn value<'p>(reader: &mut Reader<'p>, kind: Kind) -> Option<&'p [u8]> {
    match fixed(kind) {
        Some(length) => reader.take(length),
        None if is_time(kind) => reader.short(),
        None => reader.sized(),
    }
}

/// Appends a value as [`value`] reads it; one whose length does not fit its type becomes zero.
pub fn write_value(kind: Kind, value: &[u8], to: &mut Vec<u8>) {
    match fixed(kind) {
        Some(length) if value.len() == length => to.extend_from_slice(value),
        Some(length) => to.resize(to.len() + length, 0),
        None if is_time(kind) => {
            let value = value.get(..11).filter(|_| value.len() > 12).unwrap_or(value);
            to.push(value.len() as u8);
            to.extend_from_slice(value);
        }
        None => write_sized(value, to),
    }
}

/// The payload of an EXECUTE. `is_long` tells which values were sent before. `attributes` as in [`Known`].
#[must_use]
pub fn write(execute: &Execute<'_>, attributes: bool, is_long: impl Fn(usize) -> bool) -> Vec<u8> {
    let count = execute.parameters.len();
    let mut payload = vec![0x17];
    payload.extend_from_slice(&execute.statement.to_le_bytes());
    payload.push(u8::from(execute.has_cursor));
    payload.extend_from_slice(&1_u32.to_le_bytes());
    if count == 0 {
        return payload;
    }
    if attributes {
        write_length(count, &mut payload);
    }
    let mut nulls = vec![0_u8; count.div_ceil(8)];
    for (at, parameter) in execute.parameters.iter().enumerate() {
        if parameter.value.is_none()
            && let Some(byte) = nulls.get_mut(at / 8)
        {
            *byte |= 1 << (at % 8);
        }
    }
    payload.append(&mut nulls);
    payload.push(1);
    for parameter in &execute.parameters {
        payload.extend_from_slice(&parameter.kind.to_le_bytes());
        if attributes {
            payload.push(0);
        }
    }
    for (at, parameter) in execute.parameters.iter().enumerate() {
        if let Some(value) = parameter.value
            && !is_long(at)
        {
            write_value(parameter.kind, value, &mut payload);
        }
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Vec<Parameter<'static>> {
        vec![
            Parameter { kind: 0x8008, value: Some(b"\x2a\0\0\0\0\0\0\0") },
            Parameter { kind: 0xFE, value: Some(b"text") },
            Parameter { kind: 0x06, value: None },
            Parameter { kind: 0x0C, value: Some(b"\xea\x07\x0b\x1d\x0a\0\0") },
            Parameter { kind: 0xFC, value: Some(b"long") },
        ]
    }

    #[test]
    fn parameters_are_read_as_written() {
        for (attributes, has_cursor) in [(false, false), (true, true)] {
            let execute = Execute { statement: 7, has_cursor, parameters: parameters() };
            let payload = write(&execute, attributes, |at| at == 4);
            let known = Known { parameters: 5, kinds: &[], attributes };
            let long = |at| (at == 4).then_some(&b"long"[..]);
            assert_eq!(read(&payload, known, long), Some(execute));
            for cut in 0..payload.len() {
                let _ = read(&payload[..cut], known, long);
            }
        }
    }

    #[test]
    fn types_that_were_bound_before_are_used() {
        let later = b"\x17\x05\0\0\0\0\x01\0\0\0\0\0\x2a\0\0\0\x01x";
        let known = Known { parameters: 2, kinds: &[3, 0xFE], attributes: false };
        let execute = read(later, known, |_| None).unwrap();
        let values: Vec<_> = execute.parameters.iter().map(|it| it.value.unwrap()).collect();
        assert_eq!(values, [&b"\x2a\0\0\0"[..], b"x"]);
        let unknown = Known { kinds: &[], ..known };
        assert_eq!(read(later, unknown, |_| None), None);
    }

    #[test]
    fn attributes_are_left_out() {
        // A number, and the attribute n = "v".
        let named = b"\x17\x05\0\0\0\x08\x01\0\0\0\x02\0\x01\x03\0\0\xfe\0\x01n\x2a\0\0\0\x01v";
        let known = Known { parameters: 1, kinds: &[], attributes: true };
        let execute = read(named, known, |_| None).unwrap();
        assert_eq!(execute.parameters, [Parameter { kind: 3, value: Some(b"\x2a\0\0\0") }]);
    }
}
