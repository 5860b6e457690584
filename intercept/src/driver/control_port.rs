//! The control port: accepts tcpcopies, reads their messages for the router, and writes what the router sends to them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use common_core::control::{FromIntercept, RefuseReason, Statistics, ToIntercept, VERSION};
use common_core::time::Time;
use common_noise::handshake::HandshakeError;
use common_noise::key::Keys;
use common_os::io::control_conn::{ConnError, ControlConn, SecrecyError};
use log::Level;
use mio::event::{Event, Source};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use super::acceptor::Acceptor;
use super::filter_schedule::FilterSchedule;
use super::hosts::{CUT_OFF, Hosts};
use super::peer::{Peer, PeerError};
use super::peer_log::PeerLog;
use super::peers::Peers;
use crate::router::{Host, Output, PeerId, Router};

/// Connections on the control port, including those that have not sent their hello or were refused. One host gets as many
/// as are left.
pub(super) const MAX_PEERS: usize = 256;

/// Bytes queued for one tcpcopy: about 140 000 answers, two seconds of a busy server.
const QUEUE: usize = 4 << 20;

/// The listening socket and its peers.
pub(super) struct ControlPort {
    listener: TcpListener,
    keys: Option<Arc<Keys>>,
    acceptor: Acceptor,
    pub(super) peers: Peers,
    hosts: Hosts,
    log: PeerLog,
    first_token: usize,
    /// Messages of the peer that is being served; kept for its memory.
    messages: Vec<ToIntercept>,
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
            first_token: 0,
            messages: Vec::new(),
            newcomers: Vec::new(),
        }
    }

    /// Registers the listener under `first_token`. Its peers get the tokens after it.
    pub(super) fn register(&mut self, registry: &Registry, first_token: usize) -> io::Result<()> {
        self.first_token = first_token;
        self.listener.register(registry, Token(first_token), Interest::READABLE)
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
        self.acceptor.is_ready() || self.peers.any_readable()
    }

    /// Accepts all connections that have come.
    pub(super) fn accept(&mut self, now: Time, registry: &Registry, router: &mut Router) {
        while let Some((stream, address)) = self.acceptor.next(now, || self.listener.accept()) {
            if self.hosts.is_cut_off(now, address.ip().into()) {
                log::debug!("{address}: closed at once: its host is cut off");
            } else if !self.peers.have_room(address.ip()) {
                let line = format_args!(
                    "{address}: refused: its host has {} connections open, all have {} of {MAX_PEERS}",
                    self.peers.of(address.ip()),
                    self.peers.len()
                );
                self.log.log(now, address.ip(), Level::Warn, line);
            } else if let Err(error) = self.admit(now, stream, address, registry, router) {
                self.log.log(now, address.ip(), Level::Warn, format_args!("{address}: {error}"));
            }
        }
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
        self.peers.insert(id, Peer::new(connection, address, now));
        Ok(())
    }

    /// Reads the messages of all peers, a budget of each, and carries them out.
    pub(super) fn serve(&mut self, now: Time, router: &mut Router, filter: &mut FilterSchedule) {
        for id in self.peers.ids() {
            self.serve_peer(now, id, router, filter);
        }
    }

    fn serve_peer(&mut self, now: Time, id: PeerId, router: &mut Router, filter: &mut FilterSchedule) {
        let Some(peer) = self.peers.get_mut(id).filter(|peer| peer.readable) else { return };
        let mut messages = std::mem::take(&mut self.messages);
        let (received, host) = (peer.receive(&mut messages), Host::from(peer.ip()));
        let targets_version = router.targets_version();
        let mut outcome = Ok(());
        for message in messages.drain(..) {
            outcome = outcome.and_then(|()| self.handle_message(now, id, message, router));
        }
        self.messages = messages;
        if router.targets_version() != targets_version {
            filter.handle_new_targets(host);
        }
        match outcome {
            Ok(()) => self.handle_result(now, id, received, router),
            Err((RefuseReason::CutOff, why)) => self.cut_off(now, id, &why, router),
            Err((reason, why)) => self.refuse(now, id, reason, &why, router),
        }
    }

    /// Refuses all peers on the host of this one, and keeps the host out for a minute. One line names it and says why.
    pub(super) fn cut_off(&mut self, now: Time, id: PeerId, why: &str, router: &mut Router) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let (address, host) = (peer.address, Host::from(peer.ip()));
        if !self.hosts.is_cut_off(now, host) {
            let seconds = CUT_OFF.as_secs();
            log::warn!("{address}: its host is cut off for {seconds} s: {why}");
        }
        self.hosts.cut_off(now, host);
        for id in self.peers.ids() {
            let Some(peer) = self.peers.get_mut(id).filter(|peer| Host::from(peer.ip()) == host) else {
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
        let handled = router.handle_message(now, id, message, &mut self.peers);
        handled.map_err(|reason| (reason, describe(reason, version)))?;
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
            Err(PeerError::ControlConn(ConnError::Secrecy(error))) => match refusal(error) {
                Some(reason) => self.refuse(now, id, reason, &describe_secrecy(error), router),
                None => self.remove(now, id, &ConnError::Secrecy(error).into(), router),
            },
            Err(error) => self.remove(now, id, &error, router),
        }
    }

    /// Sends a peer the reason for which it will be disconnected.
    fn refuse(&mut self, now: Time, id: PeerId, reason: RefuseReason, why: &str, router: &mut Router) {
        router.handle_peer_gone(id);
        let Some(peer) = self.peers.get_mut(id) else { return };
        self.log.log(now, peer.ip(), Level::Warn, format_args!("{}: refused: {why}", peer.address));
        peer.refuse(now, reason);
    }

    fn remove(&mut self, now: Time, id: PeerId, error: &PeerError, router: &mut Router) {
        router.handle_peer_gone(id);
        let Some(peer) = self.peers.remove(id) else { return };
        let level = match error {
            PeerError::NoHello => Level::Warn,
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
        self.send_statistics(self.peers.ids(), statistics);
        for id in self.peers.ids() {
            let checked = self.peers.get_mut(id).map_or(Ok(()), |peer| peer.check(now));
            self.handle_result(now, id, checked, router);
        }
    }

    /// Writes all queues, as far as the connections take them.
    pub(super) fn flush(&mut self, now: Time, router: &mut Router) {
        for id in self.peers.ids() {
            let flushed = self.peers.get_mut(id).map_or(Ok(()), Peer::flush);
            self.handle_result(now, id, flushed, router);
        }
    }
}

