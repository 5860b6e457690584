//! The two capture filters: the clients of services for tcpcopy, the answers of servers for intercept.

use nix::libc::{ETH_P_8021AD, ETH_P_8021Q};

use super::assembler::{Assembler, Label, Op, RETURN, Test};
use super::selection::{AnswerGroup, DETAILS, Detail, Ports};
use super::tunnels::Tunnels;
use super::{Instruction, Program, Service, ServiceAnswers};
use common_core::flow::Endpoint;
use common_core::payload_prefix::PayloadPrefix;

/// `PACKET_OUTGOING` of `linux/if_packet.h`: the frame leaves this host.
pub(super) const PACKET_OUTGOING: u32 = 4;
/// Passes the packet whole.
const WHOLE: u32 = u32::MAX;
/// Passes this many bytes of the packet: an IPv6 and the longest TCP header, and 128 bytes of payload. A capture whose frames
/// have more room ([`super::super::af_packet::FRAME_OVERHEAD`]) reads them without a system call, however long answers are.
pub const HEAD: u32 = 40 + 60 + HEAD_PAYLOAD;
const HEAD_PAYLOAD: u32 = 128;
pub(super) const TCP: u32 = 6;
/// IPv6 extension headers of the common layout: hop-by-hop, routing, destination options (RFC 8200 section 4).
pub(super) const EXTENSIONS: [u32; 3] = [0, 43, 60];
const FIN_SYN_RST: u32 = 0x07;
const RST: u32 = 0x04;
const SYN_ACK: u32 = 0x12;

impl Program {
    /// The packets that tcpcopy needs of the clients of `services`:
    ///
    /// - incoming TCP segments to one of the services that carry payload or one of SYN, FIN and RST;
    /// - outgoing SYN-ACKs of a service, which are the base of its sequence numbers, and outgoing RSTs: both tell which
    ///   connections it does not accept;
    /// - nothing to or from `targets`: these are our own copies and their answers.
    ///
    /// On loopback every packet is captured twice, outgoing and incoming: the filter passes it once.
    ///
    /// The filter may pass other packets, so the reader must check again: received frames with a second VLAN tag, IPv6
    /// packets with two extension headers or more, and BIG TCP segments without a length field. If the lists are too long
    /// for the kernel (about 250 IPv4 or 40 IPv6 addresses, or 60 ports), the filter passes the services' ports on any
    /// address, and beyond that (100 ports) every TCP segment that is no pure acknowledgement. Of fragments it passes only
    /// the first.
    #[must_use]
    pub fn clients(services: &[Service], targets: &[Endpoint]) -> Self {
        Self::conversations(services, &[], targets)
    }

    /// As [`Program::clients`], and also outgoing segments with the wanted `answers`: the first [`HEAD`] bytes, or all.
    #[must_use]
    pub fn conversations(services: &[Service], answers: &[ServiceAnswers], targets: &[Endpoint]) -> Self {
        Self::seen(Seen::OnHost, services, answers, targets)
    }

    /// As [`Program::conversations`], for services of other hosts whose packets a mirror delivers: the address of the service
    /// tells the direction, so each service must have one. With `tunnels` also packets in VXLAN, Geneve and GRE, by the
    /// ports of what they contain. After an IPv6 extension header a tunnel is not recognised.
    #[must_use]
    pub fn mirrored(
        services: &[Service],
        answers: &[ServiceAnswers],
        targets: &[Endpoint],
        tunnels: bool,
    ) -> Self {
        let seen = if tunnels { Seen::InTunnels } else { Seen::Mirrored };
        Self::seen(seen, services, answers, targets)
    }

    fn seen(seen: Seen, services: &[Service], answers: &[ServiceAnswers], targets: &[Endpoint]) -> Self {
        let targets = Ports::new(targets.iter().map(|target| (target.port, Some(target.ip))));
        let at = |detail: Detail| {
            let groups = if detail == Detail::AllPorts {
                AnswerGroup::all_in_one(answers)
            } else {
                AnswerGroup::by_prefixes(answers)
            };
            let groups: Vec<_> = groups.iter().map(|group| (detail.ports(&group.services), group)).collect();
            clients(seen, &detail.ports(services), &groups, detail.names_targets().then_some(&targets))
        };
        DETAILS.into_iter().find_map(at).unwrap_or_else(nothing)
    }

