//! Looks at clients, talks to the intercepts, and probes the test servers, all by one loop with a limit.
//!
//! A probe is a SYN with the address of a client and a port that no client has, whose answer intercept is asked for. It is
//! taken back with a RST as soon as it is answered, so the service never sees a connection. Only if no answer comes does this
//! host also connect from its own address and send a SYN in the name of intercept, as a running tcpcopy does.

use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use common_core::control::{FlowId, Proof, ToIntercept};
use common_core::flow::Flow;
use common_core::time::Time;
use common_core::wire::{Flags, PacketBuilder, Seq};
use common_os::clock::Clock;
use common_os::io::injector::Injector;
use common_os::io::{Captured, Inject};
use mio::{Events, Poll};

use super::facts::{Probed, Reply};
use super::source::Source;
use crate::control::{ConnChange, ControlConns};
use crate::driver::captures::Captures;
use crate::driver::prober::{bare, connect};
use crate::findings::Own;
use crate::report::{InterceptCounters, InterceptStats};

/// Limit for seeing a client.
const CLIENTS: Duration = Duration::from_secs(2);
/// Limit for the connections to all intercepts.
const LINKS: Duration = Duration::from_millis(3500);
/// Limit for answers.
const ANSWERS: Duration = Duration::from_secs(4);
/// After so many more messages with counters an answer will not come any more: with the first one intercept begins to count
/// what passes its capture, and the third one tells the count in any case.
const REPORTS: u64 = 3;
/// Between two SYNs. The kernel of the test server does not answer the same one more often than twice a second.
const AGAIN: Duration = Duration::from_millis(700);
/// Packets and bytes read at once.
const PACKETS: usize = 256;
const BYTES: usize = 64 * 1024;
/// Longest sleep.
const NAP: Duration = Duration::from_millis(50);

/// A probe of one target.
pub(super) struct Attempt {
    /// The SYN whose answer intercept is asked for, and from whose address it is; `None` if no SYN can be sent.
    pub(super) syn: Option<(Source, Flow)>,
    /// The SYN in the name of intercept.
    pub(super) foreign: Option<Flow>,
    pub(super) isn: Seq,
    /// Only this host's kernel connects, to this target.
    pub(super) target: common_core::flow::Endpoint,
    pub(super) probed: Probed,
}

/// Sockets, clock and connections.
pub(super) struct Probing {
    poll: Poll,
    events: Events,
    clock: Clock,
    conns: ControlConns,
    captures: Option<Captures>,
    injector: Option<Injector>,
    builder: PacketBuilder,
}

impl Probing {
    pub(super) fn new(
        clock: Clock,
        conns: ControlConns,
        mut captures: Option<Captures>,
        injector: Option<Injector>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        if let Some(captures) = &mut captures {
            captures.register(poll.registry())?;
        }
        let (events, builder) = (Events::with_capacity(64), PacketBuilder::new());
        Ok(Self { poll, events, clock, conns, captures, injector, builder })
    }

