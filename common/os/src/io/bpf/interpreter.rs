//! Runs a program in user space, for tests: a socket pair cannot provide the metadata of a frame.

use super::Program;
use nix::libc::{SKF_AD_OFF, SKF_AD_PKTTYPE, SKF_AD_PROTOCOL, SKF_NET_OFF};

/// The metadata of a frame.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Metadata {
    pub(super) packet_type: u32,
    pub(super) protocol: u32,
    /// Bytes before the IP header.
    pub(super) link_header: usize,
}

/// The number of bytes to pass; zero drops the packet. A load beyond the end of the packet drops it, as in the kernel.
pub(super) fn run(program: &Program, packet: &[u8], metadata: Metadata) -> u32 {
    let load = |at: u32, bytes: usize| -> Option<u32> {
        if at == SKF_AD_OFF.wrapping_add(SKF_AD_PKTTYPE).cast_unsigned() {
            return Some(metadata.packet_type);
        }
        if at == SKF_AD_OFF.wrapping_add(SKF_AD_PROTOCOL).cast_unsigned() {
            return Some(metadata.protocol);
        }
        // This offset is that of the IP header, wherever the packet itself begins.
        let net = SKF_NET_OFF.cast_unsigned();
        let at = if at >= net { (at - net) as usize + metadata.link_header } else { at as usize };
        let field = packet.get(at..at + bytes)?;
        Some(field.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    };
    let (mut a, mut x, mut scratch, mut at) = (0_u32, 0_u32, None, 0_usize);
    loop {
        let i = program.instructions[at];
        at += 1;
        let loaded = match i.code {
            0x20 => load(i.k, 4),
            0x28 => load(i.k, 2),
            0x30 => load(i.k, 1),
            0x48 => load(x.wrapping_add(i.k), 2),
            0x50 => load(x.wrapping_add(i.k), 1),
            0x60 => Some(scratch.expect("the scratch word is written before it is read")),
            _ => Some(a),
        };
        let Some(loaded) = loaded else { return 0 };
        a = loaded;
        let jump = |holds: bool| usize::from(if holds { i.jt } else { i.jf });
        match i.code {
            0x20 | 0x28 | 0x30 | 0x48 | 0x50 | 0x60 => {}
            0x02 => scratch = Some(a),
            0x01 => x = i.k,
            0xb1 => match load(i.k, 1) {
                Some(byte) => x = 4 * (byte & 15),
                None => return 0,
            },
            0x07 => x = a,
            0x87 => a = x,
            0x0c => a = a.wrapping_add(x),
            0x04 => a = a.wrapping_add(i.k),
            0x24 => a = a.wrapping_mul(i.k),
            0x54 => a &= i.k,
            0x64 => a <<= i.k,
            0x74 => a >>= i.k,
            0x05 => at += i.k as usize,
            0x15 => at += jump(a == i.k),
            0x45 => at += jump(a & i.k != 0),
            0x2d => at += jump(a > x),
            0x06 => return i.k,
            0x16 => return a,
            other => panic!("instruction {other:#x} is not known here"),
        }
    }
}
