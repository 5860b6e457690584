//! The capture filters: any list of services and targets gives a program, any expression one or a plain refusal.
//!
//! The expressions are made of keywords and numbers: libpcap looks other words up as names, in the network.

#![no_main]

use common_core::flow::Endpoint;
use common_os::io::bpf::{ServiceAnswers, Program, Service};
use common_core::payload_prefix::PayloadPrefix;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const WORDS: [&str; 48] = [
    "tcp",
    "udp",
    "ip",
    "ip6",
    "icmp",
    "arp",
    "vlan",
    "mpls",
    "and",
    "or",
    "not",
    "(",
    ")",
    "[",
    "]",
    ":",
    "=",
    "!=",
    "<",
    ">",
    "&",
    "|",
    "<<",
    "+",
    "/",
    "*",
    "host",
    "net",
    "port",
    "portrange",
    "src",
    "dst",
    "proto",
    "len",
    "less",
    "greater",
    "mask",
    "10.0.0.1",
    "10.0.0.0/8",
    "2001:db8::1",
    "2001:db8::/32",
    "0",
    "1",
    "80",
    "65535",
    "99999",
    "4294967295",
    "1-80",
];

#[derive(Arbitrary, Debug)]
struct Input {
    services: Vec<(Option<[u8; 2]>, bool, u16)>,
    targets: Vec<([u8; 2], bool, u16)>,
    expression: Vec<u8>,
}

fuzz_target!(|input: Input| {
    let services: Vec<Service> = input
        .services
        .iter()
        .map(|(ip, six, port)| Service { ip: ip.map(|ip| address(ip, *six)), port: *port })
        .collect();
    let targets: Vec<Endpoint> =
        input.targets.iter().map(|(ip, six, port)| Endpoint::new(address(*ip, *six), *port)).collect();
    let wanted: [&'static [PayloadPrefix]; 3] = [&[], &[&[None, Some(1)], &[Some(2)]], &[&[]]];
    let heard: Vec<ServiceAnswers> = services
        .iter()
        .zip(wanted.iter().cycle())
        .map(|(service, answers)| ServiceAnswers { service: *service, answers: *answers, whole: answers.get(1..).unwrap_or_default() })
        .collect();
    let _ = (Program::conversations(&services, &heard, &targets), Program::answers(&targets));

    let words: Vec<&str> =
        input.expression.iter().take(64).map(|byte| WORDS[usize::from(*byte) % WORDS.len()]).collect();
    if let Err(error) = Program::from_expression(&words.join(" ")) {
        assert!(!error.to_string().chars().any(char::is_control), "no plain line: {error}");
    }
});

fn address(end: [u8; 2], six: bool) -> std::net::IpAddr {
    if six {
        [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, end[0], end[1]].into()
    } else {
        [10, 0, end[0], end[1]].into()
    }
}
