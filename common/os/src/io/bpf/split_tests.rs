//! The kernel's program and `worker_of` are the same rule.

use nix::libc::{ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP};
use proptest::prelude::*;

use super::filter_tests::{packet, with_extensions, with_ip_options};
use super::interpreter::{Metadata, run};
use super::split::{program, worker_of};
use common_core::wire::Flags;

const MAX_WORKERS: u16 = 64;
const HOST: u32 = 0;
const OUTGOING: u32 = 4;

/// The worker that a program chooses.
fn chosen(packet: &[u8], metadata: Metadata, count: u16) -> u16 {
    u16::try_from(run(&program(), packet, metadata) % u32::from(count)).unwrap()
}

fn received(protocol: i32) -> Metadata {
    Metadata { packet_type: HOST, protocol: protocol.cast_unsigned(), link_header: 0 }
}

fn leaving(link_header: usize) -> Metadata {
    Metadata { packet_type: OUTGOING, protocol: ETH_P_IP.cast_unsigned(), link_header }
}

/// The packet after `bytes` other bytes.
fn after(bytes: usize, packet: &[u8]) -> Vec<u8> {
    [&vec![0x66; bytes], packet].concat()
}

/// A packet with options or extension headers before its ports.
fn dressed(v6: bool, extra: u8, from: &str, to: &str) -> Vec<u8> {
    let packet = packet(from, to, Flags::ACK, 3);
    match (v6, extra) {
        (false, words) => with_ip_options(packet, words % 11),
        (true, 0) => packet,
        (true, each) if each % 2 == 1 => with_extensions(packet, &[[0, 43, 60][usize::from(each) % 3]]),
        (true, each) => with_extensions(packet, &[0, [43, 60][usize::from(each) / 2 % 2]]),
    }
}

#[test]
fn every_worker_gets_its_part_of_the_ports_that_systems_hand_out() {
    // Linux tries every second port first; other systems use all ports or a few adjacent ones.
    let ranges: [Vec<u16>; 4] = [
        (32768..61000).step_by(2).collect(),
        (32769..61000).step_by(2).collect(),
        (49152..=65535).collect(),
        (1024..2048).collect(),
    ];
    for ports in ranges {
        for count in 1..=8 {
            let mut each = vec![0_u32; usize::from(count)];
            ports.iter().for_each(|port| each[usize::from(worker_of(*port, count))] += 1);
            let fair = ports.len() as u32 / u32::from(count);
            let even = each.iter().all(|part| (fair * 8 / 10..=fair * 12 / 10).contains(part));
            assert!(even, "{count} workers, {} ports: {each:?}", ports.len());
        }
    }
    assert_eq!(worker_of(7, 0), 0);
}

proptest! {
    #[test]
    fn the_kernel_and_we_choose_one_worker(port: u16, count in 1..=MAX_WORKERS, v6: bool, extra in 0_u8..11, link in 0_usize..30) {
        let (client, server) = match v6 {
            false => (format!("10.0.0.9:{port}"), "10.0.0.1:80"),
            true => (format!("[fd00::9]:{port}"), "[fd00::1]:80"),
        };
        let ours = worker_of(port, count);
        let to = dressed(v6, extra, &client, server);
        let from = dressed(v6, extra, server, &client);
        prop_assert_eq!(chosen(&to, received(ETH_P_IP), count), ours);
        prop_assert_eq!(chosen(&after(link, &from), leaving(link), count), ours);
        for tag in [ETH_P_8021Q, ETH_P_8021AD] {
            prop_assert_eq!(chosen(&after(4, &to), received(tag), count), ours);
        }
    }

    #[test]
    fn whatever_is_captured_has_a_worker(bytes in prop::collection::vec(any::<u8>(), 0..100), packet_type in 0_u32..8, count in 1..=MAX_WORKERS) {
        let metadata = Metadata { packet_type, protocol: 0, link_header: 0 };
        prop_assert!(chosen(&bytes, metadata, count) < count);
    }
}
