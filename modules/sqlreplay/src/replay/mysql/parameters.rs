//! Recorded parameters as an EXECUTE has them.

use std::borrow::Cow;

use mysql_wire::command::Command;
use mysql_wire::execute::{self, Execute, Parameter};

use crate::recording::Value;

/// Longer values are sent before the EXECUTE if all together are long, in bytes.
const LONG: usize = 1 << 20;

/// Parts of long values, in bytes.
const PART: usize = 512 << 10;

/// The payloads that execute the statement: long values, then the EXECUTE.
pub(super) fn payloads(statement: u32, has_cursor: bool, parameters: &[Value]) -> Vec<Vec<u8>> {
    let values: Vec<(u16, Option<Cow<'_, [u8]>>)> =
        parameters.iter().map(|value| (value.mysql_kind(), value.bytes())).collect();
    let length = |value: &Option<Cow<'_, [u8]>>| value.as_ref().map_or(0, |value| value.len());
    let is_much = values.iter().map(|(_, value)| length(value)).sum::<usize>() > 4 * LONG;
    let is_long = |at: usize| is_much && values.get(at).is_some_and(|(_, value)| length(value) > LONG);
    let mut payloads = Vec::new();
    for (at, (_, value)) in values.iter().enumerate().filter(|(at, _)| is_long(*at)) {
        for part in value.as_deref().unwrap_or_default().chunks(PART) {
            let mut payload = vec![Command::LONG_DATA.0];
            payload.extend_from_slice(&statement.to_le_bytes());
            payload.extend_from_slice(&(at as u16).to_le_bytes());
            payload.extend_from_slice(part);
            payloads.push(payload);
        }
    }
    let parameters = values.iter().map(|(kind, value)| Parameter { kind: *kind, value: value.as_deref() });
    let execute = Execute { statement, has_cursor, parameters: parameters.collect() };
    payloads.push(execute::write(&execute, false, is_long));
    payloads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_go_before_the_execute() {
        let value = Value::Text(crate::recording::Bytes(vec![b'x'; 5 * LONG]));
        let all = payloads(7, false, &[Value::Typed("int", "5".to_owned()), value.clone()]);
        assert_eq!(all.len(), 11);
        assert!(all.iter().take(10).all(|it| it.starts_with(&[0x18, 7, 0, 0, 0, 1, 0])));
        assert_eq!(all[10], b"\x17\x07\0\0\0\0\x01\0\0\0\0\x01\x03\0\xfd\0\x05\0\0\0");
        assert_eq!(payloads(7, true, &[])[0], b"\x17\x07\0\0\0\x01\x01\0\0\0");
    }
}
