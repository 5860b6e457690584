//! The capture sockets: one for each interface of `-i`, or one for all.

use std::io;
use std::os::fd::AsRawFd;

use common::flow::Endpoint;
use common::io::af_packet::{AfPacket, Room};
use common::io::bpf::{Program, Service};
use common::io::{Capture, CaptureCounters, Captured};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::StartError;
use crate::cli::Config;
use crate::report::CaptureAccount;

/// Frames of a capture's ring, each with room for a short request.
const FRAME: usize = 512;

/// Every packet takes a frame, a long one too: half of the capture buffer is frames, between these bounds.
const PACKETS_MIN: usize = 2 * 1024;
const PACKETS_MAX: usize = 256 * 1024;

/// All capture sockets.
pub(super) struct Captures {
    sources: Vec<Source>,
    first_token: usize,
}

/// One capture socket.
struct Source {
    name: String,
    socket: AfPacket,
    /// There may be packets, and no event will come for them.
    ready: bool,
    /// The last read failed; that has been said.
    failing: bool,
    counters: CaptureCounters,
}

impl Captures {
    /// Opens the sockets; from now on the kernel queues packets.
    pub(super) fn open(config: &Config, first_token: usize) -> Result<Self, StartError> {
        let program = match &config.filter {
            Some(filter) => Program::from_expression(filter)?,
            None => Program::clients(&services(config), &config.targets()),
        };
        let packets = (config.buffer_bytes / 2 / FRAME).clamp(PACKETS_MIN, PACKETS_MAX).next_power_of_two();
        let room = Room { frame: FRAME, packets, queue: config.buffer_bytes, snap: config.snap };
        let open = |name: Option<&str>| {
            let socket = AfPacket::open(name, &program, room)?;
            let name = name.unwrap_or("all interfaces").to_owned();
            Ok(Source { name, socket, ready: true, failing: false, counters: CaptureCounters::default() })
        };
        let sources = if config.interfaces.is_empty() {
            vec![open(None)?]
        } else {
            config.interfaces.iter().map(|name| open(Some(name))).collect::<Result<_, StartError>>()?
        };
        Ok(Self { sources, first_token })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.sources.len()
    }

    pub(super) fn register(&self, registry: &Registry) -> io::Result<()> {
        self.sources.iter().zip(self.first_token..).try_for_each(|(source, token)| {
            registry.register(&mut SourceFd(&source.socket.as_raw_fd()), Token(token), Interest::READABLE)
        })
    }

    /// Notes that a socket can be read; false if the token is not for one.
    pub(super) fn handle_event(&mut self, token: Token) -> bool {
        match self.sources.get_mut(token.0.wrapping_sub(self.first_token)) {
            Some(source) => source.ready = true,
            None => return false,
        }
        true
    }

    /// There may be packets that no event will report.
    pub(super) fn any_ready(&self) -> bool {
        self.sources.iter().any(|source| source.ready)
    }

    /// Hands over at most `budget` packets of each socket.
    pub(super) fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(Captured<'_>)) {
        for source in self.sources.iter_mut().filter(|source| source.ready) {
            match source.socket.receive(budget, sink) {
                Ok(count) => (source.ready, source.failing) = (count >= budget, false),
                Err(error) => {
                    source.ready = false;
                    if !std::mem::replace(&mut source.failing, true) {
                        log::warn!("cannot capture on {}: {error}; trying again every second", source.name);
                    }
                }
            }
        }
    }

    /// Reads the kernel's counters, and gives sockets that failed another chance.
    pub(super) fn tick(&mut self) -> CaptureAccount {
        let mut account = CaptureAccount::default();
        for source in &mut self.sources {
            source.ready |= source.failing;
            match source.socket.counters() {
                Ok(counters) => source.counters = counters,
                Err(error) => log::debug!("no counters of {}: {error}", source.name),
            }
            account.add(source.counters);
        }
        account
    }

    /// Lets nothing more in; what is queued already can still be read.
    pub(super) fn stop(&mut self) {
        for source in &mut self.sources {
            source.ready = true;
            if let Err(error) = source.socket.set_program(&Program::answers(&[])) {
                log::warn!(
                    "cannot stop the capture on {}: {error}; ending in a moment nevertheless",
                    source.name
                );
            }
        }
    }
}

/// What to capture: each service once, whatever its targets.
fn services(config: &Config) -> Vec<Service> {
    let service = |(ip, port)| Service { ip, port };
    let mut services: Vec<Service> =
        config.transfers.iter().map(|t| service((t.online_ip, t.online_port))).collect();
    services.sort_unstable();
    services.dedup();
    services
}

/// Warns of a target that is an address of this host and would be a service too: clients that connect to it directly
/// cannot be told from copies, and are left alone.
pub(super) fn warn_of_local_targets(config: &Config, local: &[std::net::IpAddr]) {
    for transfer in &config.transfers {
        let target: Endpoint = transfer.target;
        if transfer.online_ip.is_none() && transfer.online_port == target.port && local.contains(&target.ip) {
            log::warn!(
                "target {target} is on this host: connections of clients to that very address are not copied; \
                 name the online service's address in -x if it has another"
            );
        }
    }
}
