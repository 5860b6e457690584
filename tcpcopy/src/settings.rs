//! What an engine is told at its start.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use common_core::flow::Endpoint;
use common_core::payload_prefix::PayloadPrefix;
use module_kit::Protocol;

/// What becomes of a session that needs a new connection in the middle of its stream: it was joined late, or the test
/// server has broken its connection (`--on-reconnect`, `--stateless`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnReconnect {
    /// What its protocol allows, as far as it is recognised.
    #[default]
    Recognise,
    /// It goes on at its next turn.
    Resume,
    /// Its stream ends where its connection ends.
    Drop,
}

/// One `-x` transfer: what to copy, and where to.
#[derive(Clone)]
pub struct Transfer {
    /// Address of the online service; `None` stands for any.
    pub online_ip: Option<IpAddr>,
    /// Port of the online service.
    pub online_port: u16,
    /// The test server.
    pub target: Endpoint,
    /// The protocol module for its sessions; none copies the bytes as they are.
    pub protocol: Option<Arc<dyn Protocol>>,
    /// What becomes of its sessions that need a new connection in mid-stream.
    pub on_reconnect: OnReconnect,
}

impl Transfer {
    /// What its protocol module wants to know of what the online service answers.
    #[must_use]
    pub fn online_answers(&self) -> &'static [PayloadPrefix] {
        self.protocol.as_ref().map_or(&[], |protocol| protocol.online_answers())
    }
}

/// Settings of an engine, all checked.
#[derive(Clone)]
pub struct EngineConfig {
    /// What to copy; the first match counts.
    pub transfers: Vec<Transfer>,
    /// Let a turn wait for the answer to the one before (`-W` turns it off).
    pub wait_for_answers: bool,
    /// Largest TCP payload sent in one segment to an IPv4 target, in bytes, options included (`-D`, `-M`).
    pub mss_v4: u16,
    /// The same for an IPv6 target.
    pub mss_v6: u16,
    /// Client payload held at most, in bytes (`-m`).
    pub memory_limit: u64,
    /// How long a session with something to send may go without any progress (`-t`).
    pub session_timeout: Duration,
    /// How long a session with nothing to send is kept (`-k`).
    pub keepalive_timeout: Duration,
    /// Seed of initial sequence numbers.
    pub seed: u64,
    /// Our timestamp clock at [`common_core::time::Time::ZERO`], in milliseconds. Taken from the wall clock, so that a
    /// restarted tcpcopy is newer than the connections that it left in TIME_WAIT.
    pub timestamp_origin: u32,
}
