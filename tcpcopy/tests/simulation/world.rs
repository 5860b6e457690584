//! The world: clients, engine, network, test server and intercepts in one loop with one clock.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use common_core::control::{FromIntercept, RefuseReason, ServerSegment, ToIntercept, VERSION};
use common_core::flow::Endpoint;
use common_core::time::{Stamp, Time};
use common_core::wire::{Flags, LongPacket, Segment};
use common_os::io::Captured;
use intercept::router::{PeerId, Router, RouterConfig};
use tcpcopy::engine::Engine;

use crate::client::{Sent, Session};
use crate::device;
use crate::event::{Event, show};
use crate::faults::{forge, noise};
use crate::hosts::{MSS, config, expected, online, targets, write_sessions};
use crate::judge::Judge;
use crate::less::Less;
use crate::link::Link;
use crate::network::{Path, Queue};
use crate::rng::Rng;
use crate::scenario::{Ending, Scenario};
use crate::seen::Seen;
use crate::server::Server;
use crate::strangers::{self, Stranger};
use crate::toy::Heard;

/// How long unawaited answers are left unread, unless something is captured before.
const DEFERRAL: Duration = Duration::from_millis(13);

/// Only if this many packets are captured in this time, as in the driver.
const BRISK: u32 = 50;
const BRISK_IN: Duration = Duration::from_millis(100);

/// The restarted process has a later wall clock; this is the first one's, close to the wrap.
const TIMESTAMP_ORIGIN: u32 = u32::MAX - 500;

struct Intercept {
    router: Router,
    link: Link,
}

/// The output of an engine in one call.
#[derive(Default)]
struct EngineOutput {
    /// The device cuts long packets.
    cuts: bool,
    packets: Vec<Vec<u8>>,
    messages: Vec<ToIntercept>,
}

impl tcpcopy::output::Output for EngineOutput {
    fn inject(&mut self, packet: &[u8]) {
        self.packets.push(packet.to_vec());
    }

    fn long_payload(&self, _target: IpAddr) -> usize {
        if self.cuts { device::LONG } else { 0 }
    }

    fn inject_long(&mut self, packet: &LongPacket<'_>, segment: u16) {
        assert!(self.cuts, "a long packet for a device that does not cut");
        let packet = [packet.headers, packet.payload.0, packet.payload.1].concat();
        self.packets.extend(device::cut(&packet, segment));
    }

    fn control(&mut self, message: &ToIntercept) {
        self.messages.push(message.clone());
    }
}

/// The encoded messages of a router in one call.
#[derive(Default)]
struct RouterOutput(Vec<u8>);

impl intercept::router::Output for RouterOutput {
    fn send(&mut self, _link: PeerId, message: &FromIntercept<'_>) {
        message.encode(&mut self.0);
    }
}

fn new_router(scenario: &Scenario) -> Router {
    Router::new(RouterConfig { trusts_peers: scenario.keyed, ..RouterConfig::default() })
}

/// Everything, at one point of time.
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) now: Time,
    pub(crate) sessions: Vec<Session>,
    pub(crate) strangers: Vec<Stranger>,
    pub(crate) server: Server,
    pub(crate) engine: Engine,
    /// The client bytes that the engine has received.
    pub(crate) captured: Seen,
    /// Packets of clients that were never captured.
    pub(crate) capture_lost: u64,
    /// Answer bytes of the online server that were never captured.
    pub(crate) online_lost: u64,
    /// The records of the modules, if they observe the online server.
    pub(crate) heard: Heard,
    intercepts: Vec<Intercept>,
    /// How often tcpcopy was started again.
    runs: u64,
    queue: Queue<Event>,
    capture: Path,
    online: Path,
    inject: Path,
    answer: Path,
    judge: Judge,
    rng: Rng,
    stopped: bool,
    flush_due: bool,
    trace: bool,
    /// The way to the test server takes long packets: in every other seed.
    cuts: bool,
    /// The engine's process reads unawaited answers with the next captured packet: in every other pair of seeds.
    defers: bool,
    unread: Vec<(usize, u32, Vec<u8>)>,
    /// Since when.
    unread_since: Time,
    /// Packets captured in the present span of time, and whether they were many in the last.
    span: (Time, u32),
    brisk: bool,
    /// When the clients have sent everything.
    pub(crate) silence: Time,
    /// When the engine had nothing left to do.
    pub(crate) finished: Time,
}

