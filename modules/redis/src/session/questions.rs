//! The questions of one session to the online server, about its state.

use std::sync::Arc;

use module_kit::Endpoint;
use module_kit::online_query::{Found, OnlineQuery};

use crate::online::{Entry, Online};

/// How many answers are requested in a row that do not tell the state.
const IN_VAIN_MAX: u32 = 5;

#[derive(Debug)]
pub(super) struct Questions {
    /// `None` if the server is not queried.
    online: Option<Arc<Online>>,
    client: Endpoint,
    /// The first question whose answer is new enough.
    first: u64,
    in_vain: u32,
}

impl Questions {
    /// Of the session of this client.
    pub(super) fn new(online: Option<Arc<Online>>, client: Endpoint) -> Self {
        Self { online, client, first: 0, in_vain: 0 }
    }

    /// Requests an answer that is newer than this call.
    pub(super) fn want(&mut self) {
        if let Some(online) = &self.online
            && self.in_vain < IN_VAIN_MAX
        {
            self.in_vain += 1;
            self.first = online.questions().want();
        }
    }

    /// The online server has answered a question: what it says of the client's connection, if that is its whole state.
    pub(super) fn answered(&mut self, question: u64) -> Option<Entry> {
        let online = self.online.as_ref().filter(|_| question >= self.first)?;
        match online.connections.take(question, &self.client) {
            Found::Entry(entry) if entry.is_plain => {
                // The state may be lost again.
                self.in_vain = 0;
                return Some(entry);
            }
            Found::Entry(_) | Found::Nothing => self.want(),
            Found::Newer => {}
        }
        None
    }

    /// What the online server says of the connection is void.
    pub(super) fn forget(&self) {
        self.online.iter().for_each(|online| online.connections.forget(&self.client));
    }
}
