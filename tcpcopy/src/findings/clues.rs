//! What probes of a silent target have shown, and what follows.

use std::net::IpAddr;

use super::finding::Finding;
use super::rules::silence::SEEN;
use super::sample::Own;

/// What is known after probes of a target that does not answer its copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clues {
    /// What a connection from this host's own address met.
    pub own: Own,
    /// intercept has captured an answer to this host's own address.
    pub own_seen: bool,
    /// intercept has captured an answer to its own address.
    pub foreign_seen: bool,
    /// The foreign address from which a SYN was sent, if one was.
    pub source: Option<IpAddr>,
    /// Answers of unknown connections that intercept has captured.
    pub unrouted: u64,
}

impl Clues {
    /// The fault that explains the silence, and the evidence.
    #[must_use]
    pub fn conclude(&self) -> (Finding, String) {
        let own = matches!(self.own, Own::Accepted | Own::Refused) || self.own_seen;
        match (self.foreign_seen, own, self.source) {
            (true, ..) => (
                Finding::RouteMissing,
                "it answers a SYN from the assistant's address, so foreign addresses do arrive".to_owned(),
            ),
            (false, true, _) if self.unrouted >= SEEN => (
                Finding::OtherAddress,
                format!(
                    "it answers this host; intercept captured {} answers of unknown connections",
                    self.unrouted
                ),
            ),
            (false, true, Some(source)) => (
                Finding::SourcesDropped,
                format!("it answers a SYN from this host's own address, but none from {source}"),
            ),
            (false, true, None) => {
                (Finding::CopiesUnanswered, "it answers a SYN from this host's own address".to_owned())
            }
            (false, false, _) => {
                let reason = match &self.own {
                    Own::Failed(error) => error,
                    _ => "no answer",
                };
                (Finding::TargetSilent, format!("a SYN from this host's own address: {reason}"))
            }
        }
    }
}
