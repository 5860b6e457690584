//! Looks into tunnels, so that a mirror's other traffic is dropped in the kernel: by the ports of the inner TCP segment.
//!
//! The headers are those of `common_core::wire::decapsulated`. Packets in two tunnels or more, and IPv6 packets with extension
//! headers in a tunnel, pass whole.

use nix::libc::{ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6, ETH_P_TEB};

use super::assembler::{Assembler, Label, Op, Test};
use super::filters::{EXTENSIONS, TCP};
use common_core::wire::{GENEVE_PORT, VXLAN_PORTS};

const UDP: u32 = 17;
const GRE: u32 = 47;

/// Protocols that a GRE header announces.
const IPV4: u32 = ETH_P_IP.cast_unsigned();
const IPV6: u32 = ETH_P_IPV6.cast_unsigned();
const ETHERNET: u32 = ETH_P_TEB.cast_unsigned();
const ERSPAN: u32 = 0x88be;
const ERSPAN_III: u32 = 0x22eb;

/// Optional fields of a GRE header, of four bytes each: checksum, key, sequence number. All other flags are unknown here.
const GRE_FIELDS: [u32; 3] = [0x80, 0x20, 0x10];
const GRE_SEQUENCE: u32 = 0x10;

/// Longest distance from the start of a GRE header to that of an Ethernet header: all fields, and ERSPAN III with a subheader.
const GRE_LONGEST: u32 = 16 + 20;

/// Where a program continues with each kind of tunnel. X is the start of the UDP header or of the GRE header.
pub(super) struct Tunnels {
    vxlan: Label,
    geneve: Label,
    gre: Label,
}

impl Tunnels {
    pub(super) fn new(asm: &mut Assembler) -> Self {
        Self { vxlan: asm.label(), geneve: asm.label(), gre: asm.label() }
    }

    /// Continues with a tunnel if the packet is one; drops other UDP. The protocol is at offset `protocol`; `index` moves X to
    /// what follows the IP header.
    pub(super) fn enter(
        &self,
        asm: &mut Assembler,
        protocol: u32,
        drop: Label,
        index: impl Fn(&mut Assembler),
    ) {
        let (other, udp) = (asm.label(), asm.label());
        asm.op(Op::LoadByte(protocol));
        asm.jump_if(Test::Equal(UDP), udp);
        asm.jump_unless(Test::Equal(GRE), other);
        index(asm);
        asm.jump(self.gre);
        asm.place(udp);
        index(asm);
        asm.op(Op::LoadHalfX(2));
        for port in VXLAN_PORTS {
            asm.jump_if(Test::Equal(port.into()), self.vxlan);
        }
        asm.jump_if(Test::Equal(GENEVE_PORT.into()), self.geneve);
        asm.jump(drop);
        asm.place(other);
    }

    /// The rest of the program: jumps to `tcp` with X at the inner TCP header and the end of the inner packet, or zero if it
    /// states no length, in the scratch word.
    pub(super) fn place(self, asm: &mut Assembler, tcp: Label, pass: Label, drop: Label) {
        let inner = Inner { ethernet: asm.label(), ip: asm.label(), pass, drop };

        asm.place(self.vxlan);
        advance(asm, 16, inner.ethernet);

        asm.place(self.geneve);
        let (frame, packet) = (asm.label(), asm.label());
        asm.op(Op::LoadHalfX(10));
        asm.jump_if(Test::Equal(ETHERNET), frame);
        asm.jump_if(Test::Equal(IPV4), packet);
        asm.jump_if(Test::Equal(IPV6), packet);
        asm.jump(drop);
        for (label, next) in [(frame, inner.ethernet), (packet, inner.ip)] {
            asm.place(label);
            asm.op(Op::LoadByteX(8));
            asm.op(Op::And(0x3f));
            asm.op(Op::ShiftLeft(2));
            asm.op(Op::Add(16));
            asm.op(Op::AddX);
            asm.op(Op::IndexA);
            asm.jump(next);
        }

        asm.place(self.gre);
        inner.gre(asm);
        inner.ethernet(asm);
        inner.ip(asm, tcp);
    }
}

/// Moves X by `bytes` and continues with `next`.
fn advance(asm: &mut Assembler, bytes: u32, next: Label) {
    asm.op(Op::FromIndex);
    asm.op(Op::Add(bytes));
    asm.op(Op::IndexA);
    asm.jump(next);
}

#[derive(Clone, Copy)]
struct Inner {
    /// X is the start of an Ethernet header.
    ethernet: Label,
    /// X is the start of an IP header.
    ip: Label,
    pass: Label,
    drop: Label,
}

