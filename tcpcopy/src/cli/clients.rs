//! `-c`, `-H`, `-n`, `-f`: how often each session is copied, and from which client addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common_core::text::shown;

use super::UsageError;
use super::address::usable;
use super::raw::RawArgs;
use crate::settings::{AddressPool, Instance, Multiplying, Transfer};

/// The widest ranges: their addresses are all of one kind.
const PREFIX_MIN_V4: u32 = 8;
const PREFIX_MIN_V6: u32 = 16;

/// Reads the flags.
pub(super) fn multiplying(raw: &RawArgs, transfers: &[Transfer]) -> Result<Multiplying, UsageError> {
    let addresses = pool("-c", &raw.client_addresses)?;
    let loopback = pool("-H", raw.loopback_address.as_slice())?;
    if !addresses.is_empty() {
        let without = transfers.iter().find(|transfer| addresses.count_like(transfer.target.ip) == 0);
        if let Some(Transfer { target, .. }) = without {
            return Err(UsageError::ClientFamily { target: target.to_string() });
        }
    }
    for (flag, pool) in [("-c", &addresses), ("-H", &loopback)] {
        if let Some(Transfer { target, .. }) =
            transfers.iter().find(|transfer| pool.contains(transfer.target.ip))
        {
            return Err(UsageError::ClientIsTarget { flag, target: target.ip.to_string() });
        }
    }
    let instance = raw.instance.and_then(Instance::new);
    Ok(Multiplying { copies: raw.copies, addresses, loopback, instance, ..Multiplying::default() })
}

/// Reads all values of a flag, which are lists separated by commas.
fn pool(flag: &'static str, values: &[String]) -> Result<AddressPool, UsageError> {
    let mut pool = AddressPool::default();
    let mut read: Vec<&str> = Vec::new();
    for piece in values.iter().flat_map(|value| value.split(',')).map(str::trim) {
        let wrong = |problem| UsageError::Clients { flag, piece: shown(piece, 80), problem };
        if read.contains(&piece) {
            return Err(wrong("given twice".to_owned()));
        }
        read.push(piece);
        let (first, last) = if flag == "-c" { range(piece) } else { one(piece) }.map_err(wrong)?;
        pool.add(first, last);
    }
    Ok(pool)
}

/// The first and the last address of a piece.
fn range(piece: &str) -> Result<(IpAddr, IpAddr), String> {
    if let Some(start) = piece.strip_suffix(".x") {
        let ends = ["1", "254"].map(|last| format!("{start}.{last}").parse::<Ipv4Addr>());
        return match ends {
            [Ok(first), Ok(last)] => Ok((client(first.into())?, client(last.into())?)),
            _ => Err("an 'x' stands for the last number of an IPv4 address".to_owned()),
        };
    }
    let Some((network, prefix)) = piece.split_once('/') else { return one(piece) };
    let network: IpAddr = network.parse().map_err(|_| "no IP address before the '/'".to_owned())?;
    let (bits, most, least) = match network {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32, PREFIX_MIN_V4),
        IpAddr::V6(ip) => (ip.to_bits(), 128, PREFIX_MIN_V6),
    };
    let prefix = prefix.parse::<u32>().ok().filter(|prefix| (least..=most).contains(prefix));
    let prefix =
        prefix.ok_or_else(|| format!("after the '/' comes a whole number from {least} to {most}"))?;
    let hosts = u128::MAX.checked_shr(128 - (most - prefix)).unwrap_or(0);
    let address = |bits: u128| match network {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    };
    if bits & hosts != 0 {
        return Err(format!("the network begins at {}", address(bits & !hosts)));
    }
    // Not the addresses of the network and of all its hosts; of IPv6 not that of its routers (RFC 4291 section 2.6.1).
    let (before, after) = match most - prefix {
        0 | 1 => (0, 0),
        _ => (1, u128::from(network.is_ipv4())),
    };
    Ok((client(address(bits + before))?, client(address(bits + hosts - after))?))
}

fn one(piece: &str) -> Result<(IpAddr, IpAddr), String> {
    let ip: IpAddr = piece.parse().map_err(|_| "no IP address".to_owned())?;
    let ip = client(ip)?;
    Ok((ip, ip))
}

