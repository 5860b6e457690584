//! Which packets of a file are of a service, and in which direction they go.

use capture_file::Packet;
use common_core::time::Stamp;
use common_core::wire::{Segment, decapsulated};
use common_os::io::bpf::UserFilter;

use super::ports::{shifted, write};
use super::stats::FileStats;
use crate::mirror::Recent;
use crate::services::Services;
use crate::settings::Transfer;

/// A packet that is passed on.
#[derive(Debug, Default)]
pub(super) struct Selected {
    /// From the IP header on.
    pub(super) bytes: Vec<u8>,
    /// From the service.
    pub(super) outgoing: bool,
}

/// Selects packets.
#[derive(Debug)]
pub(super) struct Selector {
    services: Services,
    /// Tunnels are taken off, and packets may come twice (`--decap`).
    recent: Option<Recent>,
    filter: Option<UserFilter>,
    /// The current pass over the files, and their number.
    pub(super) pass: u32,
    passes: u32,
    /// The port to which most packets of other services go so far, by a majority vote, and its lead.
    vote: (u16, u64),
    /// Memory of packets that are passed on already.
    spare: Vec<Vec<u8>>,
    pub(super) stats: FileStats,
}

/// Spare memory kept, in packets and in bytes of each.
const SPARE: usize = 1024;
const SPARE_BYTES: usize = 4096;

impl Selector {
    pub(super) fn new(
        transfers: &[Transfer],
        filter: Option<UserFilter>,
        passes: u32,
        decapsulates: bool,
    ) -> Self {
        let recent = decapsulates.then(Recent::new);
        let (vote, spare, stats) = ((0, 0), Vec::new(), FileStats::default());
        Self { services: Services::anywhere(transfers), recent, filter, pass: 0, passes, vote, spare, stats }
    }

