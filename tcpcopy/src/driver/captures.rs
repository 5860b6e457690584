//! The captures: one for each interface of `-i`, or one for all. Sockets of this process read them, or libpcap.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use common_os::io::af_packet::{AfPacket, FRAME_OVERHEAD, Room};
use common_os::io::bpf::{HEAD, Program, Service, ServiceAnswers, expression};
use common_os::io::pcap_live::{PcapLive, PcapOpenError, PcapRoom};
use common_os::io::{Capture, CaptureCounters, Captured};
use common_os::process::start::StartError;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token, Waker};

use super::pcap_feed::PcapFeed;
use super::vantage::Vantage;
use crate::cli::Config;
use crate::mirror::{Recent, Sorter};
use crate::report::CaptureStats;
use crate::services::Services;
use crate::settings::Transfer;

/// Size of a frame of a capture's ring: room for a short request, and for the captured part of an answer. Frames are small
/// because a burst is limited by their number, and all of them are memory in use.
const FRAME: usize = 320;
/// The same for packets in tunnels: room for two more pairs of headers.
const TUNNEL_FRAME: usize = 448;
const _: () = assert!((HEAD as usize) < FRAME - FRAME_OVERHEAD, "an answer would be read by a system call");

/// Frames for each MB of the capture buffer (5/32 of it), within these bounds. Every packet takes a frame, also a long one.
/// Unlike the rest of the buffer, all frames are memory in use from the start.
const PACKETS_PER_MB: usize = 512;
const PACKETS_MIN: usize = 2 * 1024;
const PACKETS_MAX: usize = 1024 * 1024;

/// How long libpcap gathers packets. Nobody waits for them, and the buffer lasts longer.
const GATHERING: Duration = Duration::from_millis(10);

/// Packets discarded at once at the end.
const DISCARDED_AT_ONCE: usize = 1024;

/// The filter that passes the packets of all clients and nothing else.
pub(crate) fn all_clients(config: &Config, vantage: Vantage) -> Program {
    match vantage {
        Vantage::Host => Program::clients(&services(config), &config.targets()),
        Vantage::Mirror => Program::mirrored(&services(config), &[], &config.targets(), config.decapsulates),
    }
}

/// All captures of a worker.
pub(crate) struct Captures {
    sources: Vec<Source>,
    first_token: usize,
    /// Tells directions where the capture does not, and takes tunnels off.
    sorter: Option<Sorter>,
    /// No packets come any more, but some may be left.
    stopped: bool,
    /// Packets that [`Self::discard`] has counted.
    unread: u64,
}

/// One capture.
struct Source {
    name: String,
    input: Input,
    /// There may be packets that no event will report.
    ready: bool,
    /// The last read failed, and that has been logged.
    failing: bool,
    counters: CaptureCounters,
}

enum Input {
    Socket(Box<AfPacket>),
    Pcap(Box<PcapFeed>),
}

impl Captures {
    /// Opens the captures of all workers, which share the packets. From now on the kernel queues packets. `local` are the
    /// addresses of this host.
    pub(crate) fn open(
        config: &Config,
        vantage: Vantage,
        local: &[IpAddr],
        first_token: usize,
    ) -> Result<Vec<Self>, StartError> {
        if config.pcap_capture {
            return Ok(vec![Self::open_pcap(config, vantage, local, first_token)?]);
        }
        let program = match &config.filter {
            Some(filter) => Program::from_expression(filter)?,
            None => program(config, vantage),
        };
        let workers = config.workers;
        let queue = config.buffer_bytes / usize::from(workers);
        let packets = ((queue >> 20) * PACKETS_PER_MB).clamp(PACKETS_MIN, PACKETS_MAX);
        let frame = if config.decapsulates { TUNNEL_FRAME } else { FRAME };
        let room = Room { frame, packets, queue, snap: config.snap };
        let mut all: Vec<_> = (0..workers).map(|_| Self::new(config, vantage, local, first_token)).collect();
        for interface in each_or_all(config) {
            let sockets = AfPacket::open_shared(interface, &program, room, workers)?;
            for (captures, socket) in all.iter_mut().zip(sockets) {
                if let (Vantage::Mirror, Some(name)) = (vantage, interface) {
                    socket.receive_all(name)?;
                }
                captures.sources.push(Source::new(interface, Input::Socket(Box::new(socket))));
            }
        }
        Ok(all)
    }

    /// The captures of the only worker, read by libpcap.
    fn open_pcap(
        config: &Config,
        vantage: Vantage,
        local: &[IpAddr],
        first_token: usize,
    ) -> Result<Self, StartError> {
        let filter = config.filter.clone().unwrap_or_else(|| {
            let (services, answers) = (services(config), answers(config));
            expression::conversations(&services, &answers, &config.targets(), config.decapsulates)
        });
        let room = PcapRoom {
            buffer: config.buffer_bytes,
            snap: config.snap,
            gathering: GATHERING,
            promiscuous: vantage == Vantage::Mirror,
        };
        let mut captures = Self::new(config, vantage, local, first_token);
        for interface in each_or_all(config) {
            let capture = PcapLive::open(interface, &filter, room).map_err(|error| match error {
                PcapOpenError::Open(error) => StartError::from(error),
                PcapOpenError::Filter(error) => error.into(),
            })?;
            captures.sources.push(Source::new(interface, Input::Pcap(Box::new(PcapFeed::new(capture)))));
        }
        Ok(captures)
    }

    fn new(config: &Config, vantage: Vantage, local: &[IpAddr], first_token: usize) -> Self {
        let services = || Services::here(&config.transfers, local.to_vec());
        let sorter = match vantage {
            Vantage::Mirror => Some(Sorter::new(services(), config.decapsulates, Some(Recent::new()))),
            Vantage::Host if config.pcap_capture => Some(Sorter::new(services(), false, None)),
            Vantage::Host => None,
        };
        Self { sources: Vec::new(), first_token, sorter, stopped: false, unread: 0 }
    }

