//! Which sessions are copied: whole ones, by a hash of their clients, and no more in a second than wanted.

use std::hash::BuildHasher;
use std::num::NonZeroU32;
use std::time::Duration;

use common_core::flow::{Endpoint, Flow};
use common_core::time::Time;
use foldhash::fast::RandomState;

use super::hash::share_of;
use crate::ledger::DropReason;
use crate::settings::Shaping;

/// Sessions beyond a limit that are remembered, so that their later segments are not copied either; a newer one takes the
/// place of an older one.
const PLACES: usize = 1 << 18;

/// Why they are left out.
const RATE_LIMIT: u64 = 0;
const NO_FREE_PORT: u64 = 1;

/// See the module's description.
pub(super) struct Selection {
    shaping: Shaping,
    begins: Time,
    tokens: Tokens,
    hasher: RandomState,
    /// Hashes of clients' connections with the reason in the lowest bit, zero for none. Empty until the first one is turned away.
    beyond: Vec<u64>,
}

impl Selection {
    /// `now` is when the capture begins.
    pub(super) fn new(shaping: Shaping, workers: u16, now: Time) -> Self {
        let rate = shaping.sessions_a_second.map_or(0, NonZeroU32::get);
        let tokens = Tokens::new(f64::from(rate) / f64::from(workers.max(1)), now);
        Self { shaping, begins: now, tokens, hasher: RandomState::default(), beyond: Vec::new() }
    }

    /// The capture begins only now.
    pub(super) fn begin(&mut self, now: Time) {
        self.begins = now;
        self.tokens = Tokens::new(self.tokens.rate, now);
    }

    /// Why a connection without a session is not copied; `None` if it is.
    pub(super) fn refusal(&mut self, now: Time, flow: &Flow, opens: bool) -> Option<DropReason> {
        if !self.is_in_share(now, flow.client) {
            return Some(DropReason::NotChosen);
        }
        if opens { None } else { self.left_out(flow) }
    }

    /// A session begins; false if it is beyond the limit.
    pub(super) fn admit(&mut self, now: Time, flow: &Flow) -> bool {
        let admitted = self.shaping.sessions_a_second.is_none() || self.tokens.take(now);
        if admitted {
            self.forget(flow);
        } else {
            self.leave_out(flow, RATE_LIMIT);
        }
        admitted
    }

    /// No port is free for the session that begins.
    pub(super) fn lacks_port(&mut self, flow: &Flow) {
        self.leave_out(flow, NO_FREE_PORT);
    }

    fn is_in_share(&self, now: Time, client: Endpoint) -> bool {
        let Shaping { percent, step, .. } = self.shaping;
        let hundredth = f64::from(u32::MAX) / 100.0;
        let percent = match step {
            Some(step) => {
                let grown =
                    now.since(self.begins).as_secs_f64() / step.max(Duration::from_micros(1)).as_secs_f64();
                grown.min(f64::from(percent))
            }
            None if percent >= 100 => return true,
            None => f64::from(percent),
        };
        percent >= 100.0 || f64::from(share_of(client)) < percent * hundredth
    }

    fn left_out(&self, flow: &Flow) -> Option<DropReason> {
        if self.beyond.is_empty() {
            return None;
        }
        let hash = self.hash(flow);
        let noted = self.beyond[place(hash)];
        if noted == hash | NO_FREE_PORT {
            return Some(DropReason::NoFreePort);
        }
        (noted == hash | RATE_LIMIT).then_some(DropReason::RateLimit)
    }

    fn leave_out(&mut self, flow: &Flow, reason: u64) {
        if self.beyond.is_empty() {
            self.beyond = vec![0; PLACES];
        }
        let hash = self.hash(flow);
        self.beyond[place(hash)] = hash | reason;
    }

    fn forget(&mut self, flow: &Flow) {
        if self.left_out(flow).is_some() {
            let hash = self.hash(flow);
            self.beyond[place(hash)] = 0;
        }
    }

    /// Never zero; the lowest bit is left for the reason.
    fn hash(&self, flow: &Flow) -> u64 {
        (self.hasher.hash_one(flow) | 2) & !1
    }
}

/// Where a hash is remembered.
fn place(hash: u64) -> usize {
    (hash >> 32) as usize % PLACES
}

