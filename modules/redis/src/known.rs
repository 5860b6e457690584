//! What a server keeps for a connection, as far as the client is known to have set it: all that must be said again on a
//! new one.

use std::collections::BTreeSet;

use module_kit::secret::Secret;

use crate::command::Channels;
use crate::online::Entry;
use crate::users::{DEFAULT, Users};

/// Names of channels kept of a session, in bytes, and settings.
const SUBSCRIPTIONS_MAX: usize = 64 << 10;
const SETTINGS_MAX: usize = 16;

/// What is said again, and must be answered.
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
    /// Without it, what follows would be said to a server in another state.
    pub(crate) fn is_vital(self) -> bool {
        matches!(self, Self::Login | Self::HelloLogin | Self::Select)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    On,
    Off,
}

/// The state of a connection.
#[derive(Debug)]
pub(crate) struct Known {
    login: Option<Login>,
    /// The number of the database; `None` if it is not known.
    pub(crate) database: Option<u32>,
    pub(crate) is_resp3: bool,
    pub(crate) name: Option<Vec<u8>>,
    /// CLIENT commands to be said as they were, by what they set.
    settings: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) is_readonly: bool,
    pub(crate) is_monitor: bool,
    pub(crate) reply: ReplyMode,
    subscriptions: Option<Box<[BTreeSet<Vec<u8>>; 3]>>,
    subscribed_bytes: usize,
}

/// What one command can set together, and one refusal leaves as it was.
#[derive(Debug)]
pub(crate) struct Identity {
    login: Option<Login>,
    database: Option<u32>,
    is_resp3: bool,
    name: Option<Vec<u8>>,
}

impl Identity {
    /// Beside the struct, in bytes.
    pub(crate) fn memory(&self) -> usize {
        login_memory(self.login.as_ref()) + self.name.as_ref().map_or(0, Vec::len)
    }
}

fn login_memory(login: Option<&Login>) -> usize {
    match login {
        None => 0,
        Some(Login::Named(user)) => user.len(),
        Some(Login::Said { user, password }) => user.as_ref().map_or(0, Vec::len) + password.bytes().len(),
    }
}

/// Who the client is.
#[derive(Debug, Clone)]
enum Login {
    /// As it said; AUTH with a password alone has no user.
    Said { user: Option<Vec<u8>>, password: Secret },
    /// As the online server says, which does not tell the password.
    Named(Vec<u8>),
}

impl Known {
    /// A connection on which nothing was said.
    pub(crate) fn fresh() -> Self {
        Self {
            login: None,
            database: Some(0),
            is_resp3: false,
            name: None,
            settings: Vec::new(),
            is_readonly: false,
            is_monitor: false,
            reply: ReplyMode::On,
            subscriptions: None,
            subscribed_bytes: 0,
        }
    }

