//! What protocol modules have counted.

use std::collections::BTreeMap;

use module_kit::{Group, Protocol};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// The groups in which modules count the errors of both servers, by code.
const TEST_ERRORS: &str = "server_errors";
const ONLINE_ERRORS: &str = "online_errors";

/// How often both servers have answered with one error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Errors<'a> {
    /// The error's code.
    #[serde(skip)]
    pub(super) code: &'a str,
    /// The online server's answers with it.
    pub(super) online: u64,
    /// The test server's.
    pub(super) test: u64,
}

/// The account of one protocol; its serialised form is its groups by name, each its counters by name, and `errors`: those
/// of both servers, by code.
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

    /// The errors of both servers, most frequent first.
    pub(super) fn errors(&self) -> Vec<Errors<'_>> {
        let counted = |name| {
            self.groups.iter().filter(move |group| group.name == name).flat_map(|group| &group.counters)
        };
        let mut by_code: BTreeMap<&str, Errors<'_>> = BTreeMap::new();
        let mut add = |code, online, test| {
            let errors = by_code.entry(code).or_insert(Errors { code, online: 0, test: 0 });
            errors.online += online;
            errors.test += test;
        };
        counted(ONLINE_ERRORS).for_each(|(code, count)| add(&**code, *count, 0));
        counted(TEST_ERRORS).for_each(|(code, count)| add(&**code, 0, *count));
        let mut errors: Vec<_> = by_code.into_values().collect();
        errors.sort_by_key(|errors| std::cmp::Reverse(errors.online.max(errors.test)));
        errors
    }

    /// The groups but for those of errors.
    pub(super) fn others(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| ![TEST_ERRORS, ONLINE_ERRORS].contains(&group.name))
    }

    /// All of them, by name.
    pub(super) fn by_name<S: Serializer>(all: &[Self], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(all.iter().map(|account| (account.name, account)))
    }
}

impl Serialize for ProtocolAccount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for group in &self.groups {
            map.serialize_entry(group.name, &Counters(group))?;
        }
        let errors = self.errors();
        if !errors.is_empty() {
            map.serialize_entry("errors", &ByCode(&errors))?;
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

struct ByCode<'a>(&'a [Errors<'a>]);

impl Serialize for ByCode<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|errors| (errors.code, errors)))
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
    #[test]
    fn errors_of_both_servers_stand_side_by_side() {
        let test = Group { name: TEST_ERRORS, counters: vec![("1146".into(), 9), ("1062".into(), 1)] };
        let online = Group { name: ONLINE_ERRORS, counters: vec![("1205".into(), 3), ("1062".into(), 2)] };
        let account = ProtocolAccount { name: "mysql", groups: vec![test, online] };
        let errors = account.errors().into_iter().map(|errors| (errors.code, errors.online, errors.test));
        assert_eq!(errors.collect::<Vec<_>>(), [("1146", 0, 9), ("1205", 3, 0), ("1062", 2, 1)]);
        let json = serde_json::to_value(&account).unwrap();
        assert_eq!(json["errors"]["1062"], serde_json::json!({"online": 2, "test": 1}));
        assert_eq!(account.others().count(), 0);
    }
}
