//! Query attributes: key-value pairs that MySQL's clients may put before the text of a COM_QUERY and among the parameters
//! of a COM_STMT_EXECUTE.
//!
//! A server without query attributes would read them as a part of the statement.
//!
//! Source: dev.mysql.com, "COM_QUERY", "Binary Protocol Value".

use crate::packet::Reader;

/// The length of the attributes before a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attributes {
    /// So many.
    Length(usize),
    /// More of the packet is needed.
    Cut,
}

/// Are there attributes before the text in the payload of a COM_QUERY? The client's capabilities do not tell: some clients
/// claim attributes for the online server's sake and send none. But no text has the second byte of attributes, which is
/// the number of parameter sets.
pub fn are_there(payload: &[u8]) -> bool {
    matches!(payload, [_, _, 0x01, ..])
}

/// The length of the attributes in the payload of a COM_QUERY whose client sends them.
pub fn before_text(payload: &[u8]) -> Attributes {
    match text_length(payload) {
        Some(text) => Attributes::Length(payload.len() - 1 - text),
        None => Attributes::Cut,
    }
}

/// The text of a whole COM_QUERY payload, with attributes before it or without.
pub fn text(payload: &[u8]) -> Option<&[u8]> {
    match are_there(payload).then(|| before_text(payload)) {
        Some(Attributes::Cut) => None,
        Some(Attributes::Length(length)) => payload.get(1 + length..),
        None => payload.get(1..),
    }
}

/// The length of the text after the attributes, in bytes.
fn text_length(payload: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(payload.get(1..)?);
    let count = usize::try_from(reader.length()?).ok()?;
    reader.length()?; // parameter sets: always one
    if count > 0 {
        let nulls = reader.take(count.div_ceil(8))?;
        reader.u8()?; // types follow
        let types: Vec<u8> = (0..count).map(|_| named_type(&mut reader)).collect::<Option<_>>()?;
        skip_values(&mut reader, &types, nulls, |_| Some(false))?;
    }
    Some(reader.rest().len())
}

/// Reads a parameter's type and name; returns the type.
pub fn named_type(reader: &mut Reader<'_>) -> Option<u8> {
    let kind = reader.u8()?;
    reader.u8()?; // signed or not
    reader.sized()?;
    Some(kind)
}

/// Skips the values of parameters with these types. `is_elsewhere`: whether the value of a parameter was sent before and
/// is not here, if that is known.
pub fn skip_values(
    reader: &mut Reader<'_>,
    types: &[u8],
    nulls: &[u8],
    is_elsewhere: impl Fn(usize) -> Option<bool>,
) -> Option<()> {
    let is_null = |at: usize| nulls.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
    for (at, kind) in types.iter().enumerate() {
        if !is_null(at) && !is_elsewhere(at)? {
            skip_value(reader, *kind)?;
        }
    }
    Some(())
}

/// Skips a value of the binary protocol.
pub fn skip_value(reader: &mut Reader<'_>, kind: u8) -> Option<()> {
    let length = match kind {
        0x06 => 0,
        0x01 => 1,
        0x02 | 0x0D => 2,
        0x03 | 0x04 | 0x09 => 4,
        0x05 | 0x08 => 8,
        0x07 | 0x0A | 0x0B | 0x0C => usize::from(reader.u8()?),
        _ => usize::try_from(reader.length()?).ok()?,
    };
    reader.take(length).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_found_behind_the_attributes() {
        assert_eq!(before_text(b"\x03\x00\x01SELECT 1"), Attributes::Length(2));
        // One attribute: a string n = "v".
        let one = b"\x03\x01\x01\x00\x01\xfe\x00\x01n\x01vSELECT 1";
        assert_eq!(before_text(one), Attributes::Length(10));
        for cut in 1..11 {
            assert_eq!(before_text(&one[..cut]), Attributes::Cut, "{cut}");
        }
        // NULL has no value.
        assert_eq!(before_text(b"\x03\x01\x01\x01\x01\xfe\x00\x01nSELECT 1"), Attributes::Length(8));
        assert!(are_there(one));
        assert!(!are_there(b"\x03SELECT 1"));
    }
}
