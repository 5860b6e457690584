//! Endpoints that peers have announced: their targets, and the services whose clients they copy.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use common_core::control::RefuseReason;
use common_core::flow::Endpoint;

use super::PeerId;
use crate::host_quota::{Host, HostQuota};

/// The endpoints of one kind that each peer has announced.
pub(super) struct Announced {
    by_peer: HashMap<PeerId, (Host, BTreeSet<Endpoint>)>,
    /// Those of all peers, and how many peers have announced each.
    all: BTreeMap<Endpoint, usize>,
    /// One that several peers announce counts for each.
    quota: HostQuota,
    max_per_peer: usize,
    version: u64,
}

impl Announced {
    /// A table with these limits of the endpoints of one peer and of all.
    pub(super) fn new(max_per_peer: usize, max: usize) -> Self {
        let (by_peer, all) = (HashMap::new(), BTreeMap::new());
        Self { by_peer, all, quota: HostQuota::new(max), max_per_peer, version: 0 }
    }

    /// Adds an endpoint of a peer on `host`.
    ///
    /// # Errors
    /// The peer, its host or all hosts have reached their limit.
    pub(super) fn add(&mut self, peer: PeerId, host: Host, endpoint: Endpoint) -> Result<(), RefuseReason> {
        let (_, own) = self.by_peer.entry(peer).or_insert_with(|| (host, BTreeSet::new()));
        if own.contains(&endpoint) {
            return Ok(());
        }
        if own.len() >= self.max_per_peer || !self.quota.take(host) {
            return Err(RefuseReason::TooManyRoutes);
        }
        own.insert(endpoint);
        let peers = self.all.entry(endpoint).or_insert(0);
        self.version += u64::from(*peers == 0);
        *peers += 1;
        Ok(())
    }

    pub(super) fn close(&mut self, peer: PeerId) {
        let Some((host, endpoints)) = self.by_peer.remove(&peer) else { return };
        for endpoint in endpoints {
            self.quota.give_back(host);
            let Entry::Occupied(mut peers) = self.all.entry(endpoint) else { continue };
            *peers.get_mut() -= 1;
            if *peers.get() == 0 {
                peers.remove();
                self.version += 1;
            }
        }
    }

    /// What the peer has announced.
    pub(super) fn of(&self, peer: PeerId) -> impl Iterator<Item = Endpoint> + '_ {
        self.by_peer.get(&peer).into_iter().flat_map(|(_, endpoints)| endpoints.iter().copied())
    }

    /// Whether the peer has announced this.
    pub(super) fn is_of(&self, peer: PeerId, endpoint: &Endpoint) -> bool {
        self.by_peer.get(&peer).is_some_and(|(_, endpoints)| endpoints.contains(endpoint))
    }

    /// The peers that have announced this.
    pub(super) fn peers_with(&self, endpoint: &Endpoint) -> impl Iterator<Item = PeerId> {
        self.by_peer.iter().filter(|(_, (_, endpoints))| endpoints.contains(endpoint)).map(|(peer, _)| *peer)
    }

    /// How many peers of the host have announced this.
    pub(super) fn count_of_host(&self, host: Host, endpoint: &Endpoint) -> usize {
        let is_there =
            |(at, endpoints): &&(Host, BTreeSet<Endpoint>)| *at == host && endpoints.contains(endpoint);
        self.by_peer.values().filter(is_there).count()
    }

    pub(super) fn contains(&self, endpoint: &Endpoint) -> bool {
        self.all.contains_key(endpoint)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Endpoint> + '_ {
        self.all.keys().copied()
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }
}
