//! Networks of IP addresses: an address and the length of its prefix.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network, whose address has no bits behind the prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network; it completes "'TEXT' ...".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not in the form ADDRESS/LENGTH.
    #[error("is no network")]
    Form,
    /// The prefix is longer than an address.
    #[error("has a prefix that is longer than an address")]
    Prefix,
    /// Bits behind the prefix are set.
    #[error("has bits behind its prefix")]
    HostBits,
}

impl Network {
    /// The network of the first `prefix` bits of `address`.
    ///
    /// # Errors
    /// [`NetworkError`] if the address has fewer bits, or some that are set behind the prefix.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, NetworkError> {
        let network = Self { address, prefix };
        if prefix > network.width() {
            return Err(NetworkError::Prefix);
        }
        if bits(address) & network.host_mask() != 0 {
            return Err(NetworkError::HostBits);
        }
        Ok(network)
    }

    /// Its first address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The length of its prefix in bits.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether it has this address.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.address.is_ipv4() && bits(ip) & !self.host_mask() == bits(self.address)
    }

    /// The address whose bits behind the prefix are those of `host`.
    #[must_use]
    pub fn host(&self, host: u128) -> IpAddr {
        let bits = bits(self.address) | host & self.host_mask();
        match self.address {
            IpAddr::V4(_) => Ipv4Addr::from_bits(bits as u32).into(),
            IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
        }
    }

    /// The bits behind the prefix, all set: its last address has this number.
    #[must_use]
    pub fn host_mask(&self) -> u128 {
        let length = u32::from(self.width() - self.prefix.min(self.width()));
        1_u128.checked_shl(length).unwrap_or(0).wrapping_sub(1)
    }

    fn width(&self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// Reads `ADDRESS/LENGTH`.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').ok_or(NetworkError::Form)?;
        let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let address = address.parse().map_err(|_| NetworkError::Form)?;
        Self::new(address, prefix.parse().ok().filter(|_| digits).ok_or(NetworkError::Form)?)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// At most one network of each address family.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Networks {
    /// The IPv4 network.
    pub v4: Option<Network>,
    /// The IPv6 network.
    pub v6: Option<Network>,
}

impl Networks {
    /// Adds a network; false if there is one of its family.
    pub fn add(&mut self, network: Network) -> bool {
        let place = if network.address.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        place.is_none() && place.replace(network).is_none()
    }

    /// The network of the family of `ip`.
    #[must_use]
    pub fn of(&self, ip: IpAddr) -> Option<Network> {
        if ip.is_ipv4() { self.v4 } else { self.v6 }
    }

    /// Whether one of them has this address.
    #[must_use]
    pub fn contain(&self, ip: IpAddr) -> bool {
        self.of(ip).is_some_and(|network| network.contains(ip))
    }

    /// The networks that there are.
    pub fn iter(&self) -> impl Iterator<Item = Network> {
        self.v4.into_iter().chain(self.v6)
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.iter().map(|network| network.to_string()).collect();
        f.write_str(&shown.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_are_read_or_refused() {
        for (text, expected) in [
            ("198.18.0.0/15", Ok("198.18.0.0/15")),
            ("10.0.0.1/32", Ok("10.0.0.1/32")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("fd00:12::/64", Ok("fd00:12::/64")),
            ("::/0", Ok("::/0")),
            ("198.19.0.0/15", Err(NetworkError::HostBits)),
            ("10.0.0.0/33", Err(NetworkError::Prefix)),
            ("fd00::/129", Err(NetworkError::Prefix)),
            ("10.0.0.0", Err(NetworkError::Form)),
            ("10.0.0.0/", Err(NetworkError::Form)),
            ("10.0.0.0/+8", Err(NetworkError::Form)),
            ("10.0.0.0/1000", Err(NetworkError::Form)),
            ("localhost/8", Err(NetworkError::Form)),
        ] {
            let read = text.parse::<Network>().map(|network| network.to_string());
            assert_eq!(read.as_deref().map_err(|error| *error), expected, "{text}");
        }
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        let network: Network = "198.18.0.0/15".parse().unwrap();
        for (ip, expected) in [
            ("198.18.0.0", true),
            ("198.19.255.255", true),
            ("198.20.0.0", false),
            ("198.17.255.255", false),
            ("::", false),
        ] {
            assert_eq!(network.contains(ip.parse().unwrap()), expected, "{ip}");
        }
        assert_eq!(network.host(0x1_0203), IpAddr::from([198, 19, 2, 3]));
        assert_eq!(network.host_mask(), 0x1_ffff);
        assert_eq!("::/0".parse::<Network>().unwrap().host_mask(), u128::MAX);
        assert_eq!("::1/128".parse::<Network>().unwrap().host_mask(), 0);
    }

    #[test]
    fn there_is_one_network_of_each_family() {
        let mut networks = Networks::default();
        assert!(networks.add("10.0.0.0/8".parse().unwrap()) && networks.add("fd00::/8".parse().unwrap()));
        assert!(!networks.add("11.0.0.0/8".parse().unwrap()));
        assert_eq!(networks.to_string(), "10.0.0.0/8, fd00::/8");
        assert!(networks.contain([10, 1, 2, 3].into()) && !networks.contain([11, 1, 2, 3].into()));
    }

    proptest! {
        #[test]
        fn every_number_gives_an_address_of_the_network(address: IpAddr, prefix in 0_u8..=128, host: u128) {
            let prefix = if address.is_ipv4() { prefix % 33 } else { prefix };
            let mask = Network { address, prefix }.host_mask();
            let zero = if address.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
            let first = Network { address: zero, prefix: 0 }.host(bits(address) & !mask);
            let network = Network::new(first, prefix).unwrap();
            prop_assert!(network.contains(network.host(host)));
            prop_assert!(network.contains(address));
            prop_assert_eq!(network.to_string().parse(), Ok(network));
        }
    }
}
