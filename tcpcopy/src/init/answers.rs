//! Reads single answers, of flags and of the dialogue, and compares those about hosts.

use std::net::IpAddr;

use common_core::text::shown;

use crate::cli::address;
use crate::protocols::Registration;

/// The longest name of an interface (`IFNAMSIZ` without its end).
const INTERFACE_MAX: usize = 15;

/// The test host, and the port of its service if it differs from the online one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TestHost {
    pub(super) ip: IpAddr,
    pub(super) port: Option<u16>,
}

/// The protocol module of the service, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Protocol(pub(super) Option<&'static str>);

impl Protocol {
    /// What tcpcopy takes a service on this port for.
    pub(super) fn usual(port: u16) -> Self {
        Self(Registration::usual(port).map(|it| it.name))
    }

    /// Its name in `--protocol`.
    pub(super) fn name(self) -> &'static str {
        self.0.unwrap_or("none")
    }
}

/// The address of a host that other hosts can reach.
pub(super) fn host(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let ip = bare
        .parse()
        .map_err(|_| format!("'{}' is no IP address (host names are not looked up)", shown(text, 60)))?;
    reachable(address::usable(ip)?)
}

/// `IP[:PORT]`.
pub(super) fn test_host(text: &str) -> Result<TestHost, String> {
    let (endpoint, has_port) = match address::endpoint(text) {
        Ok(endpoint) => (endpoint, true),
        // The port is not used.
        Err(_) => (address::endpoint_or_default(text, 1)?, false),
    };
    Ok(TestHost { ip: reachable(endpoint.ip)?, port: has_port.then_some(endpoint.port) })
}

fn reachable(ip: IpAddr) -> Result<IpAddr, String> {
    match ip.is_loopback() {
        true => Err(format!("{ip} is an address of every host; name one that the other hosts reach")),
        false => Ok(ip),
    }
}

/// A name of `--protocol`.
pub(super) fn protocol(text: &str) -> Result<Protocol, String> {
    match (text, Registration::named(text)) {
        ("none", _) => Ok(Protocol(None)),
        (_, Some(registration)) => Ok(Protocol(Some(registration.name))),
        _ => Err("it is none of mysql, postgres, redis and none".to_owned()),
    }
}

/// The name of an interface, of another host perhaps.
pub(super) fn interface(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty()
        && text.len() <= INTERFACE_MAX
        && text.chars().all(|c| c.is_ascii_graphic() && c != '/' && c != ',')
        && !text.starts_with('-');
    if is_name { Ok(text.to_owned()) } else { Err("it is no name of an interface, such as eth0".to_owned()) }
}

/// The name of a file, of another host perhaps.
pub(super) fn capture_file(text: &str) -> Result<String, String> {
    if text.is_empty() || text == "-" || text.chars().any(char::is_control) {
        return Err("it is no name of a file, such as monday.pcap.gz".to_owned());
    }
    // The parser of tcpcopy would take it for a flag.
    Ok(if text.starts_with('-') { format!("./{text}") } else { text.to_owned() })
}

/// Yes or no.
pub(super) fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        _ => Err("answer yes or no".to_owned()),
    }
}

/// Checks that `ip` belongs to another host than the `others`, and is of their address family.
pub(super) fn differs(ip: IpAddr, others: &[(&str, IpAddr)]) -> Result<(), String> {
    for (name, other) in others {
        if ip == *other {
            return Err(format!("{ip} is the {name} host; name another host"));
        }
        if ip.is_ipv4() != other.is_ipv4() {
            return Err(format!(
                "{ip} and the {name} host {other} are of two address families; use one of them"
            ));
        }
    }
    Ok(())
}

/// The address of this host that clients probably use: a default of a question, no more.
pub(super) fn guess(own: &[IpAddr]) -> Option<IpAddr> {
    let usable = |ip: &&IpAddr| address::usable(**ip).is_ok() && !ip.is_loopback();
    let mut usable: Vec<IpAddr> = own.iter().filter(usable).copied().collect();
    usable.sort_by_key(IpAddr::is_ipv6);
    usable.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn hosts() {
        assert_eq!(host("10.0.0.16").unwrap(), ip("10.0.0.16"));
        assert_eq!(host("[2001:db8::1]").unwrap(), ip("2001:db8::1"));
        for (text, port) in [("10.0.0.17", None), ("10.0.0.17:8080", Some(8080)), ("[fd20::1]:80", Some(80))]
        {
            assert_eq!(test_host(text).unwrap().port, port, "{text}");
        }
        assert_eq!(test_host("fd20::1").unwrap(), TestHost { ip: ip("fd20::1"), port: None });
        for text in ["", "online", "127.0.0.1", "::1", "0.0.0.0", "10.0.0.1:80", "fe80::1", "10.0.0.1\n"] {
            assert!(host(text).is_err(), "{text}");
        }
        for text in ["", "10.0.0.17:0", "10.0.0.17:x", "127.0.0.1:80", "[::1]:80", "fd20::1:"] {
            assert!(test_host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(protocol("mysql").unwrap(), Protocol::usual(3306));
        assert_eq!(protocol("none").unwrap(), Protocol::usual(80));
        assert!(protocol("oracle").is_err());
        assert!(interface("eth0.100").is_ok());
        for text in ["", "a/b", "-x", "eth0,lo", "eth 0", "a-name-that-is-too-long", "eth0\n"] {
            assert!(interface(text).is_err(), "{text}");
        }
        assert_eq!(capture_file("-x").unwrap(), "./-x");
        assert!(capture_file("-").is_err() && capture_file("a\nb").is_err());
        assert_eq!((yes_or_no("Y"), yes_or_no("no")), (Ok(true), Ok(false)));
        assert!(yes_or_no("perhaps").is_err());
    }

    #[test]
    fn hosts_differ_and_are_of_one_family() {
        let others = [("online", ip("10.0.0.16"))];
        assert!(differs(ip("10.0.0.17"), &others).is_ok());
        assert!(differs(ip("10.0.0.16"), &others).unwrap_err().contains("is the online host"));
        assert!(differs(ip("fd20::1"), &others).unwrap_err().contains("two address families"));
    }

    #[test]
    fn the_guess_is_no_local_address() {
        let own = ["127.0.0.1", "fe80::1", "fd20::12", "10.20.0.12", "::1"].map(ip);
        assert_eq!(guess(&own), Some(ip("10.20.0.12")));
        assert_eq!(guess(&own[..3]), Some(ip("fd20::12")));
        assert_eq!(guess(&own[..2]), None);
    }
}
