//! The TUN device of `--tun`: packets of copies go into it, answers come out of it.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use common_core::control::Tunnelled;
use common_core::log_limiter::{Limits, LogLimiter};
use common_core::network::Networks;
use common_core::time::Time;
use common_os::io::OpenError;
use common_os::io::tun::Tun;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::report::TunnelReport;
use crate::router::{Host, PeerId, Rejected, Router};

/// Packets read in a round.
const BUDGET: usize = 256;

/// Lines about packets that do not pass: one a minute for each host.
const LIMITS: Limits = Limits { lines: 1, period: Duration::from_secs(60), keys: 64 };

/// The device, with what passes it.
pub(super) struct Tunnel {
    device: Tun,
    networks: Networks,
    /// There may be packets that no event will report.
    readable: bool,
    written: u64,
    rejected: u64,
    failed: u64,
    log: LogLimiter<Host>,
    /// By the number of the error.
    failures: LogLimiter<Option<i32>>,
}

impl Tunnel {
    pub(super) fn open(networks: Networks) -> Result<Self, OpenError> {
        let device = Tun::create(&networks)?;
        log::info!(
            "device {} has {networks}: copies enter this host by it, and answers leave by it",
            device.name()
        );
        Ok(Self {
            device,
            networks,
            readable: true,
            written: 0,
            rejected: 0,
            failed: 0,
            log: LogLimiter::new(LIMITS),
            failures: LogLimiter::new(LIMITS),
        })
    }

    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.device.as_raw_fd()), token, Interest::READABLE)
    }

    pub(super) fn set_readable(&mut self) {
        self.readable = true;
    }

    /// There may be packets that no event will report.
    pub(super) fn is_readable(&self) -> bool {
        self.readable
    }

    /// Hands a packet of a peer to the kernel, if it may pass. One that is lost is sent again by the TCP of its copy.
    ///
    /// # Errors
    /// The peer has not asked first: no tcpcopy does that.
    pub(super) fn pass(
        &mut self,
        now: Time,
        (peer, host): (PeerId, Host),
        packet: &Tunnelled<'_>,
        router: &Router,
    ) -> Result<(), Rejected> {
        let written = match router.check_tunnelled(peer, packet) {
            Err(Rejected::NotAsked) => return Err(Rejected::NotAsked),
            Err(why) => {
                self.reject(now, host, why);
                return Ok(());
            }
            Ok(headers) => match packet.segment {
                None => self.device.write(packet.packet),
                Some(segment) => self.device.write_long(packet.packet, headers, segment),
            },
        };
        match written {
            Ok(()) => self.written += 1,
            Err(error) => self.fail(now, &error),
        }
        Ok(())
    }

    #[cold]
    fn reject(&mut self, now: Time, host: Host, why: Rejected) {
        self.rejected += 1;
        if let Some(admitted) = self.log.admit(now, host) {
            log::warn!(
                "{host}: a packet is dropped: {why} (before in this minute: {} more)",
                admitted.left_out
            );
        }
    }

    #[cold]
    fn fail(&mut self, now: Time, error: &io::Error) {
        self.failed += 1;
        if self.failures.admit(now, error.raw_os_error()).is_some() {
            let name = self.device.name();
            log::warn!("{name} does not take a packet: {error}; so far {} (TCP repeats them)", self.failed);
        }
    }

    /// Passes packets that the kernel sends to the networks to `sink`, at most a budget.
    pub(super) fn receive(&mut self, sink: &mut dyn FnMut(&[u8])) {
        if !self.readable {
            return;
        }
        match self.device.receive(BUDGET, sink) {
            Ok(count) => self.readable = count == BUDGET,
            Err(error) => {
                self.readable = false;
                log::error!(
                    "cannot read {}: {error}; if somebody has removed it, start intercept again",
                    self.device.name()
                );
            }
        }
    }

    /// Packets of the kernel for which the device had no room.
    pub(super) fn dropped(&self) -> u64 {
        self.device.dropped()
    }

    pub(super) fn report(&self) -> TunnelReport {
        TunnelReport {
            device: self.device.name().to_owned(),
            networks: self.networks.iter().map(|network| network.to_string()).collect(),
            written: self.written,
            rejected: self.rejected,
            failed: self.failed,
        }
    }
}
