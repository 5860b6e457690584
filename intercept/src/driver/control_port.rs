//! The control port: accepts tcpcopies, reads their messages for the router, and writes what the router sends to them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common_core::control::{FromIntercept, RefuseReason, Statistics, ToIntercept};
use common_core::log_limiter::{Limits, LogLimiter};
use common_core::time::Time;
use common_noise::key::Keys;
use common_os::io::control_conn::{ConnError, ControlConn};
use log::Level;
use mio::event::{Event, Source};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use super::acceptor::Acceptor;
use super::filter_schedule::FilterSchedule;
use super::hosts::{CUT_OFF, Hosts};
use super::inbox::{Inbox, Received};
use super::peer::{Peer, PeerError};
use super::peer_log::PeerLog;
use super::peers::{Peers, QUEUE};
use super::refusal;
use super::tunnel::Tunnel;
use super::work::{self, Work};
use crate::router::{Host, Output, PeerId, Rejected, Router};

/// Connections on the control port, including those that have not sent their hello or were refused. One host gets as many
/// as are left.
pub(super) const MAX_PEERS: usize = 256;

/// Of these, for hosts that have copied before or proved the key.
pub(super) const RESERVED: usize = 64;

/// Connections accepted in one round of the event loop.
const ACCEPTS: usize = 64;

/// Lines about connections that are refused unread: one a minute for each host.
const LIMITS: Limits = Limits { lines: 1, period: Duration::from_secs(60), keys: 64 };

/// The listening socket and its peers.
pub(super) struct ControlPort {
    listener: TcpListener,
    keys: Option<Arc<Keys>>,
    acceptor: Acceptor,
    pub(super) peers: Peers,
    pub(super) hosts: Hosts,
    log: PeerLog,
    /// Lines about connections that are refused unread.
    crowds: LogLimiter<Host>,
    /// The peer to serve first: each in turn, because a round may not reach all.
    turn: u32,
    /// Peers have something to read that had to wait for the next round.
    pub(super) is_behind: bool,
    first_token: usize,
    /// What the peer that is being served has sent; kept for its memory.
    inbox: Inbox,
    /// Peers that were greeted and have not received statistics yet.
    newcomers: Vec<PeerId>,
}

impl ControlPort {
    /// With `keys`, peers must prove that they have one of them.
    pub(super) fn new(listener: TcpListener, keys: Option<Arc<Keys>>) -> Self {
        Self {
            listener,
            keys,
            acceptor: Acceptor::new(),
            peers: Peers::default(),
            hosts: Hosts::default(),
            log: PeerLog::new(),
            crowds: LogLimiter::new(LIMITS),
            turn: 0,
            is_behind: false,
            first_token: 0,
            inbox: Inbox::default(),
            newcomers: Vec::new(),
        }
    }

    /// Registers the listener under `first_token`. Its peers get the tokens after it.
    pub(super) fn register(&mut self, registry: &Registry, first_token: usize) -> io::Result<()> {
        self.first_token = first_token;
        self.listener.register(registry, Token(first_token), Interest::READABLE)
    }

