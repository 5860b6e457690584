//! A module with its engine, without a network: what goes in and comes out.

#![allow(dead_code, reason = "not every test needs all of it")]

use common_core::answer_payload::AnswerPayload;
use common_core::flow::{Endpoint, Flow};
use module_kit::{Action, Actions, Failure, Loss, Missing, Module, Protocol, Ready, ServerData};

/// The connection of all sessions.
pub(crate) fn flow() -> Flow {
    let endpoint = |text: &str| Endpoint::from(text.parse::<std::net::SocketAddr>().unwrap());
    Flow { client: endpoint("10.0.0.1:40000"), server: endpoint("10.0.0.17:6379") }
}

/// What became of the client's bytes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Fates {
    pub(crate) passed: Vec<u8>,
    pub(crate) replaced: Vec<u8>,
    pub(crate) left_out: Vec<(Loss, Vec<u8>)>,
}

/// One session.
pub(crate) struct Driven {
    module: Box<dyn Module>,
    /// What the module holds.
    held: Vec<u8>,
    pub(crate) mode: AnswerPayload,
    pub(crate) ready: bool,
    pub(crate) refused: usize,
    pub(crate) failure: Option<Failure>,
    pub(crate) fates: Fates,
    /// All that was sent to the test server.
    pub(crate) sent: Vec<u8>,
    /// So many marks in that were answered, or gone with their connection.
    marks: usize,
}

impl Driven {
    pub(crate) fn new(protocol: &dyn Protocol, from_start: bool) -> Self {
        Self {
            module: protocol.module(&flow(), from_start),
            held: Vec::new(),
            mode: AnswerPayload::All,
            ready: false,
            refused: 0,
            failure: None,
            fates: Fates::default(),
            sent: Vec::new(),
            marks: 0,
        }
    }

    /// A connection to the test server stands. Returns what is sent, as in the other calls.
    pub(crate) fn connected(&mut self) -> String {
        self.ready = false;
        self.marks = marks(&self.sent).len();
        let start = self.sent.len();
        let mut ready = Ready::WhenSaid;
        self.call(|module, _, actions| ready = module.connected(actions));
        self.ready |= ready == Ready::Now;
        self.offer();
        self.since(start)
    }

    pub(crate) fn client(&mut self, bytes: impl AsRef<[u8]>) -> String {
        let start = self.sent.len();
        self.held.extend_from_slice(bytes.as_ref());
        self.offer();
        self.since(start)
    }

    pub(crate) fn answer(&mut self, bytes: &str) -> String {
        let start = self.sent.len();
        let bytes = match self.mode {
            AnswerPayload::All => bytes.as_bytes(),
            AnswerPayload::Head(length) => &bytes.as_bytes()[..bytes.len().min(length.into())],
            AnswerPayload::None => &[],
        };
        if !bytes.is_empty() {
            let said = ServerData { bytes, acks_all: true };
            self.call(|module, _, actions| module.answer(said, actions));
        }
        self.offer();
        self.since(start)
    }

    /// The answer to the next mark, if one was said.
    pub(crate) fn mark_answer(&mut self) -> Option<String> {
        let mark = marks(&self.sent).get(self.marks).cloned()?;
        self.marks += 1;
        Some(format!("${}\r\n{mark}\r\n", mark.len()))
    }

    /// A segment of the online server that begins as an error does.
    pub(crate) fn online_error(&mut self, bytes: &str) -> String {
        let start = self.sent.len();
        self.call(|module, _, actions| module.online().unwrap().answer(bytes.as_bytes(), actions));
        self.offer();
        self.since(start)
    }

    /// What the module holds, and `bytes` of the client behind it, are lost.
    pub(crate) fn lost(&mut self, bytes: impl AsRef<[u8]>) {
        self.held.extend_from_slice(bytes.as_ref());
        let held = std::mem::take(&mut self.held);
        assert!(!held.is_empty());
        self.module.missed(Missing::Dropped(&held));
    }

    /// Bytes of the client were never captured.
    pub(crate) fn gap(&mut self) {
        if !self.held.is_empty() {
            self.lost([]);
        }
        self.module.missed(Missing::Uncaptured);
    }

