//! Divides a limited resource among hosts: no host gets more than is left, so none can exhaust it. A host that takes all
//! it can get has a half, the next one a half of the rest.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The host of a peer: an IPv4 address, or an IPv6 network of 64 bits, because whoever has one of its addresses has all of
/// them.
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

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "{ip}/64"),
        }
    }
}

/// How many units of a limited resource each host has.
#[derive(Debug)]
pub(crate) struct HostQuota {
    limit: usize,
    taken: usize,
    by_host: HashMap<Host, usize>,
}

impl HostQuota {
    /// All of `limit` units are free.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, taken: 0, by_host: HashMap::new() }
    }

    /// The units of all hosts together.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// Gives `host` one more unit; false if it gets none.
    pub(crate) fn take(&mut self, host: Host) -> bool {
        let has = self.by_host.get(&host).copied().unwrap_or(0);
        let gets = has < self.limit.saturating_sub(self.taken);
        if gets {
            self.taken += 1;
            self.by_host.insert(host, has + 1);
        }
        gets
    }

    /// Takes a unit back from `host`.
    pub(crate) fn give_back(&mut self, host: Host) {
        let Some(has) = self.by_host.get_mut(&host) else { return };
        *has -= 1;
        self.taken -= 1;
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

    /// Takes all units that `host` can get.
    fn grab(quota: &mut HostQuota, host: Host) -> usize {
        std::iter::repeat_with(|| quota.take(host)).take_while(|taken| *taken).count()
    }

    #[test]
    fn something_is_always_left_for_another() {
        let mut quota = HostQuota::new(120);
        let hosts: Vec<_> = (1..=9).map(|number| host(&format!("10.0.0.{number}"))).collect();
        let got: Vec<_> = hosts.iter().map(|host| grab(&mut quota, *host)).collect();
        assert_eq!(got, [60, 30, 15, 8, 4, 2, 1, 0, 0]);
        for _ in 0..60 {
            quota.give_back(hosts[0]);
        }
        assert_eq!(quota.taken(), 60);
        assert_eq!(grab(&mut quota, hosts[1]), 15);
    }

    #[test]
    fn what_is_given_back_is_forgotten() {
        let mut quota = HostQuota::new(2);
        assert!(quota.take(host("10.0.0.1")) && !quota.take(host("10.0.0.1")));
        quota.give_back(host("10.0.0.1"));
        quota.give_back(host("10.0.0.1"));
        assert_eq!((quota.taken(), quota.by_host.len()), (0, 0));
        assert!(!HostQuota::new(0).take(host("10.0.0.1")));
    }

    #[test]
    fn an_ipv6_network_is_one_host() {
        assert_eq!(host("fd00:1:2:3::1"), host("fd00:1:2:3:ffff::"));
        assert_ne!(host("fd00:1:2:3::1"), host("fd00:1:2:4::1"));
        assert_ne!(host("10.0.0.1"), host("10.0.0.2"));
    }
}
