//! The traits of protocol modules: payload in, actions out, no packet header in sight.
//!
//! A module stands between the client's stream and the connection to the test server. The engine gives it the client's
//! bytes in order, turn by turn as they fall due, and the test server's answer bytes where it asked for them; the
//! module returns [`Actions`]. It never sees a sequence number, and retransmissions are not its concern.
//!
//! Bytes of the client that a call neither passed nor took out are held: the module gets them again, with what has
//! come since, at the next event. docs/MODULES.md shows the order of calls for a login.

use std::sync::Arc;

use common_core::flow::Flow;
use common_core::payload_prefix::PayloadPrefix;

use crate::actions::Actions;
use crate::online::{OnlineObserver, OnlineService};
use crate::online_query::OnlineQuery;
use crate::progress::Progress;
use crate::report::Report;

/// When the client may go on, on a connection that was just opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// At once, after the actions of this call.
    Now,
    /// When the module calls [`Actions::ready`], after a login say. Until then no turn follows the one that is due:
    /// not for a module that needs a later turn of the client in order to become ready.
    WhenSaid,
}

/// Bytes that do not reach the module. [`Module::missed`] reports them before the next bytes of the same stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing<'a> {
    /// Bytes of the client that were dropped, those that the module held among them: the test server could not be
    /// reached in time, or the session was given up. These are all of them, in order: a module may learn from them. The
    /// bytes that `client` offers next begin with a turn.
    Dropped(&'a [u8]),
    /// Bytes of the client, of unknown number, that were never captured. The bytes that `client` offers next begin with a
    /// turn.
    Uncaptured,
    /// So many bytes of the test server's answers, because they were not asked for.
    TestServer(u64),
    /// So many bytes of the online server's answers (modulo 4 GiB), because they were not captured, not asked for, or
    /// too many to keep.
    OnlineServer(u64),
}

/// The next bytes of the test server's answers, in order.
#[derive(Debug, Clone, Copy)]
pub struct ServerData<'a> {
    /// What was asked for of a segment, or of several of which one came late.
    pub bytes: &'a [u8],
    /// The last bytes of the segment, if they were asked for ([`AnswerPayload::Ends`](crate::AnswerPayload::Ends)) and are
    /// not among `bytes`. They count as missing, too.
    pub tail: &'a [u8],
    /// The segment acknowledges everything that was sent. If not, it does not answer the last of it.
    pub acks_all: bool,
}

/// One session of a protocol that needs more than its bytes repeated.
///
/// All byte slices are untrusted. A module keeps no more than the protocol forces it to: the client's bytes that it holds
/// stay with the engine and count against the engine's memory limit.
pub trait Module: Send {
    /// A connection to the test server is open: the first, or one that replaces a lost one. The module must bring the
    /// server into the state that the client believes in (log in, prepare statements).
    fn connected(&mut self, actions: &mut Actions) -> Ready;

    /// All bytes of the client that are due and were neither passed nor taken out before.
    fn client(&mut self, bytes: &[u8], actions: &mut Actions);

    /// The test server has answered.
    fn answer(&mut self, data: ServerData<'_>, actions: &mut Actions);

    /// Bytes of one of the streams do not reach the module.
    fn missed(&mut self, missing: Missing<'_>);

    /// The part of the module that observes the online server. Called only where [`Protocol::online`] is given.
    fn online(&mut self) -> Option<&mut dyn OnlineObserver> {
        None
    }

    /// Whether recent answers of the test server are void if the connection breaks now, as in an open transaction. Turns
    /// count as replayed only once something is answered while this is false.
    fn is_tentative(&self) -> bool {
        false
    }

    /// How far the session has come, for modules of other sessions: the engine writes it. Asked for once, at the start.
    fn progress(&self) -> Option<Arc<Progress>> {
        None
    }

    /// The memory that the module takes, roughly, in bytes: itself, and its allocations.
    fn memory(&self) -> usize {
        size_of_val(self)
    }
}

/// Makes the modules of one protocol for one online service, shared by all workers. Protocols of several services with the
/// same name share their counters: each reports the same.
///
/// A counter that is touched for each command must not take a lock: it is a relaxed atomic, or the module adds up and
/// reports when it is dropped.
pub trait Protocol: Send + Sync {
    /// The name of the protocol, for users: lower case, no spaces.
    fn name(&self) -> &'static str;

    /// A module for a new session. `flow` has the client as the online server sees it, and the test server. `from_start` is false if the session
    /// was joined in mid-stream.
    fn module(&self, flow: &Flow, from_start: bool) -> Box<dyn Module>;

    /// What modules need of the online server; `None` if nothing.
    fn online(&self) -> Option<&dyn OnlineService> {
        None
    }

    /// The counters.
    fn report(&self) -> Report {
        Report::default()
    }
}

impl dyn Protocol + '_ {
    /// The beginnings of the online server's segments that modules need; empty if none.
    pub fn online_answers(&self) -> &'static [PayloadPrefix] {
        self.online().map_or(&[], OnlineService::answers)
    }

    /// Those of them of which more is needed than the beginning.
    pub fn whole_online_answers(&self) -> &'static [PayloadPrefix] {
        self.online().map_or(&[], OnlineService::whole_answers)
    }

    /// How to query the online server; `None` if it is not queried.
    pub fn online_query(&self) -> Option<Arc<dyn OnlineQuery>> {
        self.online().and_then(OnlineService::query)
    }
}
