//! Parses addresses of the command line.

use std::net::{IpAddr, Ipv6Addr};

use common_core::flow::Endpoint;
use common_core::text::shown;

/// Reads `IP:PORT`, where an IPv6 address is in brackets.
///
/// # Errors
/// Why it cannot be read, without the piece that contains it.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, String> {
    let (ip, rest) = leading_ip(text)?;
    match rest {
        Some(rest) => Ok(Endpoint::new(ip, port(rest)?)),
        None => Err(format!("'{}' has no port", shown(text, 60))),
    }
}

/// Reads `IP[:PORT]`; an IPv6 address without port needs no brackets.
///
/// # Errors
/// As [`endpoint`].
pub(crate) fn endpoint_or_default(text: &str, default_port: u16) -> Result<Endpoint, String> {
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Ok(Endpoint::new(usable(IpAddr::V6(ip))?, default_port));
    }
    let (ip, rest) = leading_ip(text)?;
    Ok(Endpoint::new(ip, rest.map_or(Ok(default_port), port)?))
}

/// Reads a TCP port.
///
/// # Errors
/// As [`endpoint`].
pub(crate) fn port(text: &str) -> Result<u16, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port > 0 => Ok(port),
        _ => Err(format!("'{}' is no port (1 to 65535)", shown(text, 60))),
    }
}

/// The address at the start of `text`, and the text after its colon.
fn leading_ip(text: &str) -> Result<(IpAddr, Option<&str>), String> {
    let no_address =
        || format!("'{}' does not start with an IP address (host names are not looked up)", shown(text, 60));
    let (ip, rest) = match text.strip_prefix('[') {
        Some(inner) => {
            let (ip, rest) =
                inner.split_once(']').ok_or_else(|| format!("'{}' lacks a ']'", shown(text, 60)))?;
            let ip = ip.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| no_address())?;
            match (rest.strip_prefix(':'), rest.is_empty()) {
                (None, false) => return Err(format!("'{}' after the ']' is no :PORT", shown(rest, 60))),
                (port, _) => (ip, port),
            }
        }
        None if text.parse::<Ipv6Addr>().is_ok() || text.matches(':').count() > 1 => {
            return Err(format!("'{}': an IPv6 address needs brackets before a port", shown(text, 60)));
        }
        None => {
            let (ip, port) = text.split_once(':').map_or((text, None), |(ip, port)| (ip, Some(port)));
            (ip.parse::<IpAddr>().map_err(|_| no_address())?, port)
        }
    };
    Ok((usable(ip)?, rest))
}

/// An address that a single host can have.
pub(crate) fn usable(ip: IpAddr) -> Result<IpAddr, String> {
    let ip = ip.to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(format!("{ip} is not the address of a host"));
    }
    if matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        return Err(format!("{ip} is a link-local address, the same on every link; name a global one"));
    }
    Ok(ip)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn endpoints() {
        for (text, expected) in [
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("[2001:db8::1]:8080", "[2001:db8::1]:8080"),
            ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
        ] {
            assert_eq!(endpoint(text).unwrap().to_string(), expected);
        }
        for (text, problem) in [
            ("", "does not start with an IP"),
            ("10.0.0.1", "has no port"),
            ("[::1]", "has no port"),
            ("[::1", "lacks a ']'"),
            ("[::1]80", "no :PORT"),
            ("::1:80", "needs brackets"),
            ("10.0.0.1:0", "no port"),
            ("10.0.0.1:65536", "no port"),
            ("10.0.0.1:+80", "no port"),
            ("10.0.0:80", "does not start with an IP"),
            ("host:80", "does not start with an IP"),
            ("0.0.0.0:80", "not the address of a host"),
            ("[fe80::1]:80", "link-local"),
            ("[fe80::1%eth0]:80", "does not start with an IP"),
            ("224.0.0.1:80", "not the address of a host"),
        ] {
            let error = endpoint(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn the_port_may_be_omitted_if_there_is_a_default() {
        for (text, expected) in [
            ("10.0.0.1", "10.0.0.1:5"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("::1", "[::1]:5"),
            ("[::1]", "[::1]:5"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(endpoint_or_default(text, 5).unwrap().to_string(), expected);
        }
        assert!(endpoint_or_default("::", 5).is_err());
        assert!(endpoint_or_default("10.0.0.1:", 5).is_err());
    }

    proptest! {
        #[test]
        fn a_displayed_endpoint_is_read_again(address in any::<std::net::SocketAddr>(), default: u16) {
            let read = endpoint_or_default(&address.to_string(), default);
            prop_assert_eq!(read.clone(), endpoint(&address.to_string()));
            if let Ok(read) = read {
                prop_assert_eq!((read.ip, read.port), (address.ip().to_canonical(), address.port()));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-f:.\\[\\]]{0,30}|.*", default: u16) {
            prop_assert!(endpoint(&text).is_err() || endpoint_or_default(&text, default).is_ok());
        }
    }
}
