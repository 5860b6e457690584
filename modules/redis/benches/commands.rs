//! What a command costs that does not matter: `cargo bench -p tcpcopy-redis`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark that cannot go on fails"
)]

use std::hint::black_box;
use std::time::Instant;

use module_kit::{Actions, Endpoint, Flow, Protocol, ServerData};
use tcpcopy_redis::{Redis, Settings};

const ROUNDS: u32 = 200_000;

fn main() {
    let end = Endpoint::from("10.0.0.1:1".parse::<std::net::SocketAddr>().unwrap());
    let redis = Redis::new(&Settings::default()).expect("no passwords to be read");
    let mut actions = Actions::new();
    for (name, command) in [
        ("SET, 3 bytes", "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000001234\r\n$3\r\nVXK\r\n".to_owned()),
        ("INCR", "*2\r\n$4\r\nINCR\r\n$20\r\ncounter:000000001234\r\n".to_owned()),
        ("SET, 1 KB", format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1024\r\n{}\r\n", "v".repeat(1024))),
    ] {
        for pipeline in [1, 16] {
            let mut module = redis.module(&Flow { client: end, server: end }, true);
            let _ = module.connected(&mut actions);
            module.client(command.as_bytes(), &mut actions);
            module.answer(ServerData { bytes: b"+OK\r\n", tail: &[], acks_all: true }, &mut actions);
            let bytes = command.repeat(pipeline);
            let start = Instant::now();
            for _ in 0..ROUNDS {
                actions.clear();
                module.client(black_box(bytes.as_bytes()), &mut actions);
                assert_eq!(black_box(&actions).list().len(), 1);
            }
            let ns = start.elapsed().as_nanos() as f64 / f64::from(ROUNDS) / pipeline as f64;
            println!("{name}, {pipeline} at once: {ns:.1} ns a command");
        }
    }
}