/// What a peer is told about its failed handshake; nothing in the middle of a channel that somebody has tampered with.
fn refusal(error: SecrecyError) -> Option<RefuseReason> {
    match error {
        SecrecyError::PeerHasNone => Some(RefuseReason::KeyWanted),
        SecrecyError::WeHaveNone => Some(RefuseReason::NoKey),
        SecrecyError::Handshake(HandshakeError::Version(_)) => Some(RefuseReason::Version(VERSION)),
        SecrecyError::Handshake(HandshakeError::WrongKey) => Some(RefuseReason::WrongKey),
        SecrecyError::Handshake(_) | SecrecyError::Unproven => Some(RefuseReason::Malformed),
        SecrecyError::Record(_) => None,
    }
}

/// The same, for the log.
fn describe_secrecy(error: SecrecyError) -> String {
    match error {
        SecrecyError::PeerHasNone => describe(RefuseReason::KeyWanted, None),
        SecrecyError::WeHaveNone => describe(RefuseReason::NoKey, None),
        SecrecyError::Handshake(HandshakeError::Version(theirs)) => {
            describe(RefuseReason::Version(VERSION), Some(theirs))
        }
        SecrecyError::Handshake(HandshakeError::WrongKey) => describe(RefuseReason::WrongKey, None),
        error => error.to_string(),
    }
}

/// Why a peer is refused, for the log. `version` is that of its hello, if the message was one.
fn describe(reason: RefuseReason, version: Option<u16>) -> String {
    match (reason, version) {
        (RefuseReason::Version(own), Some(theirs)) => {
            format!(
                "it speaks version {theirs} of the protocol, this intercept version {own}; install one release"
            )
        }
        (RefuseReason::Version(_) | RefuseReason::Malformed, _) => {
            "its hello is not its first message, or not its only hello".into()
        }
        (RefuseReason::TooManyConnections, _) => "too many tcpcopies are connected".into(),
        (RefuseReason::TooManyRoutes, _) => {
            "it announces more routes or targets than intercept accepts".into()
        }
        (RefuseReason::CutOff, _) => "it does what no tcpcopy does".into(),
        (RefuseReason::KeyWanted, _) => "it has no key; give it to tcpcopy with --key-file".into(),
        (RefuseReason::NoKey, _) => {
            "it has a key, and this intercept has none; give it to both with --key-file".into()
        }
        (RefuseReason::WrongKey, _) => {
            "it does not have the key of this intercept (wrong key); copy the key file again".into()
        }
        (RefuseReason::TargetIsCopied(target), _) => {
            format!("the clients of its target {target} are copied, by it or by another tcpcopy")
        }
        (RefuseReason::TargetNotAllowed(target), _) => {
            format!("--allow-target does not name its target {target}")
        }
    }
}
