//! Watches for faults while tcpcopy runs: gives the detector its samples, and logs what it finds.

use std::io;

use common_core::time::Time;
use common_os::clock::Clock;
use common_os::io::OpenError;
use common_os::io::way::{Station, Ways};

use super::prober::{ProbeSocket, Prober};
use super::unseen::Unseen;
use super::vantage::Vantage;
use crate::cli::Config;
use crate::findings::{
    Change, Detector, Episode, Hop, Intercept, Probe, Sample, Setup, Target, TargetSample,
};
use crate::ledger::DropReason;
use crate::report::{InterceptStats, WorkerStats};

/// What needs privileges to be opened.
pub(super) struct WatchSockets {
    /// None if copies go over the control connection: nothing else of the network is used.
    probe: Option<ProbeSocket>,
    unseen: Unseen,
    ways: io::Result<Ways>,
}

impl WatchSockets {
    pub(super) fn open(config: &Config, vantage: Vantage) -> Result<Self, OpenError> {
        Ok(Self {
            probe: (!config.tunnel).then(|| ProbeSocket::open(&config.targets())).transpose()?,
            unseen: Unseen::open(config, vantage)?,
            ways: Ways::open(),
        })
    }

    /// To look up ways for the log.
    pub(super) fn ways(&mut self) -> Option<&mut Ways> {
        self.ways.as_mut().ok()
    }
}

/// The detector and its sources beside the counters of workers.
pub(super) struct Watch {
    detector: Detector,
    prober: Option<Prober>,
    probes: Vec<Option<Probe>>,
    ways: Option<Ways>,
    unseen: Unseen,
    /// Something was copied.
    has_copied: bool,
}

impl Watch {
    pub(super) fn start(sockets: WatchSockets, setup: Setup) -> io::Result<Self> {
        let setup_tunnels = setup.tunnels;
        Ok(Self {
            probes: setup.targets.iter().map(|_| None).collect(),
            detector: Detector::new(setup),
            prober: sockets.probe.map(Prober::start).transpose()?,
            ways: sockets.ways.ok().filter(|_| !setup_tunnels),
            unseen: sockets.unseen,
            has_copied: false,
        })
    }

    /// A second has passed; `sum` are the counters of all workers.
    pub(super) fn tick(&mut self, now: Time, sum: &WorkerStats) {
        if let Some((target, probe)) = self.prober.as_ref().and_then(Prober::result)
            && let Some(place) = self.probes.get_mut(target)
        {
            *place = Some(probe);
        }
        let sample = self.sample(now, sum);
        for change in self.detector.tick(sample) {
            match change {
                Change::Begun(_, line) => log::warn!("{line}"),
                Change::Ended(_, line) => log::info!("{line}"),
            }
        }
        if let Some(prober) = &self.prober
            && let Some(wanted) = self.detector.poll_probe()
        {
            log::info!(
                "{} does not answer: probing it from this host's own address{}",
                wanted.address,
                wanted.foreign.map(|source| format!(", and from {source}")).unwrap_or_default()
            );
            prober.probe(wanted);
        }
        if sum.ledger.tcp.connected > 0 && !std::mem::replace(&mut self.has_copied, true) {
            log::info!("the first session is copied: the test server has accepted its connection");
        }
    }

    /// The faults of this run.
    pub(super) fn episodes(&self) -> &[Episode] {
        self.detector.episodes()
    }

    /// What does not change during the run.
    pub(super) fn setup(&self) -> &Setup {
        self.detector.setup()
    }

    fn sample(&mut self, now: Time, sum: &WorkerStats) -> Sample {
        let ledger = &sum.ledger;
        let mut targets: Vec<TargetSample> = sum
            .targets
            .iter()
            .zip(&self.probes)
            .map(|(counts, probe)| TargetSample { counts: *counts, hop: None, probe: probe.clone() })
            .collect();
        for suspect in self.detector.suspects() {
            let (Some(ways), Some(address)) = (&mut self.ways, self.detector.setup().targets.get(suspect))
            else {
                break;
            };
            if let Some(target) = targets.get_mut(suspect) {
                target.hop = ways.find(address.address.ip).map(|way| Hop {
                    ip: way.hop,
                    interface: way.interface,
                    is_unresolved: way.station == Station::Silent,
                });
            }
        }
        let failures = sum.inject.failed.occurred();
        let errno = failures.max_by_key(|(_, _, count)| *count);
        Sample {
            now,
            client_packets: ledger.packets.client,
            unseen: self.unseen.tick(ledger.packets.client),
            kernel_dropped: sum.capture.kernel_dropped,
            opened: ledger.sessions.seen.saturating_sub(ledger.sessions.joined),
            online_syn_acks: ledger.packets.online_syn_ack,
            replayed: ledger.bytes.replayed,
            memory_dropped: ledger.bytes.dropped.get(DropReason::MemoryLimit),
            lag: ledger.turns.oldest_waiting_seconds.0,
            sent: sum.inject.sent,
            failed: sum.inject.failed.total(),
            errno: errno.map(|(symbol, meaning, _)| format!("{symbol} ({meaning})")),
            intercepts: sum.intercepts.iter().map(intercept).collect(),
            targets,
        }
    }
}

fn intercept(stats: &InterceptStats) -> Intercept {
    Intercept {
        connected: stats.connected,
        last_error: stats.last_error.clone(),
        reports: stats.reports,
        counters: stats.statistics.unwrap_or_default(),
    }
}

/// What the detector must know of the configuration.
pub(crate) fn setup(config: &Config, clock: Clock) -> Setup {
    let target = |transfer: &crate::settings::Transfer| Target {
        service: transfer.online_port,
        address: transfer.target,
    };
    let uptime = clock.now().as_micros() / 1000;
    Setup {
        targets: config.transfers.iter().map(target).collect(),
        intercepts: config.intercepts.clone(),
        // A file need not contain what production answered.
        tunnels: config.tunnel,
        has_filter: config.filter.is_some() || config.offline.is_some(),
        started: Clock::unix_millis().saturating_sub(uptime),
    }
}
