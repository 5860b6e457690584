//! The counters of the report.

use module_kit::counters::{Codes, Counted, Counters as Group};
use module_kit::{Loss, Report};

use crate::resp::code;

/// Things that are counted of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The state of a connection was restored on a new one.
    Restored,
    /// The test server did not accept that.
    RestorationRefused,
    /// A client's login was sent with the test server's password.
    PasswordReplaced,
    /// The test server did not accept a login.
    LoginRefused,
    /// A connection was lost inside a transaction.
    TransactionCut,
    /// A connection was lost on which keys were watched.
    WatchLost,
    /// A connection was lost whose last command may have waited for its answer.
    BlockingCut,
    /// A session was joined late.
    Joined,
    /// The state of such a session was learnt from the online server.
    KnownByOnline,
    /// The state of a session is not known any more, because bytes of it were not captured.
    StateForgotten,
    /// A client does not speak RESP.
    NotResp,
    /// The online server did not accept a login that the test server accepted.
    RefusedOnline,
}

impl Counted for Event {
    const NAMES: &'static [&'static str] = &[
        "restored",
        "restoration_refused",
        "password_replaced",
        "login_refused",
        "transaction_cut",
        "watch_lost",
        "blocking_command_cut",
        "joined",
        "known_by_online_server",
        "state_forgotten",
        "not_resp",
        "refused_online",
    ];

    fn index(self) -> usize {
        self as usize
    }
}

/// A reason why a command is left out.
#[derive(Debug, Clone, Copy)]
struct LeftOut(Loss);

impl Counted for LeftOut {
    const NAMES: &'static [&'static str] = &["left_out", "state_lost", "state_unknown"];

    fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    events: Group<Event>,
    left_out: Group<LeftOut>,
    server_errors: Codes<Vec<u8>>,
    online_errors: Codes<Vec<u8>>,
}

impl Counters {
    pub(crate) fn event(&self, event: Event) {
        self.events.count(event);
    }

    /// A command was left out.
    pub(crate) fn left_out(&self, loss: Loss) {
        self.left_out.count(LeftOut(loss));
    }

    /// The test server answered with this error, given without the `-`.
    pub(crate) fn server_error(&self, error: &[u8]) {
        count(&self.server_errors, error);
    }

    /// The online server answered with this error, given without the `-`.
    pub(crate) fn online_error(&self, error: &[u8]) {
        count(&self.online_errors, error);
    }

    pub(crate) fn report(&self) -> Report {
        let mut report = Report::default();
        self.events.report("sessions", &mut report);
        self.left_out.report("commands_left_out", &mut report);
        let text = |code: &Vec<u8>| String::from_utf8_lossy(code).into_owned();
        self.server_errors.report("server_errors", text, &mut report);
        self.online_errors.report("online_errors", text, &mut report);
        report
    }
}

fn count(errors: &Codes<Vec<u8>>, error: &[u8]) {
    match code(error) {
        Some(code) => errors.count(code),
        None => errors.count_other(),
    }
}