    /// Connects to the intercepts, and passes what is captured to `seen` until that returns true.
    pub(super) fn look(&mut self, seen: &mut dyn FnMut(Captured<'_>) -> bool) -> io::Result<()> {
        let start = self.clock.now();
        let mut enough = self.captures.is_none();
        while self.clock.now() < start + LINKS {
            enough |= self.clock.now() >= start + CLIENTS;
            if enough && self.links_are_known() {
                break;
            }
            self.round(self.clock.now() + NAP, &mut |captured| enough |= seen(captured), &mut |_, _| {})?;
        }
        // Nobody reads them any more.
        self.captures = None;
        Ok(())
    }

    /// Each intercept has sent its first counters, or an error shows that it cannot be used.
    fn links_are_known(&self) -> bool {
        let account = self.conns.account();
        let is_down = |conn: &InterceptStats| !conn.connected && conn.last_error.is_some();
        let any_down = account.iter().any(is_down);
        (any_down || self.conns.all_up())
            && account.iter().all(|conn| is_down(conn) || conn.statistics.is_some())
    }

    pub(super) fn conns(&self) -> &ControlConns {
        &self.conns
    }

    /// Probes all at once.
    pub(super) fn probe(&mut self, attempts: &mut [Attempt]) -> io::Result<()> {
        let start = self.clock.now();
        let (done, results) = channel();
        self.announce(start, attempts);
        let (mut next_syn, mut tries) = (start, 0);
        let (first_report, mut last_report) = (self.reports(), None);
        while self.clock.now() < start + ANSWERS {
            let now = self.clock.now();
            take_results(&results, attempts);
            if attempts.iter().all(|attempt| attempt.is_over(self.conns.any_up())) {
                // What the assistant does with the answers shows in counters that come later.
                let reports = self.reports();
                if reports >= *last_report.get_or_insert(reports.saturating_add(1)) {
                    break;
                }
            } else if self.reports() >= first_report.saturating_add(REPORTS)
                && attempts.iter().all(|attempt| attempt.is_over(false))
            {
                break;
            } else if now >= next_syn {
                self.send_syns(now, attempts, tries, &done);
                (next_syn, tries) = (now + AGAIN, tries + 1);
            }
            let mut taken = Vec::new();
            self.round((now + NAP).min(next_syn.max(now)), &mut |_| {}, &mut |id, flags| {
                taken.push((id, flags))
            })?;
            for (id, flags) in taken {
                self.take_reply(attempts, id, flags);
            }
        }
        take_results(&results, attempts);
        self.finish(attempts);
        Ok(())
    }

    /// The sum of the counters of all intercepts since they were reached.
    pub(super) fn counters(&self) -> InterceptCounters {
        let mut sum = InterceptCounters::default().to_array();
        for counters in self.conns.account().iter().filter_map(|conn| conn.statistics) {
            sum.iter_mut()
                .zip(counters.to_array())
                .for_each(|(sum, counter)| *sum = sum.saturating_add(counter));
        }
        sum.into()
    }

    /// The messages with counters that every intercept has sent; as many as there can be if none is connected.
    fn reports(&self) -> u64 {
        let account = self.conns.account();
        account.iter().filter(|conn| conn.connected).map(|conn| conn.reports).min().unwrap_or(u64::MAX)
    }

    /// Asks intercept for the answers to the SYNs.
    fn announce(&mut self, now: Time, attempts: &[Attempt]) {
        let mut messages = Vec::new();
        for (id, attempt) in (0..).map(FlowId).zip(attempts) {
            if let Some((_, flow)) = attempt.syn {
                let proof = Proof::Opening { isn: attempt.isn, past: None };
                ToIntercept::RouteAdd { id, flow, proof }.encode(&mut messages);
            }
        }
        self.conns.broadcast(now, &messages);
        self.conns.flush();
    }

    fn send_syns(&mut self, now: Time, attempts: &mut [Attempt], tries: u32, done: &Sender<(usize, Own)>) {
        for (index, attempt) in attempts.iter_mut().enumerate() {
            if attempt.is_over(self.conns.any_up()) {
                continue;
            }
            if let Some((_, flow)) = attempt.syn
                && let Err(error) = self.send(now, &flow, Flags::SYN, attempt.isn)
            {
                attempt.probed.failed = Some(error.to_string());
            }
            let Some(at) = (if attempt.syn.is_some() { tries.checked_sub(1) } else { Some(tries) }) else {
                continue;
            };
            if let Some(flow) = attempt.foreign
                && self.send(now, &flow, Flags::SYN, attempt.isn).is_ok()
            {
                attempt.probed.foreign = Some(flow.client.ip);
            }
            if at == 0 {
                let (done, target) = (done.clone(), attempt.target);
                let connecting = move || drop(done.send((index, connect(target))));
                if let Err(error) = thread::Builder::new().name("probe".to_owned()).spawn(connecting) {
                    attempt.probed.own = Some(Own::Failed(error.to_string()));
                }
            }
        }
    }

    fn send(&mut self, now: Time, flow: &Flow, flags: Flags, seq: Seq) -> io::Result<()> {
        let Some(injector) = &mut self.injector else { return Err(io::ErrorKind::PermissionDenied.into()) };
        injector.handle_time(now);
        injector.send(self.builder.build(flow, &bare(flags, seq)))?;
        injector.flush().map_err(|lost| lost.error)
    }

    fn take_reply(&mut self, attempts: &mut [Attempt], id: FlowId, flags: Flags) {
        let Some(attempt) = usize::try_from(id.0).ok().and_then(|index| attempts.get_mut(index)) else {
            return;
        };
        let reply = match flags {
            flags if flags.has(Flags::RST) => Reply::Refused,
            flags if flags.has(Flags::SYN | Flags::ACK) => Reply::Accepted,
            _ => return,
        };
        let Some((source, flow)) = attempt.syn else { return };
        if attempt.probed.reply.is_none() {
            (attempt.probed.reply, attempt.probed.source) = (Some(reply), Some(source));
            self.take_back(&flow, attempt.isn);
        }
    }

    /// Resets what a SYN may have opened.
    fn take_back(&mut self, flow: &Flow, isn: Seq) {
        // If it fails, the test server gives the connection up by itself.
        let _ = self.send(self.clock.now(), flow, Flags::RST, isn + 1);
    }

    fn finish(&mut self, attempts: &mut [Attempt]) {
        let mut messages = Vec::new();
        for (id, attempt) in (0..).map(FlowId).zip(attempts) {
            attempt.probed.source = attempt.syn.map(|(source, _)| source);
            if let Some((_, flow)) = attempt.syn {
                if attempt.probed.reply.is_none() {
                    self.take_back(&flow, attempt.isn);
                }
                ToIntercept::RouteDel { id }.encode(&mut messages);
            }
            if let Some(flow) = attempt.foreign.filter(|flow| attempt.probed.foreign == Some(flow.client.ip))
            {
                self.take_back(&flow, attempt.isn);
            }
        }
        self.conns.broadcast(self.clock.now(), &messages);
        self.conns.flush();
    }

    /// Waits for something until `limit`, and reads it.
    fn round(
        &mut self,
        limit: Time,
        seen: &mut dyn FnMut(Captured<'_>),
        answered: &mut dyn FnMut(FlowId, Flags),
    ) -> io::Result<()> {
        let wait = limit.min(self.conns.poll_timeout()).since(self.clock.now());
        let ready = self.captures.as_ref().is_some_and(Captures::any_ready) || self.conns.any_readable();
        match self.poll.poll(&mut self.events, Some(if ready { Duration::ZERO } else { wait })) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let now = self.clock.now();
        for event in &self.events {
            let captured =
                self.captures.as_mut().is_some_and(|captures| captures.handle_event(event.token()));
            if !captured {
                self.conns.handle_event(now, event);
            }
        }
        if let Some(captures) = &mut self.captures {
            captures.receive(PACKETS, seen);
        }
        for index in 0..self.conns.count() {
            if self.conns.is_readable(index) {
                self.conns.receive(now, index, BYTES, &mut |answer| answered(answer.id, answer.flags));
            }
        }
        self.conns.handle_timeout(now, self.poll.registry());
        while let Some(change) = self.conns.next_change() {
            if let ConnChange::Up(index) = change {
                self.conns.announce(now, index, &[]);
            }
        }
        self.conns.flush();
        Ok(())
    }
}

impl Attempt {
    /// A probe of a target from these addresses.
    pub(super) fn new(
        target: common_core::flow::Endpoint,
        syn: Option<(Source, Flow)>,
        foreign: Option<Flow>,
        isn: u32,
    ) -> Self {
        Self { syn, foreign, isn: Seq(isn), target, probed: Probed::default() }
    }

    /// Nothing more is to be learnt, unless the SYN `may_be_answered`. Without an intercept only the connection of this host's
    /// kernel tells something.
    fn is_over(&self, may_be_answered: bool) -> bool {
        let probed = &self.probed;
        probed.reply.is_some()
            || probed.failed.is_some()
            || !(may_be_answered && self.syn.is_some()) && probed.own.is_some()
    }
}

fn take_results(results: &Receiver<(usize, Own)>, attempts: &mut [Attempt]) {
    while let Ok((index, own)) = results.try_recv() {
        if let Some(attempt) = attempts.get_mut(index) {
            attempt.probed.own = Some(own);
        }
    }
}

/// The addresses of a foreign SYN: those of the first intercept of the family that has not the target's address.
pub(super) fn foreign_source(intercepts: impl IntoIterator<Item = IpAddr>, target: IpAddr) -> Option<IpAddr> {
    intercepts.into_iter().find(|ip| ip.is_ipv4() == target.is_ipv4() && *ip != target && !ip.is_loopback())
}
