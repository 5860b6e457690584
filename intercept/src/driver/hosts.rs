//! What intercept knows about the hosts of its peers: their account, whether they have copied before, what they ask for, and
//! whether they are kept out.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use common_core::time::Time;

use super::work::{Excess, Meter, Work};
use crate::router::Host;

/// How long a host that was cut off is kept out.
pub(super) const CUT_OFF: Duration = Duration::from_secs(60);

/// Hosts that are remembered. All others count as one host.
const MAX_HOSTS: usize = 1024;

/// Connections that a host may open in a second: the others are closed without a look at them. Each worker of a tcpcopy opens
/// one, again at most ten times a second.
const CONNECTS: u32 = 256;

/// All hosts that are remembered.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    by_host: HashMap<Host, HostState>,
    others: HostState,
}

/// What is known about one host.
#[derive(Debug, Default)]
pub(super) struct HostState {
    /// It has proved the key, or received answers and read them: it is not a stranger any more.
    known: bool,
    /// It is kept out until then.
    out_until: Option<Time>,
    meter: Meter,
    /// Connections opened in the current second.
    connects: u32,
    /// Its open connections.
    open: usize,
    pub(super) account: HostAccount,
}

/// What has happened with the connections of a host, those that are gone included.
#[derive(Debug, Default, Clone)]
pub(super) struct HostAccount {
    /// Connections accepted.
    pub(super) accepted: u64,
    /// Answers queued on connections that are gone.
    pub(super) answers: u64,
    /// Answers for which the queues of connections that are gone had no room.
    pub(super) overflowed: u64,
    /// How many times it was cut off.
    pub(super) cut_off: u64,
    /// Connections refused, by reason.
    pub(super) refused: BTreeMap<&'static str, u64>,
}

impl Hosts {
    /// The state of a host. Beyond the hosts that can be remembered it is that of all others together.
    pub(super) fn of(&mut self, now: Time, host: Host) -> &mut HostState {
        if self.by_host.len() >= MAX_HOSTS && !self.by_host.contains_key(&host) {
            self.by_host.retain(|_, state| state.known || state.open > 0 || state.is_cut_off(now));
            if self.by_host.len() >= MAX_HOSTS {
                return &mut self.others;
            }
        }
        self.by_host.entry(host).or_default()
    }

    /// The host has copied before, or proved the key.
    pub(super) fn knows(&self, host: Host) -> bool {
        self.by_host.get(&host).is_some_and(|state| state.known)
    }

    /// What the host asks for waits for the next second.
    pub(super) fn waits(&self, host: Host) -> bool {
        let state = self.by_host.get(&host).unwrap_or(&self.others);
        state.meter.is_exhausted(state.known)
    }

    /// A second is over.
    pub(super) fn tick(&mut self) {
        for state in self.by_host.values_mut().chain([&mut self.others]) {
            state.meter.tick(state.known);
            state.connects = 0;
        }
    }

    /// Each host that is remembered, in an order of its own.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Host, &HostState)> {
        self.by_host.iter().map(|(host, state)| (*host, state))
    }

    /// All hosts that are not remembered.
    pub(super) fn others(&self) -> &HostState {
        &self.others
    }
}

impl HostState {
    /// Keeps it out for a while. False if it is already.
    pub(super) fn cut_off(&mut self, now: Time) -> bool {
        let is_new = !self.is_cut_off(now);
        self.account.cut_off += u64::from(is_new);
        self.out_until = Some(now + CUT_OFF);
        self.meter = Meter::default();
        is_new
    }

    pub(super) fn is_cut_off(&self, now: Time) -> bool {
        self.out_until.is_some_and(|until| now < until)
    }

    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    pub(super) fn know(&mut self) {
        self.known = true;
    }

    /// It opens a connection; false if it has opened too many in this second.
    pub(super) fn connects(&mut self) -> bool {
        self.connects = self.connects.saturating_add(1);
        self.connects <= CONNECTS
    }

    pub(super) fn opened(&mut self) {
        self.open += 1;
        self.account.accepted += 1;
    }

    /// A connection is gone, on which so many answers were queued or had no room.
    pub(super) fn closed(&mut self, answers: u64, overflowed: u64) {
        self.open = self.open.saturating_sub(1);
        self.account.answers += answers;
        self.account.overflowed += overflowed;
    }

    pub(super) fn refused(&mut self, reason: &'static str) {
        *self.account.refused.entry(reason).or_default() += 1;
    }

    pub(super) fn works(&mut self, work: Work, pings: u32) {
        self.meter.add(work, pings);
    }

    pub(super) fn excess(&self) -> Option<Excess> {
        self.meter.excess()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn host(number: usize) -> Host {
        IpAddr::from(Ipv4Addr::from_bits(u32::try_from(number).unwrap())).into()
    }

    #[test]
    fn a_host_is_kept_out_for_a_minute() {
        let mut hosts = Hosts::default();
        assert!(hosts.of(Time::ZERO, host(1)).cut_off(Time::ZERO), "said once");
        assert!(!hosts.of(Time::ZERO, host(1)).cut_off(Time::ZERO));
        assert!(hosts.of(Time::ZERO, host(1)).is_cut_off(Time::ZERO));
        assert!(!hosts.of(Time::ZERO, host(2)).is_cut_off(Time::ZERO));
        assert!(!hosts.of(Time::ZERO, host(1)).is_cut_off(Time::ZERO + CUT_OFF));
        assert_eq!(hosts.of(Time::ZERO, host(1)).account.cut_off, 1);
    }

    #[test]
    fn hosts_without_end_take_no_memory_and_none_that_matters_is_forgotten() {
        let mut hosts = Hosts::default();
        hosts.of(Time::ZERO, host(1)).know();
        hosts.of(Time::ZERO, host(2)).opened();
        hosts.of(Time::ZERO, host(3)).cut_off(Time::ZERO);
        for number in 4..5000 {
            hosts.of(Time::ZERO, host(number)).refused("a test");
        }
        assert!(hosts.by_host.len() <= MAX_HOSTS);
        assert!(hosts.knows(host(1)) && hosts.of(Time::ZERO, host(3)).is_cut_off(Time::ZERO));
        assert_eq!(hosts.of(Time::ZERO, host(2)).open, 1);

        let mut full = Hosts::default();
        for number in 0..MAX_HOSTS + 10 {
            full.of(Time::ZERO, host(number)).opened();
        }
        assert_eq!((full.by_host.len(), full.others.open), (MAX_HOSTS, 10));
    }

    #[test]
    fn connections_without_end_are_not_looked_at() {
        let mut hosts = Hosts::default();
        let looked_at = (0..1000).filter(|_| hosts.of(Time::ZERO, host(1)).connects()).count();
        assert_eq!(looked_at, CONNECTS as usize);
        hosts.tick();
        assert!(hosts.of(Time::ZERO, host(1)).connects());
    }
}
