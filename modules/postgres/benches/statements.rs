//! What a statement, and a login, costs in the module: `cargo bench -p tcpcopy-postgres`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark that cannot go on fails"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use module_kit::{Actions, Endpoint, Flow, Module, Protocol, ServerData};
use postgres_wire::backend::{Backend, TransactionStatus};
use postgres_wire::frontend::{Frontend, Parse};
use postgres_wire::login::server::{Rule, ServerLogin, Step, Verifier};
use postgres_wire::opening::{Opening, write_startup};
use tcpcopy_postgres::{Postgres, SecretSource, Settings};

const ROUNDS: u32 = 200_000;
const LOGINS: u32 = 2_000;

const TRUST: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

fn frontend(messages: &[Frontend<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    messages.iter().for_each(|message| message.write(&mut bytes));
    bytes
}

fn backend(messages: &[Backend<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    messages.iter().for_each(|message| message.write(&mut bytes));
    bytes
}

fn startup() -> Vec<u8> {
    let mut bytes = Vec::new();
    write_startup(0, [(&b"user"[..], &b"app"[..]), (b"database", b"shop")], &mut bytes);
    bytes
}

fn module(postgres: &Postgres) -> Box<dyn Module> {
    let end = Endpoint::from("10.0.0.1:1".parse::<std::net::SocketAddr>().unwrap());
    postgres.module(&Flow { client: end, server: end }, true)
}

fn main() {
    let mut settings = Settings::default();
    settings.users.insert("app".to_owned(), SecretSource::Plain("secret".to_owned().into()));
    let postgres = Postgres::new(&settings).unwrap();
    let update =
        Frontend::Query(b"UPDATE pgbench_accounts SET abalance = abalance + 1234 WHERE aid = 12345;");
    let parse = Parse {
        statement: b"P_0",
        query: b"SELECT abalance FROM pgbench_accounts WHERE aid = $1;",
        types: &[],
    };
    let mut execute = b"B\0\0\0\x1c\0P_0\0\0\0\0\x01\0\0\0\x0512345\0\0".to_vec();
    execute[4] = execute.len() as u8 - 1;
    execute.extend(frontend(&[Frontend::Execute { portal: b"", rows: 0 }, Frontend::Sync]));
    let ready = Backend::ReadyForQuery(TransactionStatus::Idle);
    let row = &b"D\0\0\0\x0c\0\x01\0\0\0\x02ab"[..];
    let done = backend(&[Backend::CommandComplete(b"SELECT 1"), ready]);
    for (name, client, server) in [
        ("simple", frontend(&[update]), done.clone()),
        ("prepared", execute, [&b"2\0\0\0\x04"[..], row, &done].concat()),
        ("simple, 100 rows", frontend(&[update]), [&row.repeat(100)[..], &done].concat()),
    ] {
        statements(&postgres, name, &frontend(&[Frontend::Parse(parse), Frontend::Sync]), &client, &server);
    }
    logins(&postgres);
}

fn statements(postgres: &Postgres, name: &str, prepare: &[u8], client: &[u8], server: &[u8]) {
    let (mut module, mut actions) = (module(postgres), Actions::new());
    let _ = module.connected(&mut actions);
    module.client(&startup(), &mut actions);
    module.answer(ServerData { bytes: TRUST, tail: &[], acks_all: true }, &mut actions);
    module.client(prepare, &mut actions);
    module.answer(ServerData { bytes: b"1\0\0\0\x04Z\0\0\0\x05I", tail: &[], acks_all: true }, &mut actions);
    let start = Instant::now();
    for _ in 0..ROUNDS {
        actions.clear();
        module.client(black_box(client), &mut actions);
        module.answer(ServerData { bytes: black_box(server), tail: &[], acks_all: true }, &mut actions);
        // One that passes, and one that the answer is complete.
        assert_eq!(black_box(&actions).list().len(), 2);
    }
    let ns = start.elapsed().as_nanos() as f64 / f64::from(ROUNDS);
    println!("{name}: {ns:.0} ns");
}

fn logins(postgres: &Postgres) {
    let verifier = Verifier::new(b"secret", b"0123456789abcdef", 4096);
    let (mut first, mut sum) = (Duration::ZERO, Duration::ZERO);
    for round in 0..=LOGINS {
        let time = login(postgres, Rule::Scram { verifier: verifier.clone(), nonce: [9; 18] });
        if round == 0 { first = time } else { sum += time }
    }
    println!("first login: {:.1} us, all steps", first.as_nanos() as f64 / 1000.0);
    println!("login with cached keys: {:.1} us", sum.as_nanos() as f64 / 1000.0 / f64::from(LOGINS));
}

/// The time that a login takes in the module.
fn login(postgres: &Postgres, rule: Rule) -> Duration {
    let (mut server, mut step) = ServerLogin::new(rule);
    let (mut actions, mut spent, mut sent) = (Actions::new(), Duration::ZERO, 0);
    let (begin, startup) = (Instant::now(), startup());
    let mut module = module(postgres);
    let _ = module.connected(&mut actions);
    module.client(&startup, &mut actions);
    spent += begin.elapsed();
    sent += Opening::read(actions.own_bytes()).unwrap().unwrap().1;
    loop {
        let (mut bytes, is_last) = match step {
            Step::Send(bytes) => (bytes, false),
            Step::Accepted(bytes) => (bytes, true),
            Step::Refused => unreachable!("the password is right"),
        };
        if is_last {
            bytes.extend(backend(&[Backend::ReadyForQuery(TransactionStatus::Idle)]));
        }
        let begin = Instant::now();
        module.answer(ServerData { bytes: &bytes, tail: &[], acks_all: true }, &mut actions);
        while !is_last && actions.own_bytes().len() == sent {
            module.client(&[], &mut actions);
        }
        spent += begin.elapsed();
        if is_last {
            return spent;
        }
        let (Frontend::Password(body), length) =
            Frontend::read(&actions.own_bytes()[sent..]).unwrap().unwrap()
        else {
            unreachable!("the login goes on")
        };
        sent += length;
        step = server.handle(body);
    }
}
