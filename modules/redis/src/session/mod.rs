//! One session: the client's commands go to the test server as long as that is in the state that the client believes in.

mod client;
mod effects;
mod questions;
mod refusals;
mod server;
mod transaction;

use std::sync::Arc;

use module_kit::edits::{Edits, Fate};
use module_kit::framing::Place;
use module_kit::marks::Awaited;
use module_kit::setup::Setup;
use module_kit::{
    Actions, AnswerPayload, Endpoint, Loss, Missing, Module, OnlineObserver, Ready, ServerData,
};

use self::questions::Questions;
use self::refusals::{Refusals, Undo};
use self::transaction::Transaction;
use crate::Service;
use crate::counters::Event;
use crate::resp::{ReplyReader, request};
use crate::state::{Asked, State};

/// So much of each segment of the test server's answers is read while the client goes on: an error's code.
const HEAD: u16 = 24;

/// The progress of the connection to the test server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// There is none.
    Down,
    /// It is open, and the client's commands are left out: the state that they belong to is not known.
    Unknown,
    /// The client's state is restored: it must not go on.
    Restoring,
    /// The client sets its connection up: the answers are read, because without login or database it must not go on.
    Setup,
    /// The same, except for the last answers.
    Finishing,
    /// The server is in the state that the client believes in.
    Live,
    /// The client does not speak RESP: everything passes, on the first connection only.
    Foreign,
    ForeignLost,
}

impl Mode {
    fn is_foreign(self) -> bool {
        matches!(self, Self::Foreign | Self::ForeignLost)
    }
}

pub(crate) struct Session {
    service: Arc<Service>,
    questions: Questions,
    mode: Mode,
    /// The place in the client's commands, and the fate of the present one.
    place: Place,
    fate: Fate,
    /// The place is not known: the next command is looked for.
    is_seeking: bool,
    state: State,
    transaction: Transaction,
    had_connection: bool,
    /// The client may go on, on this connection.
    is_ready: bool,
    /// Nothing was sent on the connection yet.
    is_fresh: bool,
    /// The last command may wait for its answer.
    is_blocking: bool,
    /// The next command is not answered: CLIENT REPLY SKIP.
    is_skipping: bool,
    /// What was set in the turn that is being answered, and who has refused it.
    undo: Option<Box<Undo>>,
    refusals: Refusals,
    /// The requests whose answers are awaited. These come after the mark, if there is one.
    setup: Setup<Asked>,
    mark: Option<Awaited>,
    replies: ReplyReader,
    /// Bytes of the client that were offered and are held: it sent them before it was answered.
    held: usize,
}

impl Session {
    pub(crate) fn new(service: Arc<Service>, client: Endpoint, from_start: bool) -> Self {
        let questions = Questions::new(service.online.clone(), client);
        if from_start {
            // The online server described an earlier connection of that address.
            questions.forget();
        } else {
            service.shared.counters.event(Event::Joined);
        }
        Self {
            service,
            questions,
            mode: Mode::Down,
            place: Place::default(),
            fate: Fate::Pass,
            is_seeking: !from_start,
            state: if from_start { State::default() } else { State::unknown() },
            transaction: Transaction::new(from_start),
            had_connection: false,
            is_ready: false,
            is_fresh: true,
            is_blocking: false,
            is_skipping: false,
            undo: None,
            refusals: Refusals::default(),
            setup: Setup::default(),
            mark: None,
            replies: ReplyReader::default(),
            held: 0,
        }
    }

    fn count(&self, event: Event) {
        self.service.shared.counters.event(event);
    }

    /// Applies the loss of the connection to the state.
    fn lose_connection_state(&mut self) {
        self.transaction.connection_lost(&self.service.shared.counters);
        if std::mem::take(&mut self.is_blocking) {
            self.count(Event::BlockingCut);
        }
        if !self.place.is_boundary() {
            // The beginning of the command went to another connection.
            self.fate = Fate::LeaveOut(Loss::StateLost);
        }
    }

    /// The state of the client is known from here on.
    fn begin_known(&mut self, actions: &mut Actions) {
        // The transaction was left out: it is not on the server.
        self.is_blocking = false;
        self.lose_connection_state();
        self.restore_in_use(actions);
    }

    /// Restores the state on a connection that the client uses already.
    fn restore_in_use(&mut self, actions: &mut Actions) {
        if self.restore(actions) == Ready::Now {
            self.release(actions);
        }
    }

    /// Lets the client's next turn follow.
    fn release(&mut self, actions: &mut Actions) {
        if std::mem::replace(&mut self.is_ready, true) { actions.answered() } else { actions.ready() }
    }