impl World {
    pub(crate) fn new(scenario: &Scenario, seed: u64, less: &Less, trace: bool) -> Self {
        let scenario = &less.of(scenario);
        let mut rng = Rng::new(
            scenario.short_name().bytes().fold(seed, |hash, byte| crate::rng::mix(hash ^ u64::from(byte))),
        );
        let mut sessions = write_sessions(scenario, &mut rng);
        let clients: BTreeSet<Endpoint> = sessions.iter().map(|session| session.flow.client).collect();
        let silence = sessions.iter().flat_map(|s| &s.sent).map(|sent| sent.at).max().unwrap_or(Time::ZERO);
        less.cut(&mut sessions);
        let intercepts = (0..scenario.intercepts)
            .map(|i| Intercept {
                router: new_router(scenario),
                link: Link::new(scenario.link, rng.fork(20 + i as u64)),
            })
            .collect();
        let heard = Heard::default();
        let mut world = Self {
            scenario: *scenario,
            now: Time::ZERO,
            server: Server::new(
                targets().to_vec(),
                scenario.stack,
                scenario.app,
                expected(scenario),
                rng.fork(1),
            ),
            engine: Engine::new(config(scenario, seed, TIMESTAMP_ORIGIN, &heard), Time::ZERO),
            captured: Seen::default(),
            capture_lost: 0,
            online_lost: 0,
            heard,
            intercepts,
            runs: 0,
            queue: Queue::new(),
            capture: Path::new(scenario.capture, less.faults[0].clone(), rng.fork(2)),
            inject: Path::new(scenario.inject, less.faults[1].clone(), rng.fork(3)),
            answer: Path::new(scenario.answer, less.faults[2].clone(), rng.fork(4)),
            judge: Judge::new(clients, targets().to_vec(), MSS, scenario.forged == 0),
            rng: rng.fork(5),
            online: Path::new(scenario.online, 0..u64::MAX, rng.fork(6)),
            stopped: false,
            flush_due: false,
            trace,
            cuts: seed.is_multiple_of(2),
            defers: (seed / 2).is_multiple_of(2),
            unread: Vec::new(),
            unread_since: Time::ZERO,
            span: (Time::ZERO, 0),
            brisk: false,
            silence,
            finished: Time::ZERO,
            sessions,
            strangers: Vec::new(),
        };
        world.strangers = strangers::write(scenario.strangers, scenario.clients.arrivals, rng.fork(7));
        world.judge.allow(world.strangers.iter().map(|stranger| stranger.client));
        world.plan();
        world
    }

    /// Schedules the events that are certain.
    fn plan(&mut self) {
        for intercept in 0..self.intercepts.len() {
            self.queue.schedule(Time::from_micros(self.scenario.link_from), Event::Connect { intercept });
        }
        for (session, written) in self.sessions.iter().enumerate() {
            for (packet, sent) in written.sent.iter().enumerate() {
                self.queue.schedule(sent.at, Event::Pass { session, packet });
            }
        }
        for sent in self.strangers.iter().flat_map(|stranger| &stranger.sent) {
            let Sent { at, packet, outgoing } = sent.clone();
            self.queue.schedule(at, Event::Captured { packet, outgoing });
        }
        let at = Time::from_micros;
        for cut in 0..self.scenario.cuts {
            let when = at(self.rng.within(5_000..=self.silence.as_micros().max(5_000)));
            let intercept = cut as usize % self.intercepts.len();
            let for_micros = self.rng.within(self.scenario.cut_for.0..=self.scenario.cut_for.1);
            self.queue.schedule(when, Event::Cut { intercept, for_micros });
        }
        if let Some((from, to)) = self.scenario.outage {
            self.queue.schedule(at(from), Event::Service { up: false });
            self.queue.schedule(at(to), Event::Service { up: true });
        }
        if let Some(restart) = self.scenario.restart_at {
            self.queue.schedule(at(restart), Event::Restart);
        }
        match self.scenario.ending {
            Ending::Drain => self.queue.schedule(self.silence + Duration::from_secs(10), Event::Stop),
            Ending::Abort(when) => self.queue.schedule(at(when), Event::Stop),
            Ending::Expire => {}
        }
    }

