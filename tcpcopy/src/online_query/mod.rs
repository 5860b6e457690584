//! Queries online servers about connections that are older than the copy: apart from the packets, in a thread for each
//! server, at most once a second. The protocol defines the question and reads the answer (`module_kit::online_query`).

mod own;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use common_core::flow::Endpoint;
use common_core::time::Time;
use common_os::clock::Clock;
use module_kit::Protocol;
use module_kit::online_query::OnlineQuery;
use socket2::{Domain, Protocol as IpProtocol, Socket, Type};

pub use self::own::OwnEndpoints;
use crate::settings::Transfer;

/// Time between two questions to one server, and after a question that failed.
const INTERVAL: Duration = Duration::from_secs(1);
const INTERVAL_FAILED: Duration = Duration::from_secs(10);

/// The query of a protocol to the online server of a transfer.
#[derive(Clone)]
pub(crate) struct Query {
    /// The index of the transfer.
    pub(crate) transfer: usize,
    pub(crate) query: Arc<dyn OnlineQuery>,
    name: &'static str,
}

impl Query {
    /// All queries of these transfers.
    pub(crate) fn of(transfers: &[Transfer]) -> Vec<Self> {
        let of = |(transfer, it): (usize, &Transfer)| {
            let protocol: &Arc<dyn Protocol> = it.protocol.as_ref()?;
            Some(Self { transfer, query: protocol.online_query()?, name: protocol.name() })
        };
        transfers.iter().enumerate().filter_map(of).collect()
    }
}

/// A worker's view of the answers.
#[derive(Default)]
pub(crate) struct Watch(Vec<Watched>);

struct Watched {
    query: Query,
    /// The last question that was answered when the worker looked, and the last that was reported to the engine.
    seen: u64,
    known: u64,
}

impl Watch {
    pub(crate) fn new(queries: &[Query]) -> Self {
        Self(queries.iter().map(|query| Watched { query: query.clone(), seen: 0, known: 0 }).collect())
    }

    /// Looks for answers; true if one is to be reported to the engine.
    pub(crate) fn look(&mut self) -> bool {
        let mut new = false;
        for it in &mut self.0 {
            it.seen = it.query.query.questions().answered();
            new |= it.seen > it.known;
        }
        new
    }

    /// The transfers and questions of the answers that were new when it looked.
    pub(crate) fn take_seen(&mut self) -> impl Iterator<Item = (usize, u64)> {
        self.0.iter_mut().filter(|it| it.seen > it.known).map(|it| {
            it.known = it.seen;
            (it.query.transfer, it.seen)
        })
    }
}

/// The threads that query servers; they end when this is dropped, or a little later.
pub(crate) struct Askers {
    _stop: Vec<Sender<()>>,
}

impl Askers {
    /// Queries each server once, then starts the threads that repeat that when modules request it.
    pub(crate) fn start(queries: &[Query], own: &Arc<OwnEndpoints>, clock: Clock) -> io::Result<Self> {
        let mut stop = Vec::new();
        for Query { query, name, .. } in queries {
            let (sender, receiver) = channel();
            let mut asker =
                Asker { query: Arc::clone(query), name, own: Arc::clone(own), clock, has_failed: false };
            let answered = asker.ask();
            thread::Builder::new()
                .name(format!("ask-{name}"))
                .spawn(move || asker.run(&receiver, answered))?;
            stop.push(sender);
        }
        Ok(Self { _stop: stop })
    }
}

struct Asker {
    query: Arc<dyn OnlineQuery>,
    name: &'static str,
    own: Arc<OwnEndpoints>,
    clock: Clock,
    /// The last question had no answer, and that was logged.
    has_failed: bool,
}

impl Asker {
    fn run(&mut self, stop: &Receiver<()>, mut answered: bool) {
        loop {
            let pause = if answered { INTERVAL } else { INTERVAL_FAILED };
            if stop.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            self.query.questions().await_wanted();
            answered = self.ask();
        }
    }

    /// Asks once. Logs the first failure in a row, and the success after one.
    fn ask(&mut self) -> bool {
        let (name, address) = (self.name, self.query.address());
        let question = self.query.questions().begin();
        match self.converse(question) {
            Ok(()) => {
                self.query.questions().set_answered(question);
                if std::mem::take(&mut self.has_failed) || question == 1 {
                    log::info!("{name}: the online server at {address} describes its connections");
                }
                true
            }
            Err(problem) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    log::warn!(
                        "{name}: the online server at {address} does not describe its connections: {problem}; until then, \
                         sessions that tcpcopy has not seen from the start are left out"
                    );
                }
                // The answer is still wanted.
                self.query.questions().want();
                false
            }
        }
    }

    fn converse(&self, question: u64) -> Result<(), String> {
        let until = self.clock.now() + self.query.time_limit();
        let unreachable =
            |error: io::Error| format!("{}; check its address and the network between", late(error));
        let mut stream = self.connect(until).map_err(unreachable)?;
        let mut conversation = self.query.begin(question);
        let mut buffer = vec![0; 64 << 10];
        loop {
            let to_send = conversation.to_send();
            if !to_send.is_empty() {
                self.limit(&stream, until).and_then(|()| stream.write_all(&to_send)).map_err(unreachable)?;
            }
            let read =
                self.limit(&stream, until).and_then(|()| stream.read(&mut buffer)).map_err(unreachable)?;
            if read == 0 {
                return Err("it has closed the connection; check its log".to_owned());
            }
            if conversation.receive(&buffer[..read])? {
                return Ok(());
            }
        }
    }

    /// Connects. The local end is known before the first packet, because the connection must not be copied.
    fn connect(&self, until: Time) -> io::Result<Socket> {
        let server = self.query.address();
        let address = SocketAddr::from(server);
        let probe = UdpSocket::bind(if server.ip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
        probe.connect(address)?;
        let ip = probe.local_addr()?.ip();
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(IpProtocol::TCP))?;
        socket.bind(&SocketAddr::new(ip, 0).into())?;
        let local = socket.local_addr()?.as_socket().ok_or(ErrorKind::AddrNotAvailable)?;
        self.own.add(Endpoint::from(local));
        socket.connect_timeout(&address.into(), self.left(until)?)?;
        Ok(socket)
    }

    fn limit(&self, socket: &Socket, until: Time) -> io::Result<()> {
        let left = self.left(until)?;
        socket.set_read_timeout(Some(left))?;
        socket.set_write_timeout(Some(left))
    }

    fn left(&self, until: Time) -> io::Result<Duration> {
        let left = until.since(self.clock.now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

fn late(error: io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "it does not answer in time".to_owned(),
        _ => error.to_string(),
    }
}
