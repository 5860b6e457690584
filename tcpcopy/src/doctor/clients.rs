//! The clients of the services, as far as their packets or connections are seen.

use std::net::IpAddr;

use common_core::flow::Endpoint;
use common_core::wire::{Flags, Segment};
use common_os::io::Captured;

use super::facts::Clients;
use crate::cli::Config;

/// Counts the packets of clients, and remembers one client of each address family.
pub(super) struct Onlooker<'a> {
    config: &'a Config,
    /// The addresses of this host.
    local: &'a [IpAddr],
    clients: Clients,
}

impl<'a> Onlooker<'a> {
    pub(super) fn new(config: &'a Config, local: &'a [IpAddr]) -> Self {
        Self { config, local, clients: Clients::default() }
    }

    /// A packet was captured; true if a client of each wanted family is known.
    pub(super) fn see(&mut self, captured: Captured<'_>) -> bool {
        let Ok(segment) = Segment::parse(captured.packet) else { return false };
        if captured.outgoing || !self.is_service(segment.destination) {
            return false;
        }
        let clients = &mut self.clients;
        clients.captured += 1;
        clients.talking += u64::from(!segment.flags.has(Flags::SYN));
        clients.loopback += u64::from(segment.source.ip.is_loopback());
        self.note(segment.source.ip);
        self.has_enough()
    }

    /// A client has a connection.
    pub(super) fn note(&mut self, ip: IpAddr) {
        if self.can_lend_its_address(ip) {
            let place = if ip.is_ipv4() { &mut self.clients.v4 } else { &mut self.clients.v6 };
            place.get_or_insert(ip);
        }
    }

    /// All that was seen; `passing` are the packets to the services on each interface.
    pub(super) fn finish(self, passing: Vec<(String, u64)>) -> Clients {
        Clients { passing, ..self.clients }
    }

    fn is_service(&self, end: Endpoint) -> bool {
        let mut transfers = self.config.transfers.iter();
        transfers.any(|transfer| transfer.online_port == end.port && transfer.copies_at(end.ip))
    }

    /// A probe can come from there: an answer to this host, the assistant or the test server would not be routed as one to a
    /// client.
    fn can_lend_its_address(&self, ip: IpAddr) -> bool {
        let targets = self.config.transfers.iter().map(|transfer| transfer.target.ip);
        let mut hosts = self.config.intercepts.iter().map(|intercept| intercept.ip).chain(targets);
        !ip.is_loopback() && !self.local.contains(&ip) && hosts.all(|host| host != ip)
    }

    fn has_enough(&self) -> bool {
        let has = |target: IpAddr| if target.is_ipv4() { self.clients.v4 } else { self.clients.v6 }.is_some();
        self.config.transfers.iter().all(|transfer| has(transfer.target.ip))
    }
}

#[cfg(test)]
mod tests {
    use common_core::flow::Flow;
    use common_core::time::Stamp;
    use common_core::wire::{PacketBuilder, Seq};
    use common_os::command_line::Invocation;

    use super::*;
    use crate::cli;
    use crate::driver::prober::bare;

    fn config(transfers: &str) -> Config {
        let line = ["tcpcopy", "-x", transfers, "-s", "10.0.0.18"];
        let Ok(Invocation::Run(config)) = cli::parse(line.map(Into::into)) else { panic!("{transfers}") };
        config
    }

    /// Sees a SYN.
    fn sees(onlooker: &mut Onlooker<'_>, client: &str, server: &str) -> bool {
        let endpoint = |text: &str| Endpoint::from(text.parse::<std::net::SocketAddr>().unwrap());
        let flow = Flow { client: endpoint(client), server: endpoint(server) };
        let mut builder = PacketBuilder::new();
        let packet = builder.build(&flow, &bare(Flags::SYN, Seq(1)));
        onlooker.see(Captured { packet, outgoing: false, stamp: Stamp::default() })
    }

    #[test]
    fn clients_are_counted_and_one_of_each_family_is_enough() {
        let (config, local) = (config("80-10.0.0.17:80,80-[fd00::17]:80"), ["10.0.0.16".parse().unwrap()]);
        let mut onlooker = Onlooker::new(&config, &local);
        for (client, server, enough) in [
            ("192.168.1.7:5000", "10.0.0.16:81", false),
            ("127.0.0.1:5000", "127.0.0.1:80", false),
            ("10.0.0.16:5000", "10.0.0.16:80", false),
            ("10.0.0.18:5000", "10.0.0.16:80", false),
            ("192.168.1.7:5000", "10.0.0.16:80", false),
            ("[fd00::7]:5000", "[fd00::16]:80", true),
        ] {
            assert_eq!(sees(&mut onlooker, client, server), enough, "{client}");
        }
        assert!(!onlooker.see(Captured { packet: &[0x45], outgoing: false, stamp: Stamp::default() }));
        let clients = onlooker.finish(Vec::new());
        assert_eq!((clients.captured, clients.talking, clients.loopback), (5, 0, 1));
        assert_eq!(clients.v4, Some("192.168.1.7".parse().unwrap()), "the others are hosts of the copy");
        assert_eq!(clients.v6, Some("fd00::7".parse().unwrap()));
    }
}
