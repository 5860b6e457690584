//! The ports of each address that this worker may use for copies.

use common_os::io::bpf::worker_of;

use crate::settings::{Instance, Multiplying, WorkerShare};

/// Ports that no service of the client's host has.
const FIRST: u32 = 1024;
const COUNT: u32 = 65_536 - FIRST;

/// Neighbouring ports, of which one worker uses a part: those for which the kernel gives a client to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    first: u32,
    count: u32,
    worker: WorkerShare,
}

impl Ports {
    pub(super) fn new(multiplying: &Multiplying) -> Self {
        let worker = multiplying.worker;
        match multiplying.instance {
            None => Self { first: FIRST, count: COUNT, worker },
            Some(instance) => {
                let count = COUNT / u32::from(Instance::COUNT);
                Self { first: FIRST + u32::from(instance.number()) * count, count, worker }
            }
        }
    }

    /// Whether this worker of this instance may use the port, and no other one.
    pub(super) fn contain(&self, port: u16) -> bool {
        (self.first..self.first + self.count).contains(&u32::from(port)) && self.is_ours(port)
    }

    /// The number of ports.
    pub(super) fn count(&self) -> u32 {
        let ports = (0..self.count).filter_map(|place| self.at(place, 0));
        u32::try_from(ports.count()).unwrap_or(u32::MAX)
    }

    /// The number of places for [`Self::at`].
    pub(super) fn places(&self) -> u32 {
        self.count
    }

    /// The port at a place of the order that begins `offset` ports after the first; `None` if it is another worker's.
    pub(super) fn at(&self, place: u32, offset: u32) -> Option<u16> {
        let port = self.first + (place % self.count + offset % self.count) % self.count;
        u16::try_from(port).ok().filter(|port| self.is_ours(*port))
    }

    fn is_ours(&self, port: u16) -> bool {
        let WorkerShare { index, count } = self.worker;
        count <= 1 || worker_of(port, count) == index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(instance: Option<u8>, index: u16, count: u16) -> Ports {
        let instance = instance.and_then(Instance::new);
        Ports::new(&Multiplying { instance, worker: WorkerShare { index, count }, ..Multiplying::default() })
    }

    #[test]
    fn instances_and_workers_share_all_ports_and_none_twice() {
        let mut users = vec![0; 65_536];
        for instance in 0..Instance::COUNT {
            for index in 0..3 {
                let share = ports(Some(instance), index, 3);
                for port in (0..share.places()).filter_map(|place| share.at(place, 1234)) {
                    assert!(share.contain(port));
                    users[usize::from(port)] += 1;
                }
            }
        }
        assert!(users[..1024].iter().all(|users| *users == 0));
        assert!(users[1024..].iter().all(|users| *users == 1));
    }

    #[test]
    fn the_shares_are_nearly_equal() {
        assert_eq!(ports(None, 0, 1).count(), 64_512);
        assert_eq!(ports(Some(15), 0, 1).count(), 4032);
        for index in 0..4 {
            assert!((15_900..16_400).contains(&ports(None, index, 4).count()));
        }
    }
}
