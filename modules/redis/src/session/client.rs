//! The client's commands.

use module_kit::edits::{Edits, Fate};
use module_kit::framing::{OutOfStep, Place};
use module_kit::{AnswerPayload, FailureKind, Loss};

use super::effects::database_of;
use super::{Mode, Session};
use crate::command::Command;
use crate::counters::Event;
use crate::resp::{Arguments, Head, Requests, arguments, head, is_likely, request, skip_others};
use crate::state::{Asked, DEFAULT};

/// A command.
struct Read<'b> {
    command: Command,
    /// Only where they matter.
    arguments: Vec<&'b [u8]>,
    length: usize,
    /// The place behind `length`.
    place: Place,
}

impl Session {
    /// Deals with as many of `bytes` as it can, and returns how many that are; the rest comes again.
    pub(super) fn read(&mut self, bytes: &[u8], edits: &mut Edits<'_>) -> usize {
        while edits.taken() < bytes.len() {
            let (rest, before) = (&bytes[edits.taken()..], edits.taken());
            if self.step(rest, edits).is_err() {
                self.not_resp(rest, edits);
            }
            if edits.taken() == before {
                break;
            }
        }
        edits.taken()
    }

    /// Deals with the next command, with several that do not matter, or with a part of one; with nothing if more bytes are
    /// needed.
    fn step(&mut self, bytes: &[u8], edits: &mut Edits<'_>) -> Result<(), OutOfStep> {
        match self.mode {
            Mode::Down | Mode::Restoring => return Ok(()),
            Mode::Foreign => {
                edits.take(bytes.len(), Fate::Pass);
                return Ok(());
            }
            Mode::ForeignLost => {
                edits.take(bytes.len(), Fate::LeaveOut(Loss::StateLost));
                return Ok(());
            }
            Mode::Unknown | Mode::Setup | Mode::Finishing | Mode::Live => {}
        }
        if !self.place.is_boundary() {
            edits.take(self.place.skip::<Requests>(bytes)?, self.fate);
            return Ok(());
        }
        if self.is_seeking && !is_likely(bytes) {
            edits.take(bytes.len(), Fate::LeaveOut(Loss::StateUnknown));
            return Ok(());
        }
        let only_matters = matches!(self.mode, Mode::Live | Mode::Finishing) && !self.is_seeking;
        if only_matters && self.transaction.is_intact() {
            let (length, place) = skip_others(bytes);
            if length > 0 {
                (self.place, self.fate, self.is_blocking) = (place, Fate::Pass, false);
                self.is_skipping = false;
                edits.take(length, Fate::Pass);
                return Ok(());
            }
        }
        let Some(head) = head(bytes)? else { return Ok(()) };
        if self.mode == Mode::Setup && self.setup.awaited().any(|asked| asked.is_vital()) {
            // The answer decides whether the client may go on.
            return Ok(());
        }
        if let Some(read) = self.read_whole(&head, bytes)? {
            self.is_seeking = false;
            self.place = read.place;
            self.command(&read, edits);
        }
        Ok(())
    }

