//! The driver: gives a router packets, messages and time, from one event loop in one thread; or several, each its share.
//!
//! All sources are edge-triggered: each remembers whether something may be left in it, gets a budget a round, and
//! while anything is left the loop does not sleep.

mod acceptor;
mod addresses;
mod board;
mod captures;
mod crew;
mod door;
mod listen;
mod peer;
mod peers;
mod quiet;
mod reception;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common_core::control::{FromIntercept, RefuseReason, Statistics, ToIntercept};
use common_core::shard::Shard;
use common_core::time::Time;
use common_os::clock::Clock;
use common_os::io::OpenError;
use common_os::io::bpf::FilterError;
use common_os::io::control_conn::{ConnError, ControlConn};
use common_os::io::interfaces;
use common_os::process::logging;
use common_os::process::sched_policy::SchedPolicy;
use common_os::process::signals::{Signal, Signals};
use log::Level;
use mio::event::Source;
use mio::{Events, Interest, Poll, Token};
use thiserror::Error;

use crate::router::{Host, Output, PeerId, Router, RouterConfig};
use crate::shares::Shares;
use acceptor::Acceptor;
use addresses::Addresses;
use board::{Board, Figures};
use captures::Captures;
pub use crew::Crew;
use door::Door;
use peer::{Peer, PeerError};
use peers::Peers;
use quiet::QuietLog;

const SIGNALS: Token = Token(0);
const LISTENER: Token = Token(1);
const FIRST_PEER: usize = 2;
const FIRST_CAPTURE: usize = FIRST_PEER + MAX_PEERS;

/// Connections on the control port, those included that have not said hello or were refused; from one host, as many as
/// are left.
const MAX_PEERS: usize = 256;

/// Bytes queued for one tcpcopy: some 140 000 answers, two seconds of a busy server.
const QUEUE: usize = 4 << 20;

/// Statistics are sent, and deadlines checked, this often.
const TICK: Duration = Duration::from_secs(1);

/// So many times a tick the filter is made for new targets at once, which may take a millisecond or two; for those of one
/// host, as many times as are left. Other changes wait for the tick, or whoever makes them would keep the others waiting.
const AT_ONCE: usize = 16;

/// The host's addresses are read again every so many ticks.
const ADDRESS_TICKS: u64 = 10;