    /// Peers must have a key.
    pub(super) fn wants_key(&self) -> bool {
        self.keys.is_some()
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    pub(super) fn handle_event(&mut self, event: &Event) {
        let Some(number) = event.token().0.checked_sub(self.first_token + 1) else {
            return self.acceptor.handle_event();
        };
        let id = PeerId(u32::try_from(number).unwrap_or(u32::MAX));
        if let Some(peer) = self.peers.get_mut(id) {
            peer.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
            peer.writable |= event.is_writable();
        }
    }

    /// There may be connections or messages that no event will report.
    pub(super) fn any_ready(&self) -> bool {
        self.acceptor.is_ready()
            || self.peers.iter().any(|peer| peer.readable && !self.hosts.waits(peer.host()))
    }

    /// Accepts connections that have come.
    pub(super) fn accept(&mut self, now: Time, registry: &Registry, router: &mut Router) {
        for _ in 0..ACCEPTS {
            let Some((stream, address)) = self.acceptor.next(now, || self.listener.accept()) else { return };
            let host = Host::from(address.ip());
            let state = self.hosts.of(now, host);
            if state.is_cut_off(now) || !state.connects() {
                let reason = if state.is_cut_off(now) { "cut_off" } else { "too_many_connections" };
                state.refused(reason);
                log::debug!("{address}: closed at once: {reason}");
            } else if !self.make_room(now, host, router) {
                self.hosts.of(now, host).refused("too_many_connections");
                if let Some(admitted) = self.crowds.admit(now, host) {
                    log::warn!(
                        "{address}: refused: its host has {} connections open, all have {} of {MAX_PEERS} (before in this \
                         minute: {} more)",
                        self.peers.of(address.ip()),
                        self.peers.len(),
                        admitted.left_out
                    );
                }
            } else if let Err(error) = self.admit(now, stream, address, registry, router) {
                self.log.log(now, address.ip(), Level::Warn, format_args!("{address}: {error}"));
            }
        }
    }

    /// Whether there is a place for a connection of this host, at the expense of another if need be.
    fn make_room(&mut self, now: Time, host: Host, router: &mut Router) -> bool {
        if self.peers.have_room(host, &self.hosts) {
            return true;
        }
        let displaced = self.peers.to_displace(host, &self.hosts);
        if let Some(id) = displaced {
            self.remove(now, id, &PeerError::Displaced, router);
        }
        displaced.is_some()
    }

    fn admit(
        &mut self,
        now: Time,
        stream: TcpStream,
        address: SocketAddr,
        registry: &Registry,
        router: &mut Router,
    ) -> io::Result<()> {
        let mut connection = ControlConn::accepted(stream, QUEUE, self.keys.clone())?;
        let id = self.peers.vacant();
        let token = Token(self.first_token + 1 + usize::try_from(id.0).unwrap_or(MAX_PEERS));
        connection.register(registry, token, Interest::READABLE | Interest::WRITABLE)?;
        router.handle_peer_connected(id, address.ip());
        let mut peer = Peer::new(connection, address, now);
        let host = self.hosts.of(now, peer.host());
        host.opened();
        peer.is_known = host.is_known();
        self.peers.insert(id, peer);
        Ok(())
    }

    /// Reads the messages of all peers, a budget of each, and carries them out. A host that has asked for enough waits for the
    /// next round or second.
    pub(super) fn serve(
        &mut self,
        now: Time,
        router: &mut Router,
        filter: &mut FilterSchedule,
        tunnel: &mut Option<Tunnel>,
    ) {
        let mut done: Vec<(Host, Work)> = Vec::new();
        let mut all = 0;
        self.is_behind = false;
        self.turn = self.turn.wrapping_add(1);
        for id in self.peers.ids_from(self.turn) {
            let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.readable) else { continue };
            let host = peer.host();
            let of_host = match done.iter().position(|(other, _)| *other == host) {
                Some(index) => index,
                None => {
                    done.push((host, 0));
                    done.len() - 1
                }
            };
            if self.hosts.waits(host) {
                continue;
            }
            if done[of_host].1 >= work::HOST_ROUND || all >= work::ROUND {
                self.is_behind = true;
                continue;
            }
            let work = self.serve_peer(now, id, router, filter, tunnel);
            done[of_host].1 += work;
            all += work;
        }
        for (id, reason) in router.take_refused() {
            self.refuse(now, id, reason, &refusal::describe(reason, None), router);
        }
    }

