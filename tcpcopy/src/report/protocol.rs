//! What protocol modules have counted.

use common::module::{Group, Protocol};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// The account of one protocol; its serialised form is its groups by name, each its counters by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolAccount {
    /// The protocol's name.
    pub name: &'static str,
    /// Its counters, none of them zero.
    pub groups: Vec<Group>,
}

impl ProtocolAccount {
    /// What the protocol has counted so far.
    #[must_use]
    pub fn of(protocol: &dyn Protocol) -> Self {
        Self { name: protocol.name(), groups: protocol.report().groups }
    }

    /// All of them, by name.
    pub(super) fn by_name<S: Serializer>(all: &[Self], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(all.iter().map(|account| (account.name, account)))
    }
}

impl Serialize for ProtocolAccount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.groups.len()))?;
        for group in &self.groups {
            map.serialize_entry(group.name, &Counters(group))?;
        }
        map.end()
    }
}

struct Counters<'a>(&'a Group);

impl Serialize for Counters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.counters.iter().map(|(name, count)| (&**name, count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_protocol_group_and_name() {
        let group = Group { name: "commands", counters: vec![("query".into(), 7), ("quit".into(), 1)] };
        let account = ProtocolAccount { name: "mysql", groups: vec![group] };
        let json = serde_json::to_value(&account).unwrap();
        assert_eq!(json, serde_json::json!({"commands": {"query": 7, "quit": 1}}));
    }
}
