//! What a new connection is told before the client's next command: the database that the client is in, and the statements
//! that it has prepared.

use std::collections::VecDeque;

use module_kit::{Actions, FailureKind};

use super::login::send_packet;
use super::{Agreed, Client, Server, Session, database};
use crate::capabilities::Capabilities;
use crate::command::Command;
use crate::counters::Happened;
use crate::packet::{Assembler, Reader};
use crate::server_error::ServerError;
use crate::statements::Serial;

/// What is said again, one after the other.
#[derive(Debug)]
pub(super) struct Restoring {
    agreed: Agreed,
    packets: Assembler,
    /// The first was sent.
    queue: VecDeque<Task>,
    /// Packets of the present answer that still come, once its first is here.
    rest: Option<usize>,
}

impl Restoring {
    /// What it takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        let queue = self.queue.capacity() * size_of::<Task>();
        size_of_val(self) + self.agreed.greeting.memory() + self.packets.memory() + queue
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// The client's database.
    Database,
    Statement(Serial),
}

impl Session {
    /// Logged in: takes the client to its database and prepares again what it has prepared, then takes commands. The next
    /// statement has the id `next_id`, if that is known.
    pub(super) fn restore(
        &mut self,
        agreed: Agreed,
        packets: Assembler,
        next_id: Option<u32>,
        actions: &mut Actions,
    ) {
        let asks = self.client.as_mut().is_some_and(Client::let_in);
        let statements = self.statements.new_connection(next_id).into_iter().map(Task::Statement);
        let queue = asks.then_some(Task::Database).into_iter().chain(statements).collect();
        self.server = Server::Restoring(Box::new(Restoring { agreed, packets, queue, rest: None }));
        self.restore_next(actions);
    }

    fn restore_next(&mut self, actions: &mut Actions) {
        let Server::Restoring(restoring) = &mut self.server else { return };
        restoring.rest = None;
        while let Some(task) = restoring.queue.front() {
            let (command, name) = match task {
                Task::Database => (Command::INIT_DB, self.client.as_ref().map(|it| &it.hello.database[..])),
                Task::Statement(serial) => (Command::PREPARE, self.statements.text(*serial)),
            };
            if let Some(name) = name {
                let again = u64::from(command == Command::PREPARE);
                self.shared.counters.happened(Happened::PreparedAgain, again);
                return send_packet(0, &[&[command.0], name].concat(), actions);
            }
            restoring.queue.pop_front();
        }
        let agreed = restoring.agreed.clone();
        self.become_ready(agreed, actions);
    }

    /// More of the test server's answers to it.
    pub(super) fn restoring_bytes(&mut self, bytes: &[u8], actions: &mut Actions) {
        if let Server::Restoring(restoring) = &mut self.server {
            restoring.packets.push(bytes);
        }
        while let Server::Restoring(restoring) = &mut self.server {
            let Some(&task) = restoring.queue.front() else { return };
            let payload = match restoring.packets.next() {
                Ok(Some((_, payload))) => payload,
                Ok(None) => return,
                Err(_) => return self.fail(FailureKind::OutOfStep, NO_ANSWER, actions),
            };
            let rest = match (restoring.rest, task) {
                (Some(rest), _) => rest.saturating_sub(1),
                (None, Task::Database) => match (ServerError::read(&payload), &self.client) {
                    (Some(error), Some(client)) => {
                        database::refused(&self.shared, client, &error);
                        0
                    }
                    _ if payload.first() == Some(&0) => 0,
                    _ => return self.fail(FailureKind::OutOfStep, NO_ANSWER, actions),
                },
                (None, Task::Statement(serial)) => {
                    match read_answer(&payload, restoring.agreed.capabilities) {
                        Some(Ok(prepared)) => {
                            self.statements.succeeded(serial, prepared.id, prepared.parameters);
                            prepared.packets
                        }
                        Some(Err(error)) => {
                            self.shared.counters.server_errors.add(error.code);
                            self.statements.failed(serial);
                            0
                        }
                        None => return self.fail(FailureKind::OutOfStep, NO_ANSWER, actions),
                    }
                }
            };
            restoring.rest = Some(rest);
            if rest == 0 {
                restoring.queue.pop_front();
                self.restore_next(actions);
            }
        }
    }
}

const NO_ANSWER: &str = "the test server does not answer a command as MySQL does";

/// A statement that was prepared.
struct Prepared {
    id: u32,
    parameters: u16,
    /// Packets that follow: definitions of parameters and of columns, each list with its end.
    packets: usize,
}

/// Reads the first packet of an answer to PREPARE ("COM_STMT_PREPARE Response").
fn read_answer(payload: &[u8], agreed: Capabilities) -> Option<Result<Prepared, ServerError>> {
    if let Some(error) = ServerError::read(payload) {
        return Some(Err(error));
    }
    let mut reader = Reader::new(payload);
    reader.u8().filter(|&status| status == 0)?;
    let id = reader.u32()?;
    let columns = reader.u16()?;
    let parameters = reader.u16()?;
    reader.take(3)?;
    // With optional metadata, a last byte says whether there are any.
    let described = reader.u8() != Some(0);
    let end = usize::from(!agreed.has(Capabilities::DEPRECATE_EOF));
    let list = |definitions: u16| if definitions > 0 { usize::from(definitions) + end } else { 0 };
    let packets = if described { list(parameters) + list(columns) } else { 0 };
    Some(Ok(Prepared { id, parameters, packets }))
}
