//! One question to the online server: a login, then statements whose results are read to their ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use module_kit::online_query::Conversation;

use super::collect::Collected;
use super::questions::Question;
use super::result::{Packets, Piece, Progress};
use super::{Online, refusal};
use crate::auth::dialogue::{Dialogue, Step};
use crate::auth::greeting::{self, FirstPacket};
use crate::auth::hello::Hello;
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::packet::{CHUNK_MAX, WHOLE_MAX, packet};
use crate::wire::server_error::ServerError;

/// The longest answer, in bytes.
const ANSWER_MAX: usize = 64 << 20;

/// A question under way.
pub(super) struct Asking {
    online: Arc<Online>,
    question: u64,
    to_send: Vec<u8>,
    packets: Packets,
    received: usize,
    stage: Stage,
    is_done: bool,
}

enum Stage {
    /// The server greets.
    Greeting,
    LoggingIn(Box<Dialogue>, Capabilities),
    /// The question of this index is being answered.
    Asking {
        index: usize,
        progress: Progress,
        collected: Collected,
    },
}

/// What follows a packet.
enum Next {
    Go(Stage),
    Done(Collected),
}

/// Why there is no answer.
type Problem = String;

impl Asking {
    pub(super) fn new(online: Arc<Online>, question: u64) -> Self {
        Self {
            online,
            question,
            to_send: Vec::new(),
            packets: Packets::new(),
            received: 0,
            stage: Stage::Greeting,
            is_done: false,
        }
    }

    fn packets(&mut self) -> Result<bool, Problem> {
        loop {
            let longest = match &self.stage {
                Stage::Greeting | Stage::LoggingIn(..) => WHOLE_MAX,
                Stage::Asking { .. } => CHUNK_MAX,
            };
            let packet = self.packets.next(longest).map_err(|_| refusal::NO_MYSQL.to_owned())?;
            let Some((sequence, payload)) = packet else { return Ok(false) };
            let step = Talk { online: &self.online, to_send: &mut self.to_send };
            match step.packet(std::mem::replace(&mut self.stage, Stage::Greeting), sequence, payload)? {
                Next::Go(stage) => self.stage = stage,
                Next::Done(collected) => {
                    let (entries, are_alike) = collected.entries();
                    if are_alike {
                        self.online.notices.once("names", || refusal::NAMES.to_owned());
                    }
                    self.online.connections.set(self.question, entries);
                    return Ok(true);
                }
            }
        }
    }
}

impl Conversation for Asking {
    fn to_send(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.to_send)
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<bool, String> {
        self.received += bytes.len();
        if self.received > ANSWER_MAX {
            return Err(refusal::TOO_LONG.to_owned());
        }
        self.packets.push(bytes);
        let done = self.packets();
        self.is_done = matches!(done, Ok(true));
        done
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if !self.is_done {
            // Sessions need not wait for it any longer.
            self.online.failed.fetch_max(self.question, Ordering::Relaxed);
        }
    }
}

/// What a packet needs besides the stage.
struct Talk<'a> {
    online: &'a Online,
    to_send: &'a mut Vec<u8>,
}

