//! Copies of another tcpcopy that reach a service of this one: they are not copied again.

use std::hash::BuildHasher;
use std::time::Duration;

use common_core::flow::{Endpoint, Flow};
use common_core::log_limiter::{Limits, LogLimiter};
use common_core::time::Time;
use foldhash::fast::RandomState;

const LIMITS: Limits = Limits { lines: 1, period: Duration::from_secs(60), keys: 64 };

/// Flows that are remembered; a newer one takes the place of an older one.
const PLACES: usize = 1 << 16;

/// The flows whose SYN had the mark of copies.
pub(super) struct Copies {
    hasher: RandomState,
    /// Hashes of flows, zero for none. Empty until the first copy comes.
    places: Vec<u64>,
    log: LogLimiter<Endpoint>,
}

impl Default for Copies {
    fn default() -> Self {
        Self { hasher: RandomState::default(), places: Vec::new(), log: LogLimiter::new(LIMITS) }
    }
}

impl Copies {
    /// A copy opens a connection to the online service at `online`.
    pub(super) fn note(&mut self, now: Time, flow: &Flow, online: Endpoint) {
        if self.places.is_empty() {
            self.places = vec![0; PLACES];
        }
        let hash = self.hash(flow);
        self.places[hash as usize % PLACES] = hash;
        if self.log.admit(now, online).is_some() {
            log::warn!(
                "another tcpcopy copies to {online}, whose clients are copied here: its copies are not copied again, but reach \
                 production; stop it, or give it another target (one of them is from {})",
                flow.client
            );
        }
    }

    /// The flow is a copy's.
    pub(super) fn contain(&self, flow: &Flow) -> bool {
        if self.places.is_empty() {
            return false;
        }
        let hash = self.hash(flow);
        self.places[hash as usize % PLACES] == hash
    }

    /// A client opens a connection.
    pub(super) fn forget(&mut self, flow: &Flow) {
        if self.contain(flow) {
            let hash = self.hash(flow);
            self.places[hash as usize % PLACES] = 0;
        }
    }

    fn hash(&self, flow: &Flow) -> u64 {
        self.hasher.hash_one(flow).max(1)
    }
}
