//! What commands do to the state of a connection.

use super::{Mode, Session, Transaction};
use crate::command::Command;
use crate::known::{Known, ReplyMode, command};

impl Session {
    /// The client has said this, and the online server has done it.
    pub(super) fn apply(&mut self, name: Command, arguments: &[&[u8]]) {
        self.is_blocking = match name {
            Command::Blocking => true,
            Command::ReadStream => arguments.iter().any(|word| word.eq_ignore_ascii_case(b"BLOCK")),
            _ => false,
        };
        self.is_skipping = false;
        self.remember(name);
        match name {
            Command::Auth => match arguments {
                [password] => self.known.log_in(None, password),
                [user, password] => self.known.log_in(Some(user), password),
                _ => {}
            },
            Command::Hello => self.hello(arguments),
            Command::Select => self.select(arguments),
            Command::Client => self.client_command(arguments),
            Command::Readonly => self.known.is_readonly = true,
            Command::Readwrite => self.known.is_readonly = false,
            Command::Subscribe(channels) => self.known.subscribe(channels, arguments),
            Command::Unsubscribe(channels) => self.known.unsubscribe(channels, arguments),
            Command::Monitor => self.known.is_monitor = true,
            Command::Reset => {
                let before = std::mem::replace(&mut self.known, Known::fresh());
                self.remember_all(before);
                self.end_transaction();
            }
            // Keys of which the watch was lost stay so.
            Command::Watch if (self.transaction, self.watch) == (Transaction::None, Transaction::None) => {
                self.watch = Transaction::Open;
            }
            Command::Unwatch if self.transaction == Transaction::None => self.watch = Transaction::None,
            Command::Multi => {
                self.saw_transactions = true;
                if self.transaction == Transaction::None {
                    self.transaction = Transaction::Open;
                }
            }
            Command::Exec | Command::Discard => self.end_of_transaction(name == Command::Exec),
            _ => {}
        }
    }

    fn hello(&mut self, arguments: &[&[u8]]) {
        let Some((version, mut options)) = arguments.split_first() else { return };
        self.known.is_resp3 = *version == b"3";
        loop {
            options = match options {
                [word, user, password, rest @ ..] if word.eq_ignore_ascii_case(b"AUTH") => {
                    self.known.log_in(Some(user), password);
                    rest
                }
                [word, name, rest @ ..] if word.eq_ignore_ascii_case(b"SETNAME") => {
                    self.known.name = Some(name.to_vec());
                    rest
                }
                _ => return,
            };
        }
    }

    fn select(&mut self, arguments: &[&[u8]]) {
        let database = database_of(arguments);
        // What is no number, no server accepts.
        if database.is_none() && !is_odd_number(arguments) {
            return;
        }
        match database {
            _ if self.transaction != Transaction::None => self.chose_in_transaction = true,
            Some(database) => self.known.database = Some(database),
            None => self.lose_state(),
        }
    }

    fn client_command(&mut self, arguments: &[&[u8]]) {
        let Some((what, rest)) = arguments.split_first() else { return };
        let what = what.to_ascii_uppercase();
        let words: Vec<&[u8]> = std::iter::once(&b"CLIENT"[..]).chain(arguments.iter().copied()).collect();
        let again = || {
            let mut again = Vec::new();
            command(&words, &mut again);
            Some(again)
        };
        match (&what[..], rest) {
            (b"SETNAME", [name]) => self.known.name = Some(name.to_vec()),
            (b"REPLY", [mode]) if mode.eq_ignore_ascii_case(b"ON") => self.known.reply = ReplyMode::On,
            (b"REPLY", [mode]) if mode.eq_ignore_ascii_case(b"OFF") => self.known.reply = ReplyMode::Off,
            (b"REPLY", [mode]) if mode.eq_ignore_ascii_case(b"SKIP") => self.is_skipping = true,
            (b"SETINFO", [attribute, _]) => {
                self.known.set([&what[..], &attribute.to_ascii_uppercase()].concat(), again());
            }
            (b"TRACKING", [mode, options @ ..]) => {
                // To another connection, by its number on the online server: not to be said again.
                let redirects = options.iter().any(|word| word.eq_ignore_ascii_case(b"REDIRECT"));
                let is_on = mode.eq_ignore_ascii_case(b"ON") && !redirects;
                self.known.set(what.clone(), if is_on { again() } else { None });
            }
            (b"NO-EVICT" | b"NO-TOUCH", [mode]) => {
                let is_on = mode.eq_ignore_ascii_case(b"ON");
                self.known.set(what.clone(), if is_on { again() } else { None });
            }
            _ => {}
        }
    }

    fn end_of_transaction(&mut self, executed: bool) {
        if self.transaction == Transaction::None && !std::mem::replace(&mut self.saw_transactions, true) {
            // It began before the session was joined: what seemed to be done may not have been.
            self.lose_state();
        }
        if executed && self.chose_in_transaction {
            // Whether the servers have done it stands within their answers to EXEC, of which nothing is read.
            self.lose_state();
        }
        self.end_transaction();
    }

    /// What the client says next depends on what is not known, and on which the servers may differ.
    fn lose_state(&mut self) {
        self.forget_state();
        if self.mode != Mode::Down {
            self.mode = Mode::Unknown;
        }
    }

    fn end_transaction(&mut self) {
        (self.transaction, self.watch) = (Transaction::None, Transaction::None);
        self.chose_in_transaction = false;
    }
}

/// Which database a SELECT is about.
pub(super) fn database_of(arguments: &[&[u8]]) -> Option<u32> {
    let text = std::str::from_utf8(arguments.first()?).ok()?;
    let database: u32 = text.parse().ok()?;
    (database.to_string() == text).then_some(database)
}

/// It names a number in a form that not all servers take for one: with a sign, or zeros before it.
fn is_odd_number(arguments: &[&[u8]]) -> bool {
    let text = arguments.first().and_then(|word| std::str::from_utf8(word).ok());
    text.is_some_and(|text| database_of(arguments).is_none() && text.trim().parse::<u32>().is_ok())
}
