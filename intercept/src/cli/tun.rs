//! `--tun` and what belongs to it.

use std::net::IpAddr;

use common_core::network::{Network, Networks};
use common_core::text::shown;

use super::error::UsageError;
use super::raw::RawArgs;

/// The network without `--net`: reserved for tests of network devices (RFC 2544), so usually no host has an address of it.
const DEFAULT: &str = "198.18.0.0/15";

/// Prefixes of a useful length: room for some clients, and not half of the Internet.
const PREFIXES_V4: std::ops::RangeInclusive<u8> = 8..=30;
const PREFIXES_V6: std::ops::RangeInclusive<u8> = 16..=126;

/// The networks of copied clients, if there is a device.
pub(super) fn networks(raw: &RawArgs, interfaces: &[String]) -> Result<Option<Networks>, UsageError> {
    if !raw.tun {
        return match (raw.nets.is_empty(), raw.without_key) {
            (true, false) => Ok(None),
            (false, _) => Err(UsageError::NeedsTun("--net")),
            (true, true) => Err(UsageError::NeedsTun("--without-key")),
        };
    }
    match (raw.key_file.is_some(), raw.without_key) {
        (false, false) => return Err(UsageError::TunWithoutKey),
        (true, true) => return Err(UsageError::KeyAndNone),
        _ => {}
    }
    if interfaces.is_empty() {
        // A capture of all interfaces would capture each answer a second time.
        if !raw.interfaces.is_empty() {
            return Err(UsageError::TunCaptures("-i any"));
        }
        if raw.filter.is_some() {
            return Err(UsageError::TunCaptures("-F"));
        }
        if raw.pcap_capture {
            return Err(UsageError::TunCaptures("--pcap-capture"));
        }
    }
    let mut networks = Networks::default();
    let pieces = raw.nets.iter().flat_map(|value| value.split(',')).map(str::trim);
    for piece in pieces.chain(raw.nets.is_empty().then_some(DEFAULT)) {
        let wrong = |problem: String| UsageError::Net { piece: shown(piece, 80), problem };
        let network: Network = piece.parse().map_err(|error| wrong(format!("{error}")))?;
        usable(network).map_err(|problem| wrong(problem.to_owned()))?;
        if !networks.add(network) {
            return Err(wrong("is the second network of its family".to_owned()));
        }
    }
    Ok(Some(networks))
}

fn usable(network: Network) -> Result<(), &'static str> {
    let (prefixes, special) = match network.address() {
        IpAddr::V4(ip) => (
            PREFIXES_V4,
            ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || matches!(ip.octets()[0], 0 | 240..),
        ),
        IpAddr::V6(ip) => (
            PREFIXES_V6,
            ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local(),
        ),
    };
    if !prefixes.contains(&network.prefix()) {
        return Err("has a prefix of another length than 8 to 30 (IPv4) or 16 to 126 (IPv6)");
    }
    if special { Err("has addresses that no client can have") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn read(line: &[&str], interfaces: &[&str]) -> Result<Option<String>, String> {
        let raw = RawArgs::try_parse_from(std::iter::once(&"intercept").chain(line)).unwrap();
        let interfaces: Vec<String> = interfaces.iter().map(ToString::to_string).collect();
        let read = networks(&raw, &interfaces).map_err(|error| error.to_string());
        Ok(read?.map(|networks| networks.to_string()))
    }

    #[test]
    fn a_device_has_networks() {
        let with = |nets: &[&str]| {
            let line = [&["--tun", "--key-file", "f"], nets].concat();
            read(&line, &[]).unwrap().unwrap()
        };
        assert_eq!(with(&[]), "198.18.0.0/15");
        assert_eq!(with(&["--net", "10.99.0.0/16"]), "10.99.0.0/16");
        assert_eq!(with(&["--net", "fd00:1::/64"]), "fd00:1::/64");
        assert_eq!(with(&["--net", "fd00:1::/64,10.99.0.0/16"]), "10.99.0.0/16, fd00:1::/64");
        assert_eq!(with(&["--net", "fd00:1::/64", "--net", "10.99.0.0/16"]), "10.99.0.0/16, fd00:1::/64");
        assert_eq!(read(&[], &[]), Ok(None));
        assert_eq!(read(&["--tun", "--without-key"], &["eth0"]), Ok(Some("198.18.0.0/15".to_owned())));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused: [(&[&str], &str); 16] = [
            (&["--net", "10.0.0.0/8"], "--net belongs to --tun"),
            (&["--without-key"], "--without-key belongs to --tun"),
            (&["--tun"], "--tun lets tcpcopies send packets into this host"),
            (&["--tun", "--without-key", "--key-file", "f"], "contradict"),
            (&["--tun", "--without-key", "-i", "any"], "-i any: --tun captures nothing by itself"),
            (&["--tun", "--without-key", "-F", "tcp"], "-F: --tun captures nothing by itself"),
            (
                &["--tun", "--without-key", "--pcap-capture"],
                "--pcap-capture: --tun captures nothing by itself",
            ),
            (&["--tun", "--without-key", "--net", "10.0.0.0"], "'10.0.0.0' is no network"),
            (&["--tun", "--without-key", "--net", "10.0.0.1/8"], "has bits behind its prefix"),
            (&["--tun", "--without-key", "--net", "10.0.0.0/7"], "prefix of another length"),
            (&["--tun", "--without-key", "--net", "10.0.0.0/8,11.0.0.0/8"], "second network of its family"),
            (&["--tun", "--without-key", "--net", "10.0.0.0/31"], "prefix of another length"),
            (&["--tun", "--without-key", "--net", "fd00::/8"], "prefix of another length"),
            (&["--tun", "--without-key", "--net", "127.0.0.0/8"], "no client can have"),
            (&["--tun", "--without-key", "--net", "241.0.0.0/8"], "no client can have"),
            (&["--tun", "--without-key", "--net", "fe80::/64"], "no client can have"),
        ];
        for (line, part) in refused {
            let error = read(line, &[]).unwrap_err();
            assert!(error.contains(part) && !error.contains('\n'), "{line:?}: {error}");
        }
    }
}
