//! What the test server answers while a connection is set up or restored.

use common_core::text::shown;
use module_kit::{Actions, FailureKind};

use super::refusals::Refused;
use super::{Mode, Session};
use crate::counters::{Event, Side, code};
use crate::known::Asked;
use crate::reply::{Reply, Unreadable, is_without_password};
use crate::users::DEFAULT;

/// What is to be done after a reply.
pub(super) enum Next {
    GoOn,
    /// The connection, or the session, is over.
    Stop,
}

impl Session {
    pub(super) fn read_answer(&mut self, mut bytes: &[u8], actions: &mut Actions) {
        let skipped = std::mem::take(&mut self.skipped);
        if self.mode == Mode::Live
            && let Some(code) = bytes.strip_prefix(b"-").and_then(code)
        {
            self.shared.counters.error(Side::Test, code);
        }
        if !matches!(self.mode, Mode::Restoring | Mode::Setup | Mode::Finishing) {
            return;
        }
        if let Some(mark) = &mut self.mark {
            let Some(used) = mark.find(bytes) else {
                if bytes.starts_with(b"-NOAUTH") {
                    // So the mark is refused, too: it is said before a login.
                    self.login_refused(b"NOAUTH", actions);
                } else if is_ping_refused(bytes) {
                    actions.fail(FailureKind::Unsupported, "the test server does not let the user say PING");
                }
                return;
            };
            self.mark = None;
            bytes = &bytes[used..];
        } else if skipped > 0 {
            return self.cannot_read(actions);
        }
        while !bytes.is_empty() {
            match self.replies.read(bytes) {
                Err(Unreadable) => return self.cannot_read(actions),
                Ok((reply, used)) => {
                    bytes = &bytes[used..];
                    if let Some(reply) = reply
                        && let Next::Stop = self.handle_reply(&reply, actions)
                    {
                        return;
                    }
                }
            }
        }
        if self.mode == Mode::Restoring && self.asked.is_empty() {
            if !self.refusals.of_test_server() {
                self.restored(actions);
            }
        } else {
            self.finish_if_answered(actions);
        }
    }

    /// The client has set its connection up, and all that was to be known is known.
    pub(super) fn finish_if_answered(&mut self, actions: &mut Actions) {
        if self.mode == Mode::Finishing && self.asked.is_empty() {
            self.live(actions);
        }
    }

    fn cannot_read(&mut self, actions: &mut Actions) {
        if self.mode == Mode::Restoring || self.asked.iter().any(|asked| asked.is_vital()) {
            actions.fail(FailureKind::OutOfStep, "the test server's answer to a login cannot be read");
        } else {
            self.asked.clear();
            self.live(actions);
        }
    }

    fn handle_reply(&mut self, reply: &Reply, actions: &mut Actions) -> Next {
        let asked = self.asked.pop_front();
        let Reply::Error(line) = reply else {
            if let (Some(Asked::Select), Some(database)) = (asked, self.known.database) {
                self.accepted.add(self.known.user(), database);
            }
            return Next::GoOn;
        };
        let code = code(line).unwrap_or_default();
        self.shared.counters.error(Side::Test, code);
        if code == b"DENIED" || code == b"LOADING" || line.starts_with(b"ERR max number of clients") {
            let text = shown(&String::from_utf8_lossy(line), 60);
            self.shared.notices.once(&text, || format!("the test server refuses connections: {text}"));
            actions.refused();
            return Next::Stop;
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
        Next::GoOn
    }

    /// The test server has refused what the client relies on, unless the online server has, too.
    fn refused(&mut self, what: Refused, actions: &mut Actions) -> Next {
        if let (Refused::Database, Some(database)) = (&what, self.known.database) {
            self.accepted.remove(self.known.user(), database);
        }
        if self.mode == Mode::Restoring && self.is_fresh && self.undo.is_none() && !self.refusals.any() {
            // The online server has accepted it, on a connection before.
            return self.only_test_refused(&what, actions);
        }
        self.refusals.test_server_refused(what);
        Next::GoOn
    }

    pub(super) fn only_test_refused(&mut self, what: &Refused, actions: &mut Actions) -> Next {
        match what {
            Refused::Login(code) => self.login_refused(code, actions),
            Refused::Database => {
                self.count_refusal();
                actions.fail(
                    FailureKind::Unsupported,
                    "the test server refuses SELECT; give it as many databases as the online server has",
                );
                Next::Stop
            }
        }
    }

    fn login_refused(&mut self, code: &[u8], actions: &mut Actions) -> Next {
        self.count_refusal();
        self.shared.counters.event(Event::LoginRefused);
        let user = self.known.user();
        // A name that the configuration does not know may be a password in the wrong place.
        let user = if user == DEFAULT || self.shared.users.password(user).is_some() {
            format!("the login of user '{}'", shown(&String::from_utf8_lossy(user), 60))
        } else {
            "the login of a user who is not in the --config file".to_owned()
        };
        let code = shown(&String::from_utf8_lossy(code), 20);
        self.shared.notices.once(&user, || {
            format!(
                "the test server does not accept {user} ({code}); give the password there in [redis.users] of the --config \
                 file, as docs/REDIS.md shows"
            )
        });
        actions.fail(FailureKind::LoginFailed, "the test server does not accept the login");
        Next::Stop
    }

    fn count_refusal(&self) {
        if self.mode == Mode::Restoring {
            self.shared.counters.event(Event::RestorationRefused);
        }
    }
}

/// No mark will come.
fn is_ping_refused(bytes: &[u8]) -> bool {
    let contain = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    contain(b"-NOPERM") && contain(b"'ping'")
}
