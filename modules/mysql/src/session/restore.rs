//! The commands that a new connection gets before the client's next one: what the client has said to make its state, and
//! the statements that it has prepared, in the order in which it did.

use module_kit::AnswerPayload;
use module_kit::{Actions, Failure};

use super::client::Client;
use super::connection_state::{Said, Task, Variable};
use super::context::Context;
use super::state::{Agreed, Next, Ready, Restoring, Server, out_of_step};
use super::warnings;
use crate::answers::end::TAIL;
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
    let is_named = cx.client.as_mut().is_some_and(Client::let_in);
    let prepared = cx.statements.new_connection(next_id);
    let queue = cx.state.tasks(&prepared, is_named).into();
    Box::new(Restoring { agreed, packets, queue, rest: None }).send_next(cx, actions)
}

impl Restoring {
    fn send_next(mut self: Box<Self>, cx: &mut Context, actions: &mut Actions) -> Server {
        self.rest = None;
        while let Some(task) = self.queue.front() {
            if let Some(command) = self.command(task, cx) {
                match task {
                    Task::Prepare(_) => cx.shared.counters.sessions.count(Event::PreparedAgain),
                    Task::Say { said: Said::Query(_), .. } | Task::LastInsertId(_) | Task::Begin(_) => {
                        cx.shared.counters.sessions.count(Event::SaidAgain);
                    }
                    Task::Say { .. } => {}
                }
                actions.send(&packet(0, &command));
                return Server::Restoring(self);
            }
            self.queue.pop_front();
        }
        actions.answers(AnswerPayload::Ends { head: HEAD, tail: TAIL });
        match std::mem::replace(&mut cx.was_ready, true) {
            true => actions.answered(),
            false => actions.ready(),
        }
        Server::Ready(Ready { agreed: self.agreed, answers: Answers::default(), file_wanted: None })
    }

    /// The payload of the command that a task needs.
    fn command(&self, task: &Task, cx: &Context) -> Option<Vec<u8>> {
        Some(match task {
            Task::Say { said: Said::Reset, .. } => vec![Command::RESET_CONNECTION.0],
            Task::Say { said: Said::Database(name), .. } => [&[Command::INIT_DB.0], &name[..]].concat(),
            Task::Say { said: Said::Options([low, high]), .. } => vec![Command::SET_OPTION.0, *low, *high],
            Task::Say { said: Said::Query(text), .. } | Task::Begin(text) => self.query(text),
            Task::LastInsertId(id) => self.query(format!("SET last_insert_id = {id}").as_bytes()),
            Task::Say { said: Said::Nothing, .. } => return None,
            Task::Prepare(serial) => [&[Command::PREPARE.0], cx.statements.text(*serial)?].concat(),
        })
    }

    fn query(&self, text: &[u8]) -> Vec<u8> {
        /// No query attributes, in one set.
        const NO_ATTRIBUTES: &[u8] = &[0, 1];
        let has_attributes = self.agreed.capabilities.has(Capabilities::QUERY_ATTRIBUTES);
        let attributes = if has_attributes { NO_ATTRIBUTES } else { &[] };
        [&[Command::QUERY.0], attributes, text].concat()
    }

    pub(super) fn handle(mut self: Box<Self>, bytes: &[u8], cx: &mut Context, actions: &mut Actions) -> Next {
        self.packets.push(bytes);
        while let Some(task) = self.queue.front() {
            let packet = self.packets.next().map_err(|_| out_of_step(NO_ANSWER))?;
            let Some((_, payload)) = packet else { break };
            let rest = match self.rest {
                Some(rest) => rest.saturating_sub(1),
                None => answer(task, &payload, self.agreed.capabilities, cx, actions)?,
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
fn answer(
    task: &Task,
    payload: &[u8],
    agreed: Capabilities,
    cx: &mut Context,
    actions: &mut Actions,
) -> Result<usize, Failure> {
    if let Task::Prepare(serial) = task {
        return prepare_answer(payload, *serial, agreed, cx);
    }
    if task.prepares_in_sql() {
        cx.statements.prepared_again_in_sql();
    }
    let Some(error) = ServerError::read(payload) else {
        // COM_SET_OPTION is answered by an EOF packet.
        let is_ok = matches!(payload.first(), Some(0 | 0xFE));
        return if is_ok { Ok(0) } else { Err(out_of_step(NO_ANSWER)) };
    };
    cx.shared.counters.server_errors.count(&error.code);
    match (task, &cx.client) {
        (Task::Say { said: Said::Database(name), .. }, Some(client)) => {
            cx.shared.counters.sessions.count(Event::DatabaseRefused);
            warnings::database_refused(&cx.shared, client, name, &error);
        }
        (Task::Say { sets, .. }, _) => {
            let kinds = cx.state.not_restored(sets);
            cx.state_lost(&kinds, actions);
        }
        (Task::LastInsertId(_), _) => {
            let kinds = cx.state.not_restored(&[Variable::last_insert_id()]);
            cx.state_lost(&kinds, actions);
        }
        _ => {}
    }
    Ok(0)
}

fn prepare_answer(
    payload: &[u8],
    serial: Serial,
    agreed: Capabilities,
    cx: &mut Context,
) -> Result<usize, Failure> {
    if let Some(error) = ServerError::read(payload) {
        cx.shared.counters.server_errors.count(&error.code);
        cx.statements.failed_again(serial);
        return Ok(0);
    }
    let Some(prepared) = PrepareOk::read(payload) else { return Err(out_of_step(NO_ANSWER)) };
    cx.statements.succeeded_again(serial, prepared.id, prepared.parameters);
    // Definitions of parameters and of columns, each list with its end.
    let end = usize::from(!agreed.has(Capabilities::DEPRECATE_EOF));
    let list = |definitions: u16| if definitions > 0 { usize::from(definitions) + end } else { 0 };
    let lists = list(prepared.parameters) + list(prepared.columns);
    Ok(if prepared.is_described { lists } else { 0 })
}