/// Permissions that come at a constant rate. Those of a tenth of a second may be saved up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens {
    /// In a second.
    rate: f64,
    left: f64,
    at: Time,
}

impl Tokens {
    pub(super) fn new(rate: f64, now: Time) -> Self {
        Self { rate, left: (rate / 10.0).max(1.0), at: now }
    }

    /// Takes one; false if there is none.
    pub(super) fn take(&mut self, now: Time) -> bool {
        let come = now.since(self.at).as_secs_f64() * self.rate;
        self.left = (self.left + come).min((self.rate / 10.0).max(1.0));
        self.at = self.at.max(now);
        let has_one = self.left >= 1.0;
        if has_one {
            self.left -= 1.0;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn flow(client: u32, port: u16) -> Flow {
        let server = Endpoint::new(Ipv4Addr::new(10, 0, 0, 2).into(), 80);
        Flow { client: Endpoint::new(Ipv4Addr::from_bits(client).into(), port), server }
    }

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    fn chosen(shaping: Shaping, now: Time, flows: impl Iterator<Item = Flow>) -> usize {
        let mut selection = Selection::new(shaping, 1, Time::ZERO);
        flows.filter(|flow| selection.refusal(now, flow, true).is_none()).count()
    }

    #[test]
    fn the_share_is_exact_for_few_ports_and_for_many_addresses() {
        for percent in [1, 30, 50, 99, 100] {
            let shaping = Shaping { percent, ..Shaping::default() };
            let one = chosen(shaping, at(0), (0..2000).map(|step| flow(1, 30_000 + 2 * step)));
            let expected = 20 * usize::from(percent);
            assert!(one.abs_diff(expected) <= 10, "{percent} %: {one} of 2000 ports");
            let many = chosen(shaping, at(0), (0..100_000).map(|client| flow(client, 40_000)));
            assert!(many.abs_diff(expected * 50) <= 500, "{percent} %: {many} of 100 000 addresses");
        }
    }

    #[test]
    fn a_session_is_chosen_in_each_run_or_never() {
        let shaping = Shaping { percent: 30, ..Shaping::default() };
        let (mut one, mut other) = (Selection::new(shaping, 1, at(0)), Selection::new(shaping, 4, at(5000)));
        for port in 1024..=u16::MAX {
            let flow = flow(7, port);
            assert_eq!(one.refusal(at(1), &flow, true), other.refusal(at(9000), &flow, false));
        }
    }

    #[test]
    fn the_ramp_grows_by_one_percent_a_second_up_to_the_share() {
        let shaping = Shaping { percent: 40, step: Some(Duration::from_secs(1)), ..Shaping::default() };
        for (seconds, percent) in [(0, 0), (1, 1), (10, 10), (39, 39), (40, 40), (100, 40)] {
            let flows = (0..10_000).map(|port| flow(1, 1024 + port));
            let count = chosen(shaping, at(seconds * 1000), flows);
            assert!(count.abs_diff(percent * 100) <= 50, "after {seconds} s {count} of 10 000");
        }
    }

    #[test]
    fn sessions_beyond_the_limit_are_left_out_whole() {
        let shaping = Shaping { sessions_a_second: NonZeroU32::new(100), ..Shaping::default() };
        let mut selection = Selection::new(shaping, 1, Time::ZERO);
        let (mut admitted, mut left_out) = (0, Vec::new());
        for millis in 0..10_000 {
            let flow = flow(millis as u32, 40_000);
            assert_eq!(selection.refusal(at(millis), &flow, true), None);
            if selection.admit(at(millis), &flow) { admitted += 1 } else { left_out.push(flow) }
        }
        assert!((1000..=1010).contains(&admitted), "{admitted} in 10 s");
        let forgotten =
            left_out.iter().filter(|flow| selection.refusal(at(10_000), flow, false).is_none()).count();
        assert!(forgotten < 300, "{forgotten} of {}", left_out.len());
        let without_port = flow(1, 50_000);
        selection.lacks_port(&without_port);
        assert_eq!(selection.refusal(at(10_000), &without_port, false), Some(DropReason::NoFreePort));
        // A new connection of the same client is judged anew.
        let last = left_out.last().unwrap();
        assert_eq!(selection.refusal(at(20_000), last, true), None);
        assert!(selection.admit(at(20_000), last));
        assert_eq!(selection.refusal(at(20_000), last, false), None);
    }
}