    /// Returns the work that it was.
    fn serve_peer(
        &mut self,
        now: Time,
        id: PeerId,
        router: &mut Router,
        filter: &mut FilterSchedule,
        tunnel: &mut Option<Tunnel>,
    ) -> Work {
        let Some(peer) = self.peers.get_mut(id) else { return 0 };
        let mut inbox = std::mem::take(&mut self.inbox);
        let (received, host) = (peer.receive(&mut inbox), peer.host());
        let pings = inbox.messages().filter(|message| matches!(message, ToIntercept::Ping { .. })).count();
        let packets: usize = inbox.packet_lengths().sum();
        let passing = inbox.packet_lengths().map(work::of_packet).sum::<Work>();
        let bytes = peer.take_received().saturating_sub(packets);
        let work = work::of_reading(bytes) + inbox.messages().map(work::of).sum::<Work>();
        let targets_version = router.targets_version();
        let mut outcome = Ok(());
        for received in inbox.drain() {
            outcome = outcome.and_then(|()| match received {
                Received::Message(message) => self.handle_message(now, id, message, router),
                Received::Packet(packet) => {
                    let passed = match tunnel {
                        Some(tunnel) => tunnel.pass(now, (id, host), &packet, router),
                        None => Err(Rejected::NotAsked),
                    };
                    passed.map_err(|why| (RefuseReason::NoTunnel, why.to_string()))
                }
            });
        }
        inbox.clear();
        self.inbox = inbox;
        if router.targets_version() != targets_version {
            filter.handle_new_targets(host);
        }
        match outcome {
            Ok(()) => self.handle_result(now, id, received, router),
            Err((RefuseReason::CutOff, why)) => self.cut_off(now, id, &why, router),
            Err((reason, why)) => self.refuse(now, id, reason, &why, router),
        }
        // Without the key a peer can send a few bytes only, and must not spend what is for one on its host that has it.
        if self.wants_key() && !self.peers.get_mut(id).is_some_and(|peer| peer.is_secret()) {
            return work + passing;
        }
        let state = self.hosts.of(now, host);
        state.works(work, u32::try_from(pings).unwrap_or(u32::MAX));
        if let Some(excess) = state.excess() {
            self.cut_off(now, id, &excess.to_string(), router);
        }
        work + passing
    }

