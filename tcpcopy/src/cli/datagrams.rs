//! `--udp`: the flags that go with it, and those that have no meaning for datagrams.

use common_os::io::bpf::{Service, datagrams_to};

use super::UsageError;
use super::raw::RawArgs;
use crate::settings::Transfer;

/// Datagrams in a second, unless `--udp-rate` says otherwise.
const RATE: u32 = 50_000;

/// The rate of `--udp`, or `None` for TCP.
///
/// # Errors
/// A flag that makes no sense.
pub(super) fn rate(raw: &RawArgs) -> Result<Option<u32>, UsageError> {
    if !raw.udp {
        return match raw.udp_rate {
            Some(_) => Err(UsageError::OnlyUdp { flag: "--udp-rate" }),
            None => Ok(None),
        };
    }
    let streams = "datagrams are no streams";
    let shaped = "every datagram is copied once, with its own source";
    let refused = [
        ("-C", raw.workers > 1, "one thread copies them"),
        ("-n", raw.copies > 1, shaped),
        ("-c", !raw.client_addresses.is_empty(), shaped),
        ("-H", raw.loopback_address.is_some(), shaped),
        ("-f", raw.instance.is_some(), shaped),
        ("-r", raw.percent < 100, shaped),
        ("-g", raw.gradually, shaped),
        ("--limit-sessions", raw.sessions_a_second.is_some(), shaped),
        ("--map-log", raw.map_log.is_some(), shaped),
        ("--decap", raw.decap, "what tunnels carry is looked at for TCP only"),
        ("--pcap-capture", raw.pcap_capture, "datagrams are captured by packet sockets"),
        ("--tunnel", raw.tunnel, "intercept takes TCP segments only"),
        ("-W", raw.no_wait, "no copy waits for an answer"),
        ("-O", raw.only_from_syn, "datagrams have no beginning of a connection"),
        ("-D", raw.mss.is_some(), streams),
        ("--offline", !raw.offline.is_empty(), "capture files are replayed to TCP services only"),
        ("-a", raw.speed.is_some(), "capture files are replayed to TCP services only"),
        ("-I", raw.longest_gap_ms.is_some(), "capture files are replayed to TCP services only"),
        ("-T", raw.repeats.is_some(), "capture files are replayed to TCP services only"),
        ("--protocol", !raw.protocols.is_empty(), "protocol modules are for TCP"),
        ("--config", raw.config.is_some(), "protocol modules are for TCP"),
        ("--copy-accounts", raw.copy_accounts, "protocol modules are for TCP"),
        ("--on-lost-state", raw.on_lost_state.is_some(), "protocol modules are for TCP"),
        ("--on-reconnect", raw.on_reconnect.is_some(), streams),
        ("--stateless", !raw.stateless.is_empty(), streams),
        ("--fail-below", raw.fail_below.is_some(), "it counts the payload of streams"),
    ];
    match refused.into_iter().find(|(_, is_given, _)| *is_given) {
        Some((flag, _, reason)) => Err(UsageError::NotUdp { flag, reason }),
        None => Ok(Some(raw.udp_rate.unwrap_or(RATE))),
    }
}

/// Refuses several targets of one service.
pub(super) fn refuse_several(transfers: &[Transfer]) -> Result<(), UsageError> {
    let repeats = |(index, transfer): (usize, &Transfer)| {
        transfers[..index].iter().any(|earlier| earlier.is_of_service_of(transfer))
    };
    match transfers.iter().enumerate().any(repeats) {
        true => Err(UsageError::NotUdp {
            flag: "a second target of one service in -x",
            reason: "every datagram is copied once; start another tcpcopy for it",
        }),
        false => Ok(()),
    }
}

/// The capture filter, unless the user has one.
pub(super) fn filter(transfers: &[Transfer]) -> String {
    let mut services: Vec<Service> = transfers
        .iter()
        .map(|transfer| Service { ip: transfer.online_ip, port: transfer.online_port })
        .collect();
    services.sort_unstable();
    services.dedup();
    datagrams_to(&services)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn read(more: &[&str]) -> Result<Option<u32>, UsageError> {
        rate(&RawArgs::try_parse_from(["tcpcopy"].iter().chain(more))?)
    }

    #[test]
    fn the_rate_has_a_default() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["--udp"]), Ok(Some(RATE)));
        assert_eq!(read(&["--udp", "--udp-rate", "7"]), Ok(Some(7)));
    }

    #[test]
    fn what_has_no_meaning_for_datagrams_is_refused() {
        for (line, part) in [
            (&["--udp-rate", "7"][..], "--udp-rate is for --udp"),
            (&["--udp", "-C", "2"], "-C has no meaning with --udp"),
            (&["--udp", "-n", "2"], "-n has no meaning with --udp"),
            (&["--udp", "-c", "10.1.0.0/24"], "-c has no meaning with --udp"),
            (&["--udp", "-r", "50"], "-r has no meaning with --udp"),
            (&["--udp", "--map-log", "f"], "--map-log has no meaning with --udp"),
            (&["--udp", "--tunnel"], "--tunnel has no meaning with --udp"),
            (&["--udp", "-W"], "-W has no meaning with --udp"),
            (&["--udp", "--protocol", "53=redis"], "--protocol has no meaning with --udp"),
            (&["--udp", "--offline", "a.pcap"], "--offline has no meaning with --udp"),
            (&["--udp", "--stateless", "53"], "--stateless has no meaning with --udp"),
        ] {
            let error = read(line).unwrap_err().to_string();
            assert!(error.starts_with(part) && !error.contains('\n'), "{error}");
        }
    }
}
