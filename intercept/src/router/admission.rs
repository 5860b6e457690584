//! Which targets intercept serves.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use common_core::control::RefuseReason;
use common_core::flow::Endpoint;
use common_core::time::Time;

use super::PeerId;
use super::announced::Announced;
use crate::host_quota::Host;

/// A part of `--allow-target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedTarget {
    /// The address of a test server.
    pub ip: IpAddr,
    /// Its port; `None` for all.
    pub port: Option<u16>,
}

/// The user's word about targets.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TargetPolicy {
    /// Test servers on loopback addresses of this host are served.
    pub loopback: bool,
    /// UDP is served instead of TCP.
    pub datagrams: bool,
    /// Nothing else is served; `None` for no limit.
    pub allowed: Option<Vec<AllowedTarget>>,
}

impl TargetPolicy {
    fn admits(&self, target: &Endpoint) -> bool {
        let is_named = |allowed: &AllowedTarget| {
            allowed.ip == target.ip && allowed.port.is_none_or(|port| port == target.port)
        };
        (self.loopback || !target.ip.is_loopback())
            && self.allowed.as_ref().is_none_or(|allowed| allowed.iter().any(is_named))
    }
}

/// The services that one peer may announce. Of more, those that come first are protected.
const SERVICES_OF_PEER: usize = 256;
const SERVICES_MAX: usize = 1 << 14;

/// A service stays one for so long after its tcpcopy has gone: longer than a refused tcpcopy waits before it tries again. Two
/// that copy to each other would take turns otherwise.
const KEPT: Duration = Duration::from_secs(60);

/// Services of tcpcopies that are gone; of more, none is kept.
const KEPT_MAX: usize = 4096;

/// The services whose clients are copied: production, which must not be a target.
pub(super) struct Services {
    announced: Announced,
    kept: HashMap<Endpoint, Time>,
}

impl Services {
    pub(super) fn new() -> Self {
        Self { announced: Announced::new(SERVICES_OF_PEER, SERVICES_MAX), kept: HashMap::new() }
    }

    /// A peer copies the clients of this service.
    pub(super) fn add(&mut self, peer: PeerId, host: Host, service: Endpoint) {
        // Beyond the limits it is not protected here. Its tcpcopy still recognises copies.
        let _ = self.announced.add(peer, host, service);
    }

    pub(super) fn close(&mut self, now: Time, peer: PeerId) {
        if self.announced.of(peer).next().is_some() {
            self.kept.retain(|_, until| now < *until);
        }
        for service in self.announced.of(peer) {
            if self.kept.len() < KEPT_MAX {
                self.kept.insert(service, now + KEPT);
            }
        }
        self.announced.close(peer);
    }

    fn contain(&self, now: Time, endpoint: &Endpoint) -> bool {
        self.announced.contains(endpoint) || self.kept.get(endpoint).is_some_and(|until| now < *until)
    }
}

/// Whether a peer may have this target.
///
/// # Errors
/// The reason against it.
pub(super) fn admit(
    now: Time,
    policy: &TargetPolicy,
    services: &Services,
    target: Endpoint,
) -> Result<(), RefuseReason> {
    if !policy.admits(&target) {
        return Err(RefuseReason::TargetNotAllowed(target));
    }
    if services.contain(now, &target) {
        return Err(RefuseReason::TargetIsCopied(target));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse::<SocketAddr>().unwrap().into()
    }

    #[test]
    fn a_policy_admits_what_it_names() {
        let allowed = |ip: &str, port| AllowedTarget { ip: ip.parse().unwrap(), port };
        let none = TargetPolicy::default();
        let some = TargetPolicy {
            allowed: Some(vec![allowed("10.0.0.2", None), allowed("10.0.0.3", Some(80))]),
            ..none.clone()
        };
        let loopback = TargetPolicy { loopback: true, ..none.clone() };
        for (target, expected) in [
            ("10.0.0.2:1", [true, true, true]),
            ("10.0.0.3:80", [true, true, true]),
            ("10.0.0.3:81", [true, false, true]),
            ("10.0.0.4:80", [true, false, true]),
            ("127.0.0.9:80", [false, false, true]),
            ("[::1]:80", [false, false, true]),
        ] {
            let got = [&none, &some, &loopback].map(|policy| policy.admits(&endpoint(target)));
            assert_eq!(got, expected, "{target}");
        }
    }

    #[test]
    fn a_service_is_protected_for_a_minute_after_its_tcpcopy_has_gone() {
        let (peer, host) = (PeerId(1), Host::from(IpAddr::from([10, 0, 0, 1])));
        let service = endpoint("10.0.0.1:80");
        let mut services = Services::new();
        services.add(peer, host, service);
        let may = |services: &Services, seconds| {
            admit(Time::ZERO + Duration::from_secs(seconds), &TargetPolicy::default(), services, service)
                .is_ok()
        };
        assert!(!may(&services, 1000));
        services.close(Time::ZERO, peer);
        assert!(!may(&services, 59) && may(&services, 60));
    }
}
