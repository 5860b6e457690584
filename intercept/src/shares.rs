//! Who may take how much of what there is: no host more than is left then, so that none can use it up. One that takes what
//! it can gets a half, the next one a half of the rest.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Where a peer comes from: an IPv4 address or, as whoever has one of its addresses has all, an IPv6 network of 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Host(IpAddr);

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        Self(match ip {
            IpAddr::V4(_) => ip,
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        })
    }
}

/// What hosts have of something of which there is so much.
#[derive(Debug)]
pub(crate) struct Shares {
    limit: usize,
    all: usize,
    by_host: HashMap<Host, usize>,
}

impl Shares {
    /// Nobody has anything of `limit`.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, all: 0, by_host: HashMap::new() }
    }

    /// What all have together.
    pub(crate) fn all(&self) -> usize {
        self.all
    }

    /// A host wants one more; true if it gets it.
    pub(crate) fn take(&mut self, host: Host) -> bool {
        let has = self.by_host.get(&host).copied().unwrap_or(0);
        let taken = has < self.limit.saturating_sub(self.all);
        if taken {
            self.all += 1;
            self.by_host.insert(host, has + 1);
        }
        taken
    }

    /// A host gives one back that it has taken.
    pub(crate) fn give_back(&mut self, host: Host) {
        let Some(has) = self.by_host.get_mut(&host) else { return };
        *has -= 1;
        self.all -= 1;
        if *has == 0 {
            self.by_host.remove(&host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        text.parse::<IpAddr>().unwrap().into()
    }

    /// All that `host` can get.
    fn grab(shares: &mut Shares, host: Host) -> usize {
        std::iter::repeat_with(|| shares.take(host)).take_while(|taken| *taken).count()
    }

    #[test]
    fn something_is_always_left_for_another() {
        let mut shares = Shares::new(120);
        let hosts: Vec<_> = (1..=9).map(|number| host(&format!("10.0.0.{number}"))).collect();
        let got: Vec<_> = hosts.iter().map(|host| grab(&mut shares, *host)).collect();
        assert_eq!(got, [60, 30, 15, 8, 4, 2, 1, 0, 0]);
        for _ in 0..60 {
            shares.give_back(hosts[0]);
        }
        assert_eq!(shares.all(), 60);
        assert_eq!(grab(&mut shares, hosts[1]), 15);
    }

    #[test]
    fn what_is_given_back_is_forgotten() {
        let mut shares = Shares::new(2);
        assert!(shares.take(host("10.0.0.1")) && !shares.take(host("10.0.0.1")));
        shares.give_back(host("10.0.0.1"));
        shares.give_back(host("10.0.0.1"));
        assert_eq!((shares.all(), shares.by_host.len()), (0, 0));
        assert!(!Shares::new(0).take(host("10.0.0.1")));
    }

    #[test]
    fn an_ipv6_network_is_one_host() {
        assert_eq!(host("fd00:1:2:3::1"), host("fd00:1:2:3:ffff::"));
        assert_ne!(host("fd00:1:2:3::1"), host("fd00:1:2:4::1"));
        assert_ne!(host("10.0.0.1"), host("10.0.0.2"));
    }
}
