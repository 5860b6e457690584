//! Recorded messages as bytes.

use postgres_wire::frontend::{Bind, Formats, Frontend, Parse, Target as Named, Values};

use crate::decoding::Expected;
use crate::recording::Value;
use crate::recording::record::{Message, Target};

/// Appends the message to `out`.
pub(super) fn write(message: &Message, out: &mut Vec<u8>) {
    match message {
        Message::Query(sql) => Frontend::Query(&sql.0).write(out),
        Message::Parse { statement, sql, types } => {
            let types: Vec<[u8; 4]> = types.iter().map(|oid| oid.to_be_bytes()).collect();
            Frontend::Parse(Parse { statement: &statement.0, query: &sql.0, types: &types }).write(out);
        }
        Message::Bind { portal, statement, parameters, results } => {
            bind(&portal.0, &statement.0, parameters, results, out);
        }
        Message::Describe(target) => Frontend::Describe(named(target)).write(out),
        Message::Execute { portal, rows } => Frontend::Execute { portal: &portal.0, rows: *rows }.write(out),
        Message::Close(target) => Frontend::Close(named(target)).write(out),
        Message::Flush => Frontend::Flush.write(out),
        Message::Sync => Frontend::Sync.write(out),
        Message::CopyData(data) => Frontend::CopyData(&data.0).write(out),
        Message::CopyDone => Frontend::CopyDone.write(out),
        Message::CopyFail(reason) => Frontend::CopyFail(&reason.0).write(out),
        Message::FunctionCall(call) => Frontend::FunctionCall(&call.0).write(out),
        // It was left out before, or is MySQL's.
        Message::TooLong { .. }
        | Message::InitDb(_)
        | Message::ChangeUser { .. }
        | Message::ResetConnection
        | Message::StmtClose(_)
        | Message::Command { .. } => {}
    }
}

fn named(target: &Target) -> Named<'_> {
    match target {
        Target::Statement(name) => Named::Statement(&name.0),
        Target::Portal(name) => Named::Portal(&name.0),
    }
}

fn bind(portal: &[u8], statement: &[u8], parameters: &[Value], results: &[u16], out: &mut Vec<u8>) {
    let mut values = Vec::new();
    for parameter in parameters {
        let bytes = parameter.bytes();
        // Longer values do not fit into a message.
        let length = bytes.as_ref().map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        values.extend_from_slice(&length.to_be_bytes());
        values.extend_from_slice(bytes.as_deref().unwrap_or_default());
    }
    let formats: Vec<u8> = formats(parameters).iter().flat_map(|format| format.to_be_bytes()).collect();
    let results: Vec<u8> = results.iter().flat_map(|format| format.to_be_bytes()).collect();
    let count = u16::try_from(parameters.len()).ok();
    let (Some(values), Some(formats), Some(results)) =
        (count.and_then(|count| Values::of(count, &values)), Formats::of(&formats), Formats::of(&results))
    else {
        return;
    };
    Frontend::Bind(Bind { portal, statement, formats, parameters: values, results }).write(out);
}

/// The shortest list of formats that says the same: none if all are texts.
fn formats(parameters: &[Value]) -> Vec<u16> {
    let mut formats = parameters.iter().filter_map(Value::is_binary);
    match (formats.clone().any(|it| it), formats.all(|it| it)) {
        (false, _) => Vec::new(),
        (true, true) => vec![1],
        (true, false) => parameters.iter().map(|value| u16::from(value.is_binary() == Some(true))).collect(),
    }
}

/// What the server answers to the message.
pub(super) fn expected(message: &Message) -> Option<Expected> {
    Some(match message {
        Message::Query(_) | Message::FunctionCall(_) => Expected::Query,
        Message::Parse { .. } => Expected::Parse,
        Message::Bind { .. } => Expected::Bind,
        Message::Describe(Target::Statement(name)) => Expected::DescribeStatement(name.0.as_slice().into()),
        Message::Describe(Target::Portal(_)) => Expected::DescribePortal,
        Message::Execute { portal, .. } => Expected::Execute(portal.0.as_slice().into()),
        Message::Close(_) => Expected::Close,
        Message::Sync => Expected::Sync,
        Message::Flush
        | Message::CopyData(_)
        | Message::CopyDone
        | Message::CopyFail(_)
        | Message::TooLong { .. }
        | Message::InitDb(_)
        | Message::ChangeUser { .. }
        | Message::ResetConnection
        | Message::StmtClose(_)
        | Message::Command { .. } => return None,
    })
}

/// Whether the server sends what it has to say after this message.
pub(super) fn is_flushing(message: &Message) -> bool {
    matches!(message, Message::Query(_) | Message::FunctionCall(_) | Message::Sync | Message::Flush)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn parameters_go_out_in_their_recorded_forms() {
        let int = Value::Typed("int4", "5".into());
        for (parameters, expected) in [
            (vec![], vec![]),
            (vec![text("a"), Value::Null], vec![]),
            (vec![int.clone(), Value::Null], vec![1]),
            (vec![Value::Null, int.clone(), text("a")], vec![0, 1, 0]),
        ] {
            assert_eq!(formats(&parameters), expected);
            let message = Message::Bind {
                portal: "p".into(),
                statement: "s".into(),
                parameters: parameters.clone(),
                results: vec![1],
            };
            let mut bytes = Vec::new();
            write(&message, &mut bytes);
            let Ok(Some((Frontend::Bind(bind), length))) = Frontend::read(&bytes) else {
                panic!("{bytes:?}")
            };
            assert_eq!(length, bytes.len());
            let sent: Vec<_> = bind.parameters.iter().map(|value| value.map(<[u8]>::to_vec)).collect();
            let recorded: Vec<_> =
                parameters.iter().map(|value| value.bytes().map(|it| it.into_owned())).collect();
            assert_eq!(sent, recorded);
            assert_eq!(bind.results.iter().collect::<Vec<_>>(), [1]);
        }
    }
}