    /// The number of captures.
    pub(crate) fn count(&self) -> usize {
        self.sources.len()
    }

    pub(crate) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        // A registry has one waker at most, so all threads of libpcap share it.
        let mut shared: Option<Arc<Waker>> = None;
        for (source, token) in self.sources.iter_mut().zip(self.first_token..) {
            match &mut source.input {
                Input::Socket(socket) => {
                    registry.register(
                        &mut SourceFd(&socket.as_raw_fd()),
                        Token(token),
                        Interest::READABLE,
                    )?;
                }
                Input::Pcap(feed) => {
                    let waker = match &shared {
                        Some(waker) => Arc::clone(waker),
                        None => Arc::clone(shared.insert(Arc::new(Waker::new(registry, Token(token))?))),
                    };
                    feed.start(waker)?;
                }
            }
        }
        Ok(())
    }

    /// Notes that a capture is readable; false if the token is not that of a capture.
    pub(crate) fn handle_event(&mut self, token: Token) -> bool {
        let index = token.0.wrapping_sub(self.first_token);
        match self.sources.get_mut(index) {
            Some(Source { input: Input::Socket(_), ready, .. }) => *ready = true,
            // The waker of all threads does not tell which one has packets.
            Some(_) => self.sources.iter_mut().for_each(|source| source.ready |= source.input.is_fed()),
            None => return false,
        }
        true
    }

    /// There may be packets that no event will report.
    pub(crate) fn any_ready(&self) -> bool {
        self.sources.iter().any(|source| source.ready || self.stopped && source.input.is_ending())
    }

    /// Passes at most `budget` packets of each capture to `sink`; returns how many there were.
    pub(crate) fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(Captured<'_>)) -> usize {
        let Some(sorter) = &mut self.sorter else { return receive(&mut self.sources, budget, sink) };
        let mut sorted = |captured: Captured<'_>| sorter.sort(captured).into_iter().for_each(&mut *sink);
        receive(&mut self.sources, budget, &mut sorted)
    }

    /// Reads the kernel's counters, and lets sockets that failed be read again.
    pub(crate) fn tick(&mut self) -> CaptureStats {
        let mirror = self.sorter.as_ref().map(Sorter::stats);
        let mut account = CaptureStats { unread: self.unread, mirror, ..CaptureStats::default() };
        for source in &mut self.sources {
            source.ready |= source.failing;
            match source.input.capture().counters() {
                Ok(counters) => source.counters = counters,
                Err(error) => log::debug!("no counters of {}: {error}", source.name),
            }
            account.add(source.counters);
        }
        account
    }

    /// Stops the capture; queued packets can still be read.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
        for source in &mut self.sources {
            source.ready = true;
            match &source.input {
                Input::Socket(socket) => {
                    if let Err(error) = socket.set_program(&Program::answers(&[])) {
                        log::warn!(
                            "cannot stop the capture on {}: {error}; ending nevertheless",
                            source.name
                        );
                    }
                }
                Input::Pcap(feed) => feed.stop(),
            }
        }
    }

    /// Counts the packets that are still queued after [`Self::stop`] and will not be read.
    pub(crate) fn discard(&mut self) {
        let unread = &mut self.unread;
        for source in &mut self.sources {
            // The limit ends this loop even if the capture has not stopped.
            for _ in 0..PACKETS_MAX / DISCARDED_AT_ONCE {
                let received = source.input.capture().receive(DISCARDED_AT_ONCE, &mut |_| *unread += 1);
                if received.unwrap_or_default() < DISCARDED_AT_ONCE {
                    break;
                }
            }
        }
    }
}

impl Source {
    fn new(interface: Option<&str>, input: Input) -> Self {
        let name = interface.unwrap_or("all interfaces").to_owned();
        Self { name, input, ready: true, failing: false, counters: CaptureCounters::default() }
    }
}

impl Input {
    fn capture(&mut self) -> &mut dyn Capture {
        match self {
            Self::Socket(socket) => &mut **socket,
            Self::Pcap(feed) => &mut **feed,
        }
    }

    /// A thread reads it.
    fn is_fed(&self) -> bool {
        matches!(self, Self::Pcap(_))
    }

    /// Packets may come after a stop, which no read has shown yet.
    fn is_ending(&self) -> bool {
        match self {
            Self::Socket(_) => false,
            Self::Pcap(feed) => !feed.has_ended(),
        }
    }
}

fn receive(sources: &mut [Source], budget: usize, sink: &mut dyn FnMut(Captured<'_>)) -> usize {
    let mut received = 0;
    for source in sources.iter_mut().filter(|source| source.ready || source.input.is_ending()) {
        match source.input.capture().receive(budget, sink) {
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

/// The interfaces to capture on; `None` stands for all.
fn each_or_all(config: &Config) -> impl Iterator<Item = Option<&str>> {
    let named = config.interfaces.iter().map(|name| Some(name.as_str()));
    named.chain(config.interfaces.is_empty().then_some(None))
}

fn program(config: &Config, vantage: Vantage) -> Program {
    let (services, answers, targets) = (services(config), answers(config), config.targets());
    match vantage {
        Vantage::Host => Program::conversations(&services, &answers, &targets),
        Vantage::Mirror => Program::mirrored(&services, &answers, &targets, config.decapsulates),
    }
}

/// The wanted answers of all services.
fn answers(config: &Config) -> Vec<ServiceAnswers> {
    config.transfers.iter().map(service_answers).collect()
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
