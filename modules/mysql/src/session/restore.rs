//! The commands that a new connection gets before the client's next one: the client's database, and the statements that
//! it has prepared.

use module_kit::AnswerPayload;
use module_kit::{Actions, Failure};

use super::client::Client;
use super::context::Context;
use super::state::{Agreed, Next, Ready, Restoring, Server, Task, out_of_step};
use super::warnings;
use crate::answers::expected::{Answers, HEAD};
use crate::counters::Event;
use crate::statements::table::Serial;
use crate::wire::capabilities::Capabilities;
use crate::wire::command::Command;
use crate::wire::packet::{Assembler, packet};
use crate::wire::prepare_ok::PrepareOk;
use crate::wire::server_error::ServerError;

/// Logged in: the next statement gets the id `next_id`, if that is known.
pub(super) fn restore(
    agreed: Agreed,
    packets: Assembler,
    next_id: Option<u32>,
    cx: &mut Context,
    actions: &mut Actions,
) -> Server {
    let database = cx.client.as_mut().is_some_and(Client::let_in).then_some(Task::Database);
    let statements = cx.statements.new_connection(next_id).into_iter().map(Task::Prepare);
    let queue = database.into_iter().chain(statements).collect();
    Box::new(Restoring { agreed, packets, queue, rest: None }).send_next(cx, actions)
}

impl Restoring {
    fn send_next(mut self: Box<Self>, cx: &mut Context, actions: &mut Actions) -> Server {
        self.rest = None;
        while let Some(task) = self.queue.front() {
            let (command, name) = match task {
                Task::Database => (Command::INIT_DB, cx.client.as_ref().map(|it| &it.hello.database[..])),
                Task::Prepare(serial) => (Command::PREPARE, cx.statements.text(*serial)),
            };
            if let Some(name) = name {
                if command == Command::PREPARE {
                    cx.shared.counters.sessions.count(Event::PreparedAgain);
                }
                actions.send(&packet(0, &[&[command.0], name].concat()));
                return Server::Restoring(self);
            }
            self.queue.pop_front();
        }
        actions.answers(AnswerPayload::Head(HEAD));
        match std::mem::replace(&mut cx.was_ready, true) {
            true => actions.answered(),
            false => actions.ready(),
        }
        Server::Ready(Ready { agreed: self.agreed, answers: Answers::default(), file_wanted: None })
    }

    pub(super) fn handle(mut self: Box<Self>, bytes: &[u8], cx: &mut Context, actions: &mut Actions) -> Next {
        self.packets.push(bytes);
        while let Some(&task) = self.queue.front() {
            let packet = self.packets.next().map_err(|_| out_of_step(NO_ANSWER))?;
            let Some((_, payload)) = packet else { break };
            let rest = match (self.rest, task) {
                (Some(rest), _) => rest.saturating_sub(1),
                (None, Task::Database) => database_answer(&payload, cx)?,
                (None, Task::Prepare(serial)) => {
                    prepare_answer(&payload, serial, self.agreed.capabilities, cx)?
                }
            };
            self.rest = Some(rest);
            if rest == 0 {
                self.queue.pop_front();
                match self.send_next(cx, actions) {
                    Server::Restoring(state) => self = state,
                    ready => return Ok(ready),
                }
            }
        }
        Ok(Server::Restoring(self))
    }
}

const NO_ANSWER: &str = "the test server does not answer a command as MySQL does";

/// Reads the first packet of an answer; returns how many follow.
fn database_answer(payload: &[u8], cx: &Context) -> Result<usize, Failure> {
    match (ServerError::read(payload), &cx.client) {
        (Some(error), Some(client)) => {
            cx.shared.counters.server_errors.count(&error.code);
            cx.shared.counters.sessions.count(Event::DatabaseRefused);
            warnings::database_refused(&cx.shared, client, &error);
            Ok(0)
        }
        _ if payload.first() == Some(&0) => Ok(0),
        _ => Err(out_of_step(NO_ANSWER)),
    }
}

fn prepare_answer(
    payload: &[u8],
    serial: Serial,
    agreed: Capabilities,
    cx: &mut Context,
) -> Result<usize, Failure> {
    if let Some(error) = ServerError::read(payload) {
        cx.shared.counters.server_errors.count(&error.code);
        cx.statements.failed(serial);
        return Ok(0);
    }
    let Some(prepared) = PrepareOk::read(payload) else { return Err(out_of_step(NO_ANSWER)) };
    cx.statements.succeeded(serial, prepared.id, prepared.parameters);
    // Definitions of parameters and of columns, each list with its end.
    let end = usize::from(!agreed.has(Capabilities::DEPRECATE_EOF));
    let list = |definitions: u16| if definitions > 0 { usize::from(definitions) + end } else { 0 };
    let lists = list(prepared.parameters) + list(prepared.columns);
    Ok(if prepared.is_described { lists } else { 0 })
}
