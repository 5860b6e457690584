//! The capture sockets, all with one filter.

use std::io;
use std::os::fd::AsRawFd;

use common_core::flow::Endpoint;
use common_os::io::af_packet::{AfPacket, DEFAULT_SNAP, Room};
use common_os::io::bpf::{Program, Split};
use common_os::io::{Capture, CaptureCounters, Captured};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::StartError;

/// What the workers' sockets together have room for on an interface: a quarter of a second of a busy server's headers
/// in 3 MB, and whole answers where they are asked for.
const ROOM: Room = Room { frame: 192, packets: 16 * 1024, queue: 64 << 20, snap: DEFAULT_SNAP };

/// Bytes kept of a packet while nobody asks for payload: IPv6 and the longest TCP header. They fit in a frame.
const HEADERS: u32 = 100;

/// Packets taken from one socket before it is the others' turn.
const BUDGET: usize = 256;

/// The open captures of a worker.
pub(super) struct Captures {
    sockets: Vec<Source>,
    /// The filter follows the targets that tcpcopies announce.
    derived: bool,
    /// What passes is captured whole, not only its headers.
    whole: bool,
    program: Program,
}

struct Source {
    name: String,
    socket: AfPacket,
    readable: bool,
    /// The last error, so that the same one is logged once.
    failed: Option<Option<i32>>,
}

impl Captures {
    /// Opens the captures of all workers, which share what is captured: one for each interface, or one of all interfaces.
    pub(super) fn open(
        interfaces: &[String],
        filter: Option<&str>,
        workers: u16,
    ) -> Result<Vec<Self>, StartError> {
        let program = match filter {
            Some(expression) => Program::from_expression(expression)?,
            None => Program::answers(&[]),
        };
        let all = [None];
        let named: Vec<_> = interfaces.iter().map(|name| Some(name.as_str())).collect();
        let headers = program.clone().keeping(HEADERS);
        let packets = ROOM.packets / usize::from(workers);
        let room = Room { packets, queue: ROOM.queue / usize::from(workers), ..ROOM };
        let empty = || Self {
            sockets: Vec::new(),
            derived: filter.is_none(),
            whole: false,
            program: program.clone(),
        };
        let mut each: Vec<Self> = (0..workers).map(|_| empty()).collect();
        for interface in if named.is_empty() { &all[..] } else { &named } {
            let sockets = AfPacket::open_shared(*interface, &headers, room, workers, Split::OfAnswers)?;
            for (captures, socket) in each.iter_mut().zip(sockets) {
                let name = interface.unwrap_or("all interfaces").into();
                captures.sockets.push(Source { name, socket, readable: true, failed: None });
            }
        }
        Ok(each)
    }

    /// None at all.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { sockets: Vec::new(), derived: true, whole: false, program: Program::answers(&[]) }
    }

    /// Registers each socket under a token of its own, from `first` on.
    pub(super) fn register(&self, registry: &Registry, first: usize) -> io::Result<()> {
        for (index, source) in self.sockets.iter().enumerate() {
            let token = Token(first + index);
            registry.register(&mut SourceFd(&source.socket.as_raw_fd()), token, Interest::READABLE)?;
        }
        Ok(())
    }

    /// An event has come for the socket with this number.
    pub(super) fn set_readable(&mut self, index: usize) {
        if let Some(source) = self.sockets.get_mut(index) {
            source.readable = true;
        }
    }

    /// A socket that failed gets no further event for what is queued in it.
    pub(super) fn retry_failed(&mut self) {
        for source in &mut self.sockets {
            source.readable |= source.failed.is_some();
        }
    }

    /// Something may be left to receive, for which no event will come.
    pub(super) fn any_readable(&self) -> bool {
        self.sockets.iter().any(|source| source.readable)
    }

    /// Hands over what was captured, a budget from each socket.
    pub(super) fn receive(&mut self, sink: &mut dyn FnMut(Captured<'_>)) {
        for source in self.sockets.iter_mut().filter(|source| source.readable) {
            match source.socket.receive(BUDGET, sink) {
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

    /// Narrows the capture to the answers of these servers, unless the user has given a filter.
    pub(super) fn follow(&mut self, targets: &[Endpoint]) {
        if self.derived {
            let program = Program::answers(targets);
            if std::mem::replace(&mut self.program, program) != self.program {
                self.replace_filters();
            }
        }
    }

    /// The answers of these servers are captured, and no others.
    #[cfg(test)]
    pub(super) fn captures_only(&self, targets: &[Endpoint]) -> bool {
        self.program == Program::answers(targets)
    }

    /// From now on packets are captured with their payload, or without.
    pub(super) fn keep_payload(&mut self, whole: bool) {
        if std::mem::replace(&mut self.whole, whole) != whole {
            self.replace_filters();
        }
    }

    /// Packets are captured with their payload.
    #[cfg(test)]
    pub(super) fn keeps_payload(&self) -> bool {
        self.whole
    }

    fn replace_filters(&self) {
        let program = self.program.clone();
        let program = if self.whole { program } else { program.keeping(HEADERS) };
        for source in &self.sockets {
            if let Err(error) = source.socket.set_program(&program) {
                log::error!("cannot replace the capture filter of {}: {error}; use -F", source.name);
            }
        }
    }

    /// The kernel's counters, of all sockets together.
    pub(super) fn counters(&mut self) -> CaptureCounters {
        let mut sum = CaptureCounters::default();
        for source in &mut self.sockets {
            // They cannot be read only if the socket is no packet socket.
            let counters = source.socket.counters().unwrap_or_default();
            sum.received += counters.received;
            sum.dropped += counters.dropped;
        }
        sum
    }
}

impl Source {
    fn fail(&mut self, error: &io::Error) {
        let kind = Some(error.raw_os_error());
        if self.failed != kind {
            log::warn!("capture on {}: {error}; it goes on when the interface comes back", self.name);
        }
        self.failed = kind;
        self.readable = false;
    }
}
