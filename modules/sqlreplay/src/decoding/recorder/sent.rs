//! The client's messages.

use postgres_wire::frontend::{Frontend, Target as Named};

use super::Recorder;
use crate::decoding::exchange::Expected;
use crate::decoding::known::is_binary;
use crate::decoding::stream::Body;
use crate::recording::record::{Masked, Message, Target};
use crate::recording::{Micros, Value};

impl Recorder {
    pub(super) fn sent(&mut self, now: Micros, kind: u8, body: Body<'_>) {
        if kind == b'p' {
            return;
        }
        if kind == b'X' {
            self.is_terminated = true;
            return;
        }
        let group = self.groups.of(now, kind);
        let (message, masked) = match body {
            Body::Skipped(length) => {
                self.expect_too_long(group, kind);
                (Message::TooLong { kind: char::from(kind), bytes: length as u64 }, None)
            }
            Body::Whole(bytes) => match Frontend::of_body(kind, bytes) {
                Some(message) => self.message(group, &message),
                // The server will say what is wrong with it, and close the connection.
                None => (Message::TooLong { kind: char::from(kind), bytes: bytes.len() as u64 }, None),
            },
        };
        let length = if let Body::Whole(bytes) = body { bytes.len() } else { 0 };
        self.groups.push(now, kind, length, message, masked);
    }

    fn expect_too_long(&mut self, group: u64, kind: u8) {
        match kind {
            b'Q' | b'F' => self.exchange.sent(group, Expected::Query),
            b'P' => self.exchange.sent(group, Expected::Parse),
            b'B' => self.exchange.sent(group, Expected::Bind),
            _ => {}
        }
    }

    fn message(&mut self, group: u64, message: &Frontend<'_>) -> (Message, Option<Masked>) {
        let masking = &self.settings.masking;
        let (message, expected) = match *message {
            Frontend::Query(sql) => {
                let (sql, masked) = masking.statement(sql);
                self.exchange.sent(group, Expected::Query);
                return (Message::Query(sql), masked);
            }
            Frontend::Parse(parse) => {
                let (sql, masked) = masking.statement(parse.query);
                let types: Vec<u32> = parse.types.iter().map(|oid| u32::from_be_bytes(*oid)).collect();
                self.known.prepared(parse.statement, types.clone());
                self.exchange.sent(group, Expected::Parse);
                return (Message::Parse { statement: parse.statement.into(), sql, types }, masked);
            }
            Frontend::Bind(bind) => {
                let formats: Vec<u16> = bind.formats.iter().collect();
                let value = |(at, value): (usize, Option<&[u8]>)| {
                    let is_binary = is_binary(&formats, at);
                    masking.value(Value::of(value, is_binary, self.known.type_of(bind.statement, at)))
                };
                let parameters: Vec<Value> = bind.parameters.iter().enumerate().map(value).collect();
                let results: Vec<u16> = bind.results.iter().collect();
                if self.settings.results {
                    self.known.bound(bind.portal, bind.statement, results.clone());
                }
                let masked = parameters.contains(&Value::Masked).then_some(Masked::Data);
                self.exchange.sent(group, Expected::Bind);
                let (portal, statement) = (bind.portal.into(), bind.statement.into());
                return (Message::Bind { portal, statement, parameters, results }, masked);
            }
            Frontend::CopyData(data) => {
                let (data, is_masked) = masking.data(data);
                return (Message::CopyData(data), is_masked.then_some(Masked::Data));
            }
            Frontend::Describe(Named::Statement(name)) => (
                Message::Describe(Target::Statement(name.into())),
                Some(Expected::DescribeStatement(name.into())),
            ),
            Frontend::Describe(Named::Portal(name)) => {
                (Message::Describe(Target::Portal(name.into())), Some(Expected::DescribePortal))
            }
            Frontend::Execute { portal, rows } => {
                (Message::Execute { portal: portal.into(), rows }, Some(Expected::Execute(portal.into())))
            }
            Frontend::Close(Named::Statement(name)) => {
                (Message::Close(Target::Statement(name.into())), Some(Expected::Close))
            }
            Frontend::Close(Named::Portal(name)) => {
                (Message::Close(Target::Portal(name.into())), Some(Expected::Close))
            }
            Frontend::FunctionCall(call) => (Message::FunctionCall(call.into()), Some(Expected::Query)),
            Frontend::Sync => (Message::Sync, Some(Expected::Sync)),
            Frontend::Flush => (Message::Flush, None),
            Frontend::CopyDone => (Message::CopyDone, None),
            Frontend::CopyFail(reason) => (Message::CopyFail(masking.text(reason).0), None),
            // They were handled before.
            Frontend::Password(_) | Frontend::Terminate => (Message::Flush, None),
        };
        if let Some(expected) = expected {
            self.exchange.sent(group, expected);
        }
        (message, None)
    }
}
