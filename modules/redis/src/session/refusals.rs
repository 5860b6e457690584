//! Commands that one of the servers refused: only what both have executed counts.

use module_kit::{Actions, FailureKind};

use super::{Mode, Session};
use crate::command::Command;
use crate::counters::Event;
use crate::resp::{code, is_without_password, request};
use crate::state::{Identity, State};

/// The part of the state that a command sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sets {
    Login,
    Database,
    /// The protocol's version, and a login perhaps.
    Protocol,
    /// Everything: RESET.
    All,
}

/// The state before the last command that set something.
#[derive(Debug)]
pub(super) struct Undo {
    sets: Sets,
    before: Before,
}

#[derive(Debug)]
enum Before {
    Identity(Identity),
    All(State),
}

/// Who has refused the last command that set something.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    online: Option<Sets>,
    test: Option<Refused>,
}

/// A refusal of the test server.
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
            Before::All(state) => state.memory(),
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

    /// The consequence is decided when the client goes on.
    pub(super) fn test_server_refused(&mut self, refused: Refused) {
        self.test = Some(refused);
    }
}

impl Session {
    /// Before a command is applied: keeps what it may set.
    pub(super) fn remember(&mut self, command: Command) {
        let sets = match command {
            Command::Auth => Sets::Login,
            Command::Select if self.transaction.is_none() => Sets::Database,
            Command::Hello => Sets::Protocol,
            _ => return,
        };
        self.undo = Some(Box::new(Undo { sets, before: Before::Identity(self.state.identity.clone()) }));
    }

    /// Resets the state, and keeps what it was.
    pub(super) fn remember_all(&mut self) {
        let before = Before::All(std::mem::take(&mut self.state));
        self.undo = Some(Box::new(Undo { sets: Sets::All, before }));
    }

    /// The online server answered with this segment, which begins as errors do.
    pub(super) fn read_online_error(&mut self, bytes: &[u8]) {
        let Some(error) = bytes.strip_prefix(b"-").filter(|error| code(error).is_some()) else { return };
        self.service.shared.counters.online_error(error);
        if let Some(undo) = self.undo.take_if(|undo| refuses(bytes, undo.sets)) {
            match undo.before {
                Before::Identity(identity) => self.state.identity = identity,
                Before::All(state) => self.state = state,
            }
            self.refusals.online = Some(undo.sets);
        }
    }

    /// Called before the client's next commands. If it `goes_on`, everything that it has set before is answered by now; a
    /// command that was pipelined after that proves nothing.
    pub(super) fn settle_refusals(&mut self, goes_on: bool, actions: &mut Actions) {
        if self.mode == Mode::Down || self.setup.awaited().any(|asked| asked.is_vital()) {
            return;
        }
        if goes_on {
            self.undo = None;
        }
        match (self.refusals.test.take(), self.refusals.online.take()) {
            (None, None) => {}
            // The refused database would have been the first that is known.
            (_, Some(_)) if self.state.identity.database.is_none() => {
                self.setup.clear();
                (self.is_fresh, self.mark) = (false, None);
                if !self.mode.is_foreign() {
                    self.mode = Mode::Unknown;
                    self.questions.want();
                }
            }
            (Some(_), Some(_)) => {
                if self.mode == Mode::Restoring {
                    self.restored(actions);
                }
            }
            (Some(refused), None) => {
                let _ = self.only_test_refused(&refused, actions);
            }
            (None, Some(_)) if self.mode == Mode::Unknown || self.mode.is_foreign() => {}
            (None, Some(Sets::Login)) => {
                self.count(Event::RefusedOnline);
                actions.fail(FailureKind::LoginFailedOnline, "the online server does not accept the login");
            }
            // The test server has executed it: back to the state before.
            (None, Some(sets)) => {
                self.is_fresh = false;
                if sets == Sets::Protocol {
                    let mut own = Vec::new();
                    request(&[b"HELLO", b"2"], &mut own);
                    actions.send(&own);
                }
                self.restore_in_use(actions);
            }
        }
    }
}

/// Whether this error answers a command that sets `sets`, and means that it did not.
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
    // The server repeats the name as the client wrote it, in quotes of one kind or another.
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
