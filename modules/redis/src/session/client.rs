//! What the client says, command by command.

use common_core::answer_payload::AnswerPayload;
use module_kit::{FailureKind, Loss};

use super::cut::{Cut, Fate};
use super::effects::database_of;
use super::{Mode, Session, Transaction};
use crate::command::Command;
use crate::counters::Event;
use crate::known::{Asked, command};
use crate::request::{Head, LENGTH_MAX, NotResp, Place, arguments, head, is_likely, is_quoted, skip_others};
use crate::users::DEFAULT;

impl Session {
    /// Deals with as much of `bytes` as it can, and returns how many that are; the rest comes again.
    pub(super) fn read(&mut self, bytes: &[u8], cut: &mut Cut<'_>) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let taken = match self.step(&bytes[at..], cut) {
                Ok(taken) => taken,
                Err(NotResp) => self.not_resp(&bytes[at..], cut),
            };
            if taken == 0 {
                break;
            }
            at += taken;
        }
        at
    }

    /// Deals with the next command, or several that do not matter, or what is there of one; returns how many bytes that
    /// were. 0: more is needed.
    fn step(&mut self, bytes: &[u8], cut: &mut Cut<'_>) -> Result<usize, NotResp> {
        match self.mode {
            Mode::Down | Mode::Restoring => return Ok(0),
            Mode::Foreign => return Ok(take_all(bytes, Fate::Pass, cut)),
            Mode::ForeignLost => return Ok(take_all(bytes, Fate::Out(Loss::StateLost), cut)),
            Mode::Unknown | Mode::Setup | Mode::Finishing | Mode::Live => {}
        }
        if !self.place.is_start() {
            let length = self.place.skip(bytes)?;
            cut.take(length, self.fate);
            return Ok(length);
        }
        if self.is_seeking && !is_likely(bytes) {
            return Ok(take_all(bytes, Fate::Out(Loss::StateUnknown), cut));
        }
        if matches!(self.mode, Mode::Live | Mode::Finishing)
            && self.transaction != Transaction::Lost
            && self.watch != Transaction::Lost
            && !self.is_seeking
        {
            let (length, place) = skip_others(bytes);
            if length > 0 {
                (self.place, self.fate, self.is_blocking) = (place, Fate::Pass, false);
                self.is_skipping = false;
                cut.take(length, Fate::Pass);
                return Ok(length);
            }
        }
        self.command(bytes, cut)
    }

    fn command(&mut self, bytes: &[u8], cut: &mut Cut<'_>) -> Result<usize, NotResp> {
        let Some(head) = head(bytes)? else { return Ok(0) };
        if self.mode == Mode::Setup && self.asked.iter().any(|asked| asked.is_vital()) {
            // Whether it may go on, the answer tells.
            return Ok(0);
        }
        let Some(read) = self.read_whole(&head, bytes)? else { return Ok(0) };
        self.is_seeking = false;
        let Read { command, arguments, length, place } = read;
        if self.mode == Mode::Unknown {
            self.unknown(command, &arguments, cut, length);
        } else {
            self.fate = self.fate_of(command);
            let fate = self.fate;
            if fate == Fate::Pass && self.must_be_accepted(command, &arguments) {
                let is_skipping = self.is_skipping;
                self.apply(command, &arguments);
                // It is not said, and so skips nothing.
                self.is_skipping = is_skipping;
                cut.take(length, Fate::Replace);
                self.place = place;
                if command != Command::Select && self.shared.users.password(self.known.user()).is_some() {
                    self.shared.counters.event(Event::PasswordReplaced);
                }
                // The answers to the first commands may still be on their way.
                self.is_fresh = false;
                self.restore_later(cut.actions());
                return Ok(length);
            }
            self.apply(command, &arguments);
            if fate != Fate::Pass {
                cut.take(length, fate);
                self.shared.counters.left_out(Loss::StateLost);
            } else if !self.say_with_other_password(command, &arguments, cut, length) {
                cut.take(length, fate);
            }
            if fate == Fate::Pass && self.mode == Mode::Setup {
                self.expect(command, &arguments, cut);
            }
        }
        self.place = place;
        Ok(length)
    }

    /// Reads a command with its arguments, where these matter; `None` if it is incomplete.
    fn read_whole<'b>(&mut self, head: &Head, bytes: &'b [u8]) -> Result<Option<Read<'b>>, NotResp> {
        let only_head =
            |command| Read { command, arguments: Vec::new(), length: head.length, place: head.place };
        if !head.command.needs_arguments() {
            return Ok(Some(only_head(head.command)));
        }
        let is_unclear = head.is_inline && is_quoted(&bytes[..head.length]);
        match arguments(head, bytes)? {
            Some((arguments, length)) if !is_unclear => {
                let place = Place::default();
                Ok(Some(Read { command: head.command, arguments, length, place }))
            }
            None if bytes.len() < LENGTH_MAX => Ok(None),
            _ if head.command == Command::ReadStream => Ok(Some(only_head(Command::Other))),
            _ => {
                // What it does will not be known on the next connection.
                self.forget_state();
                Ok(Some(only_head(Command::Other)))
            }
        }
    }

    /// A command of a session whose database is not known.
    fn unknown(&mut self, command: Command, arguments: &[&[u8]], cut: &mut Cut<'_>, length: usize) {
        self.apply(command, arguments);
        if self.known.database.is_some() {
            // It said so itself.
            cut.take(length, Fate::Replace);
            return self.begin_known(cut.actions());
        }
        if matches!(command, Command::Auth | Command::Hello | Command::Client) {
            self.fate = Fate::Replace;
        } else {
            self.fate = Fate::Out(Loss::StateUnknown);
            self.shared.counters.left_out(Loss::StateUnknown);
            if self.online.is_none() {
                self.shared.notices.once("unknown", || {
                    "commands are left out of sessions that tcpcopy has not seen whole, for their database is not known; \
                     [online.redis] in the --config file lets it ask the online server, as docs/REDIS.md shows"
                        .to_owned()
                });
            }
        }
        cut.take(length, self.fate);
    }

    fn fate_of(&mut self, command: Command) -> Fate {
        if self.watch == Transaction::Lost
            && self.transaction == Transaction::None
            && command == Command::Multi
        {
            // Whether it would be executed, nobody knows.
            self.transaction = Transaction::Lost;
        }
        let passes =
            self.transaction != Transaction::Lost || matches!(command, Command::Reset | Command::Quit);
        if passes { Fate::Pass } else { Fate::Out(Loss::StateLost) }
    }

    /// The client has gone on already, and what it says next depends on whether the test server accepts this: it is said
    /// in words of our own, whose answer is waited for.
    fn must_be_accepted(&self, command: Command, arguments: &[&[u8]]) -> bool {
        if !matches!(self.mode, Mode::Live | Mode::Finishing) || self.transaction != Transaction::None {
            return false;
        }
        match command {
            Command::Auth => true,
            Command::Hello => arguments.iter().skip(1).any(|word| word.eq_ignore_ascii_case(b"AUTH")),
            Command::Select => database_of(arguments).is_some_and(|database| {
                self.known.database != Some(database) && !self.accepted.contains(self.known.user(), database)
            }),
            _ => false,
        }
    }

    /// A login, where the test server has another password: says so, and returns true.
    fn say_with_other_password(
        &mut self,
        name: Command,
        arguments: &[&[u8]],
        cut: &mut Cut<'_>,
        length: usize,
    ) -> bool {
        let (mut words, user, at): (Vec<&[u8]>, &[u8], usize) = match (name, arguments) {
            (Command::Auth, [_]) => (vec![b"AUTH"], DEFAULT, 0),
            (Command::Auth, [user, _]) => (vec![b"AUTH"], user, 1),
            (Command::Hello, [_, auth, user, _, ..]) if auth.eq_ignore_ascii_case(b"AUTH") => {
                (vec![b"HELLO"], user, 3)
            }
            _ => return false,
        };
        let Some(password) = self.shared.users.password(user) else { return false };
        words.extend_from_slice(&arguments[..at]);
        words.push(password.bytes());
        words.extend_from_slice(&arguments[at + 1..]);
        let mut own = Vec::new();
        command(&words, &mut own);
        cut.take(length, Fate::Replace);
        cut.actions().send(&own);
        self.shared.counters.event(Event::PasswordReplaced);
        true
    }

    /// A command has passed while the client sets its connection up.
    fn expect(&mut self, command: Command, arguments: &[&[u8]], cut: &mut Cut<'_>) {
        let first = arguments.first().copied().unwrap_or_default();
        let asked = match command {
            Command::Auth => Asked::Login,
            Command::Hello if arguments.len() > 2 => Asked::HelloLogin,
            Command::Hello => Asked::Hello,
            Command::Select => Asked::Select,
            Command::Client if !first.eq_ignore_ascii_case(b"REPLY") => Asked::Other,
            Command::Readonly | Command::Readwrite | Command::Asking => Asked::Other,
            Command::Other => {
                self.asked.push_back(Asked::First);
                self.mode = Mode::Finishing;
                return;
            }
            _ => {
                self.mode = Mode::Finishing;
                return self.finish_if_answered(cut.actions());
            }
        };
        self.asked.push_back(asked);
    }

    /// The client says something else: returns how much of it was dealt with.
    fn not_resp(&mut self, bytes: &[u8], cut: &mut Cut<'_>) -> usize {
        self.place = Place::default();
        if self.mode == Mode::Unknown {
            self.is_seeking = true;
            return take_all(bytes, Fate::Out(Loss::StateUnknown), cut);
        }
        if self.mode == Mode::Setup && bytes.starts_with(&[0x16, 0x03]) {
            self.shared.notices.once("tls", || {
                "a client speaks TLS, which cannot be copied: the test server has keys of its own".to_owned()
            });
            cut.actions().fail(FailureKind::Tls, "the client speaks TLS");
            return 0;
        }
        self.shared.counters.event(Event::NotResp);
        self.shared.notices.once("not RESP", || {
            "a client does not speak RESP: its session is copied as it is, but not beyond its first connection; if \
             this is another service: --protocol PORT=none"
                .to_owned()
        });
        self.live(cut.actions());
        cut.actions().answers(AnswerPayload::None);
        self.mode = Mode::Foreign;
        take_all(bytes, Fate::Pass, cut)
    }

    /// Bytes of the client were never captured: neither the place in its commands nor their effect is known.
    pub(super) fn lose_place(&mut self) {
        if matches!(self.mode, Mode::Foreign | Mode::ForeignLost) {
            self.mode = Mode::ForeignLost;
            return;
        }
        if self.mode != Mode::Down {
            self.mode = Mode::Unknown;
        }
        self.place = Place::default();
        self.is_seeking = true;
        self.asked.clear();
        self.forget_state();
    }

    /// These bytes of the client are not said to the test server: only their effect counts.
    pub(super) fn learn(&mut self, bytes: &[u8]) {
        if self.is_seeking || matches!(self.mode, Mode::Foreign | Mode::ForeignLost) {
            return;
        }
        let mut at = 0;
        while at < bytes.len() {
            match self.learn_command(&bytes[at..]) {
                Ok(0) | Err(NotResp) => return self.lose_place(),
                Ok(taken) => at += taken,
            }
        }
        self.fate = Fate::Out(Loss::StateLost);
    }

    fn learn_command(&mut self, bytes: &[u8]) -> Result<usize, NotResp> {
        if !self.place.is_start() {
            return self.place.skip(bytes);
        }
        let Some(head) = head(bytes)? else { return Ok(0) };
        let Some(read) = self.read_whole(&head, bytes)? else { return Ok(0) };
        self.apply(read.command, &read.arguments);
        self.place = read.place;
        Ok(read.length)
    }
}

/// A command.
struct Read<'b> {
    command: Command,
    /// Where they matter.
    arguments: Vec<&'b [u8]>,
    length: usize,
    /// The place behind `length`.
    place: Place,
}

fn take_all(bytes: &[u8], fate: Fate, cut: &mut Cut<'_>) -> usize {
    cut.take(bytes.len(), fate);
    bytes.len()
}
