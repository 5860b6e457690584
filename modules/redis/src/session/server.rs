//! The test server's answers while a connection is set up or its state is restored.

use std::ops::ControlFlow;

use module_kit::{Actions, FailureKind, shown};

use super::refusals::Refused;
use super::{Mode, Session};
use crate::counters::Event;
use crate::resp::{code, is_without_password};
use crate::state::{Asked, DEFAULT};

impl Session {
    pub(super) fn read_answer(&mut self, mut bytes: &[u8], actions: &mut Actions) {
        match self.mode {
            Mode::Restoring | Mode::Setup | Mode::Finishing => {}
            Mode::Live => {
                if let Some(error) = bytes.strip_prefix(b"-").filter(|error| code(error).is_some()) {
                    self.service.shared.counters.server_error(error);
                }
                return;
            }
            _ => return,
        }
        if let Some(mark) = &mut self.mark {
            let Some(used) = mark.find(bytes) else {
                if bytes.starts_with(b"-NOAUTH") {
                    // So the mark is refused, too: it is sent before a login.
                    let _ = self.login_refused(b"NOAUTH", actions);
                } else if is_ping_refused(bytes) {
                    actions.fail(FailureKind::Unsupported, "the test server does not let the user use PING");
                }
                return;
            };
            self.mark = None;
            self.replies.reset();
            bytes = &bytes[used..];
        }
        let mut replies = Vec::new();
        let result = self.replies.read(bytes, &mut replies);
        if replies.iter().any(|line| self.handle_reply(line, actions).is_break()) {
            return;
        }
        if result.is_err() {
            return self.cannot_read(actions);
        }
        if self.mode != Mode::Restoring {
            self.finish_if_answered(actions);
        } else if self.setup.is_done() && !self.refusals.of_test_server() {
            self.restored(actions);
        }
    }

    /// Ends the setup if all of its answers are there.
    pub(super) fn finish_if_answered(&mut self, actions: &mut Actions) {
        if self.mode == Mode::Finishing && self.setup.is_done() {
            self.live(actions);
        }
    }

    fn cannot_read(&mut self, actions: &mut Actions) {
        if self.mode == Mode::Restoring || self.setup.awaited().any(|asked| asked.is_vital()) {
            actions.fail(FailureKind::OutOfStep, "the test server's answer to a login cannot be read");
        } else {
            self.setup.clear();
            self.live(actions);
        }
    }

    /// A reply is complete, which begins with this line. Breaks if the connection, or the session, is over.
    fn handle_reply(&mut self, line: &[u8], actions: &mut Actions) -> ControlFlow<()> {
        let asked = self.setup.answered();
        let Some(line) = line.strip_prefix(b"-") else {
            if asked == Some(Asked::Select) {
                self.set_accepted(true);
            }
            return ControlFlow::Continue(());
        };
        let code = code(line).unwrap_or_default();
        self.service.shared.counters.server_error(line);
        if code == b"DENIED" || code == b"LOADING" || line.starts_with(b"ERR max number of clients") {
            let text = shown(&String::from_utf8_lossy(line), 60);
            self.service
                .shared
                .notices
                .once(&text, || format!("the test server refuses connections: {text}"));
            actions.refused();
            return ControlFlow::Break(());
        }
        let restoring = self.mode == Mode::Restoring;
        match asked {
            // The test server lets everybody in.
            Some(Asked::Login) if is_without_password(line) => {}
            Some(Asked::Login) => return self.refused(Refused::Login(code.to_vec()), actions),
            Some(Asked::HelloLogin) if code == b"WRONGPASS" => {
                return self.refused(Refused::Login(code.to_vec()), actions);
            }
            Some(Asked::Hello) if restoring && code == b"NOAUTH" => return self.login_refused(code, actions),
            Some(Asked::Select | Asked::First) if code == b"NOAUTH" => {
                return self.login_refused(code, actions);
            }
            Some(Asked::Select) => return self.refused(Refused::Database, actions),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// The test server has refused what the client relies on, if the online server has not.
    fn refused(&mut self, what: Refused, actions: &mut Actions) -> ControlFlow<()> {
        if what == Refused::Database {
            self.set_accepted(false);
        }
        if self.mode == Mode::Restoring && self.is_fresh && self.undo.is_none() && !self.refusals.any() {
            // The online server has accepted it, on an earlier connection.
            return self.only_test_refused(&what, actions);
        }
        self.refusals.test_server_refused(what);
        ControlFlow::Continue(())
    }

    pub(super) fn only_test_refused(&mut self, what: &Refused, actions: &mut Actions) -> ControlFlow<()> {
        match what {
            Refused::Login(code) => self.login_refused(code, actions),
            Refused::Database => {
                self.count_refusal();
                actions.fail(
                    FailureKind::Unsupported,
                    "the test server refuses SELECT; give it as many databases as the online server has",
                );
                ControlFlow::Break(())
            }
        }
    }

    fn login_refused(&mut self, code: &[u8], actions: &mut Actions) -> ControlFlow<()> {
        self.count_refusal();
        self.count(Event::LoginRefused);
        let user = self.state.identity.user();
        // A name that the configuration does not know may be a password in the wrong place.
        let user = if user == DEFAULT || self.service.shared.users.password(user).is_some() {
            format!("the login of user '{}'", shown(&String::from_utf8_lossy(user), 60))
        } else {
            "the login of a user who is not in the --config file".to_owned()
        };
        let code = shown(&String::from_utf8_lossy(code), 20);
        self.service.shared.notices.once(&user, || {
            format!(
                "the test server does not accept {user} ({code}); give the password there in [redis.users] of the --config \
                 file, as docs/REDIS.md shows"
            )
        });
        actions.fail(FailureKind::LoginFailed, "the test server does not accept the login");
        ControlFlow::Break(())
    }

    /// Whether the test server lets the user choose the present database.
    fn set_accepted(&self, is_accepted: bool) {
        let identity = &self.state.identity;
        if let Some(database) = identity.database {
            self.service.accepted.set(identity.user(), database, is_accepted);
        }
    }

    fn count_refusal(&self) {
        if self.mode == Mode::Restoring {
            self.count(Event::RestorationRefused);
        }
    }
}

/// Whether the mark is refused.
fn is_ping_refused(bytes: &[u8]) -> bool {
    let contain = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    contain(b"-NOPERM") && contain(b"'ping'")
}
