//! Sends that the kernel refused.

use super::super::Report;
use super::super::number::Grouped;

/// The most frequent error, unless errors are rare: TCP retransmits what could not be sent.
pub(super) fn failed(report: &Report<'_>) -> Option<String> {
    let failed = &report.inject.failed;
    let (symbol, meaning, count) = failed.occurred().max_by_key(|(_, _, count)| *count)?;
    // Every segment above the MTU fails, and its retransmissions, too.
    if symbol != "EMSGSIZE" && failed.total() < report.inject.sent / 100 {
        return None;
    }
    let remedy = match &symbol[..] {
        "EPERM" => {
            "the firewall of this host drops the copies on output; if a conntrack rule on invalid packets does it, exempt \
             them with 'ip daddr TARGET tcp dport PORT notrack' in an nft output chain of priority raw"
        }
        "EMSGSIZE" => "packets exceed the MTU of the interface: lower -M to it",
        "ENOBUFS" | "EAGAIN" => {
            "the queue of the interface, or with --tunnel of the connection to intercept, has been full: is it fast enough?"
        }
        // Only copies that go over the control connection meet it.
        "ENOTCONN" => "no intercept was connected for a time; see the intercept lines below",
        _ => "check the route to the test server ('ip route get TARGET') and the interface",
    };
    Some(format!("{} sends failed, {symbol} ({meaning}): {remedy}", Grouped(count)))
}
