//! The effects of commands on the state of a connection.

use super::{Mode, Session};
use crate::command::Command;
use crate::resp::request;

impl Session {
    /// The client has sent this, and the online server has executed it.
    pub(super) fn apply(&mut self, command: Command, arguments: &[&[u8]]) {
        self.is_blocking = match command {
            Command::Blocking => true,
            Command::ReadStream => arguments.iter().any(|word| word.eq_ignore_ascii_case(b"BLOCK")),
            _ => false,
        };
        self.is_skipping = false;
        self.remember(command);
        match command {
            Command::Auth => match arguments {
                [password] => self.state.identity.log_in(None, password),
                [user, password] => self.state.identity.log_in(Some(user), password),
                _ => {}
            },
            Command::Hello => self.hello(arguments),
            Command::Select => self.select(arguments),
            Command::Client => self.client_command(arguments),
            Command::Readonly => self.state.is_readonly = true,
            Command::Readwrite => self.state.is_readonly = false,
            Command::Subscribe(channels) => self.state.subscribe(channels, arguments),
            Command::Unsubscribe(channels) => self.state.unsubscribe(channels, arguments),
            Command::Monitor => self.state.is_monitor = true,
            Command::Reset => {
                self.remember_all();
                self.transaction.end();
            }
            _ => {
                if self.transaction.apply(command) {
                    self.lose_state();
                }
            }
        }
    }

    fn hello(&mut self, arguments: &[&[u8]]) {
        let Some((version, mut options)) = arguments.split_first() else { return };
        let identity = &mut self.state.identity;
        identity.is_resp3 = *version == b"3";
        loop {
            options = match options {
                [word, user, password, rest @ ..] if word.eq_ignore_ascii_case(b"AUTH") => {
                    identity.log_in(Some(user), password);
                    rest
                }
                [word, name, rest @ ..] if word.eq_ignore_ascii_case(b"SETNAME") => {
                    identity.name = Some(name.to_vec());
                    rest
                }
                _ => return,
            };
        }
    }

    fn select(&mut self, arguments: &[&[u8]]) {
        let database = database_of(arguments);
        // No server accepts text that is no number.
        if (database.is_some() || is_odd_number(arguments)) && self.transaction.selects_at_once() {
            match database {
                Some(_) => self.state.identity.database = database,
                None => self.lose_state(),
            }
        }
    }

    fn client_command(&mut self, arguments: &[&[u8]]) {
        let Some((what, rest)) = arguments.split_first() else { return };
        let what = what.to_ascii_uppercase();
        let again = || {
            let words: Vec<&[u8]> =
                std::iter::once(&b"CLIENT"[..]).chain(arguments.iter().copied()).collect();
            let mut again = Vec::new();
            request(&words, &mut again);
            again
        };
        match (&what[..], rest) {
            (b"SETNAME", [name]) => self.state.identity.name = Some(name.to_vec()),
            (b"REPLY", [mode]) if mode.eq_ignore_ascii_case(b"ON") => self.state.is_silent = false,
            (b"REPLY", [mode]) if mode.eq_ignore_ascii_case(b"OFF") => self.state.is_silent = true,
            (b"REPLY", [mode]) if mode.eq_ignore_ascii_case(b"SKIP") => self.is_skipping = true,
            (b"SETINFO", [attribute, _]) => {
                self.state.set([&what[..], &attribute.to_ascii_uppercase()].concat(), Some(again()));
            }
            (b"TRACKING" | b"NO-EVICT" | b"NO-TOUCH", [mode, options @ ..]) => {
                // TRACKING with REDIRECT names a connection by its number on the online server.
                let redirects = options.iter().any(|word| word.eq_ignore_ascii_case(b"REDIRECT"));
                let is_on = mode.eq_ignore_ascii_case(b"ON") && !redirects;
                let again = is_on.then(again);
                self.state.set(what, again);
            }
            _ => {}
        }
    }

    /// The client's next commands depend on state that is not known, and in which the servers may differ.
    fn lose_state(&mut self) {
        self.forget_state();
        if self.mode != Mode::Down {
            self.mode = Mode::Unknown;
        }
    }
}

/// The database of a SELECT.
pub(super) fn database_of(arguments: &[&[u8]]) -> Option<u32> {
    let text = std::str::from_utf8(arguments.first()?).ok()?;
    let database: u32 = text.parse().ok()?;
    (database.to_string() == text).then_some(database)
}

/// Whether it names a number in a form that only some servers accept: with a sign, or leading zeros.
fn is_odd_number(arguments: &[&[u8]]) -> bool {
    let text = arguments.first().and_then(|word| std::str::from_utf8(word).ok());
    text.is_some_and(|text| database_of(arguments).is_none() && text.trim().parse::<u32>().is_ok())
}
