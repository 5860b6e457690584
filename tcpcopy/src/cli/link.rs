//! How packets are captured and sent: what does not go together.

use super::UsageError;
use super::raw::RawArgs;
use crate::settings::Transfer;

/// Refuses what makes no sense of `--pcap-capture`, `--pcap-send` and `--decap`.
pub(super) fn check(raw: &RawArgs, transfers: &[Transfer], is_live: bool) -> Result<(), UsageError> {
    if raw.pcap_send && raw.output.is_none() {
        return Err(UsageError::PcapSend);
    }
    if raw.pcap_capture && !is_live {
        return Err(UsageError::NotOffline {
            flag: "--pcap-capture",
            reason: "they are read without libpcap",
        });
    }
    if let Some(transfer) = transfers.iter().find(|transfer| raw.decap && transfer.online_ip.is_none()) {
        return Err(UsageError::Decap { port: transfer.online_port });
    }
    let given = [("--pcap-capture", raw.pcap_capture), ("--decap", raw.decap)];
    match given.into_iter().find(|(_, given)| *given && raw.workers > 1) {
        Some((flag, _)) => Err(UsageError::OneWorker { flag }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::transfer::transfers;
    use super::*;

    fn read(more: &[&str]) -> Result<(), UsageError> {
        let raw = RawArgs::try_parse_from(["tcpcopy"].iter().chain(more))?;
        check(&raw, &transfers(&raw.transfers)?, raw.offline.is_empty())
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let (bare, named) = ("80-10.0.0.17:80", "10.0.0.16:80-10.0.0.17:80");
        for (line, part) in [
            (&["-x", bare, "--pcap-send"][..], "--pcap-send: name the interface"),
            (&["-x", bare, "--pcap-capture", "--offline", "f"], "--pcap-capture has no meaning"),
            (&["-x", bare, "--decap"], "--decap: port 80 "),
            (&["-x", named, "-x", "81-10.0.0.17:81", "--decap"], "--decap: port 81 "),
            (&["-x", bare, "--pcap-capture", "-C", "2"], "--pcap-capture: one thread"),
            (&["-x", named, "--decap", "-C", "2"], "--decap: one thread"),
        ] {
            let error = read(line).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
        for line in [
            &["-x", bare, "--pcap-send", "-o", "eth1"][..],
            &["-x", bare, "--pcap-capture", "--pcap-send", "-o", "eth1"],
            &["-x", named, "--decap"],
            &["-x", named, "--decap", "--offline", "f"],
            &["-x", named, "--decap", "--pcap-capture", "-C", "1"],
        ] {
            assert_eq!(read(line), Ok(()), "{line:?}");
        }
    }
}