    /// A connection of which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self { database: None, ..Self::fresh() }
    }

    pub(crate) fn log_in(&mut self, user: Option<&[u8]>, password: &[u8]) {
        self.login = Some(Login::Said { user: user.map(<[u8]>::to_vec), password: Secret::new(password) });
    }

    /// The online server says who the client is. A password that was seen is kept.
    fn name_user(&mut self, user: &[u8]) {
        let same = match &self.login {
            Some(Login::Said { user: said, .. }) => said.as_deref().unwrap_or(DEFAULT) == user,
            _ => false,
        };
        if !same {
            self.login = Some(Login::Named(user.to_vec()));
        }
    }

    /// The online server says what the connection is about.
    pub(crate) fn learn(&mut self, entry: Entry) {
        self.database = Some(entry.database);
        self.name_user(&entry.user);
        self.is_resp3 = entry.is_resp3;
        self.name = entry.name;
        self.is_readonly = entry.is_readonly;
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity {
            login: self.login.clone(),
            database: self.database,
            is_resp3: self.is_resp3,
            name: self.name.clone(),
        }
    }

    pub(crate) fn set_identity(&mut self, identity: Identity) {
        let Identity { login, database, is_resp3, name } = identity;
        (self.login, self.database, self.is_resp3, self.name) = (login, database, is_resp3, name);
    }

    /// The user.
    pub(crate) fn user(&self) -> &[u8] {
        match &self.login {
            Some(Login::Said { user: Some(user), .. } | Login::Named(user)) => user,
            _ => DEFAULT,
        }
    }

    /// Keeps `command`, which sets `what` and replaces what was said of it before.
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
                // An entry takes memory, too.
                self.subscribed_bytes += name.len() + 32;
            }
        }
    }

    /// Without names, all.
    pub(crate) fn unsubscribe(&mut self, channels: Channels, names: &[&[u8]]) {
        let Some(sets) = &mut self.subscriptions else { return };
        let set = &mut sets[channels as usize];
        let forgotten: usize = if names.is_empty() {
            std::mem::take(set).iter().map(|name| name.len() + 32).sum()
        } else {
            // There may be thousands of both.
            names.iter().filter(|name| set.remove(**name)).map(|name| name.len() + 32).sum()
        };
        self.subscribed_bytes = self.subscribed_bytes.saturating_sub(forgotten);
    }

    /// Beside the struct, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let settings: usize =
            self.settings.iter().map(|(what, command)| 96 + what.len() + command.len()).sum();
        settings
            + login_memory(self.login.as_ref())
            + self.subscribed_bytes * 2
            + self.name.as_ref().map_or(0, Vec::len)
    }

    /// Says again what must be answered before the client goes on. On a connection that is `in_use`, database 0 must be
    /// chosen, too.
    pub(crate) fn say(&self, users: &Users, in_use: bool, out: &mut Vec<u8>) -> Vec<Asked> {
        let mut asked = Vec::new();
        let (user, password) = match &self.login {
            None => (None, None),
            Some(Login::Said { user, password }) => {
                (user.as_deref(), users.password(self.user()).or(Some(password)))
            }
            Some(Login::Named(user)) => (Some(&user[..]), users.password(user)),
        };
        let mut say = |words: &[&[u8]], what: Asked| {
            command(words, out);
            asked.push(what);
        };
        match (user, password) {
            (Some(user), Some(password)) => say(&[b"AUTH", user, password.bytes()], Asked::Login),
            (None, Some(password)) => say(&[b"AUTH", password.bytes()], Asked::Login),
            _ => {}
        }
        if self.is_resp3 {
            say(&[b"HELLO", b"3"], Asked::Hello);
        }
        if let Some(database) = self.database.filter(|database| in_use || *database > 0) {
            say(&[b"SELECT", database.to_string().as_bytes()], Asked::Select);
        }
        if let Some(name) = &self.name {
            say(&[b"CLIENT", b"SETNAME", name], Asked::Other);
        }
        for (_, setting) in &self.settings {
            out.extend_from_slice(setting);
            asked.push(Asked::Other);
        }
        if self.is_readonly {
            command(&[b"READONLY"], out);
            asked.push(Asked::Other);
        }
        asked
    }

    /// Says again what is answered in its own time, or not at all.
    pub(crate) fn say_last(&self, out: &mut Vec<u8>) {
        if self.reply == ReplyMode::Off {
            command(&[b"CLIENT", b"REPLY", b"OFF"], out);
        }
        let names = [&b"SUBSCRIBE"[..], b"PSUBSCRIBE", b"SSUBSCRIBE"];
        for (name, set) in names.iter().zip(self.subscriptions.iter().flat_map(|sets| sets.iter())) {
            // Of shards, channels of different slots must not be named together.
            let together = if *name == b"SSUBSCRIBE" { 1 } else { 64 };
            let channels: Vec<&[u8]> = set.iter().map(|channel| &channel[..]).collect();
            for channels in channels.chunks(together) {
                let words: Vec<&[u8]> = std::iter::once(*name).chain(channels.iter().copied()).collect();
                command(&words, out);
            }
        }
        if self.is_monitor {
            command(&[b"MONITOR"], out);
        }
    }
}

/// Writes a command.
pub(crate) fn command(words: &[&[u8]], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(known: &Known) -> String {
        let mut out = Vec::new();
        known.say(&Users::default(), false, &mut out);
        known.say_last(&mut out);
        out.escape_ascii().to_string()
    }

    #[test]
    fn nothing_is_said_on_a_fresh_connection() {
        assert_eq!(said(&Known::fresh()), "");
    }

    #[test]
    fn all_is_said_in_an_order_that_works() {
        let mut known = Known::fresh();
        known.subscribe(Channels::Plain, &[b"a", b"b"]);
        known.subscribe(Channels::Shards, &[b"s"]);
        known.unsubscribe(Channels::Plain, &[b"b"]);
        known.log_in(Some(b"app"), b"secret");
        known.database = Some(3);
        known.is_resp3 = true;
        known.set(
            b"NO-EVICT".to_vec(),
            Some(b"*3\r\n$6\r\nCLIENT\r\n$8\r\nNO-EVICT\r\n$2\r\non\r\n".to_vec()),
        );
        let text = said(&known);
        let places: Vec<_> = ["AUTH", "HELLO", "SELECT", "NO-EVICT", "\\nSUBSCRIBE", "SSUBSCRIBE"]
            .iter()
            .map(|word| text.find(word).unwrap())
            .collect();
        assert!(places.is_sorted(), "{text}");
        known.unsubscribe(Channels::Plain, &[]);
        known.unsubscribe(Channels::Shards, &[]);
        assert_eq!(known.subscribed_bytes, 0);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut known = Known::fresh();
        for number in 0..100_000_u32 {
            known.subscribe(Channels::Plain, &[&number.to_be_bytes()]);
            known.set(number.to_be_bytes().to_vec(), Some(vec![0; 1000]));
        }
        assert!(known.memory() < 4 * SUBSCRIPTIONS_MAX, "{}", known.memory());
    }

    #[test]
    fn no_password_is_shown() {
        let mut known = Known::fresh();
        known.log_in(None, b"hunter2");
        assert!(!format!("{known:?}").contains("hunter2"));
    }
}
