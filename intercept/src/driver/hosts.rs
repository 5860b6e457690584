//! What intercept knows about the hosts of its peers.

use std::collections::HashMap;
use std::time::Duration;

use common_core::time::Time;

use crate::router::Host;

/// How long a host that was cut off is kept out.
pub(super) const CUT_OFF: Duration = Duration::from_secs(60);

/// Hosts that are remembered. Of more, those that are not kept out are forgotten first.
const MAX_HOSTS: usize = 1024;

/// All hosts that are remembered.
#[derive(Debug, Default)]
pub(super) struct Hosts(HashMap<Host, HostState>);

/// What is known about one host.
#[derive(Debug)]
struct HostState {
    /// It is kept out until then.
    out_until: Time,
}

impl Hosts {
    /// Keeps a host out for a while.
    pub(super) fn cut_off(&mut self, now: Time, host: Host) {
        if self.0.len() >= MAX_HOSTS && !self.0.contains_key(&host) {
            self.0.retain(|_, state| now < state.out_until);
        }
        if self.0.len() < MAX_HOSTS || self.0.contains_key(&host) {
            self.0.insert(host, HostState { out_until: now + CUT_OFF });
        }
    }

    /// The host is kept out.
    pub(super) fn is_cut_off(&self, now: Time, host: Host) -> bool {
        self.0.get(&host).is_some_and(|state| now < state.out_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn host(number: u32) -> Host {
        IpAddr::from(Ipv4Addr::from_bits(number)).into()
    }

    #[test]
    fn a_host_is_kept_out_for_a_minute() {
        let mut hosts = Hosts::default();
        hosts.cut_off(Time::ZERO, host(1));
        assert!(hosts.is_cut_off(Time::ZERO, host(1)) && !hosts.is_cut_off(Time::ZERO, host(2)));
        assert!(!hosts.is_cut_off(Time::ZERO + CUT_OFF, host(1)));
    }

    #[test]
    fn hosts_without_end_take_no_memory() {
        let mut hosts = Hosts::default();
        for number in 0..5000 {
            hosts.cut_off(Time::ZERO, host(number));
        }
        assert_eq!(hosts.0.len(), MAX_HOSTS);
        hosts.cut_off(Time::ZERO + CUT_OFF, host(9000));
        assert!(hosts.is_cut_off(Time::ZERO + CUT_OFF, host(9000)));
    }
}