    /// Restores the state. Returns whether the client may go on at once.
    fn restore(&mut self, actions: &mut Actions) -> Ready {
        self.setup.clear();
        self.replies.reset();
        if !self.is_fresh {
            // Answers to the client's commands come first.
            if self.state.is_silent || std::mem::take(&mut self.is_skipping) {
                self.setup.unanswered(|out| request(&[b"CLIENT", b"REPLY", b"ON"], out));
            }
            let mark = self.service.shared.marks.next();
            self.setup.unanswered(|out| request(&[b"PING", mark.as_bytes()], out));
            self.mark = Some(Awaited::new(format!("\n{mark}\r\n").into_bytes()));
        }
        self.state.restore(&self.service.shared.users, !self.is_fresh, &mut self.setup);
        if self.setup.is_done() {
            self.go_on(actions, self.had_connection);
            return Ready::Now;
        }
        self.mode = Mode::Restoring;
        actions.answers(AnswerPayload::All);
        self.setup.send(actions);
        Ready::WhenSaid
    }

    /// The test server has accepted what was restored.
    fn restored(&mut self, actions: &mut Actions) {
        self.go_on(actions, true);
        self.release(actions);
    }

    /// The client may go on. Its first answers are read only on its first connection, and if nothing was sent there.
    fn go_on(&mut self, actions: &mut Actions, is_live: bool) {
        let any = self.state.restore_last(&mut self.setup);
        self.setup.send(actions);
        if is_live || any {
            if self.is_fresh {
                self.count(Event::Restored);
            }
            self.live(actions);
        } else {
            self.mode = Mode::Setup;
        }
    }

    fn live(&mut self, actions: &mut Actions) {
        self.mode = Mode::Live;
        self.is_fresh = false;
        actions.answers(AnswerPayload::Ends { head: HEAD, tail: 0 });
    }

    /// The database, and what else the client has set, is not known from here on.
    fn forget_state(&mut self) {
        self.state.identity.database = None;
        self.undo = None;
        self.count(Event::StateForgotten);
        self.questions.want();
    }
}

impl Module for Session {
    fn connected(&mut self, actions: &mut Actions) -> Ready {
        self.replies.reset();
        self.setup.clear();
        self.refusals = Refusals::default();
        (self.is_fresh, self.is_skipping, self.mark) = (true, false, None);
        self.lose_connection_state();
        let ready = if self.mode.is_foreign() {
            self.mode = Mode::ForeignLost;
            actions.answers(AnswerPayload::None);
            Ready::Now
        } else if self.state.identity.database.is_none() {
            self.mode = Mode::Unknown;
            Ready::Now
        } else {
            self.restore(actions)
        };
        (self.had_connection, self.is_ready) = (true, ready == Ready::Now);
        ready
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        let goes_on = bytes.len() > std::mem::take(&mut self.held);
        if self.undo.is_some() || self.refusals.any() {
            self.settle_refusals(goes_on, actions);
        }
        if self.mode == Mode::Unknown && self.state.identity.database.is_some() {
            self.begin_known(actions);
        } else if self.mode == Mode::Unknown && !self.is_ready {
            // The state was lost while it was restored.
            self.release(actions);
        }
        self.held = bytes.len() - self.read(bytes, &mut Edits::new(actions));
    }

    fn answer(&mut self, data: ServerData<'_>, actions: &mut Actions) {
        self.read_answer(data.bytes, actions);
    }

    fn missed(&mut self, missing: Missing<'_>) {
        match missing {
            Missing::Dropped(bytes) => {
                self.held = 0;
                self.learn(bytes);
            }
            Missing::Uncaptured => {
                self.held = 0;
                self.lose_place();
            }
            Missing::TestServer(_) => self.replies.lose_place(),
            Missing::OnlineServer(_) => {}
        }
    }

    fn online(&mut self) -> Option<&mut dyn OnlineObserver> {
        Some(self)
    }

    fn is_tentative(&self) -> bool {
        self.transaction.is_open()
    }

    fn memory(&self) -> usize {
        let undo = self.undo.as_ref().map_or(0, |undo| undo.memory());
        size_of_val(self) + self.state.memory() + self.setup.memory() + undo
    }
}

impl OnlineObserver for Session {
    fn answer(&mut self, bytes: &[u8], _: &mut Actions) {
        self.read_online_error(bytes);
    }

    fn queried(&mut self, question: u64) {
        if self.state.identity.database.is_none()
            && let Some(entry) = self.questions.answered(question)
        {
            self.count(Event::KnownByOnline);
            self.state.learn(entry);
            self.transaction.is_known();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The next session of that address is another, or has sent something since.
        self.questions.forget();
    }
}
