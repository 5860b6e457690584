//! One session: what its client says goes to the test server as long as that is in the state that the client believes.

mod client;
mod cut;
mod effects;
mod refusals;
mod server;

use std::collections::VecDeque;
use std::sync::Arc;

use common_core::answer_payload::AnswerPayload;
use common_core::flow::Endpoint;
use module_kit::{Actions, Loss, Missing, Module, OnlineObserver, Ready, ServerData};

use self::cut::{Cut, Fate};
use self::refusals::{Refusals, Undo};
use crate::Shared;
use crate::accepted::Accepted;
use crate::counters::Event;
use crate::known::{Asked, Known, ReplyMode, command};
use crate::mark::Mark;
use crate::online::{Found, Online};
use crate::reply::Replies;
use crate::request::Place;

/// How often an answer of the online server is asked for that did not say what a session is about.
const QUESTIONS_MAX: u32 = 5;

/// So much of each segment of the test server's answers is read while the client goes on: an error's code.
const HEAD: u16 = 24;

/// How far the connection to the test server has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// There is none.
    Down,
    /// It stands, and what the client says is left out: it is not known to which state it belongs.
    Unknown,
    /// What the server must know is being said again.
    Restoring,
    /// The client sets its connection up: the answers are read, for without login or database it must not go on.
    Setup,
    /// The same, but for the last answers.
    Finishing,
    /// The server is in the state that the client believes.
    Live,
    /// This is not RESP: all passes, on the first connection only.
    Foreign,
    ForeignLost,
}

/// A transaction, or the keys watched for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    None,
    /// The server knows of it.
    Open,
    /// It began on a connection that is gone: the rest of it is left out.
    Lost,
}

pub(crate) struct Session {
    shared: Arc<Shared>,
    accepted: Arc<Accepted>,
    online: Option<Arc<Online>>,
    client: Endpoint,
    mode: Mode,
    /// Where in a command the client is, and what becomes of that.
    place: Place,
    fate: Fate,
    /// Where the client's commands begin is not known.
    is_seeking: bool,
    known: Known,
    transaction: Transaction,
    watch: Transaction,
    /// A database was chosen in the transaction: whether it is executed, only the servers know.
    chose_in_transaction: bool,
    /// Transactions were seen from their start.
    saw_transactions: bool,
    had_connection: bool,
    /// Nothing was said on the connection yet.
    is_fresh: bool,
    /// The last command may wait for its answer.
    is_blocking: bool,
    /// The next command is not answered: CLIENT REPLY SKIP.
    is_skipping: bool,
    /// What was set in the turn that is being answered, and who has refused it.
    undo: Option<Box<Undo>>,
    refusals: Refusals,
    /// Answers up to this are of no interest.
    mark: Option<Mark>,
    replies: Replies,
    /// Answers that are waited for.
    asked: VecDeque<Asked>,
    /// Bytes of the client that are held: it had said them before it was answered.
    held: usize,
    /// The first question whose answer is new enough, and how many were wanted.
    question: u64,
    questions: u32,
    /// Bytes missing before the next of the test server's answers.
    skipped: u64,
    /// The client may go on, on this connection.
    is_ready: bool,
}

impl Session {
    pub(crate) fn new(
        shared: Arc<Shared>,
        accepted: Arc<Accepted>,
        online: Option<Arc<Online>>,
        client: Endpoint,
        from_start: bool,
    ) -> Self {
        if from_start {
            // What is known of that address was said of an earlier connection.
            online.iter().for_each(|online| online.forget(&client));
        } else {
            shared.counters.event(Event::Joined);
        }
        Self {
            shared,
            accepted,
            online,
            client,
            mode: Mode::Down,
            place: Place::default(),
            fate: Fate::Pass,
            is_seeking: !from_start,
            known: if from_start { Known::fresh() } else { Known::unknown() },
            transaction: Transaction::None,
            watch: Transaction::None,
            chose_in_transaction: false,
            saw_transactions: from_start,
            had_connection: false,
            is_fresh: true,
            is_blocking: false,
            is_skipping: false,
            undo: None,
            refusals: Refusals::default(),
            mark: None,
            replies: Replies::default(),
            asked: VecDeque::new(),
            held: 0,
            question: 0,
            questions: 0,
            skipped: 0,
            is_ready: false,
        }
    }

    /// What the old connection took with it.
    fn lose_connection_state(&mut self) {
        if self.transaction == Transaction::Open {
            self.transaction = Transaction::Lost;
            self.shared.counters.event(Event::TransactionCut);
        }
        if self.watch == Transaction::Open {
            self.watch = Transaction::Lost;
            self.shared.counters.event(Event::WatchLost);
        }
        if std::mem::take(&mut self.is_blocking) {
            self.shared.counters.event(Event::BlockingCut);
        }
        if !self.place.is_start() {
            // Its beginning went to another connection.
            self.fate = Fate::Out(Loss::StateLost);
        }
    }

    /// The connection stands, and what the client has set is known by now.
    fn begin_known(&mut self, actions: &mut Actions) {
        // What was left out of a transaction is not on the server.
        self.is_blocking = false;
        self.lose_connection_state();
        self.restore_later(actions);
    }

