//! The client addresses of copies (`-c`, `-H`): ranges of addresses, of which any number can be named without memory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Client addresses for copies, of either family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressPool {
    v4: Family,
    v6: Family,
}

/// The ranges of one address family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Family {
    ranges: Vec<Range>,
    total: u128,
}

/// Neighbouring addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u128,
    count: u128,
}

impl AddressPool {
    /// Adds the addresses from `first` to `last`, which are of one family.
    pub fn add(&mut self, first: IpAddr, last: IpAddr) {
        let family = if first.is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        let (first, last) = (bits(first), bits(last));
        let count = last.saturating_sub(first).saturating_add(1);
        family.ranges.push(Range { first, count });
        family.total = family.total.saturating_add(count);
    }

    /// The pool of one address.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        let mut pool = Self::default();
        pool.add(ip, ip);
        pool
    }

    /// It has no address at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.total == 0 && self.v6.total == 0
    }

    /// The number of addresses of the family of `ip`.
    #[must_use]
    pub fn count_like(&self, ip: IpAddr) -> u128 {
        self.like(ip).total
    }

    /// An address of the family of `ip`. Equal numbers give equal addresses, and neighbouring numbers different ones as far as
    /// there are any. `None` if the pool has none of this family.
    #[must_use]
    pub fn pick(&self, ip: IpAddr, number: u64) -> Option<IpAddr> {
        let Family { ranges, total } = self.like(ip);
        let mut place = u128::from(number).checked_rem(*total)?;
        for range in ranges {
            if place < range.count {
                return Some(address(range.first + place, ip.is_ipv4()));
            }
            place -= range.count;
        }
        None
    }

    fn like(&self, ip: IpAddr) -> &Family {
        if ip.is_ipv4() { &self.v4 } else { &self.v6 }
    }

    /// Whether `ip` is one of the addresses.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let bits = bits(ip);
        self.like(ip).ranges.iter().any(|range| bits >= range.first && bits - range.first < range.count)
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn address(bits: u128, is_v4: bool) -> IpAddr {
    if is_v4 {
        Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)).into()
    } else {
        Ipv6Addr::from_bits(bits).into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn every_address_is_picked_once_in_a_row() {
        let mut pool = AddressPool::default();
        pool.add(ip("10.0.0.1"), ip("10.0.0.3"));
        pool.add(ip("10.0.1.255"), ip("10.0.2.0"));
        pool.add(ip("fd00::1"), ip("fd00::1"));
        let picked: BTreeSet<_> = (7..12).map(|number| pool.pick(ip("1.1.1.1"), number).unwrap()).collect();
        let expected = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.255", "10.0.2.0"].map(ip);
        assert_eq!(picked, BTreeSet::from(expected));
        assert_eq!(pool.pick(ip("::1"), u64::MAX), Some(ip("fd00::1")));
        assert_eq!((pool.count_like(ip("1.1.1.1")), pool.count_like(ip("::1"))), (5, 1));
        assert!(pool.contains(ip("10.0.2.0")) && !pool.contains(ip("10.0.2.1")));
        assert!(!pool.contains(ip("10.0.0.0")) && !pool.contains(ip("fd00::2")));
    }

    #[test]
    fn a_family_without_addresses_has_none() {
        let pool = AddressPool::of(ip("10.0.0.1"));
        assert!(!pool.is_empty() && pool.pick(ip("fd00::1"), 1).is_none());
        assert!(
            AddressPool::default().is_empty() && AddressPool::default().pick(ip("10.0.0.1"), 0).is_none()
        );
    }

    #[test]
    fn all_of_ipv6_is_no_more_than_a_range() {
        let mut pool = AddressPool::default();
        pool.add(ip("::"), ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
        pool.add(ip("fd00::"), ip("fd00::ffff"));
        assert_eq!(pool.pick(ip("::1"), 5), Some(ip("::5")));
    }
}
