//! What the test server answers while a connection is set up or restored.

use common::command_line::shown;
use common::module::{Actions, FailureKind, Said};

use super::{Mode, Session};
use crate::counters::Event;
use crate::known::Asked;
use crate::reply::{Reply, Unreadable};
use crate::users::DEFAULT;

/// What is to be done after a reply.
enum Next {
    GoOn,
    /// The connection, or the session, is over.
    Stop,
}

impl Session {
    pub(super) fn read_answer(&mut self, said: Said<'_>, actions: &mut Actions) {
        if !matches!(self.mode, Mode::Restoring | Mode::Setup | Mode::Finishing) {
            return;
        }
        if said.skipped > 0 {
            return self.cannot_read(actions);
        }
        let mut bytes = said.bytes;
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
            self.go_on(actions, true);
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
        let Reply::Error(line) = reply else { return Next::GoOn };
        self.shared.counters.error(line);
        let code = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        if code == b"DENIED" || code == b"LOADING" || line.starts_with(b"ERR max number of clients") {
            let text = shown(&String::from_utf8_lossy(line), 60);
            self.shared.notices.once(&text, || format!("the test server refuses connections: {text}"));
            actions.refused();
            return Next::Stop;
        }
        let restoring = self.mode == Mode::Restoring;
        match asked {
            // The test server lets everybody in.
            Some(Asked::Login) if is_without_password(line) => Next::GoOn,
            Some(Asked::Login) => self.login_refused(code, actions),
            Some(Asked::HelloLogin) if code == b"WRONGPASS" => self.login_refused(code, actions),
            Some(Asked::Hello) if restoring && code == b"NOAUTH" => self.login_refused(code, actions),
            Some(Asked::Select | Asked::First) if code == b"NOAUTH" => self.login_refused(code, actions),
            Some(Asked::Select) => {
                self.count_refusal();
                actions.fail(
                    FailureKind::Unsupported,
                    "the test server refuses SELECT; give it as many databases as the online server has",
                );
                Next::Stop
            }
            _ => Next::GoOn,
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

/// Says that no password is set.
fn is_without_password(line: &[u8]) -> bool {
    line.starts_with(b"ERR AUTH <password> called without any password")
        || line.starts_with(b"ERR Client sent AUTH, but no password is set")
}
