//! The captures, which all have the same filter. Sockets of this process read them, or libpcap.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use common_core::flow::Endpoint;
use common_os::io::af_packet::{AfPacket, DEFAULT_SNAP, Room};
use common_os::io::bpf::{Program, expression};
use common_os::io::pcap_live::{PcapLive, PcapOpenError, PcapRoom};
use common_os::io::{Capture, CaptureCounters, Captured};
use common_os::process::start::StartError;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

/// The room of each socket: a quarter of a second of a busy server's headers in 3 MB, and whole packets in the queue when
/// payload is asked for.
const ROOM: Room = Room { frame: 192, packets: 16 * 1024, queue: 64 << 20, snap: DEFAULT_SNAP };

/// Bytes kept of a packet while no route asks for payload: an IPv6 header and the longest TCP header. They fit in a frame.
const HEADERS: u32 = 100;

/// How long libpcap gathers answers. A copy waits for each before it goes on, so this is added to every round trip. With a
/// millisecond the buffer lasts as long as that of a socket, a quarter of a second.
const GATHERING: Duration = Duration::from_millis(1);

/// Packets taken from one socket in a round.
const BUDGET: usize = 256;

/// The open captures.
pub(super) struct Captures {
    sockets: Vec<Source>,
    /// The filter is derived from the announced targets.
    derived: bool,
    /// How it is derived.
    answers: fn(&[Endpoint]) -> Program,
    /// Packets are captured whole, not only their headers.
    whole: bool,
    program: Program,
    /// The same for libpcap.
    expression: String,
}

enum Input {
    Socket(Box<AfPacket>),
    /// It captures what this host receives, always whole.
    Pcap(Box<PcapLive>),
}

struct Source {
    name: String,
    input: Input,
    readable: bool,
    /// The error of the last read: the same error is logged once.
    failed: Option<Option<i32>>,
}

impl Captures {
    /// Opens one capture for each interface, or one of all interfaces. Without a filter of the user, `answers` makes one of the
    /// targets.
    pub(super) fn open(
        interfaces: &[String],
        filter: Option<&str>,
        by_pcap: bool,
        answers: fn(&[Endpoint]) -> Program,
    ) -> Result<Self, StartError> {
        let program = match filter {
            Some(expression) => Program::from_expression(expression)?,
            None => answers(&[]),
        };
        let headers = program.clone().keeping(HEADERS);
        let expression = filter.map_or_else(|| expression::answers(&[]), expression::received);
        let named = interfaces.iter().map(|name| Some(name.as_str()));
        let each_or_all = named.chain(interfaces.is_empty().then_some(None));
        let open = |interface: Option<&str>| {
            let input = if by_pcap {
                Input::Pcap(Box::new(open_pcap(interface, &expression)?))
            } else {
                Input::Socket(Box::new(AfPacket::open(interface, &headers, ROOM)?))
            };
            let name = interface.unwrap_or("all interfaces").into();
            Ok(Source { name, input, readable: true, failed: None })
        };
        let sockets = each_or_all.map(open).collect::<Result<_, StartError>>()?;
        Ok(Self { sockets, derived: filter.is_none(), answers, whole: false, program, expression })
    }

    /// No capture at all.
    pub(super) fn none() -> Self {
        let (program, expression) = (Program::answers(&[]), String::new());
        let answers = Program::answers;
        Self { sockets: Vec::new(), derived: true, answers, whole: false, program, expression }
    }

    /// Registers each socket under a token of its own, from `first` on.
    pub(super) fn register(&self, registry: &Registry, first: usize) -> io::Result<()> {
        for (index, source) in self.sockets.iter().enumerate() {
            let token = Token(first + index);
            registry.register(&mut SourceFd(&source.input.descriptor()), token, Interest::READABLE)?;
        }
        Ok(())
    }

    /// An event has come for the socket with this index.
    pub(super) fn set_readable(&mut self, index: usize) {
        if let Some(source) = self.sockets.get_mut(index) {
            source.readable = true;
        }
    }

