//! Sessions of the module without a network, with commands as text.

#![allow(dead_code, reason = "not every test needs all of it")]

use module_kit::testing::{Driver, Fates};
use module_kit::{AnswerPayload, Endpoint, Failure, Flow, Loss, Protocol};

/// The connection of all sessions.
pub(crate) fn flow() -> Flow {
    let endpoint = |text: &str| Endpoint::from(text.parse::<std::net::SocketAddr>().unwrap());
    Flow { client: endpoint("10.0.0.1:40000"), server: endpoint("10.0.0.17:6379") }
}

/// One session. Each call returns what is sent to the test server, as text.
pub(crate) struct Driven {
    driver: Driver,
    /// Marks that were answered, or were lost with their connection.
    marks: usize,
}

impl Driven {
    pub(crate) fn new(protocol: &dyn Protocol, from_start: bool) -> Self {
        Self { driver: Driver::new(protocol.module(&flow(), from_start)), marks: 0 }
    }

    pub(crate) fn connected(&mut self) -> String {
        self.marks = marks(&self.driver.sent).len();
        text(&self.driver.connected())
    }

    pub(crate) fn client(&mut self, bytes: impl AsRef<[u8]>) -> String {
        text(&self.driver.client(bytes.as_ref()))
    }

    pub(crate) fn answer(&mut self, bytes: &str) -> String {
        text(&self.driver.answer(bytes.as_bytes()))
    }

    /// The answer to the next mark, if one was sent.
    pub(crate) fn mark_answer(&mut self) -> Option<String> {
        let mark = marks(&self.driver.sent).get(self.marks).cloned()?;
        self.marks += 1;
        Some(format!("${}\r\n{mark}\r\n", mark.len()))
    }

    /// A segment of the online server that begins as an error does.
    pub(crate) fn online_error(&mut self, bytes: &str) -> String {
        text(&self.driver.online(5, bytes.as_bytes()))
    }

    /// The bytes that the module holds, and `bytes` of the client behind them, are dropped.
    pub(crate) fn lost(&mut self, bytes: impl AsRef<[u8]>) {
        self.driver.drop_client(bytes.as_ref());
    }

    pub(crate) fn gap(&mut self) {
        self.driver.gap();
    }

    pub(crate) fn queried(&mut self, question: u64) {
        self.driver.queried(question);
    }

    pub(crate) fn held(&self) -> usize {
        self.driver.held()
    }

    pub(crate) fn memory(&self) -> usize {
        self.driver.module().memory()
    }

    pub(crate) fn is_tentative(&self) -> bool {
        self.driver.module().is_tentative()
    }

    pub(crate) fn mode(&self) -> AnswerPayload {
        self.driver.mode()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.driver.is_ready()
    }

    pub(crate) fn refused(&self) -> usize {
        self.driver.refused
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        self.driver.failure
    }

    pub(crate) fn fates(&self) -> &Fates {
        &self.driver.fates
    }

    /// Everything that was sent to the test server.
    pub(crate) fn sent(&self) -> String {
        text(&self.driver.sent)
    }

    /// The commands that were left out, as text.
    pub(crate) fn left_out(&self) -> Vec<(Loss, String)> {
        self.fates().left_out.iter().map(|(loss, bytes)| (*loss, text(bytes))).collect()
    }
}

/// The marks that a module has sent.
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

/// Arrays of strings as lines of words, separated by `; `, without marks' random parts; other bytes unchanged.
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
