//! Counters of protocol modules.

use std::collections::BTreeMap;

use module_kit::{Group, Protocol};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// The groups in which modules count the errors of both servers, by code.
const TEST_ERRORS: &str = "server_errors";
const ONLINE_ERRORS: &str = "online_errors";

/// How many times each server answered with an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Errors<'a> {
    /// The error's code.
    #[serde(skip)]
    pub(super) code: &'a str,
    /// Answers of the online server with this error.
    pub(super) online: u64,
    /// Answers of the test server with this error.
    pub(super) test: u64,
}

/// Counters of one protocol. The serialised form is a map of groups, each a map of counters, and `errors`: the errors of
/// both servers by code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolStats {
    /// The protocol's name.
    pub name: &'static str,
    /// The counters that are not zero.
    pub groups: Vec<Group>,
}

impl ProtocolStats {
    /// The current counters of `protocol`.
    #[must_use]
    pub fn of(protocol: &dyn Protocol) -> Self {
        Self { name: protocol.name(), groups: protocol.report().groups }
    }

    /// The counter of this name, in a group.
    pub(super) fn count(&self, group: &str, name: &str) -> u64 {
        self.counters(group).filter(|(counter, _)| *counter == name).map(|(_, count)| count).sum()
    }

    /// The counters of a group.
    pub(super) fn counters<'a>(&'a self, group: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        let groups = self.groups.iter().filter(move |it| it.name == group);
        groups.flat_map(|group| &group.counters).map(|(name, count)| (&**name, *count))
    }

    /// The errors of both servers: those first whose counts differ most, then the most frequent ones.
    pub(super) fn errors(&self) -> Vec<Errors<'_>> {
        let mut by_code: BTreeMap<&str, Errors<'_>> = BTreeMap::new();
        let mut add = |code, online, test| {
            let errors = by_code.entry(code).or_insert(Errors { code, online: 0, test: 0 });
            errors.online += online;
            errors.test += test;
        };
        self.counters(ONLINE_ERRORS).for_each(|(code, count)| add(code, count, 0));
        self.counters(TEST_ERRORS).for_each(|(code, count)| add(code, 0, count));
        let mut errors: Vec<_> = by_code.into_values().collect();
        errors.sort_by_key(|errors| {
            std::cmp::Reverse((errors.online.abs_diff(errors.test), errors.online.max(errors.test)))
        });
        errors
    }

    /// All groups except those of errors.
    pub(super) fn others(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| ![TEST_ERRORS, ONLINE_ERRORS].contains(&group.name))
    }
}

impl Serialize for ProtocolStats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for group in &self.groups {
            let counters: BTreeMap<&str, u64> =
                group.counters.iter().map(|(name, count)| (&**name, *count)).collect();
            map.serialize_entry(group.name, &counters)?;
        }
        let errors: BTreeMap<&str, Errors<'_>> =
            self.errors().into_iter().map(|errors| (errors.code, errors)).collect();
        if !errors.is_empty() {
            map.serialize_entry("errors", &errors)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_protocol_group_and_name() {
        let group = Group { name: "commands", counters: vec![("query".into(), 7), ("quit".into(), 1)] };
        let stats = ProtocolStats { name: "mysql", groups: vec![group] };
        let json = serde_json::to_value(&stats).unwrap();
        assert_eq!(json, serde_json::json!({"commands": {"query": 7, "quit": 1}}));
    }
    #[test]
    fn errors_of_both_servers_stand_side_by_side() {
        let test = Group { name: TEST_ERRORS, counters: vec![("1146".into(), 9), ("1062".into(), 1)] };
        let online = Group { name: ONLINE_ERRORS, counters: vec![("1205".into(), 3), ("1062".into(), 2)] };
        let stats = ProtocolStats { name: "mysql", groups: vec![test, online] };
        let errors = stats.errors().into_iter().map(|errors| (errors.code, errors.online, errors.test));
        assert_eq!(errors.collect::<Vec<_>>(), [("1146", 0, 9), ("1205", 3, 0), ("1062", 2, 1)]);
        let json = serde_json::to_value(&stats).unwrap();
        assert_eq!(json["errors"]["1062"], serde_json::json!({"online": 2, "test": 1}));
        assert_eq!(stats.others().count(), 0);
        assert_eq!((stats.count(TEST_ERRORS, "1146"), stats.count(ONLINE_ERRORS, "1146")), (9, 0));
    }
}
