//! Which statement a name stands for.

use std::collections::HashMap;

use crate::recording::Bytes;
use crate::recording::record::{Message, Target};

/// More names of a session are not kept.
const NAMES_MAX: usize = 10_000;

/// The prepared statements and portals of a session, with something that is known of each.
#[derive(Debug, Clone)]
pub struct Names<T> {
    statements: HashMap<Bytes, T>,
    portals: HashMap<Bytes, T>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { statements: HashMap::new(), portals: HashMap::new() }
    }
}

impl<T: Clone> Names<T> {
    /// What is known of the statement that the message is about. `of_text` is asked for new ones.
    pub fn of(&mut self, message: &Message, of_text: impl FnOnce(&Bytes) -> T) -> Option<T> {
        match message {
            Message::Query(sql) => Some(of_text(sql)),
            Message::Parse { statement, sql, .. } => {
                let known = of_text(sql);
                put(&mut self.statements, statement, known.clone());
                Some(known)
            }
            Message::Bind { portal, statement, .. } => {
                let known = self.statements.get(statement).cloned();
                if let Some(known) = &known {
                    put(&mut self.portals, portal, known.clone());
                }
                known
            }
            Message::Execute { portal, .. } => self.portals.get(portal).cloned(),
            Message::Describe(Target::Statement(name)) => self.statements.get(name).cloned(),
            Message::Describe(Target::Portal(name)) => self.portals.get(name).cloned(),
            Message::Close(Target::Statement(name)) | Message::StmtClose(name) => {
                self.statements.remove(name)
            }
            Message::ResetConnection | Message::ChangeUser { .. } => {
                *self = Self::default();
                None
            }
            Message::Close(Target::Portal(name)) => self.portals.remove(name),
            _ => None,
        }
    }
}

fn put<T>(names: &mut HashMap<Bytes, T>, name: &Bytes, known: T) {
    if names.len() >= NAMES_MAX && !names.contains_key(name) {
        names.clear();
    }
    names.insert(name.clone(), known);
}