    /// Reads a command with its arguments, where these matter; `None` if it is incomplete.
    fn read_whole<'b>(&mut self, head: &Head, bytes: &'b [u8]) -> Result<Option<Read<'b>>, OutOfStep> {
        let without_arguments = |command| {
            let (length, place) = (head.frame.head, Place::behind_head(&head.frame));
            Ok(Some(Read { command, arguments: Vec::new(), length, place }))
        };
        if !head.command.needs_arguments() {
            return without_arguments(head.command);
        }
        match arguments(head, bytes)? {
            Arguments::Whole(arguments, length) => {
                let place = Place::default();
                Ok(Some(Read { command: head.command, arguments, length, place }))
            }
            Arguments::Incomplete => Ok(None),
            Arguments::Unclear => {
                if head.command != Command::ReadStream {
                    // Its effect cannot be repeated on the next connection.
                    self.forget_state();
                }
                without_arguments(Command::Other)
            }
        }
    }

    fn command(&mut self, read: &Read<'_>, edits: &mut Edits<'_>) {
        if self.mode == Mode::Unknown {
            return self.unknown(read, edits);
        }
        self.fate = self.transaction.fate(read.command);
        if self.fate != Fate::Pass {
            self.apply(read.command, &read.arguments);
            self.service.shared.counters.left_out(Loss::StateLost);
            return edits.take(read.length, self.fate);
        }
        if self.must_be_accepted(read) {
            return self.request_in_use(read, edits);
        }
        self.apply(read.command, &read.arguments);
        if !self.send_other_password(read, edits) {
            edits.take(read.length, Fate::Pass);
        }
        if self.mode == Mode::Setup {
            self.expect(read, edits);
        }
    }

    /// A command of a session whose database is not known.
    fn unknown(&mut self, read: &Read<'_>, edits: &mut Edits<'_>) {
        self.apply(read.command, &read.arguments);
        if self.state.identity.database.is_some() {
            // It has set the database itself.
            edits.take(read.length, Fate::Replace);
            return self.begin_known(edits.actions());
        }
        if matches!(read.command, Command::Auth | Command::Hello | Command::Client) {
            self.fate = Fate::Replace;
        } else {
            self.fate = Fate::LeaveOut(Loss::StateUnknown);
            self.service.shared.counters.left_out(Loss::StateUnknown);
            if self.service.online.is_none() {
                self.service.shared.notices.once("unknown", || {
                    "commands are left out of sessions that tcpcopy has not seen from the start, because their database is \
                     not known; with [online.redis] in the --config file tcpcopy asks the online server, as docs/REDIS.md \
                     shows"
                        .to_owned()
                });
            }
        }
        edits.take(read.length, self.fate);
    }

    /// Whether the client's next commands depend on the test server's consent to this one, for which the client, which has
    /// gone on already, does not wait.
    fn must_be_accepted(&self, read: &Read<'_>) -> bool {
        if !matches!(self.mode, Mode::Live | Mode::Finishing) || !self.transaction.is_none() {
            return false;
        }
        let identity = &self.state.identity;
        match read.command {
            Command::Auth => true,
            Command::Hello => read.arguments.iter().skip(1).any(|word| word.eq_ignore_ascii_case(b"AUTH")),
            Command::Select => database_of(&read.arguments).is_some_and(|database| {
                identity.database != Some(database)
                    && !self.service.accepted.contains(identity.user(), database)
            }),
            _ => false,
        }
    }

    /// Sends a login or SELECT as a request of the module, whose answer is awaited.
    fn request_in_use(&mut self, read: &Read<'_>, edits: &mut Edits<'_>) {
        let is_skipping = self.is_skipping;
        self.apply(read.command, &read.arguments);
        // The client's own command is not sent: CLIENT REPLY SKIP still waits for one.
        self.is_skipping = is_skipping;
        edits.take(read.length, Fate::Replace);
        let has_password = self.service.shared.users.password(self.state.identity.user()).is_some();
        if read.command != Command::Select && has_password {
            self.count(Event::PasswordReplaced);
        }
        // The answers to the first commands may still be on their way.
        self.is_fresh = false;
        self.restore_in_use(edits.actions());
    }

    /// Sends a login with the test server's password, if that is another one. Returns whether it did.
    fn send_other_password(&mut self, read: &Read<'_>, edits: &mut Edits<'_>) -> bool {
        let (name, user, at): (&[u8], &[u8], usize) = match (read.command, &read.arguments[..]) {
            (Command::Auth, [_]) => (b"AUTH", DEFAULT, 0),
            (Command::Auth, [user, _]) => (b"AUTH", user, 1),
            (Command::Hello, [_, auth, user, _, ..]) if auth.eq_ignore_ascii_case(b"AUTH") => {
                (b"HELLO", user, 3)
            }
            _ => return false,
        };
        let Some(password) = self.service.shared.users.password(user) else { return false };
        let mut words = [&[name], &read.arguments[..]].concat();
        words[at + 1] = password.bytes();
        let mut own = Vec::new();
        request(&words, &mut own);
        edits.take(read.length, Fate::Replace);
        edits.send(&own);
        self.count(Event::PasswordReplaced);
        true
    }

    /// A command was passed while the client sets its connection up: its answer is awaited.
    fn expect(&mut self, read: &Read<'_>, edits: &mut Edits<'_>) {
        let asked = match read.command {
            Command::Auth => Asked::Login,
            Command::Hello if read.arguments.len() > 2 => Asked::HelloLogin,
            Command::Hello => Asked::Hello,
            Command::Select => Asked::Select,
            Command::Client
                if !read.arguments.first().is_some_and(|it| it.eq_ignore_ascii_case(b"REPLY")) =>
            {
                Asked::Other
            }
            Command::Readonly | Command::Readwrite | Command::Asking => Asked::Other,
            Command::Other => Asked::First,
            _ => {
                self.mode = Mode::Finishing;
                return self.finish_if_answered(edits.actions());
            }
        };
        self.setup.expect(asked);
        if asked == Asked::First {
            self.mode = Mode::Finishing;
        }
    }

    /// The client's bytes are not RESP.
    fn not_resp(&mut self, bytes: &[u8], edits: &mut Edits<'_>) {
        self.place = Place::default();
        if self.mode == Mode::Unknown {
            self.is_seeking = true;
            return edits.take(bytes.len(), Fate::LeaveOut(Loss::StateUnknown));
        }
        if self.mode == Mode::Setup && bytes.starts_with(&[0x16, 0x03]) {
            self.service.shared.notices.once("tls", || {
                "a client speaks TLS, which cannot be copied: the test server has keys of its own".to_owned()
            });
            return edits.actions().fail(FailureKind::Tls, "the client speaks TLS");
        }
        self.count(Event::NotResp);
        self.service.shared.notices.once("not RESP", || {
            "a client does not speak RESP: its session is copied unchanged, but not beyond its first connection; if this \
             is another service: --protocol PORT=none"
                .to_owned()
        });
        self.live(edits.actions());
        edits.actions().answers(AnswerPayload::None);
        self.mode = Mode::Foreign;
        edits.take(bytes.len(), Fate::Pass);
    }

    /// Bytes of the client were never captured: neither the place in its commands nor their effect is known.
    pub(super) fn lose_place(&mut self) {
        if self.mode.is_foreign() {
            self.mode = Mode::ForeignLost;
            return;
        }
        if self.mode != Mode::Down {
            self.mode = Mode::Unknown;
        }
        self.place = Place::default();
        self.is_seeking = true;
        self.setup.clear();
        self.forget_state();
    }

    /// Applies the effect of commands that are not sent to the test server.
    pub(super) fn learn(&mut self, bytes: &[u8]) {
        if self.is_seeking || self.mode.is_foreign() {
            return;
        }
        let mut at = 0;
        while at < bytes.len() {
            match self.learn_command(&bytes[at..]) {
                Ok(0) | Err(OutOfStep) => return self.lose_place(),
                Ok(taken) => at += taken,
            }
        }
        self.fate = Fate::LeaveOut(Loss::StateLost);
    }

    fn learn_command(&mut self, bytes: &[u8]) -> Result<usize, OutOfStep> {
        if !self.place.is_boundary() {
            return self.place.skip::<Requests>(bytes);
        }
        let Some(head) = head(bytes)? else { return Ok(0) };
        let Some(read) = self.read_whole(&head, bytes)? else { return Ok(0) };
        self.apply(read.command, &read.arguments);
        self.place = read.place;
        Ok(read.length)
    }
}
