//! Sends that the kernel refuses.

use super::super::Report;
use super::super::number::Grouped;

/// TCP repeats what could not be sent; it is no use where the cause stays.
pub(super) fn failed(account: &Report<'_>) -> Option<String> {
    let failed = &account.inject.failed;
    let (symbol, meaning, count) = failed.occurred().max_by_key(|(_, _, count)| *count)?;
    // Large segments fail all, however few they are.
    if symbol != "EMSGSIZE" && failed.total() < account.inject.sent / 100 {
        return None;
    }
    let cure = match &symbol[..] {
        "EPERM" => {
            "this host's firewall drops the copies (output); where that is for a conntrack rule on invalid packets, exempt \
             them with 'ip daddr TARGET tcp dport PORT notrack' in an nft output chain of priority raw"
        }
        "EMSGSIZE" => "packets are longer than the interface's MTU: lower -M to it",
        "ENOBUFS" | "EAGAIN" => "the interface's queue is full: is the way to the test server wide enough?",
        _ => "check the route to the test server ('ip route get TARGET') and the interface",
    };
    Some(format!("{} sends failed, {symbol} ({meaning}): {cure}", Grouped(count)))
}
