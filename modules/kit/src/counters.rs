//! Counters that all sessions of a protocol share.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::report::{Group, Report};

/// Things that are counted: an enum without data, whose variants have names in the report.
pub trait Counted: Copy + 'static {
    /// The names of all variants, in their order.
    const NAMES: &'static [&'static str];

    /// The place of the variant among [`Counted::NAMES`], usually `self as usize`.
    fn index(self) -> usize;
}

/// A group of counters. Counting takes no lock.
#[derive(Debug)]
pub struct Counters<E> {
    counts: Box<[AtomicU64]>,
    of: std::marker::PhantomData<fn(E)>,
}

impl<E: Counted> Default for Counters<E> {
    fn default() -> Self {
        let counts = E::NAMES.iter().map(|_| AtomicU64::new(0)).collect();
        Self { counts, of: std::marker::PhantomData }
    }
}

impl<E: Counted> Counters<E> {
    /// Counts one more.
    pub fn count(&self, what: E) {
        self.add(what, 1);
    }

    /// Counts `times` more.
    pub fn add(&self, what: E, times: u64) {
        if times > 0
            && let Some(counter) = self.counts.get(what.index())
        {
            counter.fetch_add(times, Ordering::Relaxed);
        }
    }

    /// Adds the group to the report.
    pub fn report(&self, group: &'static str, report: &mut Report) {
        let counts = self.counts.iter().map(|counter| counter.load(Ordering::Relaxed));
        report.group(group, E::NAMES.iter().copied().zip(counts));
    }
}

/// Counters by code, for codes that come from outside: at most [`Group::COUNTERS_MAX`] of them, the others are counted
/// together. Counting takes a lock that is shared, but for the first of each code.
#[derive(Debug)]
pub struct Codes<K> {
    counts: RwLock<BTreeMap<K, AtomicU64>>,
    other: AtomicU64,
}

impl<K> Default for Codes<K> {
    fn default() -> Self {
        Self { counts: RwLock::default(), other: AtomicU64::new(0) }
    }
}

impl<K: Ord> Codes<K> {
    /// Counts one more of this code.
    pub fn count<Q: Ord + ToOwned<Owned = K> + ?Sized>(&self, code: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(counter) = self.counts.read().unwrap_or_else(PoisonError::into_inner).get(code) {
            counter.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut counts = self.counts.write().unwrap_or_else(PoisonError::into_inner);
        if counts.len() < Group::COUNTERS_MAX - 1 || counts.contains_key(code) {
            counts.entry(code.to_owned()).or_default().fetch_add(1, Ordering::Relaxed);
        } else {
            self.count_other();
        }
    }

    /// Counts one more that has no code.
    pub fn count_other(&self) {
        self.other.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds the group to the report, the most frequent codes first.
    pub fn report<N: Into<Cow<'static, str>>>(
        &self,
        group: &'static str,
        name: impl Fn(&K) -> N,
        report: &mut Report,
    ) {
        let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<(Cow<'static, str>, u64)> =
            counts.iter().map(|(code, count)| (name(code).into(), count.load(Ordering::Relaxed))).collect();
        list.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        list.push(("other".into(), self.other.load(Ordering::Relaxed)));
        report.group(group, list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    enum Event {
        Rare,
        Frequent,
    }

    impl Counted for Event {
        const NAMES: &'static [&'static str] = &["rare", "frequent"];

        fn index(self) -> usize {
            self as usize
        }
    }

    #[test]
    fn events_are_counted_by_name() {
        let counters = Counters::default();
        counters.count(Event::Frequent);
        counters.add(Event::Frequent, 2);
        let mut report = Report::default();
        counters.report("events", &mut report);
        assert_eq!(report.groups[0].counters, [("frequent".into(), 3)]);
        counters.count(Event::Rare);
        report.groups.clear();
        counters.report("events", &mut report);
        assert_eq!(report.groups[0].counters.len(), 2);
    }

    #[test]
    fn codes_are_bounded_and_none_is_lost() {
        let codes = Codes::<u16>::default();
        for code in 1..=200 {
            codes.count(&code);
            codes.count(&7);
        }
        codes.count_other();
        let mut report = Report::default();
        codes.report("errors", u16::to_string, &mut report);
        let counters = &report.groups[0].counters;
        assert_eq!((counters.len(), &counters[0]), (Group::COUNTERS_MAX, &("7".into(), 201)));
        assert_eq!(counters.iter().map(|(_, count)| count).sum::<u64>(), 401);
        let codes = Codes::<Vec<u8>>::default();
        codes.count(&b"WRONGTYPE"[..]);
    }
}
