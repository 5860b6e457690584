//! The state that a server keeps for a connection, as far as the client is known to have set it: everything that must be
//! set again on a new connection.

use std::collections::BTreeSet;

use module_kit::secret::Secret;
use module_kit::setup::Setup;
use module_kit::users::Users;

use crate::command::Channels;
use crate::online::Entry;
use crate::resp::request;

/// The user of an AUTH with a password alone.
pub(crate) const DEFAULT: &[u8] = b"default";

/// Names of channels kept of a session, in bytes, and settings.
const SUBSCRIPTIONS_MAX: usize = 64 << 10;
const SETTINGS_MAX: usize = 16;

/// Memory of an entry in a set beside its bytes, roughly, in bytes.
const ENTRY: usize = 32;

/// A request whose answer matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Login,
    Hello,
    /// HELLO with a login.
    HelloLogin,
    Select,
    /// The first command that sets nothing up.
    First,
    /// Nothing depends on it.
    Other,
}

impl Asked {
    /// Whether without it the next commands would reach a server in another state.
    pub(crate) fn is_vital(self) -> bool {
        matches!(self, Self::Login | Self::HelloLogin | Self::Select)
    }
}

/// The state of a connection.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) identity: Identity,
    /// CLIENT commands to be repeated unchanged, by what they set.
    settings: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) is_readonly: bool,
    pub(crate) is_monitor: bool,
    /// CLIENT REPLY OFF.
    pub(crate) is_silent: bool,
    subscriptions: Option<Box<[BTreeSet<Vec<u8>>; 3]>>,
    subscribed_bytes: usize,
}

/// The part that one command can set together, and that one refusal leaves unchanged.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    login: Option<Login>,
    /// The number of the database; `None` if it is not known.
    pub(crate) database: Option<u32>,
    pub(crate) is_resp3: bool,
    pub(crate) name: Option<Vec<u8>>,
}

/// Who the client is.
#[derive(Debug, Clone)]
struct Login {
    /// `None` in an AUTH with a password alone.
    user: Option<Vec<u8>>,
    /// `None` if the online server named the user, and the client's login was not seen.
    password: Option<Secret>,
}

impl Default for Identity {
    fn default() -> Self {
        Self { login: None, database: Some(0), is_resp3: false, name: None }
    }
}

impl Identity {
    pub(crate) fn log_in(&mut self, user: Option<&[u8]>, password: &[u8]) {
        self.login = Some(Login { user: user.map(<[u8]>::to_vec), password: Some(Secret::new(password)) });
    }

    pub(crate) fn user(&self) -> &[u8] {
        self.login.as_ref().and_then(|login| login.user.as_deref()).unwrap_or(DEFAULT)
    }

    /// Beside the struct, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let login = self.login.as_ref().map_or(0, |login| {
            login.user.as_ref().map_or(0, Vec::len)
                + login.password.as_ref().map_or(0, |password| password.bytes().len())
        });
        login + self.name.as_ref().map_or(0, Vec::len)
    }
}

