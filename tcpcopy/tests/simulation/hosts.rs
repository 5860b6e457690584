//! The hosts, the engine's configuration, and the clients.

use std::collections::BTreeMap;
use std::sync::Arc;

use common_core::flow::{Endpoint, Flow};
use common_core::time::Time;
use common_core::wire::Seq;
use module_kit::Protocol;
use tcpcopy::settings::{EngineConfig, Multiplying, Shaping, Transfer};

use crate::client::Session;
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::server::Expected;
use crate::speech::Preamble;
use crate::toy::{self, Heard, Toy};

/// The engine's largest TCP payload, for IPv4 and IPv6.
pub(crate) const MSS: (u16, u16) = (1460, 1440);

/// The least port of a client. The port that a copy may take instead is less.
const FIRST_CLIENT_PORT: u16 = 40_000;

/// The password that the clients and the online server share.
const ONLINE_PASSWORD: u64 = 1;

/// The most sessions on one port, one after the other: an engine lets only this many wait.
const PORT_USES: u32 = 7;

pub(crate) fn online() -> [Endpoint; 2] {
    [Endpoint::new([10, 0, 0, 1].into(), 80), Endpoint::new([0xfd00, 0, 0, 0, 0, 0, 0, 1].into(), 80)]
}

pub(crate) fn targets() -> [Endpoint; 2] {
    [Endpoint::new([10, 9, 0, 1].into(), 8080), Endpoint::new([0xfd00, 0, 0, 0, 0, 0, 0, 9].into(), 8080)]
}

/// The connection of a copied session to the test server.
pub(crate) fn copied(flow: &Flow) -> Flow {
    let family = usize::from(flow.server.ip.is_ipv6());
    Flow { client: flow.client, server: targets()[family] }
}

/// The connection that a copy has taken another port for, because the test server held the one of its client.
pub(crate) fn before_move(flow: &Flow) -> Flow {
    let port = flow.client.port;
    let client_port = if port < FIRST_CLIENT_PORT { port + 64_512 / 2 } else { port };
    Flow { client: Endpoint::new(flow.client.ip, client_port), ..*flow }
}

pub(crate) fn config(scenario: &Scenario, seed: u64, timestamp_origin: u32, heard: &Heard) -> EngineConfig {
    let wanted = scenario.clients.answers_seen;
    let heard = (!wanted.is_empty()).then(|| heard.clone());
    let protocol =
        scenario.module.map(|password| Arc::new(Toy { password, heard, wanted }) as Arc<dyn Protocol>);
    let [online_v4, online_v6] = online();
    let [target_v4, target_v6] = targets();
    EngineConfig {
        sees_copies: true,
        multiplying: Multiplying::default(),
        shaping: Shaping::default(),
        transfers: vec![
            Transfer {
                online_ip: Some(online_v4.ip),
                online_port: online_v4.port,
                target: target_v4,
                protocol: protocol.clone(),
                on_reconnect: scenario.on_reconnect,
            },
            Transfer {
                online_ip: None,
                online_port: online_v6.port,
                target: target_v6,
                protocol,
                on_reconnect: scenario.on_reconnect,
            },
        ],
        only_from_syn: false,
        wait_for_answers: scenario.wait_for_answers,
        mss_v4: MSS.0,
        mss_v6: MSS.1,
        memory_limit: scenario.memory_limit,
        session_timeout: scenario.session_timeout,
        keepalive_timeout: scenario.keepalive_timeout,
        seed,
        timestamp_origin,
    }
}

/// The test server's knowledge of its clients.
pub(crate) fn expected(scenario: &Scenario) -> Expected {
    Expected { speech: scenario.clients.speech, preamble: scenario.clients.preamble != Preamble::None }
}

/// All sessions of a run, by their beginning on each port.
pub(crate) fn write_sessions(scenario: &Scenario, rng: &mut Rng) -> Vec<Session> {
    let plan = &scenario.clients;
    let mut sessions = Vec::new();
    let mut rest: BTreeMap<u32, (Time, u32, Option<Seq>)> = (0..plan.sessions)
        .map(|number| (number, (Time::from_micros(plan.begin + rng.below(plan.arrivals)), 1, None)))
        .collect();
    while let Some((number, (start, uses, after))) = rest.pop_first() {
        let (low, high) = ((number % 200) as u8 + 1, (number / 200) as u8);
        let six = number % 4 == 3;
        let ip = if six {
            [0xfd00, 0, 0, 1, 0, 0, u16::from(high), u16::from(low)].into()
        } else {
            [10, 1, high, low].into()
        };
        let flow = Flow {
            client: Endpoint::new(ip, FIRST_CLIENT_PORT + number as u16),
            server: online()[usize::from(six)],
        };
        let id = sessions.len() as u32;
        let mut rng = rng.fork(u64::from(id));
        let login = toy::login(rng.next(), ONLINE_PASSWORD);
        let login = scenario.module.map(|_| (&login[..], toy::ACCEPTED.len() as u64));
        let session = Session::write(id, flow, start, after, plan, login, rng.fork(1));
        if rng.chance(plan.reuse) && uses < PORT_USES {
            rest.insert(number, (session.end + rng.micros(300..=50_000), uses + 1, Some(session.seq_end)));
        }
        sessions.push(session);
    }
    sessions
}
