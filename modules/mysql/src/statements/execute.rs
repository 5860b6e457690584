//! The payload of a COM_STMT_EXECUTE: does it fit its statement, and what does it look like without query attributes?
//!
//! Source: dev.mysql.com, "COM_STMT_EXECUTE".

use crate::statements::long_data::Values;
use crate::wire::attributes::{named_type, skip_values};
use crate::wire::packet::Reader;

/// Bytes before the parameters: command, id, flags, iterations.
pub(crate) const FIXED: usize = 10;

/// The flag that announces the number of parameters.
const PARAMETER_COUNT: u8 = 8;

/// The position of the flags.
const FLAGS: usize = 5;

/// An EXECUTE as a server without query attributes reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Execute {
    /// As it is.
    Plain,
    Changed(Changed),
    /// More of the packet is needed.
    Cut,
}

/// `head` takes the place of the first `replaced` bytes; values follow. The last `cut` bytes are the values of attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) head: Vec<u8>,
    pub(crate) replaced: usize,
    pub(crate) cut: usize,
}

/// Takes the attributes out of an EXECUTE. `length` is that of the whole payload; `parameters` is the statement's number
/// of parameters and `sends_attributes` whether the client sends attributes, if these are known; `before` are values
/// that were sent before.
pub(crate) fn without_attributes(
    payload: &[u8],
    length: usize,
    parameters: Option<u16>,
    sends_attributes: Option<bool>,
    before: Option<&Values>,
) -> Execute {
    let Some(&flags) = payload.get(FLAGS) else { return Execute::Cut };
    let is_flagged = flags & PARAMETER_COUNT != 0;
    if length <= FIXED {
        return match cleared(payload) {
            _ if !is_flagged => Execute::Plain,
            // Nothing follows the fixed part: only the flag goes.
            Some(head) => Execute::Changed(Changed { head, replaced: FIXED, cut: 0 }),
            None => Execute::Cut,
        };
    }
    // The number is there if there is a parameter, with the flag or without.
    match sends_attributes.or(is_flagged.then_some(true)).or_else(|| looks_counted(payload, parameters)) {
        Some(true) => change(payload, length, parameters.map(usize::from), before)
            .map_or(Execute::Cut, Execute::Changed),
        Some(false) => Execute::Plain,
        None => Execute::Cut,
    }
}

/// Does an EXECUTE look as if the number of its parameters came first?
fn looks_counted(payload: &[u8], parameters: Option<u16>) -> Option<bool> {
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

/// Can this be an EXECUTE, without attributes, of a statement with this number of `parameters`? `length` is that of the whole
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

/// Types and values fill the rest exactly, or values are missing that COM_STMT_SEND_LONG_DATA can have sent before.
fn values_fit(mut reader: Reader<'_>, parameters: usize, nulls: &[u8]) -> bool {
    let Some(types) = reader.take(2 * parameters) else { return false };
    let kinds: Vec<u8> = types.iter().step_by(2).copied().collect();
    match skip_values(&mut reader, &kinds, nulls, |_| Some(false)) {
        Some(()) => reader.rest().is_empty(),
        None => kinds.iter().any(|kind| LONG.contains(kind)),
    }
}

/// Types of values that can be sent beforehand: texts and blobs.
const LONG: std::ops::RangeInclusive<u8> = 0xF5..=0xFE;

/// The fixed part, without the flag.
fn cleared(payload: &[u8]) -> Option<Vec<u8>> {
    let mut head = payload.get(..FIXED)?.to_vec();
    head[FLAGS] &= !PARAMETER_COUNT;
    Some(head)
}

fn change(
    payload: &[u8],
    length: usize,
    parameters: Option<usize>,
    before: Option<&Values>,
) -> Option<Changed> {
    let mut head = cleared(payload)?;
    let mut reader = Reader::new(payload.get(FIXED..)?);
    let count = usize::try_from(reader.length()?).ok()?;
    let parameters = parameters.unwrap_or(count);
    if count < parameters || count > usize::from(u16::MAX) {
        return None;
    }
    if count > 0 {
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
        if count > parameters {
            // The values of attributes come after those of parameters, which must be read to find them.
            if bound != 1 || payload.len() < length {
                return None;
            }
            let replaced = payload.len() - reader.rest().len();
            let kinds: Vec<u8> = types.iter().take(parameters).map(|kind| kind[0]).collect();
            skip_values(&mut reader, &kinds, nulls, |at| before.map_or(Some(false), |it| it.has(at)))?;
            return Some(Changed { head, replaced, cut: reader.rest().len() });
        }
    }
    Some(Changed { head, replaced: payload.len() - reader.rest().len(), cut: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::long_data::LongData;
    use crate::wire::command::Command;

    /// An EXECUTE of statement 1, with a number as its one parameter.
    const EXECUTE: &[u8] = b"\x17\x01\0\0\0\0\x01\0\0\0\x00\x01\x08\x00\x2a\0\0\0\0\0\0\0";

    fn changed(payload: &[u8], parameters: u16) -> Vec<u8> {
        let executed = without_attributes(payload, payload.len(), Some(parameters), None, None);
        let Execute::Changed(Changed { mut head, replaced, cut }) = executed else {
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
        let Execute::Changed(Changed { head, replaced, cut }) = executed else {
            panic!("it can be read: {executed:?}")
        };
        assert_eq!(head, b"\x17\x01\0\0\0\x00\x01\0\0\0\x00\x01\x03\x00\xfc\x00");
        assert_eq!(&long[replaced..long.len() - cut], b"\x2a\0\0\0");
    }
}