    /// The packets that intercept needs: all TCP segments from one of `servers`, outgoing or incoming; nothing if there are no
    /// servers. It may pass other packets, as [`Program::clients`] may.
    #[must_use]
    pub fn answers(servers: &[Endpoint]) -> Self {
        let exact = Ports::new(servers.iter().map(|server| (server.port, Some(server.ip))));
        let any_address = Ports::new(servers.iter().map(|server| (server.port, None)));
        if servers.is_empty() {
            return nothing();
        }
        answers(&exact)
            .or_else(|| answers(&any_address))
            .or_else(|| answers(&Ports::All))
            .unwrap_or_else(nothing)
    }
}

/// Passes nothing.
pub(crate) fn nothing() -> Program {
    Program { instructions: vec![Instruction { code: RETURN, jt: 0, jf: 0, k: 0 }] }
}

/// How packets of the services come to the capture.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// The packet type tells whether this host has sent a packet.
    OnHost,
    /// The address of the service tells whether it has sent a packet.
    Mirrored,
    /// The same, and packets may be in tunnels.
    InTunnels,
}

fn clients(
    seen: Seen,
    services: &Ports,
    groups: &[(Ports, &AnswerGroup)],
    targets: Option<&Ports>,
) -> Option<Program> {
    let mut asm = Assembler::default();
    let exits = Exits::new(&mut asm);
    let tunnels = (seen == Seen::InTunnels).then(|| Tunnels::new(&mut asm));
    let from_client = asm.label();
    let wanted: Vec<_> = groups.iter().map(|_| asm.label()).collect();
    let received = |asm: &mut Assembler, family| {
        if let Some(targets) = targets {
            endpoint(asm, family, Side::Destination, targets, exits.drop);
            endpoint(asm, family, Side::Source, targets, exits.drop);
        }
        endpoint(asm, family, Side::Destination, services, from_client);
    };
    tcp(&mut asm, exits, tunnels.as_ref(), |asm, family| {
        let (at_receiver, verdict, answers) = (asm.label(), asm.label(), asm.label());
        match seen {
            Seen::OnHost => {
                asm.op(Op::LoadPacketType);
                asm.jump_unless(Test::Equal(PACKET_OUTGOING), at_receiver);
            }
            Seen::Mirrored | Seen::InTunnels => received(asm, family),
        }
        asm.op(Op::LoadByteX(13));
        asm.jump_if(Test::AnyBit(RST), verdict);
        asm.op(Op::And(SYN_ACK));
        asm.jump_unless(Test::Equal(SYN_ACK), if groups.is_empty() { exits.drop } else { answers });
        asm.place(verdict);
        if let Some(targets) = targets {
            endpoint(asm, family, Side::Source, targets, exits.drop);
        }
        endpoint(asm, family, Side::Source, services, exits.pass);
        asm.jump(exits.drop);

        if !groups.is_empty() {
            asm.place(answers);
            if let Some(targets) = targets {
                endpoint(asm, family, Side::Source, targets, exits.drop);
            }
            for ((ports, _), wanted) in groups.iter().zip(&wanted) {
                endpoint(asm, family, Side::Source, ports, *wanted);
            }
            asm.jump(exits.drop);
        }

        if seen == Seen::OnHost {
            asm.place(at_receiver);
            received(asm, family);
            asm.jump(exits.drop);
        }
    });

    if let Some(tunnels) = tunnels {
        let (inner, verdict, answers) = (asm.label(), asm.label(), asm.label());
        tunnels.place(&mut asm, inner, exits.pass, exits.drop);
        asm.place(inner);
        // The ports alone: the reader looks at the addresses.
        let services = services.at_any_address();
        endpoint(&mut asm, Family::V4, Side::Destination, &services, from_client);
        asm.op(Op::LoadByteX(13));
        asm.jump_if(Test::AnyBit(RST), verdict);
        asm.op(Op::And(SYN_ACK));
        asm.jump_unless(Test::Equal(SYN_ACK), answers);
        asm.place(verdict);
        endpoint(&mut asm, Family::V4, Side::Source, &services, exits.pass);
        asm.place(answers);
        for ((ports, _), wanted) in groups.iter().zip(&wanted) {
            endpoint(&mut asm, Family::V4, Side::Source, &ports.at_any_address(), *wanted);
        }
        asm.jump(exits.drop);
    }

    for ((_, group), wanted) in groups.iter().zip(wanted) {
        asm.place(wanted);
        let hit = |prefix| if group.whole.contains(prefix) { exits.pass } else { exits.pass_head };
        match group.prefixes.split_first() {
            // The empty prefix is sorted first and matches whenever another one does.
            Some((first @ [], _)) => jump_if_payload(&mut asm, hit(first)),
            _ => {
                payload(&mut asm);
                group.prefixes.iter().for_each(|prefix| begins(&mut asm, prefix, hit(prefix)));
            }
        }
        asm.jump(exits.drop);
    }

    asm.place(from_client);
    asm.op(Op::LoadByteX(13));
    asm.jump_if(Test::AnyBit(FIN_SYN_RST), exits.pass);
    jump_if_payload(&mut asm, exits.pass);
    exits.place(asm, seen == Seen::InTunnels)
}

