//! Query attributes: what MySQL's clients may put before a statement's text, and into the parameters of an EXECUTE.
//!
//! A test server that does not know them would read them as a part of the statement. In front of a text they can be
//! overwritten with blanks, which changes no length; an EXECUTE is written anew up to its values.
//!
//! Source: dev.mysql.com, "COM_QUERY", "COM_STMT_EXECUTE", "Binary Protocol Value".

use crate::statements::long_data::Values;
use crate::wire::packet::Reader;

/// Where attributes can be read, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attributes {
    /// So many bytes before the text.
    Length(usize),
    /// More of the packet is needed.
    Cut,
}

/// Are there attributes before the text in the payload of a COM_QUERY? Clients may say that they send them and do not,
/// for the online server's sake; but no text has this second byte, the number of sets of parameters.
pub(crate) fn are_there(payload: &[u8]) -> bool {
    matches!(payload, [_, _, 0x01, ..])
}

/// How long the attributes are in the payload of a COM_QUERY whose client sends them.
pub(crate) fn before_text(payload: &[u8]) -> Attributes {
    match read(payload) {
        Some(behind) => Attributes::Length(payload.len() - 1 - behind),
        None => Attributes::Cut,
    }
}

/// The text in the payload of a COM_QUERY that is here as a whole, attributes or not.
pub(crate) fn text(payload: &[u8]) -> Option<&[u8]> {
    match are_there(payload).then(|| before_text(payload)) {
        Some(Attributes::Cut) => None,
        Some(Attributes::Length(length)) => payload.get(1 + length..),
        None => payload.get(1..),
    }
}

/// What is behind the attributes, in bytes.
fn read(payload: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(payload.get(1..)?);
    let count = usize::try_from(reader.length()?).ok()?;
    reader.length()?; // sets of parameters: one
    if count > 0 {
        let nulls = reader.take(count.div_ceil(8))?;
        reader.u8()?; // types follow
        let types: Vec<u8> = (0..count).map(|_| named_type(&mut reader)).collect::<Option<_>>()?;
        skip_values(&mut reader, &types, nulls, None)?;
    }
    Some(reader.rest().len())
}

/// Reads a type and a name; returns the type.
fn named_type(reader: &mut Reader<'_>) -> Option<u8> {
    let kind = reader.u8()?;
    reader.u8()?; // signed or not
    reader.sized()?;
    Some(kind)
}

/// `before`: values that are not here, for they were sent before.
fn skip_values(reader: &mut Reader<'_>, types: &[u8], nulls: &[u8], before: Option<&Values>) -> Option<()> {
    for (at, kind) in types.iter().enumerate() {
        if !is_null(nulls, at) && !before.map_or(Some(false), |before| before.has(at))? {
            skip_value(reader, *kind)?;
        }
    }
    Some(())
}