    /// The packet, if it is passed on. Otherwise it is counted.
    pub(super) fn select(&mut self, packet: &Packet<'_>) -> Option<Selected> {
        let Some(outer) = packet.ip() else {
            if packet.link.is_known() {
                self.stats.unreadable += 1;
            } else {
                self.stats.unknown_link += 1;
            }
            return None;
        };
        let ip = if self.recent.is_some() { decapsulated(outer) } else { outer };
        let Ok(segment) = Segment::parse(ip) else {
            self.stats.unreadable += 1;
            return None;
        };
        if self.filter.as_ref().is_some_and(|filter| !filter.passes(outer)) {
            self.stats.filtered += 1;
            return None;
        }
        let Some(needed) = self.services.needed(&segment) else {
            self.unrelated(&segment);
            return None;
        };
        let stamp = Stamp::from_nanos(packet.time);
        if self.recent.as_mut().is_some_and(|recent| recent.repeats(stamp, ip, &segment)) {
            self.stats.repeated += 1;
            return None;
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.extend_from_slice(ip.get(..needed.bytes.min(ip.len())).unwrap_or(ip));
        self.shift(&mut bytes, &segment, needed.outgoing);
        self.stats.selected += 1;
        Some(Selected { bytes, outgoing: needed.outgoing })
    }

    /// Takes back the memory of a packet.
    pub(super) fn recycle(&mut self, mut packet: Selected) {
        if self.spare.len() < SPARE && packet.bytes.capacity() <= SPARE_BYTES {
            packet.bytes.clear();
            self.spare.push(packet.bytes);
        }
    }

    fn unrelated(&mut self, segment: &Segment<'_>) {
        self.stats.unrelated += 1;
        let port = segment.destination.port;
        if self.services.have_port(port) {
            self.stats.other_address += 1;
        } else if !self.services.have_port(segment.source.port) && segment.payload_len > 0 {
            self.vote = match self.vote {
                (_, 0) => (port, 1),
                (leader, lead) if leader == port => (leader, lead + 1),
                (leader, lead) => (leader, lead - 1),
            };
            self.stats.other_port += 1;
            self.stats.busiest_port = self.vote.0;
        }
    }

    /// Gives the client the port of the current pass.
    fn shift(&mut self, packet: &mut [u8], segment: &Segment<'_>, outgoing: bool) {
        if self.pass == 0 {
            return;
        }
        let client = if outgoing { segment.destination } else { segment.source };
        write(packet, shifted(client.port, self.pass, self.passes), !outgoing);
        self.stats.shifted += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use capture_file::LinkType;
    use common_core::flow::{Endpoint, Flow};
    use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Seq};

    use super::*;
    use crate::settings::OnReconnect;

    fn endpoint(text: &str) -> Endpoint {
        text.parse::<SocketAddr>().unwrap().into()
    }

    fn selector(online_ip: Option<&str>, passes: u32) -> Selector {
        let transfer = Transfer {
            online_ip: online_ip.map(|ip| ip.parse().unwrap()),
            online_port: 80,
            // The file was captured at the test server itself.
            target: endpoint("10.0.0.16:80"),
            protocol: None,
            on_reconnect: OnReconnect::Recognise,
        };
        Selector::new(&[transfer], None, passes, false)
    }

    fn select(selector: &mut Selector, from: &str, to: &str, flags: Flags) -> Option<Selected> {
        let flow = Flow { client: endpoint(from), server: endpoint(to) };
        let segment = Outgoing {
            seq: Seq(1),
            ack: Seq(2),
            flags,
            window: 9,
            options: Options::default(),
            payload: (b"GET", &[]),
        };
        let data = PacketBuilder::new().build(&flow, &segment).to_vec();
        selector.select(&Packet { time: 0, link: LinkType::RAW, data: &data, original_len: 43 })
    }

    #[test]
    fn the_address_of_the_service_tells_the_direction() {
        let accepts = Flags::SYN | Flags::ACK;
        for (ip, from, to, flags, outgoing) in [
            (None, "10.0.0.1:4000", "10.0.0.16:80", Flags::ACK, Some(false)),
            (None, "10.0.0.1:80", "10.0.0.16:80", Flags::ACK, Some(false)),
            (None, "10.0.0.16:80", "10.0.0.1:4000", accepts, Some(true)),
            (None, "10.0.0.16:80", "10.0.0.1:80", accepts, Some(true)),
            (None, "10.0.0.16:80", "10.0.0.1:4000", Flags::ACK, None),
            (None, "10.0.0.1:4000", "10.0.0.16:81", Flags::ACK, None),
            (None, "[fd00::1]:4000", "[fd00::2]:80", Flags::ACK, None),
            (Some("10.0.0.16"), "10.0.0.1:80", "10.0.0.16:80", Flags::ACK, Some(false)),
            (Some("10.0.0.16"), "10.0.0.16:80", "10.0.0.1:80", Flags::ACK, None),
            (Some("10.0.0.16"), "10.0.0.1:4000", "10.0.0.99:80", Flags::ACK, None),
        ] {
            let selected = select(&mut selector(ip, 1), from, to, flags);
            assert_eq!(selected.map(|packet| packet.outgoing), outgoing, "{from} > {to} {flags:?}");
        }
    }

    #[test]
    fn what_is_not_selected_is_counted() {
        let mut selector = selector(Some("10.0.0.16"), 1);
        for (to, times) in
            [("10.0.0.16:443", 5), ("10.0.0.16:22", 2), ("10.0.0.99:80", 3), ("10.0.0.16:80", 1)]
        {
            (0..times).for_each(|_| drop(select(&mut selector, "10.0.0.1:4000", to, Flags::ACK)));
        }
        let foreign = Packet { time: 0, link: LinkType(127), data: &[1; 60], original_len: 60 };
        assert!(selector.select(&foreign).is_none());
        let stats = &selector.stats;
        assert_eq!((stats.selected, stats.unrelated, stats.unknown_link), (1, 10, 1));
        assert_eq!((stats.other_address, stats.other_port, stats.busiest_port), (3, 7, 443));
    }

    #[test]
    fn tunnels_are_taken_off_and_repetitions_are_counted() {
        let mut selector = selector(Some("10.0.0.16"), 1);
        let flow = Flow { client: endpoint("10.0.0.1:4000"), server: endpoint("10.0.0.16:80") };
        let segment = Outgoing {
            seq: Seq(1),
            ack: Seq(2),
            flags: Flags::ACK,
            window: 9,
            options: Options::default(),
            payload: (b"GET", &[]),
        };
        let inner = PacketBuilder::new().build(&flow, &segment).to_vec();
        let outer = [0x45, 0, 0, 67, 0, 1, 0, 0, 64, 47, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 0, 8, 0];
        let data = [&outer[..], &inner].concat();
        let packet = Packet { time: 5, link: LinkType::RAW, data: &data, original_len: 67 };
        assert!(selector.select(&packet).is_none());
        assert_eq!((selector.stats.unreadable, selector.stats.selected), (1, 0), "without --decap");
        selector.recent = Some(Recent::new());
        assert_eq!(selector.select(&packet).map(|selected| selected.bytes), Some(inner));
        assert!(selector.select(&packet).is_none());
        assert_eq!((selector.stats.repeated, selector.stats.selected), (1, 1));
    }

    #[test]
    fn repeats_have_other_client_ports_in_both_directions() {
        let mut selector = selector(None, 2);
        selector.pass = 1;
        let port = shifted(40_000, 1, 2);
        assert_ne!(port, 40_000);
        let request = select(&mut selector, "10.0.0.1:40000", "10.0.0.16:80", Flags::ACK).unwrap();
        let segment = Segment::parse(&request.bytes).unwrap();
        assert_eq!((segment.source.port, segment.destination.port), (port, 80));
        let accept =
            select(&mut selector, "10.0.0.16:80", "10.0.0.1:40000", Flags::SYN | Flags::ACK).unwrap();
        let segment = Segment::parse(&accept.bytes).unwrap();
        assert_eq!((segment.source.port, segment.destination.port), (80, port));
        assert_eq!(selector.stats.shifted, 2);
    }
}