/// Moves X from the start of the TCP header to its end.
fn payload(asm: &mut Assembler) {
    asm.op(Op::LoadByteX(12));
    asm.op(Op::ShiftRight(2));
    asm.op(Op::And(0x3c));
    asm.op(Op::AddX);
    asm.op(Op::IndexA);
}

/// Jumps to `hit` if there is or may be payload after the TCP header at X.
fn jump_if_payload(asm: &mut Assembler, hit: Label) {
    payload(asm);
    // Compares the end of the headers with the stated length of the packet.
    asm.op(Op::Recall);
    asm.jump_if(Test::Equal(0), hit);
    asm.jump_if(Test::AboveX, hit);
}

/// Jumps to `hit` if the payload at X begins with `prefix`, and falls through if not. Shorter ones must come first: a load
/// beyond the end of the packet drops it, and a packet too short for one prefix is too short for the later ones.
fn begins(asm: &mut Assembler, prefix: PayloadPrefix, hit: Label) {
    let next = asm.label();
    for (at, byte) in (0..).zip(prefix) {
        let Some(byte) = byte else { continue };
        asm.op(Op::LoadByteX(at));
        asm.jump_unless(Test::Equal((*byte).into()), next);
    }
    asm.jump(hit);
    asm.place(next);
}

fn answers(servers: &Ports) -> Option<Program> {
    let mut asm = Assembler::default();
    let exits = Exits::new(&mut asm);
    tcp(&mut asm, exits, None, |asm, family| {
        endpoint(asm, family, Side::Source, servers, exits.pass);
        asm.jump(exits.drop);
    });
    exits.place(asm, false)
}

/// The ends of a program.
#[derive(Clone, Copy)]
struct Exits {
    pass: Label,
    /// Passes only the beginning of the packet.
    pass_head: Label,
    drop: Label,
}

impl Exits {
    fn new(asm: &mut Assembler) -> Self {
        Self { pass: asm.label(), pass_head: asm.label(), drop: asm.label() }
    }

    /// Ends the program; a packet that falls through is dropped. The beginning of a packet is [`HEAD`] bytes; with
    /// `counts_payload` it has as many of the payload, which begins at X, whatever headers precede it.
    fn place(self, mut asm: Assembler, counts_payload: bool) -> Option<Program> {
        asm.place(self.drop);
        asm.finish(0);
        asm.place(self.pass_head);
        if counts_payload {
            asm.op(Op::FromIndex);
            asm.op(Op::Add(HEAD_PAYLOAD));
            asm.finish_with_a();
        } else {
            asm.finish(HEAD);
        }
        asm.place(self.pass);
        asm.finish(WHOLE);
        asm.program()
    }
}

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

#[derive(Clone, Copy)]
enum Side {
    Source,
    Destination,
}

