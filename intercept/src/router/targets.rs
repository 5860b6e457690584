//! The servers whose answers are wanted.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use common_core::control::RefuseReason;
use common_core::flow::Endpoint;

use super::PeerId;
use crate::host_quota::{Host, HostQuota};

/// The targets that each peer has announced.
pub(super) struct Targets {
    by_peer: HashMap<PeerId, (Host, BTreeSet<Endpoint>)>,
    /// The targets of all peers, and how many peers have announced each.
    all: BTreeMap<Endpoint, usize>,
    /// Announced targets. One that several peers announce counts for each.
    announced: HostQuota,
    max_per_peer: usize,
    version: u64,
}

impl Targets {
    /// A table with these limits of the targets of one peer and of all.
    pub(super) fn new(max_per_peer: usize, max: usize) -> Self {
        let (by_peer, all) = (HashMap::new(), BTreeMap::new());
        Self { by_peer, all, announced: HostQuota::new(max), max_per_peer, version: 0 }
    }

    /// Adds a target of a peer on `host`.
    ///
    /// # Errors
    /// The peer, its host or all hosts have reached their limit.
    pub(super) fn add(&mut self, peer: PeerId, host: Host, target: Endpoint) -> Result<(), RefuseReason> {
        let (_, own) = self.by_peer.entry(peer).or_insert_with(|| (host, BTreeSet::new()));
        if own.contains(&target) {
            return Ok(());
        }
        if own.len() >= self.max_per_peer || !self.announced.take(host) {
            return Err(RefuseReason::TooManyRoutes);
        }
        own.insert(target);
        let peers = self.all.entry(target).or_insert(0);
        self.version += u64::from(*peers == 0);
        *peers += 1;
        Ok(())
    }

    pub(super) fn close(&mut self, peer: PeerId) {
        let Some((host, targets)) = self.by_peer.remove(&peer) else { return };
        for target in targets {
            self.announced.give_back(host);
            let Entry::Occupied(mut peers) = self.all.entry(target) else { continue };
            *peers.get_mut() -= 1;
            if *peers.get() == 0 {
                peers.remove();
                self.version += 1;
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Endpoint> + '_ {
        self.all.keys().copied()
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }
}
