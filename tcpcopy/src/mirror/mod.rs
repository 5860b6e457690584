//! Packets of services that are not on this host: a switch or a virtual network delivers copies of them.
//!
//! The capture cannot tell their direction, because this host has neither sent nor received them: the address of the service
//! does. They may be in tunnels, and a mirror of two ports delivers each of them twice.

mod recent;

use common_core::wire::{Segment, decapsulated};
use common_os::io::Captured;
use serde::Serialize;

pub(crate) use recent::Recent;

use crate::services::{Needed, Services};

/// What became of captured packets before the engine got them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct MirrorStats {
    /// Packets in tunnels.
    pub tunnelled: u64,
    /// Packets that were captured before, and not passed on.
    pub repeated: u64,
    /// Packets of no service, or not needed, and not passed on.
    pub foreign: u64,
}

impl std::ops::AddAssign for MirrorStats {
    fn add_assign(&mut self, other: Self) {
        self.tunnelled += other.tunnelled;
        self.repeated += other.repeated;
        self.foreign += other.foreign;
    }
}

/// Gives captured packets the form that those of a capture on the online host have.
#[derive(Debug)]
pub(crate) struct Sorter {
    services: Services,
    /// Tunnels are taken off.
    decapsulates: bool,
    /// Packets may come twice.
    recent: Option<Recent>,
    stats: MirrorStats,
}

impl Sorter {
    pub(crate) fn new(services: Services, decapsulates: bool, recent: Option<Recent>) -> Self {
        Self { services, decapsulates, recent, stats: MirrorStats::default() }
    }

    /// The packet, without tunnels and with its direction; `None` if it is not needed, which is counted.
    pub(crate) fn sort<'a>(&mut self, captured: Captured<'a>) -> Option<Captured<'a>> {
        let packet = if self.decapsulates { decapsulated(captured.packet) } else { captured.packet };
        self.stats.tunnelled += u64::from(packet.len() != captured.packet.len());
        // The engine counts what cannot be read.
        let Ok(segment) = Segment::parse(packet) else { return Some(Captured { packet, ..captured }) };
        let Some(Needed { outgoing, bytes }) = self.services.needed(&segment) else {
            self.stats.foreign += 1;
            return None;
        };
        if self.recent.as_mut().is_some_and(|recent| recent.repeats(captured.stamp, packet, &segment)) {
            self.stats.repeated += 1;
            return None;
        }
        Some(Captured { packet: &packet[..bytes.min(packet.len())], outgoing, ..captured })
    }

    pub(crate) fn stats(&self) -> MirrorStats {
        self.stats
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use common_core::flow::{Endpoint, Flow};
    use common_core::time::Stamp;
    use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Seq};

    use super::*;
    use crate::settings::{OnReconnect, Transfer};

    const CLIENT: &str = "10.0.0.1:40000";
    const SERVICE: &str = "10.9.9.9:80";

    fn endpoint(text: &str) -> Endpoint {
        text.parse::<SocketAddr>().unwrap().into()
    }

    fn packet(from: &str, to: &str, flags: Flags, seq: u32) -> Vec<u8> {
        let flow = Flow { client: endpoint(from), server: endpoint(to) };
        let payload: &[u8] = if flags.has(Flags::SYN) { b"" } else { b"GET /" };
        let segment = Outgoing {
            seq: Seq(seq),
            ack: Seq(2),
            flags,
            window: 9,
            options: Options::default(),
            payload: (payload, &[]),
        };
        PacketBuilder::new().build(&flow, &segment).to_vec()
    }

    fn in_gre(packet: &[u8]) -> Vec<u8> {
        let total = u16::try_from(24 + packet.len()).unwrap().to_be_bytes();
        let outer =
            [0x45, 0, total[0], total[1], 0, 1, 0, 0, 64, 47, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 0, 8, 0];
        [&outer[..], packet].concat()
    }

    fn sorter(decapsulates: bool) -> Sorter {
        let transfer = Transfer {
            online_ip: Some(endpoint(SERVICE).ip),
            online_port: 80,
            target: endpoint("10.0.0.17:80"),
            protocol: None,
            on_reconnect: OnReconnect::Recognise,
        };
        Sorter::new(Services::anywhere(&[transfer]), decapsulates, Some(Recent::new()))
    }

    /// Whether each packet, 1 ms after the one before, is passed on, and in which direction.
    fn sorted(sorter: &mut Sorter, packets: &[Vec<u8>]) -> Vec<Option<bool>> {
        let stamps = (1..).map(|millis| Stamp::from_nanos(millis * 1_000_000));
        let sort = |(packet, stamp): (&Vec<u8>, Stamp)| {
            let captured = Captured { packet, outgoing: false, stamp };
            sorter.sort(captured).map(|captured| captured.outgoing)
        };
        packets.iter().zip(stamps).map(sort).collect()
    }

    #[test]
    fn the_address_of_the_service_tells_the_direction_and_each_packet_counts_once() {
        let accepts = Flags::SYN | Flags::ACK;
        let syn = packet(CLIENT, SERVICE, Flags::SYN, 1);
        let syn_ack = packet(SERVICE, CLIENT, accepts, 1);
        let request = packet(CLIENT, SERVICE, Flags::ACK | Flags::PSH, 2);
        let answer = packet(SERVICE, CLIENT, Flags::ACK, 2);
        let other = packet(CLIENT, "10.9.9.8:80", Flags::SYN, 1);
        let mut routed = request.clone();
        // A router between both ports: another TTL, and so another checksum.
        (routed[8], routed[10]) = (9, 1);
        let mut later = packet(CLIENT, SERVICE, Flags::ACK | Flags::PSH, 7);
        // The same segment, sent again by the client.
        let again = {
            let mut again = later.clone();
            again[5] ^= 1;
            again
        };
        later[8] = 63;
        let packets =
            [syn.clone(), syn, syn_ack.clone(), syn_ack, request, routed, answer, other, later, again];
        let mut sorter = sorter(false);
        let (client, online, dropped) = (Some(false), Some(true), None);
        let expected = [client, dropped, online, dropped, client, dropped, dropped, dropped, client, client];
        assert_eq!(sorted(&mut sorter, &packets), expected);
        assert_eq!(sorter.stats(), MirrorStats { tunnelled: 0, repeated: 3, foreign: 2 });
    }

    #[test]
    fn tunnels_are_taken_off_if_wanted() {
        let request = packet(CLIENT, SERVICE, Flags::ACK | Flags::PSH, 2);
        let mut with = sorter(true);
        let tunnelled = in_gre(&request);
        let captured = Captured { packet: &tunnelled, outgoing: false, stamp: Stamp::from_nanos(9) };
        let sorted_one = with.sort(captured).map(|captured| (captured.packet, captured.outgoing));
        assert_eq!(sorted_one, Some((&request[..], false)));
        assert_eq!(sorted(&mut with, &[request]), [None], "it came before, in a tunnel");
        assert_eq!(with.stats(), MirrorStats { tunnelled: 1, repeated: 1, foreign: 0 });
        let mut without = sorter(false);
        let captured = Captured { packet: &tunnelled, outgoing: false, stamp: Stamp::from_nanos(9) };
        let passed = without.sort(captured).map(|captured| captured.packet);
        assert_eq!(passed, Some(&tunnelled[..]), "the engine counts it as unreadable");
    }
}