    /// Reads sockets that failed again: no further event comes for the packets queued in them.
    pub(super) fn retry_failed(&mut self) {
        for source in &mut self.sockets {
            source.readable |= source.failed.is_some();
        }
    }

    /// There may be packets that no event will report.
    pub(super) fn any_readable(&self) -> bool {
        self.sockets.iter().any(|source| source.readable)
    }

    /// Hands over captured packets, at most the budget of each socket.
    pub(super) fn receive(&mut self, sink: &mut dyn FnMut(Captured<'_>)) {
        for source in self.sockets.iter_mut().filter(|source| source.readable) {
            match source.input.capture().receive(BUDGET, sink) {
                Ok(count) => {
                    source.readable = count == BUDGET;
                    source.failed = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    source.readable = false;
                    source.failed = None;
                }
                Err(error) => source.fail(&error),
            }
        }
    }

    /// Captures the answers of these servers and no others, unless the user has given a filter.
    pub(super) fn follow(&mut self, targets: &[Endpoint]) {
        if self.derived {
            let program = (self.answers)(targets);
            if std::mem::replace(&mut self.program, program) != self.program {
                self.expression = expression::answers(targets);
                self.replace_filters();
            }
        }
    }

    /// Only the answers of these servers are captured.
    #[cfg(test)]
    pub(super) fn captures_only(&self, targets: &[Endpoint]) -> bool {
        self.program == Program::answers(targets)
    }

    /// Captures packets with their payload from now on, or without it.
    pub(super) fn keep_payload(&mut self, whole: bool) {
        if std::mem::replace(&mut self.whole, whole) != whole {
            self.replace_filters();
        }
    }

    /// Whether packets are captured with their payload.
    #[cfg(test)]
    pub(super) fn keeps_payload(&self) -> bool {
        self.whole
    }

    fn replace_filters(&mut self) {
        let program = self.program.clone();
        let program = if self.whole { program } else { program.keeping(HEADERS) };
        for source in &mut self.sockets {
            let set = match &mut source.input {
                Input::Socket(socket) => socket.set_program(&program),
                Input::Pcap(pcap) => pcap.set_filter(&self.expression),
            };
            if let Err(error) = set {
                log::error!("cannot replace the capture filter of {}: {error}; use -F", source.name);
            }
        }
    }

    /// The kernel's counters, of all sockets together.
    pub(super) fn counters(&mut self) -> CaptureCounters {
        let mut sum = CaptureCounters::default();
        for source in &mut self.sockets {
            // This cannot fail on a packet socket.
            let counters = source.input.capture().counters().unwrap_or_default();
            sum.received += counters.received;
            sum.dropped += counters.dropped;
        }
        sum
    }
}

impl Input {
    fn capture(&mut self) -> &mut dyn Capture {
        match self {
            Self::Socket(socket) => &mut **socket,
            Self::Pcap(pcap) => &mut **pcap,
        }
    }

    fn descriptor(&self) -> RawFd {
        match self {
            Self::Socket(socket) => socket.as_raw_fd(),
            Self::Pcap(pcap) => pcap.as_raw_fd(),
        }
    }
}

fn open_pcap(interface: Option<&str>, expression: &str) -> Result<PcapLive, StartError> {
    let room = PcapRoom { buffer: ROOM.queue, snap: ROOM.snap, gathering: GATHERING, promiscuous: false };
    PcapLive::open(interface, expression, room).map_err(|error| match error {
        PcapOpenError::Open(error) => error.into(),
        PcapOpenError::Filter(error) => error.into(),
    })
}

impl Source {
    fn fail(&mut self, error: &io::Error) {
        let kind = Some(error.raw_os_error());
        if self.failed != kind {
            log::warn!("capture on {}: {error}; it continues when the interface comes back", self.name);
        }
        self.failed = kind;
        self.readable = false;
    }
}
