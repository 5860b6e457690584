//! The cost of examining a stream: `cargo test --release -p tcpcopy --lib recognise -- --ignored --nocapture`.

use std::hint::black_box;

use common_os::clock::Clock;

use super::{Recogniser, from_start};

fn measure(what: &str, mut recogniser: Recogniser, turn: &[u8]) {
    const TURNS: u32 = 20_000;
    let clock = Clock::start();
    let best = (0..300)
        .map(|_| {
            let began = clock.now();
            for _ in 0..TURNS {
                recogniser.see(black_box(turn), true);
            }
            clock.now().since(began)
        })
        .min();
    println!("{what}, {} bytes: {:.1?} a turn", turn.len(), best.unwrap_or_default() / TURNS);
    black_box(recogniser);
}

#[test]
#[ignore = "a measurement"]
fn cost_of_a_turn() {
    let get: &[u8] = b"GET /index.html?id=12345 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: wrk/4.1\r\nAccept: */*\r\nX: yyyy\r\n\r\n";
    measure("HTTP/1, GET", from_start(&[get]), get);
    let browser =
        format!("GET / HTTP/1.1\r\n{}\r\n", "Sec-Fetch-Destination: document, or so\r\n".repeat(18));
    measure("HTTP/1, a browser's GET", from_start(&[browser.as_bytes()]), browser.as_bytes());
    let post =
        [&b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 1300\r\n\r\n"[..], &[b'x'; 1300]].concat();
    measure("HTTP/1, POST", from_start(&[&post]), &post);
    let set: &[u8] = b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000001\r\n$16\r\nvalue-of-the-key\r\n";
    measure("Redis, SET", from_start(&[set]), set);
    let pipeline = set.repeat(16);
    measure("Redis, 16 SETs", from_start(&[set]), &pipeline);
    let text: &[u8] = b"get key:000000000001\r\n";
    measure("memcached, get", from_start(&[text]), text);
    measure("unknown", from_start(&[b"\x01\x02\x03"]), b"\x01\x02\x03");
}
