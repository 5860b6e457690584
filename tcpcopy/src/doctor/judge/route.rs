//! The way to a test server, as far as this host's kernel knows it.

use common_core::flow::Endpoint;
use common_os::io::way::{Station, Way};

use super::super::check::Check;
use super::super::facts::{Facts, TargetFacts};
use crate::findings::{Finding, Setup};

pub(super) fn route(facts: &Facts, target: &TargetFacts, setup: &Setup) -> Check {
    let Some(address) = target.address else { return Check::unchecked("route", "no target") };
    let place = setup.place(Some(target.transfer), hop(target));
    if target.is_copied {
        let text = format!(
            "{address} is a service of this host whose clients are copied; name a test server in -x, or the address of the online \
             service, as in 10.0.0.16:80-10.0.0.17:80"
        );
        return Check::fault("route", "target-is-copied", text, None);
    }
    if facts.tunnels {
        return Check::good("route", format!("to {address} over the connection to intercept (--tunnel)"));
    }
    if target.is_fixed {
        return Check::unchecked(
            "route",
            format!("-x names the MAC address of the next hop to {}", address.ip),
        );
    }
    if target.is_local {
        return Check::unchecked("route", format!("{} is an address of this host", address.ip));
    }
    let (Some(way), Some(mtu)) = (&target.way, target.mtu) else {
        return Check::finding("route", Finding::SendsFail, &format!("no route to {}", address.ip), &place);
    };
    if way.station == Station::Silent {
        let evidence = format!("{} on {} does not tell its MAC address", way.hop, way.interface);
        return Check::finding("route", Finding::NeighbourUnknown, &evidence, &place);
    }
    let size = if address.ip.is_ipv4() { facts.packets.0 } else { facts.packets.1 };
    if u32::from(size) > mtu {
        let text = format!(
            "packets of {size} bytes (-M) exceed the MTU of the way to {}; give tcpcopy -M {mtu}",
            address.ip
        );
        return Check::fault("route", "mtu", text, None);
    }
    Check::good("route", shown(address, way, mtu))
}

fn shown(address: Endpoint, way: &Way, mtu: u32) -> String {
    let hop = if way.is_gateway { format!("gateway {}", way.hop) } else { "directly".to_owned() };
    format!("to {} by {}, {hop}, MTU {mtu}", address.ip, way.interface)
}

/// The next hop, for the commands of cures.
fn hop(target: &TargetFacts) -> Option<(std::net::IpAddr, String)> {
    target.way.as_ref().map(|way| (way.hop, way.interface.clone()))
}
