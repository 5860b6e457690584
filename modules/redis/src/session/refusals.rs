//! What one of the servers has refused: only what both have done to their connections counts.

use module_kit::{Actions, FailureKind};

use super::{Mode, Session, Transaction};
use crate::command::Command;
use crate::counters::{Event, Side, code};
use crate::known::{Identity, Known, command};
use crate::reply::is_without_password;

/// What a command has set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sets {
    Login,
    Database,
    /// The protocol's version, and a login perhaps.
    Protocol,
    /// All that a connection begins with: RESET.
    All,
}

/// What stood before the last command that set something.
#[derive(Debug)]
pub(super) struct Undo {
    sets: Sets,
    before: Before,
}

#[derive(Debug)]
enum Before {
    Identity(Identity),
    All(Known),
}

/// Who has refused the last command that set something.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    online: Option<Sets>,
    test: Option<Refused>,
}

/// What the test server has refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// With the error's code.
    Login(Vec<u8>),
    Database,
}

impl Undo {
    /// In bytes.
    pub(super) fn memory(&self) -> usize {
        let before = match &self.before {
            Before::Identity(identity) => identity.memory(),
            Before::All(known) => known.memory(),
        };
        size_of_val(self) + before
    }
}

impl Refusals {
    pub(super) fn any(&self) -> bool {
        self.online.is_some() || self.test.is_some()
    }

    pub(super) fn of_test_server(&self) -> bool {
        self.test.is_some()
    }

    /// The test server has refused it. What that means shows when the client goes on.
    pub(super) fn test_server_refused(&mut self, what: Refused) {
        self.test = Some(what);
    }
}

impl Session {
    /// Before a command is applied: keeps what it may set.
    pub(super) fn remember(&mut self, command: Command) {
        let sets = match command {
            Command::Auth => Sets::Login,
            Command::Select if self.transaction == Transaction::None => Sets::Database,
            Command::Hello => Sets::Protocol,
            _ => return,
        };
        self.undo = Some(Box::new(Undo { sets, before: Before::Identity(self.known.identity()) }));
    }

    /// The connection is reset: keeps what was known of it.
    pub(super) fn remember_all(&mut self, before: Known) {
        self.undo = Some(Box::new(Undo { sets: Sets::All, before: Before::All(before) }));
    }

    /// The online server answered with this segment, which begins as errors do.
    pub(super) fn read_online_error(&mut self, bytes: &[u8]) {
        let Some(code) = bytes.strip_prefix(b"-").and_then(code) else { return };
        self.shared.counters.error(Side::Online, code);
        let refused = self.undo.as_ref().is_some_and(|undo| refuses(bytes, undo.sets));
        if refused && let Some(undo) = self.undo.take() {
            match undo.before {
                Before::Identity(identity) => self.known.set_identity(identity),
                Before::All(known) => self.known = known,
            }
            self.refusals.online = Some(undo.sets);
        }
    }

    /// What the client has said is next. If it `goes_on`, whatever it has set before is answered by now; what was pipelined
    /// behind that does not tell.
    pub(super) fn settle_refusals(&mut self, goes_on: bool, actions: &mut Actions) {
        if self.mode == Mode::Down || self.asked.iter().any(|asked| asked.is_vital()) {
            return;
        }
        if goes_on {
            self.undo = None;
        }
        match (self.refusals.test.take(), self.refusals.online.take()) {
            (None, None) => {}
            // The database that was refused would have been the first that is known.
            (_, Some(_)) if self.known.database.is_none() => {
                self.asked.clear();
                (self.is_fresh, self.mark) = (false, None);
                if !matches!(self.mode, Mode::Foreign | Mode::ForeignLost) {
                    self.mode = Mode::Unknown;
                    self.want_question();
                }
            }
            (Some(_), Some(_)) => {
                if self.mode == Mode::Restoring {
                    self.restored(actions);
                }
            }
            (Some(what), None) => drop(self.only_test_refused(&what, actions)),
            (None, Some(_)) if matches!(self.mode, Mode::Unknown | Mode::Foreign | Mode::ForeignLost) => {}
            (None, Some(Sets::Login)) => {
                self.shared.counters.event(Event::RefusedOnline);
                actions.fail(FailureKind::LoginFailedOnline, "the online server does not accept the login");
            }
            // The test server has done it: back to where it was.
            (None, Some(what)) => {
                self.is_fresh = false;
                if what == Sets::Protocol {
                    let mut own = Vec::new();
                    command(&[b"HELLO", b"2"], &mut own);
                    actions.send(&own);
                }
                self.restore_later(actions);
            }
        }
    }
}

/// Does this error answer a command that sets `sets`, and says that it did not?
fn refuses(error: &[u8], sets: Sets) -> bool {
    let begins = |with: &[&[u8]]| with.iter().any(|it| error.starts_with(it));
    let always: &[&[u8]] =
        &[b"-NOAUTH", b"-ERR Can't execute", b"-ERR only (P)SUBSCRIBE", b"-ERR max number of clients"];
    let own: &[&[u8]] = match sets {
        Sets::Database => &[
            b"-ERR DB index",
            b"-ERR invalid DB index",
            b"-ERR value is not an integer",
            b"-ERR SELECT is not allowed",
        ],
        Sets::Login => &[b"-WRONGPASS", b"-ERR invalid password"],
        Sets::Protocol => {
            &[b"-WRONGPASS", b"-NOPROTO", b"-ERR unknown command", b"-ERR Syntax error in HELLO"]
        }
        Sets::All => &[],
    };
    if begins(always) || begins(own) {
        return !is_without_password(error.get(1..).unwrap_or_default());
    }
    // As the client wrote it, in quotes of one kind or another.
    let unknown = error.strip_prefix(b"-ERR unknown command ").and_then(|rest| rest.get(1..6));
    if sets == Sets::All && unknown.is_some_and(|name| name.eq_ignore_ascii_case(b"reset")) {
        return true;
    }
    let command: &[u8] = match sets {
        Sets::Database => b"'select'",
        Sets::Login => b"'auth'",
        Sets::Protocol => b"'hello'",
        Sets::All => b"'reset'",
    };
    error.starts_with(b"-NOPERM")
        && error.windows(command.len()).any(|window| window.eq_ignore_ascii_case(command))
}