impl Talk<'_> {
    fn packet(self, stage: Stage, sequence: u8, payload: &[u8]) -> Result<Next, Problem> {
        match stage {
            Stage::Greeting => self.greeted(sequence, payload),
            Stage::LoggingIn(dialogue, capabilities) => {
                self.log_in(dialogue, capabilities, sequence, payload)
            }
            Stage::Asking { index, progress, collected } => self.answer(index, progress, collected, payload),
        }
    }

    fn greeted(self, sequence: u8, payload: &[u8]) -> Result<Next, Problem> {
        let greeting = match greeting::read(payload) {
            Some(FirstPacket::Greeting(greeting)) if sequence == 0 => greeting,
            Some(FirstPacket::Refused(error)) => return Err(refusal::of_connection(&error)),
            _ => return Err(refusal::NO_MYSQL.to_owned()),
        };
        let hello = Hello::assumed(&self.online.user, b"");
        let capabilities = CAPABILITIES.agree_with(greeting.capabilities);
        let (dialogue, answer) =
            Dialogue::begin(&greeting, Some(self.online.password.clone()), &self.online.policy);
        let response = hello.response(capabilities, &answer.unwrap_or_default(), &greeting.plugin, b"");
        self.to_send.extend(packet(1, &response));
        Ok(Next::Go(Stage::LoggingIn(Box::new(dialogue), greeting.capabilities)))
    }

    fn log_in(
        self,
        mut dialogue: Box<Dialogue>,
        capabilities: Capabilities,
        sequence: u8,
        payload: &[u8],
    ) -> Result<Next, Problem> {
        let step = dialogue.handle(payload);
        if dialogue.has_asked_for_key() {
            self.online.notices.once("public key", || refusal::KEY_IS_TRUSTED.to_owned());
        }
        match step {
            Step::Send(answer) => self.to_send.extend(packet(sequence.wrapping_add(1), &answer)),
            Step::Wait => {}
            Step::Accepted => return Ok(self.ask(0, Collected::new(capabilities))),
            Step::Refused(refused) => return Err(refusal::of_login(&refused)),
        }
        Ok(Next::Go(Stage::LoggingIn(dialogue, capabilities)))
    }

    /// Asks the question of this index, or a later one if that is not needed.
    fn ask(self, mut index: usize, collected: Collected) -> Next {
        while let Some(question) = Question::ALL.get(index) {
            if *question == Question::ConnectionsOfOld && !collected.lacks_databases(&self.online.user) {
                index += 1;
                continue;
            }
            let query = [&[Command::QUERY.0], question.text().as_bytes()].concat();
            self.to_send.extend(packet(0, &query));
            return Next::Go(Stage::Asking { index, progress: Progress::Start, collected });
        }
        Next::Done(collected)
    }

    fn answer(
        self,
        index: usize,
        mut progress: Progress,
        mut collected: Collected,
        payload: &[u8],
    ) -> Result<Next, Problem> {
        let question = Question::ALL[index];
        match progress.read(payload).map_err(|_| refusal::NO_MYSQL.to_owned())? {
            Piece::Form => {}
            Piece::Row(row) if row.len() == question.columns() => collected.row(question, &row),
            Piece::Row(_) => return Err(refusal::NO_MYSQL.to_owned()),
            Piece::End => {
                if question == Question::Threads && !collected.knows_threads() && !collected.is_empty() {
                    self.online.notices.once("off", || refusal::NO_PERFORMANCE_SCHEMA.to_owned());
                }
                return Ok(self.ask(index + 1, collected));
            }
            Piece::Error(error) if question == Question::ConnectionsOfOld && collected.is_empty() => {
                return Err(refusal::of_list(&error));
            }
            Piece::Error(error) => {
                self.not_told(question, &error, &collected);
                return Ok(self.ask(index + 1, collected));
            }
        }
        Ok(Next::Go(Stage::Asking { index, progress, collected }))
    }

    /// The server does not answer a question: what that means is said once.
    fn not_told(&self, question: Question, error: &ServerError, collected: &Collected) {
        let is_right = matches!(error.code, DENIED | DENIED_TABLE | DENIED_DATABASE);
        match question {
            Question::Connections => {}
            _ if is_right => self.online.notices.once("right", || refusal::right_missing(error)),
            Question::SessionVariables if !collected.is_empty() => {
                self.online.notices.once("session", || refusal::NO_SESSION_VARIABLES.to_owned());
            }
            _ => {}
        }
    }
}

/// ER_SPECIFIC_ACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR, ER_DBACCESS_DENIED_ERROR.
const DENIED: u16 = 1227;
const DENIED_TABLE: u16 = 1142;
const DENIED_DATABASE: u16 = 1044;

/// Nothing but rows is wanted: no files, no other form of results.
const CAPABILITIES: Capabilities = Capabilities(
    Capabilities::ASSUMED.0
        & !(Capabilities::LOCAL_FILES.0 | Capabilities::DEPRECATE_EOF.0 | Capabilities::MULTI_STATEMENTS.0),
);
