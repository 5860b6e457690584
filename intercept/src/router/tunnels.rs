//! Packets of copies that peers send on their connections (docs/AGENT_MODE.md): which of them may pass.

use std::collections::HashSet;
use std::net::IpAddr;

use common_core::control::{FromIntercept, RefuseReason, Tunnelled};
use common_core::flow::Endpoint;
use common_core::network::Networks;
use common_core::wire::Segment;
use thiserror::Error;

use super::{Output, PeerId, Router};

/// The smallest segment size of a long packet, in bytes: what Linux takes as the least of a peer. A smaller one would let a few bytes
/// become many packets.
const SEGMENT_MIN: u16 = 48;

/// The networks from which packets may come, and the peers that may send some.
#[derive(Debug, Default)]
pub(super) struct Tunnels {
    networks: Networks,
    peers: HashSet<PeerId>,
}

/// Why a packet does not pass.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// The peer has not asked whether it may send packets.
    #[error("it sends packets without asking first")]
    NotAsked,
    /// No whole TCP segment.
    #[error("no whole TCP segment")]
    Malformed,
    /// Its source.
    #[error("its source {0} is not in --net")]
    Source(IpAddr),
    /// Its destination.
    #[error("its destination {0} is no target that this tcpcopy may have")]
    Destination(Endpoint),
}

impl Tunnels {
    pub(super) fn close(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
    }
}

impl Router {
    /// Packets from these networks may pass, from now on.
    pub fn set_tunnel(&mut self, networks: Networks) {
        self.tunnels.networks = networks;
    }

    /// A peer asks whether it may send packets.
    pub(super) fn handle_tunnel(&mut self, peer: PeerId, out: &mut dyn Output) -> Result<(), RefuseReason> {
        if self.tunnels.networks == Networks::default() {
            return Err(RefuseReason::NoTunnel);
        }
        self.tunnels.peers.insert(peer);
        out.send(peer, &FromIntercept::Tunnel(self.tunnels.networks));
        Ok(())
    }

    /// Whether packets of this peer, if it sends any, may go there: to the user's targets, without any of these to the addresses
    /// of this host. From the device a loopback address cannot be reached.
    pub(super) fn reaches(&self, peer: PeerId, target: &Endpoint) -> bool {
        !self.tunnels.peers.contains(&peer)
            || !target.ip.is_loopback() && (self.policy.allowed.is_some() || self.local.contains(&target.ip))
    }

    /// Checks a packet of a peer. Returns the length of its headers.
    ///
    /// # Errors
    /// Why it must not pass.
    pub fn check_tunnelled(&self, peer: PeerId, tunnelled: &Tunnelled<'_>) -> Result<usize, Rejected> {
        if !self.tunnels.peers.contains(&peer) {
            return Err(Rejected::NotAsked);
        }
        let packet = tunnelled.packet;
        let segment = Segment::parse(packet).map_err(|_| Rejected::Malformed)?;
        if !is_plain(packet)
            || tunnelled.segment.is_some_and(|size| size < SEGMENT_MIN || segment.payload.is_empty())
        {
            return Err(Rejected::Malformed);
        }
        if !self.tunnels.networks.contain(segment.source.ip) {
            return Err(Rejected::Source(segment.source.ip));
        }
        let target = segment.destination;
        if !self.targets.is_of(peer, &target) || !self.reaches(peer, &target) {
            return Err(Rejected::Destination(target));
        }
        Ok(packet.len() - segment.payload.len())
    }
}