    /// Refuses all peers on the host of this one, and keeps the host out for a minute. One line names it and says why.
    pub(super) fn cut_off(&mut self, now: Time, id: PeerId, why: &str, router: &mut Router) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let (address, host) = (peer.address, peer.host());
        if self.hosts.of(now, host).cut_off(now) {
            let seconds = CUT_OFF.as_secs();
            log::warn!("{address}: its host is cut off for {seconds} s: {why}");
        }
        for id in self.peers.ids() {
            let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.host() == host) else {
                continue;
            };
            peer.refuse(now, RefuseReason::CutOff);
            router.handle_peer_gone(id);
        }
    }

    /// Carries out a message.
    ///
    /// # Errors
    /// Why the peer must be refused, for the peer and for the log.
    fn handle_message(
        &mut self,
        now: Time,
        id: PeerId,
        message: ToIntercept,
        router: &mut Router,
    ) -> Result<(), (RefuseReason, String)> {
        let version = if let ToIntercept::Hello { version, .. } = message { Some(version) } else { None };
        let tunnels = message == ToIntercept::Tunnel;
        let handled = router.handle_message(now, id, message, &mut self.peers);
        handled.map_err(|reason| (reason, refusal::describe(reason, version)))?;
        if tunnels && let Some(peer) = self.peers.get_mut(id) {
            peer.tunnels = true;
        }
        if let (Some(version), Some(peer)) = (version, self.peers.get_mut(id)) {
            peer.greet();
            let how = if peer.is_secret() { "with the key" } else { "without a key" };
            let line =
                format_args!("{}: tcpcopy connected (protocol version {version}, {how})", peer.address);
            self.log.log(now, peer.ip(), Level::Info, line);
            self.newcomers.push(id);
        }
        Ok(())
    }

    /// Ends a peer whose connection has failed.
    fn handle_result(&mut self, now: Time, id: PeerId, result: Result<(), PeerError>, router: &mut Router) {
        match result {
            Ok(()) => {}
            Err(PeerError::ControlConn(ConnError::Frame(error))) => {
                self.refuse(now, id, RefuseReason::Malformed, &error.to_string(), router);
            }
            Err(PeerError::Decode(error)) => {
                self.refuse(now, id, RefuseReason::Malformed, &error.to_string(), router);
            }
            Err(PeerError::ControlConn(ConnError::Secrecy(error))) => match refusal::of_handshake(error) {
                Some(reason) => self.refuse(now, id, reason, &refusal::describe_handshake(error), router),
                None => self.remove(now, id, &ConnError::Secrecy(error).into(), router),
            },
            Err(error) => self.remove(now, id, &error, router),
        }
    }

    /// Sends a peer the reason for which it will be disconnected.
    fn refuse(&mut self, now: Time, id: PeerId, reason: RefuseReason, why: &str, router: &mut Router) {
        router.handle_peer_gone(id);
        let Some(peer) = self.peers.get_mut(id) else { return };
        self.hosts.of(now, peer.host()).refused(refusal::name(reason));
        self.log.log(now, peer.ip(), Level::Warn, format_args!("{}: refused: {why}", peer.address));
        peer.refuse(now, reason);
    }

    fn remove(&mut self, now: Time, id: PeerId, error: &PeerError, router: &mut Router) {
        router.handle_peer_gone(id);
        let Some(peer) = self.peers.remove(id) else { return };
        let host = self.hosts.of(now, peer.host());
        host.closed(peer.answers, peer.overflowed);
        match error {
            PeerError::NoHello => host.refused("no_hello"),
            PeerError::Stalled => host.refused("reads_nothing"),
            PeerError::Displaced => host.refused("displaced"),
            _ => {}
        }
        let level = match error {
            PeerError::NoHello | PeerError::Stalled => Level::Warn,
            _ if peer.greeted() => Level::Info,
            // Either its refusal was logged, or it was a probe of the port, which sent nothing.
            _ => return log::debug!("{}: disconnected: {error}", peer.address),
        };
        self.log.log(now, peer.ip(), level, format_args!("{}: disconnected: {error}", peer.address));
    }

    /// Peers greeted since the last call: the counters from now on are of interest to them.
    pub(super) fn take_newcomers(&mut self) -> Vec<PeerId> {
        std::mem::take(&mut self.newcomers)
    }

    /// Queues the counters for these peers, as far as they have been greeted.
    pub(super) fn send_statistics(&mut self, ids: impl IntoIterator<Item = PeerId>, statistics: Statistics) {
        for id in ids {
            if self.peers.get_mut(id).is_some_and(|peer| peer.greeted()) {
                self.peers.send(id, &FromIntercept::Statistics(statistics));
            }
        }
    }

    /// A second has passed: sends the counters and removes peers whose deadline has passed.
    pub(super) fn tick(&mut self, now: Time, router: &mut Router, statistics: Statistics) {
        self.acceptor.handle_tick();
        self.hosts.tick();
        self.send_statistics(self.peers.ids(), statistics);
        for id in self.peers.ids() {
            let checked = self.peers.get_mut(id).map_or(Ok(()), |peer| peer.check(now));
            self.handle_result(now, id, checked, router);
        }
    }

    /// Writes all queues, as far as the connections take them.
    pub(super) fn flush(&mut self, now: Time, router: &mut Router) {
        for id in self.peers.ids() {
            let Some(peer) = self.peers.get_mut(id) else { continue };
            let flushed = peer.flush(now);
            if !peer.is_known && peer.proves_itself() {
                peer.is_known = true;
                let host = peer.host();
                self.hosts.of(now, host).know();
            }
            self.handle_result(now, id, flushed, router);
        }
        self.peers.limit_queues();
    }
}