    /// The online server has answered this question.
    pub(crate) fn queried(&mut self, question: u64) {
        self.module.online().unwrap().queried(question);
    }

    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn memory(&self) -> usize {
        self.module.memory()
    }

    pub(crate) fn is_tentative(&self) -> bool {
        self.module.is_tentative()
    }

    /// What was left out, as text.
    pub(crate) fn left_out(&self) -> Vec<(Loss, String)> {
        self.fates.left_out.iter().map(|(loss, bytes)| (*loss, text(bytes))).collect()
    }

    fn since(&self, start: usize) -> String {
        text(&self.sent[start..])
    }

    /// As long as something is held, the module is asked at every event.
    fn offer(&mut self) {
        if !self.held.is_empty() {
            self.call(|module, held, actions| module.client(held, actions));
        }
    }

    fn call(&mut self, call: impl FnOnce(&mut dyn Module, &[u8], &mut Actions)) {
        if self.failure.is_some() {
            return;
        }
        let mut actions = Actions::new();
        call(&mut *self.module, &self.held, &mut actions);
        for action in actions.list() {
            match action {
                Action::Pass(bytes) => {
                    let taken = self.take(*bytes);
                    self.sent.extend_from_slice(&taken);
                    self.fates.passed.extend(taken);
                }
                Action::Replace(bytes) => {
                    let taken = self.take(*bytes);
                    self.fates.replaced.extend(taken);
                }
                Action::LeaveOut(bytes, loss) => {
                    let taken = self.take(*bytes);
                    match self.fates.left_out.last_mut() {
                        Some((last, bytes)) if last == loss => bytes.extend(taken),
                        _ => self.fates.left_out.push((*loss, taken)),
                    }
                }
                Action::Send(range) => self.sent.extend_from_slice(&actions.own_bytes()[range.clone()]),
                Action::Answers(mode) => self.mode = *mode,
                Action::Ready => {
                    assert!(!self.ready, "ready twice");
                    self.ready = true;
                }
                Action::Answered => assert!(self.ready, "answered before ready"),
                Action::Refused => {
                    self.refused += 1;
                    break;
                }
                Action::Fail(failure) => {
                    self.failure = Some(*failure);
                    break;
                }
            }
        }
    }

    fn take(&mut self, bytes: usize) -> Vec<u8> {
        assert!(bytes > 0 && bytes <= self.held.len(), "a module deals with no more than there is");
        self.held.drain(..bytes).collect()
    }
}

/// The marks that a module has said.
fn marks(sent: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(sent);
    text.split("\r\n").filter(|word| word.starts_with("tcpcopy:")).map(str::to_owned).collect()
}

/// A command as an array of strings.
pub(crate) fn resp(line: &str) -> Vec<u8> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// Arrays of strings as lines of words, separated by `; `, without marks' random parts; what is none, as it is.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut rest = bytes;
    let mut commands: Vec<String> = Vec::new();
    while let Some((words, behind)) = array(rest) {
        commands.push(words.join(" "));
        rest = behind;
    }
    if !rest.is_empty() {
        commands.push(rest.escape_ascii().to_string());
    }
    without_marks(&commands.join("; "))
}

/// Marks are random.
fn without_marks(text: &str) -> String {
    let mut parts = text.split("tcpcopy:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("MARK");
        out.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_hexdigit() || letter == ':'));
    }
    out
}

fn array(bytes: &[u8]) -> Option<(Vec<String>, &[u8])> {
    let number = |bytes: &[u8], kind: u8| -> Option<(usize, usize)> {
        let end = bytes.iter().position(|byte| *byte == b'\r')?;
        let digits = std::str::from_utf8(bytes.get(..end)?.strip_prefix(&[kind])?).ok()?;
        Some((digits.parse().ok()?, end + 2))
    };
    let (count, used) = number(bytes, b'*')?;
    let mut rest = bytes.get(used..)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let (length, used) = number(rest, b'$')?;
        words.push(rest.get(used..used + length)?.escape_ascii().to_string());
        rest = rest.get(used + length + 2..)?;
    }
    Some((words, rest))
}