/// The packet has the length that it states, no options and no extension headers. Those of tcpcopy are so, and the kernel
/// interprets nothing else.
fn is_plain(packet: &[u8]) -> bool {
    let stated =
        |at: usize| packet.get(at..at + 2).map_or(0, |two| usize::from(u16::from_be_bytes([two[0], two[1]])));
    match packet.first() {
        Some(0x45) => stated(2) == packet.len(),
        Some(first) if first >> 4 == 6 => stated(4) + 40 == packet.len() && packet.get(6) == Some(&6),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use common_core::control::{ToIntercept, VERSION};
    use common_core::flow::Flow;
    use common_core::time::Time;
    use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Seq};
    use proptest::prelude::*;

    use super::super::{AllowedTarget, RouterConfig, TargetPolicy};
    use super::*;

    const PEER: PeerId = PeerId(1);

    /// The networks that it was told.
    #[derive(Default)]
    struct Told(Vec<Networks>);

    impl Output for Told {
        fn send(&mut self, _peer: PeerId, message: &FromIntercept<'_>) {
            if let FromIntercept::Tunnel(networks) = message {
                self.0.push(*networks);
            }
        }
    }

    fn endpoint(text: &str) -> Endpoint {
        text.parse::<SocketAddr>().unwrap().into()
    }

    fn networks() -> Networks {
        Networks { v4: Some("198.18.0.0/15".parse().unwrap()), v6: Some("fd00:12::/64".parse().unwrap()) }
    }

    /// A router on a host with two addresses, and a peer that has sent its hello.
    fn router(networks: Networks, allowed: Option<Vec<AllowedTarget>>) -> Router {
        let local_addresses = vec!["10.0.0.17".parse().unwrap(), "fd00::17".parse().unwrap()];
        let policy = TargetPolicy { allowed, loopback: true, ..TargetPolicy::default() };
        let mut router = Router::new(RouterConfig { local_addresses, policy, ..RouterConfig::default() });
        router.set_tunnel(networks);
        router.handle_peer_connected(PEER, [10, 0, 0, 16].into());
        say(&mut router, ToIntercept::Hello { version: VERSION, instance: 1 }).unwrap();
        router
    }

    fn say(router: &mut Router, message: ToIntercept) -> Result<Vec<Networks>, RefuseReason> {
        let mut told = Told::default();
        router.handle_message(Time::ZERO, PEER, message, &mut told).map(|()| told.0)
    }

    fn packet(client: &str, server: &str, payload: &[u8]) -> Vec<u8> {
        let flow = Flow { client: endpoint(client), server: endpoint(server) };
        let segment = Outgoing {
            seq: Seq(1),
            ack: Seq(2),
            flags: Flags::ACK,
            window: 3,
            options: Options::default(),
            payload: (payload, &[]),
        };
        PacketBuilder::new().build(&flow, &segment).to_vec()
    }

    fn check(router: &Router, packet: &[u8], segment: Option<u16>) -> Result<usize, Rejected> {
        router.check_tunnelled(PEER, &Tunnelled { packet, segment })
    }

    #[test]
    fn a_peer_may_send_packets_once_it_has_asked_and_there_is_a_device() {
        let mut router = router(networks(), None);
        let packet = packet("198.18.0.1:5", "10.0.0.17:80", b"x");
        assert_eq!(check(&router, &packet, None), Err(Rejected::NotAsked));
        assert_eq!(say(&mut router, ToIntercept::Tunnel), Ok(vec![networks()]));
        say(&mut router, ToIntercept::Target(endpoint("10.0.0.17:80"))).unwrap();
        assert_eq!(check(&router, &packet, None), Ok(40));
        router.handle_peer_gone(PEER);
        assert_eq!(check(&router, &packet, None), Err(Rejected::NotAsked));

        let mut without = self::router(Networks::default(), None);
        assert_eq!(say(&mut without, ToIntercept::Tunnel), Err(RefuseReason::NoTunnel));
        assert_eq!(check(&without, &packet, None), Err(Rejected::NotAsked));
    }

    #[test]
    fn only_targets_of_this_host_can_be_had_unless_the_user_names_others() {
        let other = AllowedTarget { ip: [10, 0, 0, 99].into(), port: None };
        for (target, own, named) in [
            ("10.0.0.17:80", true, false),
            ("[fd00::17]:80", true, false),
            ("10.0.0.99:80", false, true),
            ("127.0.0.1:80", false, false),
        ] {
            for (allowed, expected) in [(None, own), (Some(vec![other]), named)] {
                let mut router = router(networks(), allowed);
                say(&mut router, ToIntercept::Tunnel).unwrap();
                let target = endpoint(target);
                let said = say(&mut router, ToIntercept::Target(target));
                let refused = Err(RefuseReason::TargetNotAllowed(target));
                assert_eq!(said, if expected { Ok(vec![]) } else { refused }, "{target}");
            }
        }
        // A peer that injects by itself, through the network, is not concerned.
        assert!(say(&mut router(networks(), None), ToIntercept::Target(other_target())).is_ok());
    }

    fn other_target() -> Endpoint {
        endpoint("10.0.0.99:80")
    }

    #[test]
    fn only_whole_segments_from_the_networks_to_announced_targets_pass() {
        let mut router = router(networks(), None);
        say(&mut router, ToIntercept::Tunnel).unwrap();
        for target in ["10.0.0.17:80", "[fd00::17]:80"] {
            say(&mut router, ToIntercept::Target(endpoint(target))).unwrap();
        }
        let good = packet("198.19.255.255:5", "10.0.0.17:80", &[7; 100]);
        let good_v6 = packet("[fd00:12::9]:5", "[fd00::17]:80", &[7; 100]);
        for (good, headers) in [(&good, 40), (&good_v6, 60)] {
            assert_eq!(check(&router, good, None), Ok(headers));
            assert_eq!(check(&router, good, Some(48)), Ok(headers));
            assert_eq!(check(&router, good, Some(47)), Err(Rejected::Malformed));
            assert_eq!(check(&router, &good[..good.len() - 1], None), Err(Rejected::Malformed));
            assert_eq!(check(&router, &[good, &[0][..]].concat(), None), Err(Rejected::Malformed));
        }
        let syn = packet("198.18.0.1:5", "10.0.0.17:80", &[]);
        assert_eq!(check(&router, &syn, Some(1000)), Err(Rejected::Malformed), "nothing to cut");
        let changed = |at: usize, byte: u8| {
            let mut packet = good.clone();
            packet[at] = byte;
            check(&router, &packet, None)
        };
        assert_eq!(changed(9, 17), Err(Rejected::Malformed), "UDP");
        assert_eq!(changed(6, 0x20), Err(Rejected::Malformed), "a fragment");
        assert_eq!(changed(0, 0x46), Err(Rejected::Malformed), "options");
        assert_eq!(changed(3, 0), Err(Rejected::Malformed), "another length");
        for (client, server, expected) in [
            ("10.0.0.17:5", "10.0.0.17:80", Rejected::Source([10, 0, 0, 17].into())),
            ("198.20.0.0:5", "10.0.0.17:80", Rejected::Source([198, 20, 0, 0].into())),
            ("198.18.0.1:5", "10.0.0.17:22", Rejected::Destination(endpoint("10.0.0.17:22"))),
            ("198.18.0.1:5", "10.0.0.99:80", Rejected::Destination(other_target())),
        ] {
            assert_eq!(check(&router, &packet(client, server, b"x"), None), Err(expected));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_pass_or_not(packet in prop::collection::vec(any::<u8>(), 0..120), segment: Option<u16>, v6: bool) {
            let mut router = router(networks(), None);
            say(&mut router, ToIntercept::Tunnel).unwrap();
            let mut packet = packet;
            if let Some(first) = packet.first_mut() {
                *first = if v6 { 0x60 } else { 0x45 };
            }
            prop_assert!(check(&router, &packet, segment).is_err(), "no target was announced");
        }
    }
}
