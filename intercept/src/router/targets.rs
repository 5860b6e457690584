//! The servers whose answers are wanted.

use std::collections::{BTreeSet, HashMap};

use common::control::RefuseReason;
use common::flow::Endpoint;

use super::LinkId;

/// The targets that each link has announced.
#[derive(Default)]
pub(super) struct Targets {
    by_link: HashMap<LinkId, BTreeSet<Endpoint>>,
    /// Those of all links together.
    all: BTreeSet<Endpoint>,
    version: u64,
}

impl Targets {
    /// Adds a target.
    ///
    /// # Errors
    /// The link has announced `limit` others.
    pub(super) fn add(&mut self, link: LinkId, target: Endpoint, limit: usize) -> Result<(), RefuseReason> {
        let own = self.by_link.entry(link).or_default();
        if own.len() >= limit && !own.contains(&target) {
            return Err(RefuseReason::TooManyRoutes);
        }
        own.insert(target);
        self.version += u64::from(self.all.insert(target));
        Ok(())
    }

    pub(super) fn close(&mut self, link: LinkId) {
        if self.by_link.remove(&link).is_none() {
            return;
        }
        let left: BTreeSet<_> = self.by_link.values().flatten().copied().collect();
        self.version += u64::from(left != self.all);
        self.all = left;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Endpoint> + '_ {
        self.all.iter().copied()
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }
}