    /// Runs until the engine is empty and all that was under way has arrived.
    pub(crate) fn run(&mut self) {
        let limit = self.silence + Duration::from_secs(3600);
        let mut at_once = 0_u32;
        loop {
            let engine_at = self.engine.poll_timeout();
            let next =
                self.queue.next_at().min(engine_at).min(self.server.poll_timeout()).min(
                    self.intercepts.iter().map(|i| i.router.poll_timeout()).min().unwrap_or(Time::NEVER),
                );
            if self.flush_due && next > self.now {
                self.with_engine(|engine, now, out| engine.flush(now, out));
                self.flush_due = false;
                continue;
            }
            if self.done() || next == Time::NEVER {
                break;
            }
            assert!(next <= limit, "nothing comes to an end");
            at_once = if next > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 200_000, "time stands still at {:?}: engine's timer {engine_at:?}", self.now);
            self.now = self.now.max(next);
            self.step(engine_at);
            assert!(
                self.engine.ledger().balances(),
                "the ledger does not balance: {:#?}",
                self.engine.ledger()
            );
        }
    }

    /// The engine has come to an end after the clients, and the last control messages have arrived.
    fn done(&mut self) -> bool {
        let ended = self.engine.is_empty() && (self.stopped || self.now >= self.silence);
        if !ended {
            self.finished = Time::ZERO;
            return false;
        }
        if self.finished == Time::ZERO {
            self.finished = self.now;
        }
        self.now >= self.silence
            && self.now >= self.finished + Duration::from_secs(5)
            && self.stopped_or_expired()
    }

    fn stopped_or_expired(&self) -> bool {
        self.stopped || self.scenario.ending == Ending::Expire
    }

    fn step(&mut self, engine_at: Time) {
        let now = self.now;
        if self.queue.next_at() <= now {
            if let Some(event) = self.queue.pop() {
                self.happen(event);
            }
            return;
        }
        if self.server.poll_timeout() <= now {
            let mut out = Vec::new();
            self.server.handle_timeout(now, &mut out);
            self.route_answers(out);
        }
        for intercept in &mut self.intercepts {
            if intercept.router.poll_timeout() <= now {
                intercept.router.handle_timeout(now);
            }
        }
        if engine_at <= now {
            self.read();
            self.with_engine(|engine, now, out| engine.handle_timeout(now, out));
        }
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        if self.trace {
            eprintln!("{now:?} {event}");
        }
        match event {
            Event::Pass { session, packet } => self.pass(session, packet),
            Event::Captured { packet, outgoing } => self.captured(&packet, outgoing),
            Event::Arrived(_) if self.is_unreachable() => {}
            Event::Arrived(packet) => {
                let mut out = Vec::new();
                self.server.handle(now, &packet, &mut out);
                self.route_answers(out);
            }
            Event::Answered { intercept, packet } => {
                let mut out = RouterOutput::default();
                let captured = Captured { packet: &packet, outgoing: false, stamp: Stamp::FIRST };
                self.intercepts[intercept].router.handle_packet(now, captured, &mut out);
                self.send_back(intercept, &out.0);
            }
            Event::ToIntercept { intercept, epoch, bytes } => self.at_intercept(intercept, epoch, &bytes),
            Event::FromIntercept { intercept, epoch, bytes } => {
                if self.unread.is_empty() {
                    self.unread_since = now;
                    self.queue.schedule(now + DEFERRAL, Event::Read);
                }
                self.unread.push((intercept, epoch, bytes));
                if !self.defers
                    || !self.brisk
                    || !self.intercepts[intercept].link.up
                    || self.engine.awaits_answers()
                {
                    self.read();
                }
            }
            Event::Read => self.read(),
            Event::Connect { intercept } => self.connect(intercept),
            Event::Cut { intercept, for_micros } => self.cut(intercept, for_micros),
            Event::Noticed { intercept, again_in } => {
                if std::mem::take(&mut self.intercepts[intercept].link.up) {
                    self.engine.handle_link_down(now);
                }
                self.queue.schedule(now + Duration::from_micros(again_in), Event::Connect { intercept });
            }
            Event::Service { up } => {
                let mut out = Vec::new();
                self.server.set_up(now, up, &mut out);
                self.route_answers(out);
            }
            Event::Restart => self.restart(),
            Event::Stop => self.stop(),
        }
    }

    fn pass(&mut self, session: usize, packet: usize) {
        let sent = self.sessions[session].sent[packet].clone();
        let answer =
            Segment::parse(&sent.packet).ok().filter(|segment| sent.outgoing && segment.payload_len > 0);
        let path = if answer.is_some() { &mut self.online } else { &mut self.capture };
        let arrivals = path.carry(self.now);
        if let (Some(segment), Some(arrival)) = (answer, arrivals[0]) {
            let delay = Duration::from_micros(self.scenario.capture.delay);
            let session = &mut self.sessions[session];
            session.answers_late |= session.is_answered_late(&segment, arrival, delay);
        }
        if arrivals == [None, None] && answer.is_some() {
            self.online_lost += sent.packet.len() as u64;
        } else if arrivals == [None, None] {
            self.capture_lost += 1;
        }
        for at in arrivals.into_iter().flatten() {
            let (mut packet, outgoing) = (sent.packet.clone(), sent.outgoing);
            if self.rng.chance(self.scenario.truncated) && packet.len() > 100 {
                packet.truncate(self.rng.within(72..=packet.len() as u64 - 1) as usize);
            }
            if self.rng.chance(self.scenario.noise) {
                let noise = noise(&packet, &mut self.rng);
                self.queue.schedule(at, Event::Captured { packet: noise, outgoing: self.rng.chance(500) });
            }
            self.queue.schedule(at, Event::Captured { packet, outgoing });
        }
    }

    fn captured(&mut self, packet: &[u8], outgoing: bool) {
        if self.stopped {
            return;
        }
        if let Ok(segment) = Segment::parse(packet)
            && !outgoing
            && online().contains(&segment.destination)
        {
            if segment.flags.has(Flags::SYN) {
                let taken = self.taken(&segment);
                self.captured.add_first(&segment, taken);
            } else {
                self.captured.add(&segment);
            }
        }
        let (began, count) = self.span;
        if self.now.since(began) < BRISK_IN {
            self.span.1 = count + 1;
        } else {
            self.brisk = count >= BRISK && self.now.since(began) < 2 * BRISK_IN;
            self.span = (self.now, 1);
        }
        let unread_since = (!self.unread.is_empty()).then_some(self.unread_since);
        self.engine.set_unread_since(unread_since);
        self.with_engine(|engine, now, out| {
            engine.handle_packet(now, Captured { packet, outgoing, stamp: Stamp::FIRST }, out)
        });
        self.with_engine(|engine, now, out| engine.flush(now, out));
        self.read();
        self.engine.set_unread_since(None);
    }

    /// How much of a SYN's data the online server accepted.
    fn taken(&mut self, syn: &Segment<'_>) -> usize {
        let of_session =
            |session: &&mut Session| session.flow.client == syn.source && session.seq_begin == syn.seq;
        // It may be captured twice.
        let session = self.sessions.iter_mut().find(of_session);
        session.map_or(0, |session| std::mem::take(&mut session.on_syn.taken))
    }

    /// Puts the server's packets on their way to the intercepts.
    fn route_answers(&mut self, packets: Vec<Vec<u8>>) {
        for packet in packets {
            if self.trace {
                eprintln!("{:?}   server sends {}", self.now, show(&packet));
            }
            if self.is_unreachable() {
                continue;
            }
            let chosen = self.rng.below(self.intercepts.len() as u64) as usize;
            for at in self.answer.carry(self.now).into_iter().flatten() {
                for intercept in 0..self.intercepts.len() {
                    if !self.scenario.shared || intercept == chosen {
                        self.queue.schedule(at, Event::Answered { intercept, packet: packet.clone() });
                    }
                }
            }
        }
    }

    fn is_unreachable(&self) -> bool {
        let now = self.now.as_micros();
        self.scenario.unreachable.is_some_and(|(from, until)| from <= now && now < until)
    }

    fn output(&self) -> EngineOutput {
        EngineOutput { cuts: self.cuts, ..EngineOutput::default() }
    }

    fn with_engine(&mut self, call: impl FnOnce(&mut Engine, Time, &mut EngineOutput)) {
        let mut out = self.output();
        call(&mut self.engine, self.now, &mut out);
        let up: Vec<usize> = (0..self.intercepts.len()).filter(|i| self.intercepts[*i].link.up).collect();
        self.give_out(out, &up);
        self.flush_due = true;
    }

    /// Sends an engine's packets, and its messages over some of the links.
    fn give_out(&mut self, out: EngineOutput, links: &[usize]) {
        for message in &out.messages {
            if self.trace {
                eprintln!("{:?}   engine says {message:?}", self.now);
            }
            self.judge.control(message);
        }
        for link in links {
            self.send_forth(*link, &out.messages);
        }
        for packet in out.packets {
            if self.trace {
                eprintln!("{:?}   engine sends {}", self.now, show(&packet));
            }
            self.judge.injected(&packet);
            if self.rng.chance(self.scenario.own_seen) {
                let again = Event::Captured { packet: packet.clone(), outgoing: true };
                self.queue.schedule(self.now, again);
            }
            for at in self.inject.carry(self.now).into_iter().flatten() {
                self.queue.schedule(at, Event::Arrived(packet.clone()));
            }
        }
    }

    fn send_forth(&mut self, intercept: usize, messages: &[ToIntercept]) {
        let mut bytes = Vec::new();
        for message in messages {
            message.encode(&mut bytes);
        }
        let link = &mut self.intercepts[intercept].link;
        let epoch = link.epoch;
        for (at, bytes) in link.carry(self.now, &bytes, true) {
            self.queue.schedule(at, Event::ToIntercept { intercept, epoch, bytes });
        }
    }

    fn send_back(&mut self, intercept: usize, bytes: &[u8]) {
        let link = &mut self.intercepts[intercept].link;
        let epoch = link.epoch;
        for (at, bytes) in link.carry(self.now, bytes, false) {
            self.queue.schedule(at, Event::FromIntercept { intercept, epoch, bytes });
        }
    }

    fn at_intercept(&mut self, intercept: usize, epoch: u32, bytes: &[u8]) {
        let Intercept { router, link } = &mut self.intercepts[intercept];
        if epoch != link.epoch {
            return;
        }
        let mut out = RouterOutput::default();
        for body in link.to_intercept.arrive(bytes) {
            let message = ToIntercept::decode(&body).expect("a message to intercept cannot be read");
            let taken: Result<(), RefuseReason> =
                router.handle_message(self.now, PeerId(epoch), message, &mut out);
            taken.expect("intercept refuses a message");
        }
        self.send_back(intercept, &out.0);
    }

    fn read(&mut self) {
        for (intercept, epoch, bytes) in std::mem::take(&mut self.unread) {
            self.at_engine(intercept, epoch, &bytes);
        }
    }

    fn at_engine(&mut self, intercept: usize, epoch: u32, bytes: &[u8]) {
        let link = &mut self.intercepts[intercept].link;
        if epoch != link.epoch {
            return;
        }
        for body in link.from_intercept.arrive(bytes) {
            match FromIntercept::decode(&body).expect("a message of intercept cannot be read") {
                FromIntercept::ServerSegment(answer) => self.answered(&answer),
                FromIntercept::Hello { .. } => self.link_up(intercept),
                FromIntercept::Refuse(reason) => panic!("intercept refuses the link: {reason:?}"),
                FromIntercept::Pong { .. } | FromIntercept::Statistics(_) => {}
                FromIntercept::Shared { .. } => panic!("there is one tcpcopy"),
                FromIntercept::Tunnel(_) => panic!("the copies are sent on the wire"),
                FromIntercept::DatagramAnswer(_) => panic!("no datagrams are served here"),
            }
        }
    }

    fn answered(&mut self, answer: &ServerSegment<'_>) {
        if self.trace {
            eprintln!("{:?}   engine is told {answer:?}", self.now);
        }
        self.judge.answer(answer);
        self.with_engine(|engine, now, out| engine.handle_answer(now, answer, out));
        if self.rng.chance(self.scenario.forged) {
            let forged = forge(answer, &mut self.rng);
            self.with_engine(|engine, now, out| engine.handle_answer(now, &forged, out));
        }
    }

    fn connect(&mut self, intercept: usize) {
        let Intercept { router, link } = &mut self.intercepts[intercept];
        link.connect();
        router.handle_peer_connected(PeerId(link.epoch), IpAddr::from([10, 0, 0, 1]));
        self.send_forth(intercept, &[ToIntercept::Hello { version: VERSION, instance: self.runs }]);
    }

    fn link_up(&mut self, intercept: usize) {
        let announced: Vec<_> = targets().into_iter().map(ToIntercept::Target).collect();
        self.send_forth(intercept, &announced);
        self.intercepts[intercept].link.up = true;
        let mut out = self.output();
        self.engine.handle_link_up(self.now, &mut out);
        self.give_out(out, &[intercept]);
        self.flush_due = true;
    }

    fn cut(&mut self, intercept: usize, for_micros: u64) {
        let Intercept { router, link } = &mut self.intercepts[intercept];
        if !link.alive {
            return;
        }
        router.handle_peer_gone(PeerId(link.epoch));
        link.cut();
        let unnoticed = self.rng.below(for_micros / 2 + 1);
        let noticed = Event::Noticed { intercept, again_in: for_micros - unnoticed };
        self.queue.schedule(self.now + Duration::from_micros(unnoticed), noticed);
    }

    /// tcpcopy is killed, and started again at once.
    fn restart(&mut self) {
        let origin = TIMESTAMP_ORIGIN.wrapping_add(10_000);
        self.engine =
            Engine::new(config(&self.scenario, self.now.as_micros(), origin, &self.heard), self.now);
        self.runs += 1;
        self.captured = Seen::default();
        self.judge.restart();
        for intercept in 0..self.intercepts.len() {
            let Intercept { router, link } = &mut self.intercepts[intercept];
            if link.alive {
                router.handle_peer_gone(PeerId(link.epoch));
                link.cut();
            }
            if self.scenario.intercepts_restart {
                *router = new_router(&self.scenario);
            }
            link.up = false;
            self.connect(intercept);
        }
    }

    fn stop(&mut self) {
        self.stopped = true;
        if matches!(self.scenario.ending, Ending::Abort(_)) {
            self.with_engine(|engine, now, out| engine.abort(now, out));
        } else {
            self.with_engine(|engine, now, out| engine.drain(now, out));
        }
    }

    /// Lets an empty engine's timers run out, as long as it asks for it; they must not do anything.
    pub(crate) fn run_out(&mut self) {
        for _ in 0..10_000 {
            let at = self.engine.poll_timeout();
            if at == Time::NEVER {
                return;
            }
            let mut out = EngineOutput::default();
            self.engine.handle_timeout(at, &mut out);
            assert!(out.packets.is_empty() && out.messages.is_empty(), "an empty engine says something");
        }
        panic!("an empty engine goes on waiting for something");
    }

    /// How long after the clients' last word the test server read its last byte.
    pub(crate) fn lag(&self) -> Duration {
        let records = self.server.records();
        let last = records.iter().filter_map(|record| record.arrivals.last()).map(|arrival| arrival.at).max();
        last.unwrap_or(Time::ZERO).since(self.silence)
    }

    /// Routes that exist on all intercepts.
    pub(crate) fn routes(&self) -> usize {
        self.intercepts.iter().map(|intercept| intercept.router.routes()).sum()
    }
}
