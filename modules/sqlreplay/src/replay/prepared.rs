//! The named statements that a new connection must know.

use std::collections::BTreeMap;

use crate::recording::Bytes;
use crate::recording::record::{Message, Target};

/// Their texts are kept up to this, in bytes.
const LENGTH_MAX: usize = 256 << 10;

/// The statements that the session has prepared, by name.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    statements: BTreeMap<Bytes, Message>,
    length: usize,
}

impl Prepared {
    pub(super) fn sent(&mut self, message: &Message) {
        match message {
            Message::Parse { statement, sql, .. } if !statement.is_empty() => {
                let length = statement.0.len() + sql.0.len();
                if self.length + length <= LENGTH_MAX {
                    self.length += length;
                    self.statements.insert(statement.clone(), message.clone());
                }
            }
            Message::ResetConnection | Message::ChangeUser { .. } => *self = Self::default(),
            Message::Close(Target::Statement(name)) | Message::StmtClose(name) => {
                if let Some(Message::Parse { statement, sql, .. }) = self.statements.remove(name) {
                    self.length -= statement.0.len() + sql.0.len();
                }
            }
            _ => {}
        }
    }

    /// The messages that prepare them again; none if there are none.
    pub(super) fn again(&self) -> Vec<Message> {
        let mut messages: Vec<Message> = self.statements.values().cloned().collect();
        if !messages.is_empty() {
            messages.push(Message::Sync);
        }
        messages
    }
}