    /// The same while the client goes on.
    fn restore_later(&mut self, actions: &mut Actions) {
        if self.restore(actions) == Ready::Now {
            actions.answered();
        }
    }

    /// Says again what the test server must know.
    fn restore(&mut self, actions: &mut Actions) -> Ready {
        let mut own = Vec::new();
        if !self.is_fresh {
            // Answers to what the client has said come first.
            if self.known.reply == ReplyMode::Off || std::mem::take(&mut self.is_skipping) {
                command(&[b"CLIENT", b"REPLY", b"ON"], &mut own);
            }
            self.replies.reset();
            self.mark = Some(self.shared.marks.say(&mut own));
        }
        self.asked = self.known.say(&self.shared.users, !self.is_fresh, &mut own).into();
        if self.asked.is_empty() {
            self.go_on(actions, self.had_connection);
            Ready::Now
        } else {
            self.mode = Mode::Restoring;
            actions.answers(AnswerPayload::All);
            actions.send(&own);
            Ready::WhenSaid
        }
    }

    /// The client may go on. On a connection that is not its first, or where something was said, its first answers are of no
    /// interest.
    fn go_on(&mut self, actions: &mut Actions, is_live: bool) {
        let mut own = Vec::new();
        self.known.say_last(&mut own);
        actions.send(&own);
        if is_live || !own.is_empty() {
            if self.is_fresh {
                self.shared.counters.event(Event::Restored);
            }
            self.live(actions);
        } else {
            self.mode = Mode::Setup;
        }
    }

    /// What was said again is accepted.
    fn restored(&mut self, actions: &mut Actions) {
        self.go_on(actions, true);
        if std::mem::replace(&mut self.is_ready, true) {
            actions.answered();
        } else {
            actions.ready();
        }
    }

    fn live(&mut self, actions: &mut Actions) {
        self.mode = Mode::Live;
        self.is_fresh = false;
        actions.answers(AnswerPayload::Head(HEAD));
    }

    /// The database, and what else the client has set, is not known from here on.
    fn forget_state(&mut self) {
        self.known.database = None;
        self.undo = None;
        self.shared.counters.event(Event::StateForgotten);
        self.want_question();
    }

    fn want_question(&mut self) {
        if let Some(online) = &self.online
            && self.questions < QUESTIONS_MAX
        {
            self.questions += 1;
            self.question = online.want();
        }
    }
}

impl Module for Session {
    fn connected(&mut self, actions: &mut Actions) -> Ready {
        self.replies.reset();
        self.asked.clear();
        self.refusals = Refusals::default();
        (self.is_fresh, self.is_skipping, self.mark) = (true, false, None);
        self.lose_connection_state();
        let ready = if matches!(self.mode, Mode::Foreign | Mode::ForeignLost) {
            self.mode = Mode::ForeignLost;
            actions.answers(AnswerPayload::None);
            Ready::Now
        } else if self.known.database.is_none() {
            self.mode = Mode::Unknown;
            Ready::Now
        } else {
            self.restore(actions)
        };
        self.had_connection = true;
        self.is_ready = ready == Ready::Now;
        ready
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        let goes_on = bytes.len() > std::mem::take(&mut self.held);
        if self.undo.is_some() || self.refusals.any() {
            self.settle_refusals(goes_on, actions);
        }
        if self.mode == Mode::Unknown && self.known.database.is_some() {
            self.begin_known(actions);
        }
        let mut cut = Cut::new(actions);
        self.held = bytes.len() - self.read(bytes, &mut cut);
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
            Missing::TestServer(bytes) => self.skipped = bytes,
            Missing::OnlineServer(_) => {}
        }
    }

    fn answer(&mut self, data: ServerData<'_>, actions: &mut Actions) {
        self.read_answer(data.bytes, actions);
    }

    fn online(&mut self) -> Option<&mut dyn OnlineObserver> {
        Some(self)
    }

    fn is_tentative(&self) -> bool {
        self.transaction == Transaction::Open
    }

    fn memory(&self) -> usize {
        size_of_val(self) + self.known.memory() + self.undo.as_ref().map_or(0, |undo| undo.memory())
    }
}

impl OnlineObserver for Session {
    fn answer(&mut self, bytes: &[u8], _: &mut Actions) {
        self.read_online_error(bytes);
    }

    fn queried(&mut self, question: u64) {
        if self.known.database.is_some() || question < self.question {
            return;
        }
        let Some(online) = &self.online else { return };
        match online.take(question, &self.client) {
            Found::Entry(entry) if entry.is_plain => {
                self.shared.counters.event(Event::KnownByOnline);
                self.known.learn(entry);
                self.saw_transactions = true;
                // What is known may be lost again.
                self.questions = 0;
            }
            Found::Entry(_) | Found::Nothing => self.want_question(),
            Found::Newer => {}
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The next session of that address is another, or has said something since.
        self.online.iter().for_each(|online| online.forget(&self.client));
    }
}
