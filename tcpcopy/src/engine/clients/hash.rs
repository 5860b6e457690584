//! Hashes that are the same in each run: which sessions are copied must not depend on chance.

use std::net::IpAddr;

use common_core::flow::Endpoint;

/// A hash of an endpoint and a number.
pub(super) fn hash_of(endpoint: Endpoint, number: u64) -> u64 {
    mixed(address(endpoint.ip) ^ mixed(u64::from(endpoint.port) << 48 ^ number))
}

/// A number below 2^32 that decides which share of the sessions this client belongs to. Neighbouring ports of one address are
/// spread as evenly as possible, so a share of few sessions is exact, too.
pub(super) fn share_of(client: Endpoint) -> u32 {
    // The fraction of the square root of two, made odd: the kernel gives clients to workers by another irrational number.
    const STEP: u32 = 0x6a09_e667;
    u32::from(client.port).wrapping_mul(STEP).wrapping_add(address(client.ip) as u32)
}

fn address(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => mixed(u64::from(ip.to_bits())),
        IpAddr::V6(ip) => mixed((ip.to_bits() >> 64) as u64 ^ mixed(ip.to_bits() as u64)),
    }
}

/// A permutation in which each bit of the result depends on all bits of `number` (splitmix64).
pub(super) fn mixed(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}
