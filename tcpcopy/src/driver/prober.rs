//! Probes of a silent test server, by a thread that may wait: a connection from this host's own address, and a SYN from the
//! address of intercept, which reports the answer. Only the detector asks for them, and seldom.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use common_core::flow::{Endpoint, Flow};
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Seq};
use common_os::io::raw_ip::RawIp;
use common_os::io::{Inject, OpenError};

use crate::findings::{Own, Probe, ProbeWanted};

/// Limit of the wait for an answer: long enough for a second SYN.
const LIMIT: Duration = Duration::from_millis(2500);

/// The sockets for probes, to be opened before privileges are dropped.
pub(super) struct ProbeSocket(RawIp);

impl ProbeSocket {
    pub(super) fn open(targets: &[Endpoint]) -> Result<Self, OpenError> {
        let v4 = targets.iter().any(|target| target.ip.is_ipv4());
        let v6 = targets.iter().any(|target| target.ip.is_ipv6());
        RawIp::open(v4, v6).map(Self)
    }
}

/// The thread that probes; it ends with this.
pub(super) struct Prober {
    requests: SyncSender<ProbeWanted>,
    results: Receiver<(usize, Probe)>,
}

impl Prober {
    pub(super) fn start(socket: ProbeSocket) -> io::Result<Self> {
        let (requests, wanted) = sync_channel::<ProbeWanted>(1);
        let (done, results) = sync_channel(1);
        let mut sender = SynSender { socket: socket.0, builder: PacketBuilder::new() };
        thread::Builder::new().name("probe".to_owned()).spawn(move || {
            for probe in wanted {
                let foreign = probe.foreign.filter(|source| sender.send(*source, probe.address).is_ok());
                let own = connect(probe.address);
                if done.send((probe.target, Probe { request: probe.request, own, foreign })).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { requests, results })
    }

    /// Starts a probe. While another one is under way it is left out.
    pub(super) fn probe(&self, wanted: ProbeWanted) {
        let _ = self.requests.try_send(wanted);
    }

    /// The result of a probe, with the index of its target.
    pub(super) fn result(&self) -> Option<(usize, Probe)> {
        self.results.try_recv().ok()
    }
}

/// Connects from this host's own address, and closes at once.
pub(crate) fn connect(target: Endpoint) -> Own {
    match TcpStream::connect_timeout(&SocketAddr::from(target), LIMIT) {
        Ok(_) => Own::Accepted,
        Err(error) => match error.kind() {
            ErrorKind::ConnectionRefused => Own::Refused,
            ErrorKind::TimedOut => Own::Unanswered,
            _ => Own::Failed(error.to_string()),
        },
    }
}

struct SynSender {
    socket: RawIp,
    builder: PacketBuilder,
}

impl SynSender {
    /// Sends a SYN in the name of `source`, whose kernel will reset the connection.
    fn send(&mut self, source: IpAddr, server: Endpoint) -> io::Result<()> {
        let random = RandomState::new().build_hasher().finish();
        let port = 32_768 | (random >> 32) as u16;
        let flow = Flow { client: Endpoint::new(source, port), server };
        self.socket.send(self.builder.build(&flow, &bare(Flags::SYN, Seq(random as u32))))
    }
}

/// A segment of a probe: a SYN, or the RST that takes it back.
pub(crate) fn bare(flags: Flags, seq: Seq) -> Outgoing<'static> {
    Outgoing { seq, ack: Seq(0), flags, window: 1024, options: Options::default(), payload: (&[], &[]) }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_refusal_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Endpoint::from(listener.local_addr().unwrap());
        assert_eq!(connect(server), Own::Accepted);
        drop(listener);
        assert_eq!(connect(server), Own::Refused);
    }

    #[test]
    fn an_address_that_cannot_be_reached_is_told() {
        let broadcast = Endpoint::new([255, 255, 255, 255].into(), 9);
        assert!(matches!(connect(broadcast), Own::Failed(_)));
    }
}
