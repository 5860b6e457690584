//! Sessions that are older than the copy: what the online server tells of their state.
//!
//! Until it has told, the client's commands are left out, because they belong to a state that the test server does not have.
//! What they change is learnt, and is newer than what the online server tells.

use std::sync::Arc;

use module_kit::online_query::Found;
use module_kit::{Actions, Endpoint};

use super::client::Client;
use super::connection_state::{Kind, Run};
use super::context::Context;
use super::warnings;
use crate::auth::hello::Hello;
use crate::counters::Event;
use crate::online::Online;
use crate::online::entry::Entry;
use crate::wire::capabilities::Capabilities;

/// How many answers are requested in a row that do not tell of the session.
const IN_VAIN_MAX: u32 = 5;

/// More commands than this are not remembered, in bytes.
const REMEMBERED_MAX: usize = 64 << 10;

/// The questions of one session to the online server.
#[derive(Debug)]
pub(super) struct Joined {
    /// `None` if the server is not queried.
    online: Option<Arc<Online>>,
    client: Endpoint,
    /// The session is older than the copy.
    is_late: bool,
    /// Kinds of state that it had then and the test server does not have, until they are reported.
    lost: Vec<Kind>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The state is known, or is not asked for.
    Settled,
    Unknown(Unknown),
}

#[derive(Debug, Default)]
struct Unknown {
    /// The first question whose answer is new enough.
    first: u64,
    in_vain: u32,
    /// The client's commands since, which change the state that the online server tells.
    commands: Vec<Box<[u8]>>,
    bytes: usize,
}

impl Joined {
    pub(super) fn new(client: Endpoint, from_start: bool) -> Self {
        Self { online: None, client, is_late: !from_start, lost: Vec::new(), stage: Stage::Settled }
    }

    /// The online server is queried.
    pub(super) fn ask(&mut self, online: Arc<Online>) {
        if !self.is_late {
            // The online server has described an earlier connection of that address.
            online.forget(&self.client);
        } else {
            self.stage = Stage::Unknown(Unknown::default());
        }
        self.online = Some(online);
    }

    /// The online server has not told the state, and may yet do so.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.stage, Stage::Unknown(_))
            && self.online.as_ref().is_some_and(|online| !online.is_silent())
    }

    /// The memory that is allocated for it, in bytes.
    pub(super) fn memory(&self) -> usize {
        match &self.stage {
            Stage::Settled => 0,
            Stage::Unknown(unknown) => unknown.bytes,
        }
    }

    /// The server that is queried.
    pub(super) fn online(&self) -> Option<&Arc<Online>> {
        self.online.as_ref()
    }

    /// While the state is unknown, the client says this, and what it changes is learnt later.
    pub(super) fn remember(&mut self, payload: &[u8]) {
        if let Stage::Unknown(unknown) = &mut self.stage
            && unknown.bytes + payload.len() <= REMEMBERED_MAX
        {
            unknown.bytes += payload.len() + size_of::<Box<[u8]>>();
            unknown.commands.push(payload.into());
        }
    }

    /// The online server has answered a question: what it says of the client's connection.
    fn answered(&mut self, question: u64) -> Option<Entry> {
        let (Some(online), Stage::Unknown(unknown)) = (&self.online, &mut self.stage) else { return None };
        if question < unknown.first {
            return None;
        }
        match online.take(question, &self.client) {
            Found::Entry(entry) => return Some(entry),
            Found::Newer => {}
            Found::Nothing if unknown.in_vain == IN_VAIN_MAX => self.stage = Stage::Settled,
            Found::Nothing => {
                unknown.in_vain += 1;
                unknown.first = online.questions().want();
            }
        }
        None
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        // The next session of that address is another.
        self.online.iter().for_each(|online| online.forget(&self.client));
    }
}

impl Context {
    /// The client has not logged in on any connection, and the online server has yet to tell its state.
    pub(super) fn is_unknown(&self) -> bool {
        self.client.is_none() && self.joined.is_unknown()
    }

    /// The online server has answered a question.
    pub(super) fn queried(&mut self, question: u64) {
        if self.client.is_some() {
            // It has logged in without.
            return;
        }
        if let Some(entry) = self.joined.answered(question) {
            self.learn_entry(&entry);
        } else if matches!(self.joined.stage, Stage::Settled) && self.joined.online.is_some() {
            warnings::not_in_the_list(&self.shared, &self.flow);
        }
    }

    /// The client names a statement that is not known.
    pub(super) fn executes_unknown(&self) {
        if self.joined.is_late && self.joined.online.is_none() {
            warnings::prepared_before(&self.shared);
        }
    }

    fn learn_entry(&mut self, entry: &Entry) {
        let Stage::Unknown(unknown) = std::mem::replace(&mut self.joined.stage, Stage::Settled) else {
            return;
        };
        self.shared.counters.sessions.count(Event::KnownByOnline);
        let credentials = &self.shared.credentials;
        let mut client = Client::new(Hello::assumed(&entry.user, &entry.database), credentials);
        if let (None, Some(default)) = (&client.password, &credentials.default)
            && default.user == entry.user
        {
            client.password.clone_from(&default.password);
        }
        self.assume_client(client);
        self.ids.set_online(entry.id);
        if !entry.capabilities.has(Capabilities::QUERY_ATTRIBUTES) {
            self.attributes = Some(false);
        }
        self.say_before(&entry.before_prepares());
        self.learn_statements(entry);
        self.say_before(&entry.after_prepares());
        if entry.uncertain_variables().next().is_some() {
            self.shared.counters.sessions.count(Event::VariablesUncertain);
        }
        self.joined.lost =
            self.state.joined(entry.unsaid, entry.uncertain_variables(), entry.unknown_named());
        for payload in unknown.commands {
            self.learn_effects(&payload);
        }
    }

    fn learn_statements(&mut self, entry: &Entry) {
        let mut are_cut = false;
        for prepared in &entry.statements {
            are_cut |= prepared.text.is_none();
            let text =
                prepared.text.as_deref().filter(|text| self.must_not_be_prepared(text, true).is_none());
            let nature = self.nature_of(text.unwrap_or_default());
            self.statements.learn(prepared.id, text, nature);
        }
        if are_cut {
            warnings::texts_are_cut(&self.shared);
        }
    }

    /// The client has said this, in effect, before the session was joined.
    fn say_before(&mut self, texts: &[Vec<u8>]) {
        for text in texts {
            let script = self.read_one(text);
            let change = self.change_of(&script);
            self.said(&script, text, change, |_| Run::Dropped);
        }
    }

    /// Reports state that was lost with the join.
    pub(super) fn report_joined(&mut self, actions: &mut Actions) {
        let lost = std::mem::take(&mut self.joined.lost);
        self.state_lost(&lost, actions);
    }
}
