//! The states of the connection to the test server. Each owns what only it needs; their transitions are in
//! [`super::login`], [`super::restore`] and [`super::change_user`].

use std::collections::VecDeque;

use module_kit::{Failure, FailureKind};

use super::connection_state::Task;
use crate::answers::expected::Answers;
use crate::auth::dialogue::Dialogue;
use crate::auth::greeting::Greeting;
use crate::wire::capabilities::Capabilities;
use crate::wire::packet::Assembler;

/// The connection to the test server.
#[derive(Debug)]
pub(super) enum Server {
    /// There is none, or it is of no use.
    Down,
    ExpectGreeting(ExpectGreeting),
    Greeted(Greeted),
    LoggingIn(Box<LoggingIn>),
    Switching(Box<Switching>),
    Restoring(Box<Restoring>),
    Ready(Ready),
}

/// The state after an event.
pub(super) type Next = Result<Server, Failure>;

/// The server has accepted the connection and will send its greeting.
#[derive(Debug, Default)]
pub(super) struct ExpectGreeting {
    pub(super) packets: Assembler,
}

/// The server waits for a login, and the module for the client's.
#[derive(Debug)]
pub(super) struct Greeted {
    pub(super) greeting: Box<Greeting>,
    pub(super) packets: Assembler,
}

/// The server examines our login.
#[derive(Debug)]
pub(super) struct LoggingIn {
    pub(super) dialogue: Dialogue,
    pub(super) packets: Assembler,
    pub(super) agreed: Agreed,
    /// The id that the server gives to the next statement, if that is known.
    pub(super) next_id: Option<u32>,
}

/// The client becomes another user once a ping is answered.
#[derive(Debug)]
pub(super) struct Switching {
    pub(super) agreed: Agreed,
    /// The last bytes that came.
    pub(super) tail: Vec<u8>,
}

/// What the client has said is said again.
#[derive(Debug)]
pub(super) struct Restoring {
    pub(super) agreed: Agreed,
    pub(super) packets: Assembler,
    /// The first was sent.
    pub(super) queue: VecDeque<Task>,
    /// Packets of the present answer that still come, once its first is here.
    pub(super) rest: Option<usize>,
}

/// The server takes commands.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) agreed: Agreed,
    pub(super) answers: Answers,
    /// The server has asked for a file, and waits for its packets, the first with this sequence id.
    pub(super) file_wanted: Option<u8>,
}

/// The outcome of a login.
#[derive(Debug, Clone)]
pub(super) struct Agreed {
    pub(super) capabilities: Capabilities,
    pub(super) greeting: Box<Greeting>,
}

impl Server {
    /// The memory that is allocated for it, in bytes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Down => 0,
            Self::ExpectGreeting(state) => state.packets.memory(),
            Self::Greeted(state) => state.greeting.memory() + state.packets.memory(),
            Self::LoggingIn(state) => {
                size_of_val(&**state)
                    + state.dialogue.memory()
                    + state.packets.memory()
                    + state.agreed.greeting.memory()
            }
            Self::Switching(state) => {
                size_of_val(&**state) + state.agreed.greeting.memory() + state.tail.capacity()
            }
            Self::Restoring(state) => {
                size_of_val(&**state)
                    + state.agreed.greeting.memory()
                    + state.packets.memory()
                    + state.queue.capacity() * size_of::<Task>()
                    + state.queue.iter().map(Task::memory).sum::<usize>()
            }
            Self::Ready(state) => state.answers.memory() + state.agreed.greeting.memory(),
        }
    }
}

pub(super) fn out_of_step(reason: &'static str) -> Failure {
    Failure { kind: FailureKind::OutOfStep, reason }
}
