//! The capture sockets: one for each interface of `-i`, or one for all.

use std::io;
use std::os::fd::AsRawFd;

use common_os::io::af_packet::{AfPacket, FRAME_OVERHEAD, Room};
use common_os::io::bpf::{HEAD, Program, Service, ServiceAnswers};
use common_os::io::{Capture, CaptureCounters, Captured};
use common_os::process::start::StartError;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::cli::Config;
use crate::report::CaptureStats;
use crate::settings::Transfer;

/// Size of a frame of a capture's ring: room for a short request, and for the captured part of an answer. Frames are small
/// because a burst is limited by their number, and all of them are memory in use.
const FRAME: usize = 320;
const _: () = assert!((HEAD as usize) < FRAME - FRAME_OVERHEAD, "an answer would be read by a system call");

/// Frames for each MB of the capture buffer (5/32 of it), within these bounds. Every packet takes a frame, also a long one.
/// Unlike the rest of the buffer, all frames are memory in use from the start.
const PACKETS_PER_MB: usize = 512;
const PACKETS_MIN: usize = 2 * 1024;
const PACKETS_MAX: usize = 1024 * 1024;

/// Packets discarded at once at the end.
const DISCARDED_AT_ONCE: usize = 1024;

/// The filter that passes the packets of all clients and nothing else.
pub(super) fn all_clients(config: &Config) -> Program {
    Program::clients(&services(config), &config.targets())
}

/// All capture sockets of a worker.
pub(super) struct Captures {
    sources: Vec<Source>,
    first_token: usize,
    /// Packets that [`Self::discard`] has counted.
    unread: u64,
}

/// One capture socket.
struct Source {
    name: String,
    socket: AfPacket,
    /// There may be packets that no event will report.
    ready: bool,
    /// The last read failed, and that has been logged.
    failing: bool,
    counters: CaptureCounters,
}

impl Captures {
    /// Opens the sockets of all workers, which share the packets. From now on the kernel queues packets.
    pub(super) fn open(config: &Config, first_token: usize) -> Result<Vec<Self>, StartError> {
        let program = match &config.filter {
            Some(filter) => Program::from_expression(filter)?,
            None => {
                let answers: Vec<ServiceAnswers> = config.transfers.iter().map(service_answers).collect();
                Program::conversations(&services(config), &answers, &config.targets())
            }
        };
        let workers = config.workers;
        let queue = config.buffer_bytes / usize::from(workers);
        let packets = ((queue >> 20) * PACKETS_PER_MB).clamp(PACKETS_MIN, PACKETS_MAX);
        let room = Room { frame: FRAME, packets, queue, snap: config.snap };
        let mut all: Vec<_> =
            (0..workers).map(|_| Self { sources: Vec::new(), first_token, unread: 0 }).collect();
        let named = config.interfaces.iter().map(|name| Some(name.as_str()));
        let each_or_all = named.chain(config.interfaces.is_empty().then_some(None));
        for interface in each_or_all {
            let sockets = AfPacket::open_shared(interface, &program, room, workers)?;
            for (captures, socket) in all.iter_mut().zip(sockets) {
                captures.sources.push(Source::new(interface.unwrap_or("all interfaces"), socket));
            }
        }
        Ok(all)
    }

    /// The number of sockets.
    pub(super) fn count(&self) -> usize {
        self.sources.len()
    }

    pub(super) fn register(&self, registry: &Registry) -> io::Result<()> {
        self.sources.iter().zip(self.first_token..).try_for_each(|(source, token)| {
            registry.register(&mut SourceFd(&source.socket.as_raw_fd()), Token(token), Interest::READABLE)
        })
    }

    /// Notes that a socket is readable; false if the token is not that of a capture socket.
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

    /// Passes at most `budget` packets of each socket to `sink`; returns how many there were.
    pub(super) fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(Captured<'_>)) -> usize {
        let mut received = 0;
        for source in self.sources.iter_mut().filter(|source| source.ready) {
            match source.socket.receive(budget, sink) {
                Ok(count) => {
                    received += count;
                    (source.ready, source.failing) = (count >= budget, false);
                }
                Err(error) => {
                    source.ready = false;
                    if !std::mem::replace(&mut source.failing, true) {
                        log::warn!("cannot capture on {}: {error}; trying again every second", source.name);
                    }
                }
            }
        }
        received
    }

    /// Reads the kernel's counters, and lets sockets that failed be read again.
    pub(super) fn tick(&mut self) -> CaptureStats {
        let mut account = CaptureStats { unread: self.unread, ..CaptureStats::default() };
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

    /// Stops the capture; queued packets can still be read.
    pub(super) fn stop(&mut self) {
        for source in &mut self.sources {
            source.ready = true;
            if let Err(error) = source.socket.set_program(&Program::answers(&[])) {
                log::warn!("cannot stop the capture on {}: {error}; ending nevertheless", source.name);
            }
        }
    }

    /// Counts the packets that are still queued after [`Self::stop`] and will not be read.
    pub(super) fn discard(&mut self) {
        let unread = &mut self.unread;
        for source in &mut self.sources {
            // The limit ends this loop even if the capture has not stopped.
            for _ in 0..PACKETS_MAX / DISCARDED_AT_ONCE {
                let received = source.socket.receive(DISCARDED_AT_ONCE, &mut |_| *unread += 1);
                if received.unwrap_or_default() < DISCARDED_AT_ONCE {
                    break;
                }
            }
        }
    }
}

impl Source {
    fn new(name: &str, socket: AfPacket) -> Self {
        let name = name.to_owned();
        Self { name, socket, ready: true, failing: false, counters: CaptureCounters::default() }
    }
}

/// The services: each once, whatever its targets.
fn services(config: &Config) -> Vec<Service> {
    let mut services: Vec<Service> = config.transfers.iter().map(service).collect();
    services.sort_unstable();
    services.dedup();
    services
}

fn service(transfer: &Transfer) -> Service {
    Service { ip: transfer.online_ip, port: transfer.online_port }
}

/// The wanted answers of the service.
fn service_answers(transfer: &Transfer) -> ServiceAnswers {
    let (answers, whole) = (transfer.online_answers(), transfer.whole_online_answers());
    ServiceAnswers { service: service(transfer), answers, whole }
}
