//! The engine: all sessions of one worker, free of I/O.

mod config;

pub use config::{EngineConfig, Transfer};

use common::control::{Answer, ToIntercept};
use common::io::Captured;
use common::time::Time;

use crate::ledger::Ledger;

/// Where an engine's packets and control messages go.
pub trait Output {
    /// Puts a complete IP packet on the wire. A packet that could not be sent is as good as lost: TCP sends it again.
    fn inject(&mut self, packet: &[u8]);

    /// Sends a message to every intercept that is connected.
    fn control(&mut self, message: &ToIntercept);
}

/// All sessions of one worker.
///
/// Call order: any `handle_*` as things happen; [`Engine::flush`] after each batch of them; then sleep until
/// [`Engine::poll_timeout`] and call [`Engine::handle_timeout`].
pub struct Engine {
    ledger: Ledger,
}

impl Engine {
    /// An engine without sessions.
    #[must_use]
    pub fn new(_config: EngineConfig) -> Self {
        Self { ledger: Ledger::default() }
    }

    /// A packet was captured on the online host.
    pub fn handle_packet(&mut self, _now: Time, _captured: Captured<'_>, _out: &mut dyn Output) {}

    /// Intercept sent a segment of the test server.
    pub fn handle_answer(&mut self, _now: Time, _answer: &Answer<'_>, _out: &mut dyn Output) {}

    /// A link to an intercept came up, and `out.control` goes to it alone during this call: the routes of all live
    /// flows are announced, and sessions waiting for a link start.
    pub fn handle_link_up(&mut self, _now: Time, _out: &mut dyn Output) {}

    /// A link to an intercept went down. Without any, no new connection is opened.
    pub fn handle_link_down(&mut self, _now: Time) {}

    /// Sends what was put off to the end of a batch: acknowledgements.
    pub fn flush(&mut self, _now: Time, _out: &mut dyn Output) {}

    /// When [`Engine::handle_timeout`] is to be called; [`Time::NEVER`] if nothing is waited for.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        Time::NEVER
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, _now: Time, _out: &mut dyn Output) {}

    /// Nothing more will be captured: sessions replay what is pending, close their connections and end.
    pub fn drain(&mut self, _now: Time, _out: &mut dyn Output) {}

    /// Ends what is left at once: resets the connections, counts what was pending as dropped at shutdown.
    pub fn abort(&mut self, _now: Time, _out: &mut dyn Output) {}

    /// No session is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        true
    }

    /// The account so far.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
