//! A toy protocol with a server-first login, and the module for it.
//!
//! The server greets with a nonce, the client proves that it knows the password, the server accepts or denies.
//! A login to the online server is worthless to the test server, which has another nonce and another
//! password: as with MySQL and PostgreSQL, the module must hold the client's bytes, log in itself, and replace the
//! captured login, on every new connection to the test server.

use std::sync::{Arc, Mutex};

use module_kit::{
    Actions, AnswerPayload, FailureKind, Flow, Missing, Module, OnlineObserver, OnlineService, PayloadPrefix,
    Protocol, Ready, ServerData,
};

use crate::rng::mix;

/// Bytes of a greeting.
pub(crate) const GREETING: usize = 40;

/// Bytes of a login.
pub(crate) const LOGIN: usize = 17;

/// The answer to a good login.
pub(crate) const ACCEPTED: &[u8] = b"K welcome";

/// The answer to a bad login; the server closes after it.
pub(crate) const DENIED: &[u8] = b"E denied";

/// Sent by a busy server in place of a greeting; it closes after it.
pub(crate) const BUSY: &[u8] = b"B busy";

/// The beginnings of some of the online server's segments, and of no others.
pub(crate) const MARK: [u8; 6] = *b"marked";
pub(crate) const BEGINNINGS: &[PayloadPrefix] = &[
    &[Some(b'm'), Some(b'a'), Some(b'r'), None, Some(b'e'), Some(b'd')],
    &[Some(b'n'), Some(b'e'), Some(b'v'), Some(b'e')],
];

/// The first bytes of the server: a nonce among other bytes.
pub(crate) fn greeting(nonce: u64) -> Vec<u8> {
    let mut bytes = b"toy server 1.0 ".to_vec();
    bytes.extend_from_slice(&nonce.to_be_bytes());
    bytes.resize(GREETING, b'.');
    bytes
}

/// The login of a client that knows `password`.
pub(crate) fn login(nonce: u64, password: u64) -> [u8; LOGIN] {
    let mut login = [b'L'; LOGIN];
    login[1..9].copy_from_slice(&mix(nonce ^ password).to_be_bytes());
    login[9..].copy_from_slice(&mix(password ^ mix(nonce)).to_be_bytes());
    login
}

/// An event that was reported to a module.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The client's bytes, each once.
    Client(Vec<u8>),
    /// Some of the client's bytes are lost.
    Lost,
    /// The online server's.
    Online { skipped: u64, bytes: Vec<u8> },
    /// The test server's, after the login.
    Test { skipped: u64, bytes: u64 },
}

/// The events of one session, in order.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) flow: Flow,
    pub(crate) from_start: bool,
    pub(crate) told: Vec<Told>,
}

/// The events of all sessions.
#[derive(Debug, Default, Clone)]
pub(crate) struct Heard(Arc<Mutex<Vec<Story>>>);

impl Heard {
    fn begin(&self, flow: Flow, from_start: bool) -> usize {
        let mut stories = self.0.lock().expect("one thread only");
        stories.push(Story { flow, from_start, told: Vec::new() });
        stories.len() - 1
    }

    fn note(&self, story: usize, told: Told) {
        self.0.lock().expect("one thread only")[story].told.push(told);
    }

    pub(crate) fn stories(&self) -> std::sync::MutexGuard<'_, Vec<Story>> {
        self.0.lock().expect("one thread only")
    }
}

/// Logs in with a password of its own.
#[derive(Debug)]
pub(crate) struct Toy {
    pub(crate) password: u64,
    /// It observes the online server, and notes every event here.
    pub(crate) heard: Option<Heard>,
    pub(crate) wanted: &'static [PayloadPrefix],
}

impl Protocol for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn online(&self) -> Option<&dyn OnlineService> {
        (!self.wanted.is_empty()).then_some(self)
    }

    fn module(&self, flow: &Flow, from_start: bool) -> Box<dyn Module> {
        Box::new(Session {
            heard: self.heard.clone().map(|heard| (heard.begin(*flow, from_start), heard)),
            offered: 0,
            skipped: (0, 0),
            password: self.password,
            state: State::Greeting(Vec::new()),
            captured_login: if from_start { LOGIN } else { 0 },
        })
    }
}

