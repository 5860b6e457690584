//! Filters of datagrams, compiled by libpcap: UDP is copied so rarely that it needs no program of its own.

use std::fmt::Write;

use common_core::flow::Endpoint;

use super::expression::NAMED_MAX;
use super::{Program, Service, nothing};

impl Program {
    /// Passes the datagrams that these servers send; of more than [`NAMED_MAX`] servers, all datagrams.
    #[must_use]
    pub fn datagrams_from(servers: &[Endpoint]) -> Self {
        if servers.is_empty() {
            return nothing();
        }
        if servers.len() > NAMED_MAX {
            return Self::from_expression("udp").unwrap_or_else(|_| nothing());
        }
        let each =
            servers.iter().map(|server| format!("(udp src port {} and src host {})", server.port, server.ip));
        Self::from_expression(&any_of(each))
            .or_else(|_| Self::from_expression("udp"))
            .unwrap_or_else(|_| nothing())
    }
}

/// The expression for datagrams to these services, in the syntax of tcpdump.
#[must_use]
pub fn datagrams_to(services: &[Service]) -> String {
    any_of(services.iter().map(|service| {
        let mut one = format!("(udp dst port {}", service.port);
        if let Some(ip) = service.ip {
            let _ = write!(one, " and dst host {ip}");
        }
        one + ")"
    }))
}

fn any_of(each: impl Iterator<Item = String>) -> String {
    each.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use common_core::wire::Datagram;

    use super::super::interpreter::{Metadata, run};
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse::<SocketAddr>().unwrap().into()
    }

    fn packet(source: &str, destination: &str) -> Vec<u8> {
        let (source, destination) = (endpoint(source), endpoint(destination));
        let mut packet = Vec::new();
        assert!(Datagram { source, destination, hops: 64, payload: b"", payload_len: 0 }.write(&mut packet));
        packet
    }

    fn passes(program: &Program, source: &str, destination: &str) -> bool {
        run(program, &packet(source, destination), Metadata::default()) > 0
    }

    #[test]
    fn datagrams_of_the_servers_pass() {
        let servers = ["10.0.0.17:53", "[fd00::17]:53"].map(endpoint);
        let program = Program::datagrams_from(&servers);
        for (source, expected) in [("10.0.0.17:53", true), ("10.0.0.17:54", false), ("10.0.0.18:53", false)] {
            assert_eq!(passes(&program, source, "10.0.0.1:1000"), expected, "{source}");
        }
        assert!(passes(&program, "[fd00::17]:53", "[fd00::1]:1000"));
        assert!(!passes(&program, "[fd00::18]:53", "[fd00::1]:1000"));
        assert!(!passes(&Program::datagrams_from(&[]), "10.0.0.17:53", "10.0.0.1:1000"));
    }

    #[test]
    fn of_very_many_servers_all_datagrams_pass() {
        let servers: Vec<_> = (1..=8192).map(|port| Endpoint::new([10, 0, 0, 17].into(), port)).collect();
        let all = Program::datagrams_from(&servers);
        assert!(passes(&all, "10.9.9.9:9", "10.0.0.1:1000"));
        assert!(all.instructions.len() < 16, "{}", all.instructions.len());
        let named = Program::datagrams_from(&servers[..NAMED_MAX]);
        assert!(passes(&named, "10.0.0.17:128", "10.0.0.1:1000"));
        assert!(!passes(&named, "10.0.0.17:129", "10.0.0.1:1000"));
    }

    #[test]
    fn datagrams_to_the_services_pass() {
        let services =
            [Service { ip: None, port: 53 }, Service { ip: Some("10.0.0.16".parse().unwrap()), port: 123 }];
        let program = Program::from_expression(&datagrams_to(&services)).unwrap();
        for (destination, expected) in
            [("10.1.1.1:53", true), ("10.0.0.16:123", true), ("10.0.0.17:123", false)]
        {
            assert_eq!(passes(&program, "10.0.0.1:1000", destination), expected, "{destination}");
        }
    }
}
