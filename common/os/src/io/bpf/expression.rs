//! The filter of tcpcopy as an expression of libpcap, for captures that libpcap opens. It knows no packet types, so it passes
//! both directions by the addresses and ports of the services.

use std::net::IpAddr;

use common_core::flow::Endpoint;
use common_core::wire::{GENEVE_PORT, VXLAN_PORTS};

use super::{Service, ServiceAnswers};

/// Offsets differ between the families: libpcap finds the TCP header of IPv4 alone.
struct Family {
    name: &'static str,
    is_v4: bool,
    flags: &'static str,
    /// True if there is payload.
    payload: &'static str,
}

const FAMILIES: [Family; 2] = [
    Family {
        name: "ip",
        is_v4: true,
        flags: "tcp[13]",
        payload: "ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0",
    },
    // Without extension headers.
    Family {
        name: "ip6",
        is_v4: false,
        flags: "ip6[53]",
        payload: "ip6[4:2] - ((ip6[52] & 0xf0) >> 2) != 0",
    },
];

/// Servers that an expression names. Libpcap's optimiser takes time and memory with the square of their number, and strangers may
/// announce thousands; of more, all packets pass, and the program sorts out the rest.
pub(super) const NAMED_MAX: usize = 128;

/// An expression for what [`super::Program::conversations`] passes, except that services without an address are at any
/// address, and that all answers with payload pass if some are wanted. With `tunnels`, all packets in VXLAN, Geneve and GRE
/// pass as well.
#[must_use]
pub fn conversations(
    services: &[Service],
    answers: &[ServiceAnswers],
    targets: &[Endpoint],
    tunnels: bool,
) -> String {
    let answered: Vec<Service> =
        answers.iter().filter(|each| !each.answers.is_empty()).map(|each| each.service).collect();
    let families: Vec<String> =
        FAMILIES.iter().filter_map(|family| family.expression(services, &answered)).collect();
    let copies: Vec<String> = targets
        .iter()
        .flat_map(|target| ["src", "dst"].map(|side| end(side, target.port, Some(target.ip))))
        .collect();
    let mut expression = format!("tcp and ({})", families.join(" or "));
    if !copies.is_empty() {
        expression = format!("{expression} and not ({})", copies.join(" or "));
    }
    if tunnels {
        let ports = VXLAN_PORTS.iter().chain([&GENEVE_PORT]);
        let ports: Vec<String> = ports.map(|port| format!("udp dst port {port}")).collect();
        expression = format!("({expression}) or {} or ip proto 47 or ip6 proto 47", ports.join(" or "));
    }
    expression
}

/// An expression for the answers of `servers` that this host receives; nothing if there are no servers, and all of TCP if there are
/// more than [`NAMED_MAX`].
#[must_use]
pub fn answers(servers: &[Endpoint]) -> String {
    // No frame is that short. An expression that libpcap can prove to be false does not compile.
    if servers.is_empty() {
        return "less 1".to_owned();
    }
    if servers.len() > NAMED_MAX {
        return received("tcp");
    }
    let ends: Vec<String> = servers.iter().map(|server| end("src", server.port, Some(server.ip))).collect();
    received(&format!("tcp and ({})", ends.join(" or ")))
}

/// The packets of `expression` that this host receives. It must be compiled for a live capture, on which libpcap knows that.
#[must_use]
pub fn received(expression: &str) -> String {
    format!("({expression}) and inbound")
}

impl Family {
    /// The packets of this family; `None` if no service has it.
    fn expression(&self, services: &[Service], answered: &[Service]) -> Option<String> {
        let Self { name, flags, payload, .. } = self;
        let from_client = self.ends("dst", services)?;
        let from_service = self.ends("src", services)?;
        let answers = self
            .ends("src", answered)
            .map_or_else(String::new, |ends| format!(" or (({ends}) and {payload})"));
        Some(format!(
            "({name} and ((({from_client}) and ({flags} & 7 != 0 or {payload})) or (({from_service}) and \
             ({flags} & 4 != 0 or {flags} & 0x12 = 0x12)){answers}))"
        ))
    }

    fn ends(&self, side: &str, services: &[Service]) -> Option<String> {
        let own = services.iter().filter(|service| service.ip.is_none_or(|ip| ip.is_ipv4() == self.is_v4));
        let ends: Vec<String> = own.map(|service| end(side, service.port, service.ip)).collect();
        (!ends.is_empty()).then(|| ends.join(" or "))
    }
}

fn end(side: &str, port: u16, ip: Option<IpAddr>) -> String {
    match ip {
        Some(ip) => format!("({side} host {ip} and {side} port {port})"),
        None => format!("{side} port {port}"),
    }
}

