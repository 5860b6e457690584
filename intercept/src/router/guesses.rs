//! Bounds what guessing can gain: how often a host may name numbers in vain.
//!
//! A guess has a chance, which is counted in points of 1 / 2^32 ([`common_core::control::Proof::points`]). The sum of the points
//! in a period is an upper bound of the chance that one of them was right. A tcpcopy has few: the answer to a SYN costs a point
//! if it is another's, and an announcement of an open connection is refuted only if its numbers are far from the truth.

use std::collections::HashMap;
use std::time::Duration;

use common_core::time::Time;

use crate::host_quota::Host;

/// Guesses are counted for this long.
const PERIOD: Duration = Duration::from_secs(60);

/// The points of a host in a period whose routes are mostly refuted: a chance of one in 131 072 that one guess was right. It is cut
/// off for a minute then, so who does nothing but guess is right once in a quarter of a year.
const POINTS_OF_GUESSER: u32 = 1 << 15;

/// The same of a host with as many proved routes, as of two tcpcopies that copy the same clients. A guesser that opens as many
/// connections of its own has as much: a chance of one in 4096, so it is right once in three days.
const POINTS_MAX: u32 = 1 << 20;

/// A host with more refuted routes than this in a period, and more than proved ones, is named, as is one with more than
/// [`POINTS_OF_GUESSER`].
const SUSPICIOUS: u32 = 64;

/// Hosts that are counted; of more, the guesses are counted for all together.
const HOSTS_MAX: usize = 1024;

/// The guesses of one host.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    refuted: u32,
    points: u32,
    proved: u32,
    is_named: bool,
}

/// A host that has announced routes of connections that are not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guesser {
    /// The host.
    pub host: Host,
    /// Its routes that answers have refuted in this minute so far.
    pub refuted: u32,
}

/// The guesses of all hosts.
#[derive(Debug)]
pub(super) struct Guesses {
    by_host: HashMap<Host, Count>,
    others: Count,
    until: Time,
    /// Hosts that are to be named, each once in a period.
    named: Vec<Guesser>,
}

impl Guesses {
    pub(super) fn new() -> Self {
        Self { by_host: HashMap::new(), others: Count::default(), until: Time::ZERO, named: Vec::new() }
    }

    /// A route of `host` that named `points` numbers was refuted.
    pub(super) fn refuted(&mut self, now: Time, host: Host, points: u32) {
        let count = self.count(now, host);
        count.points = count.points.saturating_add(points);
        count.refuted = count.refuted.saturating_add(1);
        if (count.is_suspicious() || count.points > POINTS_OF_GUESSER) && !count.is_named {
            count.is_named = true;
            let refuted = count.refuted;
            self.named.push(Guesser { host, refuted });
        }
    }

    /// A route of `host` was proved.
    pub(super) fn proved(&mut self, now: Time, host: Host) {
        let count = self.count(now, host);
        count.proved = count.proved.saturating_add(1);
    }

    /// The host has guessed more than any tcpcopy does.
    pub(super) fn are_too_many(&self, host: Host) -> bool {
        let count = self.by_host.get(&host).unwrap_or(&self.others);
        count.points > if count.is_suspicious() { POINTS_OF_GUESSER } else { POINTS_MAX }
    }

    /// The hosts that are to be named, because their routes were mostly refuted.
    pub(super) fn take_named(&mut self) -> Vec<Guesser> {
        std::mem::take(&mut self.named)
    }

    fn count(&mut self, now: Time, host: Host) -> &mut Count {
        self.begin_period(now);
        if self.by_host.len() >= HOSTS_MAX && !self.by_host.contains_key(&host) {
            return &mut self.others;
        }
        self.by_host.entry(host).or_default()
    }

    fn begin_period(&mut self, now: Time) {
        if now < self.until {
            return;
        }
        self.until = now + PERIOD;
        self.others = Count::default();
        self.by_host.clear();
    }
}

impl Count {
    fn is_suspicious(&self) -> bool {
        self.refuted > SUSPICIOUS && self.refuted > self.proved
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn host(number: u32) -> Host {
        IpAddr::from(number.to_be_bytes()).into()
    }

    #[test]
    fn a_host_may_guess_for_a_while_and_again_a_minute_later() {
        let mut guesses = Guesses::new();
        for _ in 0..POINTS_OF_GUESSER / 8 {
            guesses.refuted(Time::ZERO, host(1), 8);
        }
        assert!(!guesses.are_too_many(host(1)));
        guesses.refuted(Time::ZERO, host(1), 1);
        assert!(guesses.are_too_many(host(1)) && !guesses.are_too_many(host(2)));
        guesses.refuted(Time::ZERO + PERIOD, host(1), 1);
        assert!(!guesses.are_too_many(host(1)));
    }

    #[test]
    fn who_copies_the_same_clients_as_another_is_not_taken_for_a_guesser() {
        let mut guesses = Guesses::new();
        for _ in 0..POINTS_MAX {
            guesses.proved(Time::ZERO, host(1));
            guesses.refuted(Time::ZERO, host(1), 1);
        }
        assert!(!guesses.are_too_many(host(1)));
        guesses.refuted(Time::ZERO, host(1), 1);
        assert!(guesses.are_too_many(host(1)));
    }

    #[test]
    fn who_mostly_guesses_is_named_once_a_minute() {
        let mut guesses = Guesses::new();
        for minute in 0..2 {
            let now = Time::ZERO + PERIOD * minute;
            for _ in 0..3 * SUSPICIOUS {
                guesses.proved(now, host(2));
                guesses.refuted(now, host(2), 1);
                guesses.refuted(now, host(1), 1);
            }
            assert_eq!(guesses.take_named(), [Guesser { host: host(1), refuted: SUSPICIOUS + 1 }]);
        }
        assert_eq!(guesses.take_named(), []);
    }

    #[test]
    fn who_guesses_beside_connections_of_its_own_is_named() {
        let mut guesses = Guesses::new();
        for number in 0..=POINTS_OF_GUESSER / 8 {
            assert_eq!(guesses.take_named(), []);
            for _ in 0..2 {
                guesses.proved(Time::ZERO, host(1));
            }
            guesses.refuted(Time::ZERO, host(1), 8);
            assert_eq!(guesses.named.is_empty(), number < POINTS_OF_GUESSER / 8);
        }
        assert!(!guesses.are_too_many(host(1)));
    }

    #[test]
    fn hosts_without_end_take_no_memory() {
        let mut guesses = Guesses::new();
        for number in 0..5000 {
            guesses.refuted(Time::ZERO, host(number), POINTS_MAX / 1000);
        }
        assert_eq!(guesses.by_host.len(), HOSTS_MAX);
        assert!(guesses.are_too_many(host(4999)) && !guesses.are_too_many(host(1)));
    }
}