impl Inner {
    /// X is the start of a GRE header.
    fn gre(&self, asm: &mut Assembler) {
        // Each combination of fields has a length, so that the offsets after it are constants.
        let combinations = (0..1_u32 << GRE_FIELDS.len()).map(|bits| {
            let fields = GRE_FIELDS.iter().enumerate().filter(move |(at, _)| bits >> at & 1 != 0);
            fields.fold((0, 4), |(flags, length), (_, field)| (flags | field, length + 4))
        });
        let combinations: Vec<(u32, u32, Label)> =
            combinations.map(|(flags, length)| (flags, length, asm.label())).collect();
        let frames: Vec<Label> = (0..=GRE_LONGEST / 4).map(|_| asm.label()).collect();
        let frame = |length: u32| frames[(length / 4) as usize];
        asm.op(Op::LoadByteX(0));
        asm.op(Op::And(0xf0));
        for (flags, _, label) in &combinations {
            asm.jump_if(Test::Equal(*flags), *label);
        }
        asm.jump(self.drop);
        for (flags, length, label) in combinations {
            let (packet, third) = (asm.label(), asm.label());
            asm.place(label);
            asm.op(Op::LoadHalfX(2));
            asm.jump_if(Test::Equal(ETHERNET), frame(length));
            let header = if flags & GRE_SEQUENCE == 0 { 0 } else { 8 };
            asm.jump_if(Test::Equal(ERSPAN), frame(length + header));
            asm.jump_if(Test::Equal(IPV4), packet);
            asm.jump_if(Test::Equal(IPV6), packet);
            asm.jump_if(Test::Equal(ERSPAN_III), third);
            asm.jump(self.drop);
            asm.place(packet);
            advance(asm, length, self.ip);
            asm.place(third);
            // Another frame type than Ethernet.
            asm.op(Op::LoadByteX(length + 10));
            asm.jump_if(Test::AnyBit(0x7c), self.pass);
            asm.op(Op::LoadByteX(length + 11));
            asm.jump_if(Test::AnyBit(1), frame(length + 20));
            asm.jump(frame(length + 12));
        }
        for (length, label) in (0..).step_by(4).zip(frames) {
            asm.place(label);
            advance(asm, length, self.ethernet);
        }
    }

    /// X is the start of an Ethernet header, with two VLAN tags at most; more pass whole.
    fn ethernet(&self, asm: &mut Assembler) {
        asm.place(self.ethernet);
        for header in [14, 18, 22] {
            let (packet, tag) = (asm.label(), asm.label());
            asm.op(Op::LoadHalfX(header - 2));
            asm.jump_if(Test::Equal(IPV4), packet);
            asm.jump_if(Test::Equal(IPV6), packet);
            for kind in [ETH_P_8021Q.cast_unsigned(), ETH_P_8021AD.cast_unsigned(), 0x9100] {
                asm.jump_if(Test::Equal(kind), tag);
            }
            asm.jump(self.drop);
            asm.place(packet);
            advance(asm, header, self.ip);
            asm.place(tag);
        }
        asm.jump(self.pass);
    }

    /// X is the start of an IP header.
    fn ip(&self, asm: &mut Assembler, tcp: Label) {
        let (v4, v6) = (asm.label(), asm.label());
        asm.place(self.ip);
        asm.op(Op::LoadByteX(0));
        asm.op(Op::ShiftRight(4));
        asm.jump_if(Test::Equal(4), v4);
        asm.jump_if(Test::Equal(6), v6);
        asm.jump(self.drop);

        asm.place(v4);
        asm.op(Op::LoadHalfX(6));
        asm.jump_if(Test::AnyBit(0x1fff), self.drop);
        self.protocol(asm, 9, &[]);
        let store = asm.label();
        asm.op(Op::LoadHalfX(2));
        asm.jump_if(Test::Equal(0), store);
        asm.op(Op::AddX);
        asm.place(store);
        asm.op(Op::Store);
        asm.op(Op::LoadByteX(0));
        asm.op(Op::And(0x0f));
        asm.op(Op::ShiftLeft(2));
        asm.op(Op::AddX);
        asm.op(Op::IndexA);
        asm.jump(tcp);

        asm.place(v6);
        self.protocol(asm, 6, &EXTENSIONS);
        let store = asm.label();
        asm.op(Op::LoadHalfX(4));
        asm.jump_if(Test::Equal(0), store);
        asm.op(Op::Add(40));
        asm.op(Op::AddX);
        asm.place(store);
        asm.op(Op::Store);
        advance(asm, 40, tcp);
    }

    /// Falls through if the protocol at X + `at` is TCP; another tunnel, and any of `unknown`, passes.
    fn protocol(&self, asm: &mut Assembler, at: u32, unknown: &[u32]) {
        asm.op(Op::LoadByteX(at));
        for protocol in [UDP, GRE].iter().chain(unknown) {
            asm.jump_if(Test::Equal(*protocol), self.pass);
        }
        asm.jump_unless(Test::Equal(TCP), self.drop);
    }
}