/// An address that answers can be routed to.
fn client(ip: IpAddr) -> Result<IpAddr, String> {
    let ip = usable(ip)?;
    if ip.is_loopback() {
        Err(format!("{ip} is a loopback address, to which no other host can answer"))
    } else {
        Ok(ip)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;

    use super::*;
    use crate::cli::transfer::transfers;

    fn read(more: &[&str]) -> Result<Multiplying, UsageError> {
        let raw = RawArgs::try_parse_from(["tcpcopy", "-x", "80-10.0.0.17:80"].iter().chain(more))?;
        multiplying(&raw, &transfers(&raw.transfers)?)
    }

    fn count(value: &str, like: &str) -> u128 {
        read(&["-c", value, "-c", "10.99.0.1"]).unwrap().addresses.count_like(like.parse().unwrap())
    }

    #[test]
    fn addresses_patterns_and_networks() {
        let (v4, v6) = ("1.1.1.1", "::1");
        for (value, like, expected) in [
            ("10.1.0.1", v4, 2),
            ("10.1.0.1,10.1.0.2, 10.1.0.3", v4, 4),
            ("62.135.200.x", v4, 255),
            ("10.1.0.0/24", v4, 255),
            ("10.1.0.0/31", v4, 3),
            ("10.1.0.7/32", v4, 2),
            ("11.0.0.0/8", v4, (1 << 24) - 1),
            ("2001:db8::/64", v6, (1 << 64) - 1),
            ("2001:db8::7", v6, 1),
            ("2001:db8::7/128", v6, 1),
        ] {
            assert_eq!(count(value, like), expected, "{value}");
        }
        let pool = read(&["-c", "10.1.0.0/30"]).unwrap().addresses;
        let has = |ip: &str| pool.contains(ip.parse().unwrap());
        assert!(has("10.1.0.1") && has("10.1.0.2") && !has("10.1.0.0") && !has("10.1.0.3"));
    }

    #[test]
    fn refused_with_the_piece_and_the_reason() {
        for (more, part) in [
            (&["-c", "clients"][..], "-c: 'clients': no IP address"),
            (&["-c", ""], "-c: '': no IP address"),
            (&["-c", "10.1.0.1,10.1.0.1"], "given twice"),
            (&["-c", "10.x.0.1"], "no IP address"),
            (&["-c", "10.1.x.x"], "an 'x' stands for"),
            (&["-c", "10.1.0.5/24"], "begins at 10.1.0.0"),
            (&["-c", "0.0.0.0/0"], "from 8 to 32"),
            (&["-c", "2001:db8::/129"], "from 16 to 128"),
            (&["-c", "127.0.0.5"], "loopback"),
            (&["-c", "224.0.0.0/24"], "not the address of a host"),
            (&["-c", "fe80::1"], "link-local"),
            (&["-c", "10.0.0.0/24"], "10.0.0.17 is the test server"),
            (&["-c", "2001:db8::7"], "no address of the family of 10.0.0.17:80"),
            (&["-H", "10.1.0.x"], "-H: '10.1.0.x': no IP address"),
            (&["-H", "10.0.0.17"], "-H: 10.0.0.17 is the test server"),
            (&["-n", "0"], "from 1 to 1023"),
            (&["-n", "1024"], "from 1 to 1023"),
            (&["-f", "16"], "from 0 to 15"),
        ] {
            let error = read(more).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{more:?}: {error}");
        }
    }

    #[test]
    fn nothing_is_multiplied_by_default() {
        assert!(!read(&[]).unwrap().is_wanted() && !read(&["-n", "1"]).unwrap().is_wanted());
        for more in [["-n", "2"], ["-f", "0"], ["-H", "10.1.0.1"], ["-c", "10.1.0.1"]] {
            assert!(read(&more).unwrap().is_wanted(), "{more:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_in_one_line(text in "[0-9a-f:.x/,]{0,30}|.*") {
            if let Err(error) = read(&["-c", &text]) {
                prop_assert!(!error.to_string().contains('\n'));
            }
        }
    }
}
