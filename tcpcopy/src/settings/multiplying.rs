//! How often each session is copied, and from which client addresses.

use super::AddressPool;

/// How clients become copies. By default each is copied once, from its own address and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multiplying {
    /// Copies of each session, at least 1 (`-n`).
    pub copies: u16,
    /// The addresses of all copies (`-c`); if empty, those of their clients.
    pub addresses: AddressPool,
    /// The addresses of copies whose clients have loopback addresses (`-H`); if empty, those of all others.
    pub loopback: AddressPool,
    /// This instance's share of the ports (`-f`).
    pub instance: Option<Instance>,
    /// This worker's share of the ports.
    pub worker: WorkerShare,
}

impl Default for Multiplying {
    fn default() -> Self {
        Self {
            copies: 1,
            addresses: AddressPool::default(),
            loopback: AddressPool::default(),
            instance: None,
            worker: WorkerShare { index: 0, count: 1 },
        }
    }
}

impl Multiplying {
    /// Copies may need other addresses or ports than their clients have.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        let addresses = [&self.addresses, &self.loopback];
        self.copies > 1 || self.instance.is_some() || addresses.iter().any(|pool| !pool.is_empty())
    }
}

/// A worker, of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerShare {
    /// Less than `count`.
    pub index: u16,
    /// At least 1.
    pub count: u16,
}

/// One of several instances of tcpcopy whose copies go to the same test server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance(u8);

impl Instance {
    /// The most instances. Each has as many ports of an address as the others.
    pub const COUNT: u8 = 16;

    /// The instance of this number; `None` from [`Self::COUNT`] on.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        (number < Self::COUNT).then_some(Self(number))
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}
