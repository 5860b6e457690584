//! How the workers of a daemon share the clients: by the client's port, so that both daemons, and the kernel for them,
//! come to the same worker without a word.

use std::fmt;

/// Workers that one daemon runs at most.
pub const MAX_WORKERS: u16 = 64;

/// Spreads neighbouring ports (2^32 divided by the golden ratio, made odd): operating systems hand out every second
/// one, so that the port itself, modulo two, would leave one worker idle.
pub const MULTIPLIER: u32 = 0x9e37_79b1;
/// The bits of the product that are used: those that depend on all of the port's.
pub const SHIFT: u32 = 16;

/// The worker, of `count`, that a client with this port belongs to; the kernel's form of this rule is
/// `Split` of the packet filter.
#[must_use]
pub const fn worker_of(client_port: u16, count: u16) -> u16 {
    let spread = (client_port as u32).wrapping_mul(MULTIPLIER) >> SHIFT;
    // Below `count`, which fits.
    (spread % if count == 0 { 1 } else { count as u32 }) as u16
}

/// One worker of several.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Shard {
    index: u16,
    count: u16,
}

impl Shard {
    /// The only worker there is.
    pub const ALL: Self = Self { index: 0, count: 1 };

    /// The worker `index`, from 0 on, of `count`; `None` if there is no such one.
    #[must_use]
    pub const fn new(index: u16, count: u16) -> Option<Self> {
        if index < count && count <= MAX_WORKERS { Some(Self { index, count }) } else { None }
    }

    /// All shares of `count` workers, in order; one at least, and [`MAX_WORKERS`] at most.
    pub fn each(count: u16) -> impl Iterator<Item = Self> {
        let count = count.clamp(1, MAX_WORKERS);
        (0..count).map(move |index| Self { index, count })
    }

    /// Which worker, from 0 on.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.index
    }

    /// How many workers there are.
    #[must_use]
    pub const fn count(self) -> u16 {
        self.count
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} of {}", self.index + 1, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_gets_its_part_of_the_ports_that_systems_hand_out() {
        // Linux tries every second port first, others all of them or few next to each other.
        let ranges: [Vec<u16>; 4] = [
            (32768..61000).step_by(2).collect(),
            (32769..61000).step_by(2).collect(),
            (49152..=65535).collect(),
            (1024..2048).collect(),
        ];
        for ports in ranges {
            for count in 1..=8 {
                let mut each = vec![0_u32; usize::from(count)];
                ports.iter().for_each(|port| each[usize::from(worker_of(*port, count))] += 1);
                let fair = ports.len() as u32 / u32::from(count);
                let even = each.iter().all(|part| (fair * 8 / 10..=fair * 12 / 10).contains(part));
                assert!(even, "{count} workers, {} ports: {each:?}", ports.len());
            }
        }
    }

    #[test]
    fn there_is_no_share_of_nothing_and_none_beyond_the_last() {
        assert_eq!(Shard::new(0, 0), None);
        assert_eq!(Shard::new(2, 2), None);
        assert_eq!(Shard::new(0, MAX_WORKERS + 1), None);
        assert_eq!(Shard::new(0, 1), Some(Shard::ALL));
        assert_eq!(worker_of(7, 0), 0);
        let both: Vec<String> = Shard::each(2).map(|share| share.to_string()).collect();
        assert_eq!(both, ["worker 1 of 2", "worker 2 of 2"]);
    }
}
