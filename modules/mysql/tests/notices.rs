//! What users are told, however much there is of it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test may")]

mod driver;
mod script;

use std::net::{IpAddr, Ipv4Addr};

use common_core::flow::{Endpoint, Flow};
use module_kit::Protocol;
use tcpcopy_mysql::Mysql;

use crate::driver::Driven;
use crate::script::*;

/// A client of its own address says `hello`, and is refused if it is not given up before.
fn refused(protocol: &Mysql, address: u32, hello: &[u8]) {
    let ip = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + address));
    let flow = Flow { client: Endpoint::new(ip, 40_000), ..FLOW };
    let mut driven = Driven::new(protocol.module(&flow, true));
    driven.connected();
    driven.client(hello);
    driven.answer(&greeting(USUAL));
    driven.answer(&packet(2, b"\xff\x15\x04#28000Access denied"));
    assert!(driven.failure.is_some());
}

#[test]
fn many_of_one_kind_do_not_silence_the_others() {
    let _ = Run::new(true); // what is logged is kept
    let protocol = Mysql::new(&settings()).unwrap();
    let tls = hello(USUAL | 0x800);
    for client in 0..250 {
        refused(&protocol, client, &tls);
    }
    // In somebody's name.
    for user in 0..1000 {
        refused(&protocol, 0, &hello_of(&format!("forged{user}"), USUAL));
    }
    refused(&protocol, 0, &hello_of(KNOWN, USUAL));
    let of_known = lines_with(&format!("\"{KNOWN}\""));
    assert!(matches!(&of_known[..], [line] if line.contains("check its password")), "{of_known:?}");
    for (what, most) in [("speaks TLS", 50), ("forged", 100)] {
        let lines = lines_with(what).len();
        assert!((most / 2..=most).contains(&lines), "{what}: {lines}");
    }
    let last = lines_with("only counted");
    assert_eq!(last.len(), 2, "{last:?}");
}
