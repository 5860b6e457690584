//! The table of flows: by four-tuple for captured segments, by flow id for those of intercept.

use std::hash::BuildHasher;

use common_core::control::FlowId;
use common_core::flow::Flow;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::engine::slot::Slot;

/// Bits of a [`FlowId`] for the place in the table. The other bits tell its users apart, so that a late answer does not
/// go to the next flow. The limit of live flows follows: about four million.
const INDEX_BITS: u32 = 22;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

struct Entry {
    /// Counts the users of this place.
    generation: u32,
    slot: Option<Slot>,
}

/// Slots at stable indices.
#[derive(Default)]
pub(super) struct Table {
    /// The indices of the slots, found by their flows. The flow is in the slot only.
    by_flow: HashTable<u32>,
    /// Asked for every packet, with addresses that anybody can send: a fast hash with a secret key.
    hasher: RandomState,
    entries: Vec<Entry>,
    free: Vec<u32>,
}

impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.by_flow.is_empty()
    }

    /// Slots in use.
    pub(super) fn len(&self) -> usize {
        self.by_flow.len()
    }

    #[inline]
    pub(super) fn find(&self, flow: &Flow) -> Option<u32> {
        let entries = &self.entries;
        self.by_flow.find(self.hasher.hash_one(flow), |index| is_of(entries, *index, flow)).copied()
    }

    pub(super) fn find_id(&self, id: FlowId) -> Option<u32> {
        let index = id.0 & INDEX_MASK;
        let slot = self.entries.get(index as usize)?.slot.as_ref()?;
        (slot.id == id).then_some(index)
    }

    pub(super) fn slot(&mut self, index: u32) -> Option<&mut Slot> {
        self.entries.get_mut(index as usize)?.slot.as_mut()
    }

    /// Adds the slot that `make` makes for a new id; `None` if the table is full.
    pub(super) fn insert(&mut self, make: impl FnOnce(FlowId) -> Slot) -> Option<u32> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.entries.len() <= INDEX_MASK as usize => {
                self.entries.push(Entry { generation: 0, slot: None });
                u32::try_from(self.entries.len() - 1).ok()?
            }
            None => return None,
        };
        let entry = self.entries.get_mut(index as usize)?;
        entry.generation = entry.generation.wrapping_add(1);
        let id = FlowId(index | entry.generation << INDEX_BITS);
        let slot = make(id);
        let hash = self.hasher.hash_one(slot.flow);
        entry.slot = Some(slot);
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.by_flow.insert_unique(hash, index, |index| hash_of(entries, hasher, *index));
        Some(index)
    }

    pub(super) fn remove(&mut self, index: u32) {
        if let Some(slot) = self.entries.get_mut(index as usize).and_then(|entry| entry.slot.take()) {
            let hash = self.hasher.hash_one(slot.flow);
            if let Ok(found) = self.by_flow.find_entry(hash, |found| *found == index) {
                found.remove();
            }
            self.free.push(index);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.entries.iter().filter_map(|entry| entry.slot.as_ref())
    }

    /// The indices of all slots, for work that may remove some.
    pub(super) fn indices(&self) -> Vec<u32> {
        (0_u32..)
            .zip(&self.entries)
            .filter(|(_, entry)| entry.slot.is_some())
            .map(|(index, _)| index)
            .collect()
    }
}

fn is_of(entries: &[Entry], index: u32, flow: &Flow) -> bool {
    entries.get(index as usize).and_then(|entry| entry.slot.as_ref()).is_some_and(|slot| slot.flow == *flow)
}

fn hash_of(entries: &[Entry], hasher: &RandomState, index: u32) -> u64 {
    let slot = entries.get(index as usize).and_then(|entry| entry.slot.as_ref());
    slot.map_or(0, |slot| hasher.hash_one(slot.flow))
}
