//! Settings of an engine.

mod address_pool;
mod multiplying;
mod shaping;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use common_core::flow::Endpoint;
use common_core::payload_prefix::PayloadPrefix;
use module_kit::Protocol;

pub use self::address_pool::AddressPool;
pub use self::multiplying::{Instance, Multiplying, WorkerShare};
pub use self::shaping::Shaping;

/// The treatment of a session that needs a new connection in the middle of its stream, because it was joined late or the
/// test server broke its connection (`--on-reconnect`, `--stateless`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnReconnect {
    /// Its recognised protocol decides.
    #[default]
    Recognise,
    /// It continues with its next turn.
    Resume,
    /// Its stream ends where its connection ends.
    Drop,
}

/// One transfer of `-x`: a service and its target.
#[derive(Clone)]
pub struct Transfer {
    /// Address of the online service; `None` matches any address.
    pub online_ip: Option<IpAddr>,
    /// Port of the online service.
    pub online_port: u16,
    /// The test server.
    pub target: Endpoint,
    /// The protocol module of its sessions; `None` copies the bytes unchanged.
    pub protocol: Option<Arc<dyn Protocol>>,
    /// The treatment of its sessions that need a new connection in mid-stream.
    pub on_reconnect: OnReconnect,
}

impl Transfer {
    /// Whether both are of the same service: its clients are copied to either target.
    #[must_use]
    pub fn is_of_service_of(&self, other: &Self) -> bool {
        let of = |transfer: &Self| (transfer.online_ip, transfer.online_port, transfer.target.ip.is_ipv4());
        of(self) == of(other)
    }

    /// Whether clients that connect to this address are copied.
    #[must_use]
    pub fn copies_at(&self, ip: IpAddr) -> bool {
        self.online_ip.map_or(ip.is_ipv4() == self.target.ip.is_ipv4(), |online| online == ip)
    }

    /// The prefixes of those answers of the online service that the protocol module needs.
    #[must_use]
    pub fn online_answers(&self) -> &'static [PayloadPrefix] {
        self.protocol.as_ref().map_or(&[], |protocol| protocol.online_answers())
    }

    /// Those of them of which the module needs more than the beginning.
    #[must_use]
    pub fn whole_online_answers(&self) -> &'static [PayloadPrefix] {
        self.protocol.as_ref().map_or(&[], |protocol| protocol.whole_online_answers())
    }
}

/// Validated settings of an engine.
#[derive(Clone)]
pub struct EngineConfig {
    /// The transfers; the first match counts, and all others of the same service with it.
    pub transfers: Vec<Transfer>,
    /// How often each session is copied, and from which client addresses (`-n`, `-c`, `-H`, `-f`).
    pub multiplying: Multiplying,
    /// Which sessions are copied (`-r`, `-g`, `--limit-sessions`).
    pub shaping: Shaping,
    /// Packets to a target may be copies, which are not copied again. In a capture file none is.
    pub sees_copies: bool,
    /// Only sessions that are seen from their SYN are copied (`-O`).
    pub only_from_syn: bool,
    /// A turn waits for the answer to the turn before (off with `-W`).
    pub wait_for_answers: bool,
    /// The largest payload of a segment to an IPv4 target, in bytes, TCP options included (`-D`, `-M`).
    pub mss_v4: u16,
    /// The same for an IPv6 target.
    pub mss_v6: u16,
    /// The most client payload to hold, in bytes (`-m`).
    pub memory_limit: u64,
    /// How long a session with pending data may make no progress (`-t`).
    pub session_timeout: Duration,
    /// How long a session without pending data is kept (`-k`).
    pub keepalive_timeout: Duration,
    /// The seed of initial sequence numbers.
    pub seed: u64,
    /// The clock of TCP timestamps at [`common_core::time::Time::ZERO`], in milliseconds. It is the wall clock, so that
    /// the timestamps of a restarted tcpcopy are newer than those of connections that it left in TIME_WAIT.
    pub timestamp_origin: u32,
}
