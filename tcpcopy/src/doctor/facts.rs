//! What the doctor has learnt, before anything is concluded from it.

use std::net::IpAddr;

use common_core::flow::Endpoint;
use common_os::io::interfaces;
use common_os::io::way::Way;

use super::source::Source;
use crate::findings::Own;
use crate::report::InterceptCounters;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Why packets cannot be captured.
    pub(super) capture: Option<OpenFailure>,
    /// Why packets cannot be sent.
    pub(super) sending: Option<OpenFailure>,
    /// The interfaces of `-i`; without a state they do not exist.
    pub(super) interfaces: Vec<(String, Option<interfaces::State>)>,
    pub(super) services: Vec<ServiceFacts>,
    pub(super) clients: Clients,
    /// The size of the largest packets that will be sent, by address family: IPv4 and IPv6.
    pub(super) packets: (u16, u16),
    pub(super) targets: Vec<TargetFacts>,
    pub(super) intercepts: Vec<InterceptFacts>,
    /// The counters of all intercepts since they were reached.
    pub(super) counters: InterceptCounters,
    /// Copies go over the control connection (`--tunnel`).
    pub(super) tunnels: bool,
    /// `-c` or `-H` gives clients on loopback addresses another address.
    pub(super) loopback_is_copied: bool,
}

/// Why sockets cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenFailure {
    /// One line with the cure.
    pub(super) text: String,
    /// The command line names something that does not exist; otherwise rights are missing.
    pub(super) is_usage: bool,
}

/// A service of `-x`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceFacts {
    pub(super) port: u16,
    /// The index of its first transfer.
    pub(super) transfer: usize,
    /// Somebody listens; `None` if that cannot be known, because the service is on another host.
    pub(super) listens: Option<bool>,
}

/// What was seen of clients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Clients {
    /// Packets that were captured.
    pub(super) captured: u64,
    /// Of these, those of clients whose connection the service has accepted.
    pub(super) talking: u64,
    /// Of these, those from loopback addresses.
    pub(super) loopback: u64,
    /// Packets to the services on each interface that has any, except loopback.
    pub(super) passing: Vec<(String, u64)>,
    /// Clients that were seen, or that are connected: one for each address family.
    pub(super) v4: Option<IpAddr>,
    pub(super) v6: Option<IpAddr>,
}

/// A test server.
#[derive(Debug, Clone, Default)]
pub(super) struct TargetFacts {
    /// The index of its first transfer.
    pub(super) transfer: usize,
    pub(super) address: Option<Endpoint>,
    /// It is a service of this host whose clients are copied.
    pub(super) is_copied: bool,
    /// It has an address of this host.
    pub(super) is_local: bool,
    /// `-x` names the MAC address of the next hop.
    pub(super) is_fixed: bool,
    /// The way of the kernel, looked up after the probe.
    pub(super) way: Option<Way>,
    /// The MTU of the way.
    pub(super) mtu: Option<u32>,
    /// What became of the probe, if there was one.
    pub(super) probe: Option<Probed>,
}

/// What became of the probe of a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Probed {
    /// From where the SYN came whose answer intercept was to send back; `None` if no SYN was sent.
    pub(super) source: Option<Source>,
    /// The answer that came back.
    pub(super) reply: Option<Reply>,
    /// Why the SYN could not be sent.
    pub(super) failed: Option<String>,
    /// What a connection of this host's kernel met, if there was one.
    pub(super) own: Option<Own>,
    /// The address of intercept from which a SYN was sent, if one was.
    pub(super) foreign: Option<IpAddr>,
}

/// An answer to a SYN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Accepted,
    Refused,
}

/// An intercept of `-s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InterceptFacts {
    pub(super) address: Endpoint,
    pub(super) connected: bool,
    /// Both have a key.
    pub(super) has_key: bool,
    pub(super) error: Option<LinkError>,
}

/// Why an intercept cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinkError {
    pub(super) text: String,
    pub(super) hint: &'static str,
    pub(super) kind: LinkErrorKind,
}

/// What an error of a control connection shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkErrorKind {
    /// intercept was reached, and does not suit.
    Unsuited,
    /// The host has answered, but no intercept.
    Away,
    /// Nothing has answered.
    Silent,
}
