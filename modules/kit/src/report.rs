//! The counters of a protocol, as the user sees them.

use std::borrow::Cow;

/// The counters of a protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order of the report. Names are lower case, with underscores.
    pub groups: Vec<Group>,
}

/// Counters of one kind: logins by outcome, commands by name, errors of the test server by code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: &'static str,
    /// At most [`Group::COUNTERS_MAX`], in the order of the report.
    pub counters: Vec<(Cow<'static, str>, u64)>,
}

impl Group {
    /// Counters beyond this number are added up as `other`.
    pub const COUNTERS_MAX: usize = 64;
}

impl Report {
    /// Adds a group of the counters that are not zero, unless all are.
    pub fn group<N: Into<Cow<'static, str>>>(
        &mut self,
        name: &'static str,
        counters: impl IntoIterator<Item = (N, u64)>,
    ) {
        let counted = counters.into_iter().filter(|(_, count)| *count > 0);
        let mut counters: Vec<_> = counted.map(|(name, count)| (name.into(), count)).collect();
        if counters.len() > Group::COUNTERS_MAX {
            let other = counters.drain(Group::COUNTERS_MAX - 1..).map(|(_, count)| count).sum();
            counters.push(("other".into(), other));
        }
        if !counters.is_empty() {
            self.groups.push(Group { name, counters });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_bounded_and_loses_nothing() {
        let mut report = Report::default();
        report.group("none", [("zero", 0)]);
        report.group("errors", (0..1000).map(|code| (code.to_string(), 2)));
        let [errors] = &report.groups[..] else { panic!("one group is expected: {report:?}") };
        assert_eq!(errors.counters.len(), Group::COUNTERS_MAX);
        assert_eq!(errors.counters.iter().map(|(_, count)| count).sum::<u64>(), 2000);
        assert_eq!(errors.counters.last(), Some(&("other".into(), 2000 - 2 * 63)));
    }
}