/// Why intercept does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The filter given with `-F` is of no use.
    #[error("-F: {0}")]
    Filter(#[from] FilterError),
    /// A capture socket cannot be opened.
    #[error("{0}")]
    Capture(#[from] OpenError),
    /// The control port cannot be had.
    #[error("cannot listen on {address}: {source}; {}", listen::cure(source))]
    Listen {
        /// Where to.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
    /// The event loop cannot be made.
    #[error("cannot set up the event loop: {0}; raise the limit of open files (ulimit -n)")]
    EventLoop(#[source] io::Error),
}

/// A worker: it shares nothing with others.
struct Driver {
    poll: Poll,
    events: Events,
    clock: Clock,
    door: Door,
    acceptor: Acceptor,
    /// A signal has come.
    signalled: bool,
    captures: Captures,
    peers: Peers,
    router: Router,
    addresses: Addresses,
    quiet: QuietLog,
    sched_policy: SchedPolicy,
    /// Messages of the peer that is being served; kept for its memory.
    inbox: Vec<ToIntercept>,
    share: Shard,
    board: Arc<Board>,
    /// What the filter was made for last.
    targets_version: u64,
    /// Whose new targets it was made for at once since the last tick.
    at_once: Shares,
    /// It is to be made in this round.
    targets_due: bool,
    ticks: u64,
    next_tick: Time,
}

impl Driver {
    fn with(captures: Captures, mut door: Door, share: Shard, board: Arc<Board>) -> io::Result<Self> {
        let poll = Poll::new()?;
        door.register(poll.registry(), LISTENER)?;
        captures.register(poll.registry(), FIRST_CAPTURE)?;
        let local_addresses = interfaces::local_addresses();
        let router = Router::new(RouterConfig { share, local_addresses, ..RouterConfig::default() });
        Ok(Self {
            poll,
            events: Events::with_capacity(256),
            clock: Clock::start(),
            door,
            acceptor: Acceptor::new(),
            signalled: false,
            captures,
            peers: Peers::default(),
            targets_version: router.targets_version(),
            router,
            addresses: Addresses::default(),
            quiet: QuietLog::default(),
            sched_policy: SchedPolicy::new(),
            inbox: Vec::new(),
            share,
            board,
            at_once: Shares::new(AT_ONCE),
            targets_due: false,
            ticks: 0,
            next_tick: Time::ZERO + TICK,
        })
    }

    /// Where it listens, if it does.
    fn address(&self) -> Option<SocketAddr> {
        self.door.address()
    }

    /// Works until a signal ends it.
    fn run(&mut self, mut signals: Signals) -> io::Result<()> {
        signals.register(self.poll.registry(), SIGNALS, Interest::READABLE)?;
        loop {
            self.turn()?;
            if std::mem::take(&mut self.signalled) {
                while let Some(signal) = signals.fetch()? {
                    if signal == Signal::End {
                        logging::flush();
                    }
                    log::info!("{}", self.publish().report());
                    if signal == Signal::End {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Works until `stop` is set and its [`Door`] woken.
    fn run_until(&mut self, stop: &AtomicBool) -> io::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            self.turn()?;
        }
        self.publish();
        Ok(())
    }

    /// One round: waits until there is something to do, and does all of it once.
    fn turn(&mut self) -> io::Result<()> {
        self.wait()?;
        let now = self.clock.now();
        self.accept(now);
        // Routes first: what is captured in this round is looked up in them.
        for id in self.peers.ids() {
            self.serve(now, id);
        }
        self.follow_routes();
        self.captures.receive(&mut |captured| self.router.handle_packet(now, captured, &mut self.peers));
        self.router.handle_timeout(now);
        if self.next_tick <= now {
            self.next_tick = now + TICK;
            self.tick(now);
        }
        self.flush(now);
        Ok(())
    }

    fn wait(&mut self) -> io::Result<()> {
        let busy = self.acceptor.is_ready() || self.peers.any_readable() || self.captures.any_readable();
        let wake = self.next_tick.min(self.router.poll_timeout());
        let timeout = if busy { Duration::ZERO } else { wake.since(self.clock.now()) };
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in &self.events {
            match event.token() {
                SIGNALS => self.signalled = true,
                LISTENER => self.acceptor.handle_event(),
                Token(capture) if capture >= FIRST_CAPTURE => {
                    self.captures.set_readable(capture - FIRST_CAPTURE);
                }
                Token(peer) => {
                    let id = PeerId(u32::try_from(peer - FIRST_PEER).unwrap_or(u32::MAX));
                    if let Some(peer) = self.peers.get_mut(id) {
                        peer.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
                        peer.writable |= event.is_writable();
                    }
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self, now: Time) {
        while let Some((stream, address)) = self.acceptor.next(now, || self.door.accept()) {
            if !self.peers.have_room(address.ip()) {
                let line = format_args!(
                    "{address}: turned away, its host has {} connections open, all have {} of {MAX_PEERS}",
                    self.peers.of(address.ip()),
                    self.peers.len()
                );
                self.quiet.log(now, address.ip(), Level::Warn, line);
            } else if let Err(error) = self.admit(now, stream, address) {
                self.quiet.log(now, address.ip(), Level::Warn, format_args!("{address}: {error}"));
            }
        }
    }

    fn admit(&mut self, now: Time, stream: mio::net::TcpStream, address: SocketAddr) -> io::Result<()> {
        let mut link = ControlConn::new(stream, QUEUE)?;
        let id = self.peers.vacant();
        let token = Token(FIRST_PEER + usize::try_from(id.0).unwrap_or(MAX_PEERS));
        link.register(self.poll.registry(), token, Interest::READABLE | Interest::WRITABLE)?;
        self.router.handle_link_opened(id, address.ip().into());
        self.peers.insert(id, Peer::new(link, address, now));
        Ok(())
    }

    /// Reads a budget of one peer's messages, and carries them out.
    fn serve(&mut self, now: Time, id: PeerId) {
        let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.readable) else { return };
        let mut messages = std::mem::take(&mut self.inbox);
        let (received, host) = (peer.receive(&mut messages), Host::from(peer.ip()));
        let targets_version = self.router.targets_version();
        let mut outcome = Ok(());
        for message in messages.drain(..) {
            outcome = outcome.and_then(|()| self.handle(now, id, message));
        }
        self.inbox = messages;
        if self.router.targets_version() != targets_version {
            self.targets_due |= self.at_once.take(host);
        }
        match outcome {
            Ok(()) => self.end_if(now, id, received),
            Err((reason, why)) => self.refuse(now, id, reason, &why),
        }
    }

    /// Carries a message out, or says why the peer is to be cut off.
    fn handle(&mut self, now: Time, id: PeerId, message: ToIntercept) -> Result<(), (RefuseReason, String)> {
        let hello = match message {
            ToIntercept::Hello { version, share } => Some((version, share)),
            _ => None,
        };
        let handled = self.router.handle_message(now, id, message, &mut self.peers);
        handled.map_err(|reason| (reason, describe(reason, hello)))?;
        if let (Some((version, _)), Some(peer)) = (hello, self.peers.get_mut(id)) {
            peer.greet();
            let line = format_args!("{}: tcpcopy connected (protocol version {version})", peer.address);
            self.quiet.log(now, peer.ip(), Level::Info, line);
            // What is counted from here on is that tcpcopy's concern.
            let Figures { statistics, .. } = self.publish();
            self.peers.send(id, &FromIntercept::Statistics(statistics));
        }
        Ok(())
    }

    /// Ends a peer whose link is at its end.
    fn end_if(&mut self, now: Time, id: PeerId, result: Result<(), PeerError>) {
        match result {
            Ok(()) => {}
            Err(PeerError::ControlConn(ConnError::Frame(error))) => {
                self.refuse(now, id, RefuseReason::Malformed, &error.to_string());
            }
            Err(PeerError::Decode(error)) => {
                self.refuse(now, id, RefuseReason::Malformed, &error.to_string())
            }
            Err(error) => self.drop_peer(now, id, &error),
        }
    }

    /// Cuts a peer off that does not behave, with one line.
    fn refuse(&mut self, now: Time, id: PeerId, reason: RefuseReason, why: &str) {
        self.router.handle_link_closed(id);
        let Some(peer) = self.peers.get_mut(id) else { return };
        self.quiet.log(now, peer.ip(), Level::Warn, format_args!("{}: cut off: {why}", peer.address));
        peer.refuse(now, reason);
    }

    fn drop_peer(&mut self, now: Time, id: PeerId, error: &PeerError) {
        self.router.handle_link_closed(id);
        let Some(peer) = self.peers.remove(id) else { return };
        let level = match error {
            PeerError::NoHello => Level::Warn,
            _ if peer.greeted() => Level::Info,
            // Said when it was refused; or a probe of the port, which said nothing.
            _ => Level::Debug,
        };
        if level == Level::Debug {
            log::debug!("{}: gone: {error}", peer.address);
        } else {
            self.quiet.log(now, peer.ip(), level, format_args!("{}: gone: {error}", peer.address));
        }
    }

    /// Before anything is flushed: a tcpcopy that has an answer to what it sent after its targets, or after having asked
    /// for payload, can rely on it.
    fn follow_routes(&mut self) {
        if std::mem::take(&mut self.targets_due) {
            self.follow_targets();
        }
        if self.router.wants_payload() {
            self.captures.keep_payload(true);
        }
    }

    fn follow_targets(&mut self) {
        if self.router.targets_version() != self.targets_version {
            self.targets_version = self.router.targets_version();
            let targets: Vec<_> = self.router.targets().collect();
            self.captures.follow(&targets);
        }
    }

    fn flush(&mut self, now: Time) {
        for id in self.peers.ids() {
            let flushed = self.peers.get_mut(id).map_or(Ok(()), Peer::flush);
            self.end_if(now, id, flushed);
        }
    }

    fn tick(&mut self, now: Time) {
        self.ticks += 1;
        self.acceptor.handle_tick();
        self.captures.retry_failed();
        self.at_once = Shares::new(AT_ONCE);
        self.follow_targets();
        // Not each time that the last such route ends: the next may be a moment away.
        self.captures.keep_payload(self.router.wants_payload());
        if let Some(addresses) = self.addresses.take() {
            self.router.set_local_addresses(addresses);
        }
        if self.ticks.is_multiple_of(ADDRESS_TICKS) {
            self.addresses.ask();
        }
        let Figures { statistics, .. } = self.publish();
        self.sched_policy.tick(self.router.statistics().captured);
        for id in self.peers.ids() {
            let Some(peer) = self.peers.get_mut(id) else { continue };
            let greeted = peer.greeted();
            let checked = peer.check(now);
            if greeted {
                self.peers.send(id, &FromIntercept::Statistics(statistics));
            }
            self.end_if(now, id, checked);
        }
    }

    /// All counters of this worker.
    fn statistics(&mut self) -> Statistics {
        let routed = self.router.statistics();
        let overflowed = self.peers.overflowed();
        Statistics {
            kernel_dropped: self.captures.counters().dropped,
            forwarded: routed.forwarded.saturating_sub(overflowed),
            overflowed,
            ..routed
        }
    }

    /// Tells the other workers how this one stands; returns how all do.
    fn publish(&mut self) -> Figures {
        let statistics = self.statistics();
        let (connections, routes) = (self.peers.len(), self.router.routes());
        self.board.put(self.share.index(), Figures { statistics, connections, routes })
    }
}

fn describe(reason: RefuseReason, hello: Option<(u16, Shard)>) -> String {
    match (reason, hello) {
        (RefuseReason::Version(own), Some((theirs, _))) => {
            format!(
                "it speaks version {theirs} of the protocol, this intercept version {own}; install one release"
            )
        }
        (RefuseReason::Version(_) | RefuseReason::Malformed, _) => {
            "it does not say hello first, and once".into()
        }
        (RefuseReason::Workers(own), hello) => {
            let theirs = hello.map_or(1, |(_, share)| share.count());
            format!(
                "it runs with -C {theirs}, this intercept with -C {own}; run both with the same, or intercept without"
            )
        }
        (RefuseReason::TooManyLinks, _) => "too many tcpcopies are connected".into(),
        (RefuseReason::TooManyRoutes, _) => "it announces more routes or targets than intercept takes".into(),
    }
}

#[cfg(test)]
mod tests;