/// Continues with `each` (once for IPv4 and once for IPv6) if the packet is a TCP segment. Then X is the start of its TCP
/// header, and the scratch word is the stated length of the packet, or zero if it states none. Packets in
/// `tunnels` go their own way.
fn tcp(
    asm: &mut Assembler,
    exits: Exits,
    tunnels: Option<&Tunnels>,
    mut each: impl FnMut(&mut Assembler, Family),
) {
    let (ip, v4, v6) = (asm.label(), asm.label(), asm.label());
    // The kernel removes one VLAN tag of a received packet. If the protocol is still VLAN, a second tag precedes the IP
    // header. An outgoing packet starts with its IP header even if the protocol is VLAN.
    asm.op(Op::LoadPacketType);
    asm.jump_if(Test::Equal(PACKET_OUTGOING), ip);
    asm.op(Op::LoadProtocol);
    for tag in [ETH_P_8021Q, ETH_P_8021AD] {
        asm.jump_if(Test::Equal(tag.cast_unsigned()), exits.pass);
    }
    asm.place(ip);
    asm.op(Op::LoadByte(0));
    asm.op(Op::ShiftRight(4));
    asm.jump_if(Test::Equal(4), v4);
    asm.jump_if(Test::Equal(6), v6);
    asm.jump(exits.drop);

    asm.place(v4);
    if let Some(tunnels) = tunnels {
        tunnels.enter(asm, 9, exits.drop, |asm| {
            // A later fragment has no ports.
            asm.op(Op::LoadHalf(6));
            asm.jump_if(Test::AnyBit(0x1fff), exits.drop);
            asm.op(Op::IndexHeader(0));
        });
    }
    asm.op(Op::LoadByte(9));
    asm.jump_unless(Test::Equal(TCP), exits.drop);
    asm.op(Op::LoadHalf(6));
    asm.jump_if(Test::AnyBit(0x1fff), exits.drop);
    asm.op(Op::LoadHalf(2));
    asm.op(Op::Store);
    asm.op(Op::IndexHeader(0));
    each(asm, Family::V4);

    asm.place(v6);
    if let Some(tunnels) = tunnels {
        tunnels.enter(asm, 6, exits.drop, |asm| asm.op(Op::Index(40)));
    }
    let (store, extension, at_tcp) = (asm.label(), asm.label(), asm.label());
    asm.op(Op::LoadHalf(4));
    asm.jump_if(Test::Equal(0), store);
    asm.op(Op::Add(40));
    asm.place(store);
    asm.op(Op::Store);
    asm.op(Op::Index(40));
    asm.op(Op::LoadByte(6));
    asm.jump_if(Test::Equal(TCP), at_tcp);
    for header in EXTENSIONS {
        asm.jump_if(Test::Equal(header), extension);
    }
    asm.jump(exits.drop);

    asm.place(extension);
    asm.op(Op::LoadByte(41));
    asm.op(Op::ShiftLeft(3));
    asm.op(Op::Add(48));
    asm.op(Op::IndexA);
    asm.op(Op::LoadByte(40));
    asm.jump_if(Test::Equal(TCP), at_tcp);
    for header in EXTENSIONS {
        asm.jump_if(Test::Equal(header), exits.pass);
    }
    asm.jump(exits.drop);

    asm.place(at_tcp);
    each(asm, Family::V6);
}

/// Jumps to `hit` if the packet's endpoint on `side` is one of `ports`, and falls through if not.
fn endpoint(asm: &mut Assembler, family: Family, side: Side, ports: &Ports, hit: Label) {
    let Ports::Listed(ports) = ports else {
        asm.jump(hit);
        return;
    };
    let (port_at, address_at) = match (side, family) {
        (Side::Source, Family::V4) => (0, 12),
        (Side::Source, Family::V6) => (0, 8),
        (Side::Destination, Family::V4) => (2, 16),
        (Side::Destination, Family::V6) => (2, 24),
    };
    let miss = asm.label();
    asm.op(Op::LoadHalfX(port_at));
    for (port, addresses) in ports {
        // The list is too long, whatever follows.
        if asm.is_full() {
            return;
        }
        let next_port = asm.label();
        if addresses.any {
            asm.jump_if(Test::Equal((*port).into()), hit);
            continue;
        }
        let listed = match family {
            Family::V4 => addresses.v4.len(),
            Family::V6 => addresses.v6.len(),
        };
        if listed == 0 {
            continue;
        }
        asm.jump_unless(Test::Equal((*port).into()), next_port);
        match family {
            Family::V4 => {
                asm.op(Op::LoadWord(address_at));
                for ip in &addresses.v4 {
                    if asm.is_full() {
                        return;
                    }
                    asm.jump_if(Test::Equal(*ip), hit);
                }
            }
            Family::V6 => {
                for ip in &addresses.v6 {
                    if asm.is_full() {
                        return;
                    }
                    let next_address = asm.label();
                    for (offset, word) in (address_at..).step_by(4).zip(ip) {
                        asm.op(Op::LoadWord(offset));
                        asm.jump_unless(Test::Equal(*word), next_address);
                    }
                    asm.jump(hit);
                    asm.place(next_address);
                }
            }
        }
        asm.jump(miss);
        asm.place(next_port);
    }
    asm.place(miss);
}