fn is_null(nulls: &[u8], at: usize) -> bool {
    nulls.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

/// Skips a value of the binary protocol.
fn skip_value(reader: &mut Reader<'_>, kind: u8) -> Option<()> {
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

/// Bytes of an EXECUTE before its parameters: command, id, flags, iterations.
const FIXED: usize = 10;

/// The flag of an EXECUTE that says that the number of parameters follows.
const PARAMETER_COUNT: u8 = 8;

/// The flags of an EXECUTE stand here.
const FLAGS: usize = 5;

/// An EXECUTE as a server without query attributes wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Execute {
    /// As it is.
    Plain,
    /// These bytes in place of the first `replaced` ones; values follow, of which the last `cut` bytes are those of
    /// attributes.
    Changed { head: Vec<u8>, replaced: usize, cut: usize },
    /// More of the packet is needed.
    Cut,
}

/// Takes the attributes out of an EXECUTE of a statement with so many `parameters`, if that is known. `length` is that of
/// the whole payload; `spoken`: the client is known to send attributes, or not to; `before`: values that were sent before.
pub(crate) fn without_attributes(
    payload: &[u8],
    length: usize,
    parameters: Option<u16>,
    spoken: Option<bool>,
    before: Option<&Values>,
) -> Execute {
    let Some(&flags) = payload.get(FLAGS) else { return Execute::Cut };
    let flagged = flags & PARAMETER_COUNT != 0;
    if length <= FIXED {
        return if flagged { cleared(payload) } else { Execute::Plain };
    }
    // The number is there if there is a parameter, flag or not.
    match spoken.or(flagged.then_some(true)) {
        Some(false) => return Execute::Plain,
        Some(true) => {}
        None => match look_counted(payload, parameters) {
            Some(true) => {}
            Some(false) => return Execute::Plain,
            None => return Execute::Cut,
        },
    }
    change(payload, length, parameters.map(usize::from), before).unwrap_or(Execute::Cut)
}

/// Does an EXECUTE look as if the number of its parameters came first?
fn look_counted(payload: &[u8], parameters: Option<u16>) -> Option<bool> {
    let Some(parameters) = parameters.map(usize::from) else { return Some(false) };
    let mut reader = Reader::new(payload.get(FIXED..)?);
    if reader.length()? != parameters as u64 {
        return Some(false);
    }
    reader.take(parameters.div_ceil(8))?;
    let bound = reader.u8()?;
    let no_names =
        |reader: &mut Reader<'_>| reader.take(3).map(|kind| kind[1] & !UNSIGNED == 0 && kind[2] == 0);
    Some(
        bound == 0
            || bound == 1 && (0..parameters).try_fold(true, |all, _| Some(all && no_names(&mut reader)?))?,
    )
}

/// The flag of a type that has no sign.
const UNSIGNED: u8 = 0x80;

/// Can this be an EXECUTE, without attributes, of a statement with so many `parameters`? `length` is that of the whole
/// payload. Values are followed where the whole is here.
pub(crate) fn fits(payload: &[u8], length: usize, parameters: u16) -> bool {
    let parameters = usize::from(parameters);
    if parameters == 0 {
        return length <= FIXED + 1;
    }
    let mut reader = Reader::new(payload.get(FIXED..).unwrap_or_default());
    let head = reader.take(parameters.div_ceil(8)).and_then(|nulls| Some((nulls, reader.u8()?)));
    match head {
        None => length > FIXED,
        Some((nulls, 1)) if payload.len() == length => values_fit(reader, parameters, nulls),
        Some((_, bound)) => bound <= 1,
    }
}

/// Types and values fill the rest exactly; or less of it, for values can have come before (COM_STMT_SEND_LONG_DATA).
fn values_fit(mut reader: Reader<'_>, parameters: usize, nulls: &[u8]) -> bool {
    let Some(types) = reader.take(2 * parameters) else { return false };
    let kinds: Vec<u8> = types.iter().step_by(2).copied().collect();
    match skip_values(&mut reader, &kinds, nulls, None) {
        Some(()) => reader.rest().is_empty(),
        None => kinds.iter().any(|kind| LONG.contains(kind)),
    }
}

/// Types of values that can be sent beforehand: texts and blobs.
const LONG: std::ops::RangeInclusive<u8> = 0xF5..=0xFE;

/// Nothing follows the fixed part: only the flag goes.
fn cleared(payload: &[u8]) -> Execute {
    match payload.get(..FIXED) {
        Some(head) => {
            let mut head = head.to_vec();
            head[FLAGS] &= !PARAMETER_COUNT;
            Execute::Changed { head, replaced: FIXED, cut: 0 }
        }
        None => Execute::Cut,
    }
}

fn change(
    payload: &[u8],
    length: usize,
    parameters: Option<usize>,
    before: Option<&Values>,
) -> Option<Execute> {
    let Execute::Changed { mut head, .. } = cleared(payload) else { return None };
    let mut reader = Reader::new(payload.get(FIXED..)?);
    let count = usize::try_from(reader.length()?).ok()?;
    let parameters = parameters.unwrap_or(count);
    if count < parameters || count > usize::from(u16::MAX) {
        return None;
    }
    if count == 0 {
        return Some(Execute::Changed { head, replaced: payload.len() - reader.rest().len(), cut: 0 });
    }
    let nulls = reader.take(count.div_ceil(8))?;
    let bound = reader.u8()?;
    let mut types = Vec::new();
    if bound == 1 {
        for _ in 0..count {
            let kind = reader.rest().get(..2)?;
            types.push([kind[0], kind[1]]);
            named_type(&mut reader)?;
        }
    }
    if parameters > 0 {
        let mut kept = nulls.get(..parameters.div_ceil(8))?.to_vec();
        if let (Some(last), used @ 1..) = (kept.last_mut(), parameters % 8) {
            *last &= (1 << used) - 1;
        }
        head.extend_from_slice(&kept);
        head.push(bound);
        head.extend(types.iter().take(parameters).flatten());
    }
    let replaced = payload.len() - reader.rest().len();
    let mut cut = 0;
    if count > parameters {
        // The values of attributes are behind those of parameters, which must be read to find them.
        if bound != 1 || payload.len() < length {
            return None;
        }
        let kinds: Vec<u8> = types.iter().take(parameters).map(|kind| kind[0]).collect();
        skip_values(&mut reader, &kinds, nulls, before)?;
        cut = reader.rest().len();
    }
    Some(Execute::Changed { head, replaced, cut })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::long_data::LongData;
    use crate::wire::command::Command;

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

    /// An EXECUTE of statement 1, with a number as its one parameter.
    const EXECUTE: &[u8] = b"\x17\x01\0\0\0\0\x01\0\0\0\x00\x01\x08\x00\x2a\0\0\0\0\0\0\0";

    fn changed(payload: &[u8], parameters: u16) -> Vec<u8> {
        let executed = without_attributes(payload, payload.len(), Some(parameters), None, None);
        let Execute::Changed { mut head, replaced, cut } = executed else {
            panic!("attributes are in there")
        };
        head.extend_from_slice(&payload[replaced..payload.len() - cut]);
        head
    }

    #[test]
    fn an_execute_fits_its_statement_only() {
        assert!(fits(EXECUTE, EXECUTE.len(), 1));
        assert!(!fits(EXECUTE, EXECUTE.len(), 0));
        assert!(!fits(EXECUTE, EXECUTE.len(), 2));
        let none = b"\x17\x01\0\0\0\0\x01\0\0\0";
        assert!(fits(none, none.len(), 0));
        assert!(!fits(none, none.len(), 1));
        // Cut: as far as can be seen.
        assert!(fits(&EXECUTE[..10], EXECUTE.len(), 1));
    }

    #[test]
    fn an_execute_loses_its_names() {
        assert_eq!(without_attributes(EXECUTE, EXECUTE.len(), Some(1), None, None), Execute::Plain);
        let named = b"\x17\x01\0\0\0\x08\x01\0\0\0\x01\x00\x01\x08\x00\x00\x2a\0\0\0\0\0\0\0";
        assert_eq!(changed(named, 1), EXECUTE);
        // Types bound before.
        let again = b"\x17\x01\0\0\0\x08\x01\0\0\0\x01\x00\x00\x2a\0\0\0\0\0\0\0";
        assert_eq!(changed(again, 1), b"\x17\x01\0\0\0\0\x01\0\0\0\x00\x00\x2a\0\0\0\0\0\0\0");
        // No parameters.
        assert_eq!(changed(b"\x17\x01\0\0\0\x08\x01\0\0\0\x00", 0), b"\x17\x01\0\0\0\0\x01\0\0\0");
        assert_eq!(changed(b"\x17\x01\0\0\0\x08\x01\0\0\0", 0), b"\x17\x01\0\0\0\0\x01\0\0\0");
    }

    #[test]
    fn the_number_of_parameters_goes_without_a_flag_too() {
        let named = b"\x17\x01\0\0\0\x00\x01\0\0\0\x01\x00\x01\x08\x00\x00\x2a\0\0\0\0\0\0\0";
        assert_eq!(changed(named, 1), EXECUTE);
        assert_eq!(without_attributes(EXECUTE, EXECUTE.len(), Some(1), Some(false), None), Execute::Plain);
    }

    #[test]
    fn an_execute_loses_its_attributes() {
        let attribute =
            b"\x17\x01\0\0\0\x08\x01\0\0\0\x02\x00\x01\x08\x00\x00\xfe\x00\x01n\x2a\0\0\0\0\0\0\0\x01v";
        assert_eq!(changed(attribute, 1), EXECUTE);
        // NULL as the attribute.
        let null = b"\x17\x01\0\0\0\x08\x01\0\0\0\x02\x02\x01\x08\x00\x00\xfe\x00\x01n\x2a\0\0\0\0\0\0\0";
        assert_eq!(changed(null, 1), EXECUTE);
        for cut in 0..attribute.len() {
            let _ = without_attributes(&attribute[..cut], attribute.len(), Some(1), None, None);
        }
    }
    #[test]
    fn attributes_are_found_behind_values_that_came_before() {
        // A number, a text that was sent before, and the attribute n = "v".
        let long =
            b"\x17\x01\0\0\0\x08\x01\0\0\0\x03\x00\x01\x03\x00\x00\xfc\x00\x00\xfe\x00\x01n\x2a\0\0\0\x01v";
        let mut data = LongData::default();
        data.note(Command::LONG_DATA, b"\x18\x01\0\0\0\x01\0text", false);
        let executed = without_attributes(long, long.len(), Some(2), Some(true), data.of(1));
        let Execute::Changed { head, replaced, cut } = executed else {
            panic!("it can be read: {executed:?}")
        };
        assert_eq!(head, b"\x17\x01\0\0\0\x00\x01\0\0\0\x00\x01\x03\x00\xfc\x00");
        assert_eq!(&long[replaced..long.len() - cut], b"\x2a\0\0\0");
    }
}