impl State {
    /// Of a connection of which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self { identity: Identity { database: None, ..Identity::default() }, ..Self::default() }
    }

    /// The online server has described the connection. A password that was seen is kept.
    pub(crate) fn learn(&mut self, entry: Entry) {
        let identity = &mut self.identity;
        if identity.login.is_none() || identity.user() != entry.user {
            identity.login = Some(Login { user: Some(entry.user), password: None });
        }
        (identity.database, identity.is_resp3, identity.name) =
            (Some(entry.database), entry.is_resp3, entry.name);
        self.is_readonly = entry.is_readonly;
    }

    /// Keeps `command`, which sets `what`, in place of an earlier one. `None` if nothing is to be set again.
    pub(crate) fn set(&mut self, what: Vec<u8>, command: Option<Vec<u8>>) {
        self.settings.retain(|(known, _)| *known != what);
        if let Some(command) = command
            && self.settings.len() < SETTINGS_MAX
            && what.len() + command.len() < SUBSCRIPTIONS_MAX / SETTINGS_MAX
        {
            self.settings.push((what, command));
        }
    }

    pub(crate) fn subscribe(&mut self, channels: Channels, names: &[&[u8]]) {
        let sets = self.subscriptions.get_or_insert_default();
        for name in names {
            if self.subscribed_bytes + name.len() <= SUBSCRIPTIONS_MAX
                && sets[channels as usize].insert(name.to_vec())
            {
                self.subscribed_bytes += name.len() + ENTRY;
            }
        }
    }

    /// Without names, all.
    pub(crate) fn unsubscribe(&mut self, channels: Channels, names: &[&[u8]]) {
        let Some(sets) = &mut self.subscriptions else { return };
        let set = &mut sets[channels as usize];
        let forgotten: usize = if names.is_empty() {
            std::mem::take(set).iter().map(|name| name.len() + ENTRY).sum()
        } else {
            names.iter().filter(|name| set.remove(**name)).map(|name| name.len() + ENTRY).sum()
        };
        self.subscribed_bytes = self.subscribed_bytes.saturating_sub(forgotten);
    }

    /// Beside the struct, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let settings: usize =
            self.settings.iter().map(|(what, command)| 96 + what.len() + command.len()).sum();
        settings + self.identity.memory() + self.subscribed_bytes * 2
    }

    /// Requests everything that must be accepted before the client goes on. On a connection `in_use`, database 0 must be
    /// chosen, too.
    pub(crate) fn restore(&self, users: &Users, in_use: bool, setup: &mut Setup<Asked>) {
        let Identity { login, database, is_resp3, name } = &self.identity;
        let mut say = |words: &[&[u8]], asked: Asked| setup.request(asked, |out| request(words, out));
        if let Some(Login { user, password }) = login
            && let Some(password) = users.password(self.identity.user()).or(password.as_ref())
        {
            match user {
                Some(user) => say(&[b"AUTH", user, password.bytes()], Asked::Login),
                None => say(&[b"AUTH", password.bytes()], Asked::Login),
            }
        }
        if *is_resp3 {
            say(&[b"HELLO", b"3"], Asked::Hello);
        }
        if let Some(database) = database.filter(|database| in_use || *database > 0) {
            say(&[b"SELECT", database.to_string().as_bytes()], Asked::Select);
        }
        if let Some(name) = name {
            say(&[b"CLIENT", b"SETNAME", name], Asked::Other);
        }
        for (_, setting) in &self.settings {
            setup.request(Asked::Other, |out| out.extend_from_slice(setting));
        }
        if self.is_readonly {
            setup.request(Asked::Other, |out| request(&[b"READONLY"], out));
        }
    }

    /// Requests the rest, whose answers come at any time, or never. Returns whether there is any.
    pub(crate) fn restore_last(&self, setup: &mut Setup<Asked>) -> bool {
        let mut any = false;
        let mut say = |words: &[&[u8]]| {
            any = true;
            setup.unanswered(|out| request(words, out));
        };
        if self.is_silent {
            say(&[b"CLIENT", b"REPLY", b"OFF"]);
        }
        let names = [&b"SUBSCRIBE"[..], b"PSUBSCRIBE", b"SSUBSCRIBE"];
        for (name, set) in names.iter().zip(self.subscriptions.iter().flat_map(|sets| sets.iter())) {
            // Shard channels of different slots must not be in one request.
            let together = if *name == b"SSUBSCRIBE" { 1 } else { 64 };
            let channels: Vec<&[u8]> = set.iter().map(|channel| &channel[..]).collect();
            for channels in channels.chunks(together) {
                let words: Vec<&[u8]> = std::iter::once(*name).chain(channels.iter().copied()).collect();
                say(&words);
            }
        }
        if self.is_monitor {
            say(&[b"MONITOR"]);
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use module_kit::Actions;

    use super::*;

    fn said(state: &State) -> String {
        let (mut setup, mut actions) = (Setup::default(), Actions::new());
        state.restore(&Users::default(), false, &mut setup);
        state.restore_last(&mut setup);
        setup.send(&mut actions);
        actions.own_bytes().escape_ascii().to_string()
    }

    #[test]
    fn a_fresh_connection_needs_nothing() {
        assert_eq!(said(&State::default()), "");
    }

    #[test]
    fn everything_is_set_in_an_order_that_works() {
        let mut state = State::default();
        state.subscribe(Channels::Plain, &[b"a", b"b"]);
        state.subscribe(Channels::Shards, &[b"s"]);
        state.unsubscribe(Channels::Plain, &[b"b"]);
        state.identity.log_in(Some(b"app"), b"secret");
        state.identity.database = Some(3);
        state.identity.is_resp3 = true;
        state.set(
            b"NO-EVICT".to_vec(),
            Some(b"*3\r\n$6\r\nCLIENT\r\n$8\r\nNO-EVICT\r\n$2\r\non\r\n".to_vec()),
        );
        let text = said(&state);
        let places: Vec<_> = ["AUTH", "HELLO", "SELECT", "NO-EVICT", "\\nSUBSCRIBE", "SSUBSCRIBE"]
            .iter()
            .map(|word| text.find(word).unwrap())
            .collect();
        assert!(places.is_sorted(), "{text}");
        state.unsubscribe(Channels::Plain, &[]);
        state.unsubscribe(Channels::Shards, &[]);
        assert_eq!(state.subscribed_bytes, 0);
    }

    #[test]
    fn the_state_is_bounded() {
        let mut state = State::default();
        for number in 0..100_000_u32 {
            state.subscribe(Channels::Plain, &[&number.to_be_bytes()]);
            state.set(number.to_be_bytes().to_vec(), Some(vec![0; 1000]));
        }
        assert!(state.memory() < 4 * SUBSCRIPTIONS_MAX, "{}", state.memory());
    }

    #[test]
    fn no_password_is_shown() {
        let mut state = State::default();
        state.identity.log_in(None, b"hunter2");
        assert!(!format!("{state:?}").contains("hunter2"));
    }
}