#[cfg(test)]
mod tests {
    use common_core::payload_prefix::PayloadPrefix;
    use common_core::wire::Flags;
    use pcap::{Capture, Linktype};

    use super::super::filter_tests::{packet, with_ip_options};
    use super::*;

    const CLIENT: [&str; 2] = ["10.0.0.9:50000", "[fd00::9]:50000"];
    const SERVICE: [&str; 2] = ["10.0.0.1:80", "[fd00::1]:80"];
    const TARGET: [&str; 2] = ["10.0.0.2:80", "[fd00::2]:80"];

    fn endpoint(text: &str) -> Endpoint {
        text.parse::<std::net::SocketAddr>().unwrap().into()
    }

    /// Whether a packet in an Ethernet frame passes.
    fn passes(expression: &str, packet: &[u8]) -> bool {
        let kind: [u8; 2] = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] };
        let frame = [&[0; 12][..], &kind, packet].concat();
        let program = Capture::dead(Linktype::ETHERNET).unwrap().compile(expression, true);
        program.unwrap_or_else(|error| panic!("{expression}: {error}")).filter(&frame)
    }

    #[test]
    fn the_same_packets_pass_as_with_the_program() {
        const ANY: PayloadPrefix = &[];
        let (ack, push) = (Flags::ACK, Flags::ACK | Flags::PSH);
        let targets = TARGET.map(endpoint);
        for (family, (client, service)) in CLIENT.into_iter().zip(SERVICE).enumerate() {
            let named = SERVICE.map(endpoint).map(|end| Service { ip: Some(end.ip), port: end.port });
            let other = if family == 0 { "10.0.0.3:80" } else { "[fd00::3]:80" };
            for (services, is_named) in [(&named[..], true), (&[Service { ip: None, port: 80 }], false)] {
                let answers: Vec<_> = services
                    .iter()
                    .map(|service| ServiceAnswers { service: *service, answers: &[ANY], whole: &[] })
                    .collect();
                for (answers, has_answers) in [(&[][..], false), (&answers, true)] {
                    let expression = conversations(services, answers, &targets, false);
                    for (name, packet, wanted) in [
                        ("a request", packet(client, service, push, 9), true),
                        ("a SYN", packet(client, service, Flags::SYN, 0), true),
                        ("a FIN", packet(client, service, Flags::FIN | ack, 0), true),
                        ("an acknowledgement", packet(client, service, ack, 0), false),
                        ("a SYN-ACK", packet(service, client, Flags::SYN | ack, 0), true),
                        ("a reset", packet(service, client, Flags::RST, 0), true),
                        ("an answer", packet(service, client, push, 9), has_answers),
                        ("the service's acknowledgement", packet(service, client, ack, 0), false),
                        ("elsewhere", packet(client, other, push, 9), !is_named),
                        ("a copy", packet(client, TARGET[family], push, 9), false),
                        ("its answer", packet(TARGET[family], client, Flags::SYN | ack, 0), false),
                    ] {
                        assert_eq!(passes(&expression, &packet), wanted, "{name}, {client}: {expression}");
                    }
                }
            }
        }
        let expression = conversations(&[Service { ip: None, port: 80 }], &[], &[], false);
        for (payload, wanted) in [(0, false), (1, true)] {
            let packet = with_ip_options(packet(CLIENT[0], SERVICE[0], ack, payload), 3);
            assert_eq!(passes(&expression, &packet), wanted, "{payload} bytes after IP options");
        }
    }

    #[test]
    fn of_very_many_servers_all_segments_pass() {
        let servers: Vec<_> = (1..=8192).map(|port| Endpoint::new([10, 0, 0, 2].into(), port)).collect();
        assert_eq!(answers(&servers), received("tcp"));
        assert!(answers(&servers[..NAMED_MAX]).contains("src port 128"));
    }

    #[test]
    fn tunnels_pass_if_wanted() {
        let services = [Service { ip: Some("10.0.0.1".parse().unwrap()), port: 80 }];
        for (family, client) in CLIENT.into_iter().enumerate() {
            for (protocol, port, wanted) in
                [(17, 4789_u16, true), (17, 8472, true), (17, 6081, true), (47, 0, true), (17, 53, false)]
            {
                let mut packet = packet(client, TARGET[family], Flags::ACK, 9);
                let (at, header) = if family == 0 { (9, 20) } else { (6, 40) };
                packet[at] = protocol;
                packet[header + 2..header + 4].copy_from_slice(&port.to_be_bytes());
                for tunnels in [false, true] {
                    let expression = conversations(&services, &[], &[], tunnels);
                    assert_eq!(passes(&expression, &packet), wanted && tunnels, "{protocol}, port {port}");
                }
            }
        }
    }
}