impl OnlineService for Toy {
    fn answers(&self) -> &'static [PayloadPrefix] {
        self.wanted
    }
}

struct Session {
    password: u64,
    state: State,
    /// Bytes of the captured login that are still to be left out.
    captured_login: usize,
    /// Events are noted here.
    heard: Option<(usize, Heard)>,
    /// Bytes of the client that were offered, and are held.
    offered: usize,
    /// Bytes missing before the next of the test server's and of the online server's answers.
    skipped: (u64, u64),
}

impl Session {
    fn note(&self, told: Told) {
        if let Some((story, heard)) = &self.heard {
            heard.note(*story, told);
        }
    }
}

enum State {
    /// The start of the server's greeting.
    Greeting(Vec<u8>),
    /// The login was sent.
    Verdict,
    /// Logged in: all passes.
    Ready,
}

impl Module for Session {
    fn connected(&mut self, actions: &mut Actions) -> Ready {
        self.state = State::Greeting(Vec::new());
        actions.answers(AnswerPayload::All);
        Ready::WhenSaid
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        if bytes.len() > self.offered {
            self.note(Told::Client(bytes[self.offered..].to_vec()));
        }
        self.offered = bytes.len();
        if !matches!(self.state, State::Ready) {
            return;
        }
        self.offered = 0;
        let login = bytes.len().min(self.captured_login);
        if login > 0 {
            actions.replace(login);
            self.captured_login -= login;
        }
        if bytes.len() > login {
            actions.pass(bytes.len() - login);
        }
    }

    fn missed(&mut self, missing: Missing<'_>) {
        match missing {
            Missing::Dropped(_) | Missing::Uncaptured => {
                self.note(Told::Lost);
                (self.offered, self.captured_login) = (0, 0);
            }
            Missing::TestServer(bytes) => self.skipped.0 = bytes,
            Missing::OnlineServer(bytes) => self.note(Told::Online { skipped: bytes, bytes: Vec::new() }),
        }
    }

    fn online(&mut self) -> Option<&mut dyn OnlineObserver> {
        Some(self)
    }

    fn answer(&mut self, data: ServerData<'_>, actions: &mut Actions) {
        let (skipped, bytes) = (std::mem::take(&mut self.skipped.0), data.bytes);
        match &mut self.state {
            State::Greeting(_) if skipped > 0 => {
                actions.fail(FailureKind::OutOfStep, "a part of the greeting was missed");
            }
            State::Greeting(greeting) => {
                greeting.extend_from_slice(bytes);
                if greeting.first() == BUSY.first() {
                    return actions.refused();
                }
                let Some(nonce) = greeting[..greeting.len().min(GREETING)].get(15..23) else { return };
                if greeting.len() < GREETING {
                    return;
                }
                let nonce = nonce.iter().fold(0, |nonce, byte| (nonce << 8) | u64::from(*byte));
                actions.send(&login(nonce, self.password));
                actions.answers(AnswerPayload::Ends { head: 1, tail: 0 });
                self.state = State::Verdict;
            }
            State::Verdict => match bytes.first() {
                Some(b'K') => {
                    self.state = State::Ready;
                    let mode = if self.heard.is_some() {
                        AnswerPayload::Ends { head: 16, tail: 0 }
                    } else {
                        AnswerPayload::None
                    };
                    actions.answers(mode);
                    actions.ready();
                }
                Some(_) => actions.fail(FailureKind::LoginFailed, "the test server denied the login"),
                None => {}
            },
            State::Ready => {
                assert!(bytes.iter().all(|byte| *byte == b'a'), "no answer to a request");
                self.note(Told::Test { skipped, bytes: bytes.len() as u64 });
            }
        }
    }
}

impl OnlineObserver for Session {
    fn answer(&mut self, bytes: &[u8], _: &mut Actions) {
        self.note(Told::Online { skipped: 0, bytes: bytes.to_vec() });
    }
}
