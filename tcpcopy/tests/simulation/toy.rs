//! A toy protocol with a server-first login, and the module for it.
//!
//! The server greets with a nonce, the client proves that it knows the password, the server accepts or denies.
//! What a client said to the online server is worthless to the test server, which has another nonce and another
//! password: as with MySQL and PostgreSQL, the module must hold the client back, log in by itself, and leave the
//! captured login out, on every new connection to the test server.

use common::control::AnswerPayload;
use common::flow::Flow;
use common::module::{Actions, Module, Protocol};

use crate::rng::mix;

/// Bytes of a greeting.
pub(crate) const GREETING: usize = 40;

/// Bytes of a login.
pub(crate) const LOGIN: usize = 17;

/// The answer to a good login.
pub(crate) const ACCEPTED: &[u8] = b"K welcome";

/// The answer to a bad login; the server closes after it.
pub(crate) const DENIED: &[u8] = b"E denied";

/// What the server says first: a nonce amid other things.
pub(crate) fn greeting(nonce: u64) -> Vec<u8> {
    let mut bytes = b"toy server 1.0 ".to_vec();
    bytes.extend_from_slice(&nonce.to_be_bytes());
    bytes.resize(GREETING, b'.');
    bytes
}

/// What a client that knows `password` says.
pub(crate) fn login(nonce: u64, password: u64) -> [u8; LOGIN] {
    let mut login = [b'L'; LOGIN];
    login[1..9].copy_from_slice(&mix(nonce ^ password).to_be_bytes());
    login[9..].copy_from_slice(&mix(password ^ mix(nonce)).to_be_bytes());
    login
}

/// Logs in with a password of its own.
#[derive(Debug)]
pub(crate) struct Toy {
    pub(crate) password: u64,
}

impl Protocol for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn module(&self, _flow: &Flow, from_start: bool) -> Box<dyn Module> {
        Box::new(Session {
            password: self.password,
            state: State::Greeting(Vec::new()),
            captured_login: if from_start { LOGIN } else { 0 },
        })
    }
}

struct Session {
    password: u64,
    state: State,
    /// Bytes of the captured login that are still to be left out.
    captured_login: usize,
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
    fn connected(&mut self, actions: &mut Actions) {
        self.state = State::Greeting(Vec::new());
        actions.answers(AnswerPayload::All);
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        if !matches!(self.state, State::Ready) {
            return;
        }
        let login = bytes.len().min(self.captured_login);
        if login > 0 {
            actions.drop(login);
            self.captured_login -= login;
        }
        if bytes.len() > login {
            actions.pass(bytes.len() - login);
        }
    }

    fn answer(&mut self, skipped: u64, bytes: &[u8], actions: &mut Actions) {
        match &mut self.state {
            State::Greeting(_) if skipped > 0 => actions.fail("a part of the greeting was missed"),
            State::Greeting(greeting) => {
                greeting.extend_from_slice(bytes);
                let Some(nonce) = greeting[..greeting.len().min(GREETING)].get(15..23) else { return };
                if greeting.len() < GREETING {
                    return;
                }
                let nonce = nonce.iter().fold(0, |nonce, byte| (nonce << 8) | u64::from(*byte));
                actions.send(&login(nonce, self.password));
                actions.answers(AnswerPayload::Head(1));
                self.state = State::Verdict;
            }
            State::Verdict => match bytes.first() {
                Some(b'K') => {
                    self.state = State::Ready;
                    actions.answers(AnswerPayload::None);
                    actions.ready();
                }
                Some(_) => actions.fail("the test server denied the login"),
                None => {}
            },
            State::Ready => {}
        }
    }
}
