//! The servers whose answers are wanted.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use common_core::control::RefuseReason;
use common_core::flow::Endpoint;

use super::PeerId;
use crate::shares::{Host, Shares};

/// The targets that each link has announced.
pub(super) struct Targets {
    by_link: HashMap<PeerId, (Host, BTreeSet<Endpoint>)>,
    /// Those of all links together, and how many links have announced each.
    all: BTreeMap<Endpoint, usize>,
    /// What is announced, each time that it is.
    announced: Shares,
    max_per_link: usize,
    version: u64,
}

impl Targets {
    /// At most so many of one link, and so many of all.
    pub(super) fn new(max_per_link: usize, max: usize) -> Self {
        let (by_link, all) = (HashMap::new(), BTreeMap::new());
        Self { by_link, all, announced: Shares::new(max), max_per_link, version: 0 }
    }

    /// Adds a target of a link from this host.
    ///
    /// # Errors
    /// The link, its host or all of them have announced as many others as they may.
    pub(super) fn add(&mut self, link: PeerId, host: Host, target: Endpoint) -> Result<(), RefuseReason> {
        let (_, own) = self.by_link.entry(link).or_insert_with(|| (host, BTreeSet::new()));
        if own.contains(&target) {
            return Ok(());
        }
        if own.len() >= self.max_per_link || !self.announced.take(host) {
            return Err(RefuseReason::TooManyRoutes);
        }
        own.insert(target);
        let links = self.all.entry(target).or_insert(0);
        self.version += u64::from(*links == 0);
        *links += 1;
        Ok(())
    }

    pub(super) fn close(&mut self, link: PeerId) {
        let Some((host, targets)) = self.by_link.remove(&link) else { return };
        for target in targets {
            self.announced.give_back(host);
            let Entry::Occupied(mut links) = self.all.entry(target) else { continue };
            *links.get_mut() -= 1;
            if *links.get() == 0 {
                links.remove();
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
