//! Chooses the worker's capture socket for each packet: the rule of [`worker_of`], as a program for the kernel.

use nix::libc::{ETH_P_8021AD, ETH_P_8021Q, SKF_NET_OFF};

use super::Program;
use super::assembler::{Assembler, Label, Op, Test};
use super::filters::{EXTENSIONS, PACKET_OUTGOING};

/// Spreads neighbouring ports (2^32 divided by the golden ratio, made odd). Operating systems hand out every second port,
/// so the port itself, modulo two, would leave one worker idle.
const MULTIPLIER: u32 = 0x9e37_79b1;
/// Only the bits of the product above these depend on all bits of the port.
const SHIFT: u32 = 16;

/// Bytes of a second VLAN tag, which precedes the IP header of a received packet.
const TAG: u32 = 4;
/// Offset of the IP header of an outgoing packet: when the kernel chooses the socket, the packet still begins with its
/// link-layer header.
const NETWORK: u32 = SKF_NET_OFF.cast_unsigned();

/// Offset of a port in a TCP header.
#[derive(Clone, Copy)]
enum Port {
    Source = 0,
    Destination = 2,
}

/// The worker, of `count`, whose client has this port. `program` is the kernel's form of the same rule.
#[must_use]
pub const fn worker_of(client_port: u16, count: u16) -> u16 {
    let spread = (client_port as u32).wrapping_mul(MULTIPLIER) >> SHIFT;
    // Below `count`, so it fits.
    (spread % if count == 0 { 1 } else { count as u32 }) as u16
}

/// The program whose result, modulo the number of sockets, is the index of the socket that gets a packet. The client is
/// the source of a received packet and the destination of an outgoing one. A packet that does not look like IP after at
/// most two VLAN tags goes to the first socket. Fragments, and packets with more than two IPv6 extension headers, may go to
/// any socket: other bytes of them are read as the port.
pub(crate) fn program() -> Program {
    let mut asm = Assembler::default();
    let (spread, elsewhere) = (asm.label(), asm.label());
    let (leaving, tagged) = (asm.label(), asm.label());
    asm.op(Op::LoadPacketType);
    asm.jump_if(Test::Equal(PACKET_OUTGOING), leaving);
    asm.op(Op::LoadProtocol);
    for tag in [ETH_P_8021Q, ETH_P_8021AD] {
        asm.jump_if(Test::Equal(tag.cast_unsigned()), tagged);
    }
    load_port(&mut asm, 0, Port::Source, spread, elsewhere);
    asm.place(tagged);
    load_port(&mut asm, TAG, Port::Source, spread, elsewhere);
    asm.place(leaving);
    load_port(&mut asm, NETWORK, Port::Destination, spread, elsewhere);

    asm.place(spread);
    asm.op(Op::Multiply(MULTIPLIER));
    asm.op(Op::ShiftRight(SHIFT));
    asm.finish_with_a();
    asm.place(elsewhere);
    asm.finish(0);
    asm.program().unwrap_or_else(super::nothing)
}

/// Loads a port of the packet whose IP header is at offset `ip` into A, and jumps to `found`. Jumps to `elsewhere` if the IP
/// version is neither 4 nor 6. Does not check that this is TCP, or no fragment.
fn load_port(asm: &mut Assembler, ip: u32, port: Port, found: Label, elsewhere: Label) {
    let at = |offset: u32| ip.wrapping_add(offset);
    let (v4, v6, first, tcp) = (asm.label(), asm.label(), asm.label(), asm.label());
    asm.op(Op::LoadByte(at(0)));
    asm.op(Op::ShiftRight(4));
    asm.jump_if(Test::Equal(4), v4);
    asm.jump_if(Test::Equal(6), v6);
    asm.jump(elsewhere);

    asm.place(v4);
    asm.op(Op::LoadByte(at(0)));
    asm.op(Op::And(0x0f));
    asm.op(Op::ShiftLeft(2));
    asm.op(Op::Add(ip));
    asm.op(Op::IndexA);
    asm.jump(tcp);

    asm.place(v6);
    asm.op(Op::Index(at(40)));
    asm.op(Op::LoadByte(at(6)));
    for header in EXTENSIONS {
        asm.jump_if(Test::Equal(header), first);
    }
    asm.jump(tcp);

    // X = the end of the first extension header, whose first byte says whether a second one follows.
    asm.place(first);
    let second = asm.label();
    asm.op(Op::LoadByte(at(41)));
    asm.op(Op::ShiftLeft(3));
    asm.op(Op::Add(at(48)));
    asm.op(Op::IndexA);
    asm.op(Op::LoadByte(at(40)));
    for header in EXTENSIONS {
        asm.jump_if(Test::Equal(header), second);
    }
    asm.jump(tcp);

    asm.place(second);
    asm.op(Op::LoadByteX(1));
    asm.op(Op::ShiftLeft(3));
    asm.op(Op::Add(8));
    asm.op(Op::AddX);
    asm.op(Op::IndexA);

    asm.place(tcp);
    asm.op(Op::LoadHalfX(port as u32));
    asm.jump(found);
}
