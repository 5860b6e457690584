//! Which of the sockets that share a capture gets a packet: [`common_core::shard::worker_of`] its client's port.

use nix::libc::{ETH_P_8021AD, ETH_P_8021Q, SKF_NET_OFF};

use super::Program;
use super::assembler::{Assembler, Label, Op, Test};
use super::filters::{EXTENSIONS, PACKET_OUTGOING};
use common_core::shard::{MULTIPLIER, SHIFT};

/// Bytes of a second VLAN tag, which stands before the IP header of what is received.
const TAG: u32 = 4;
/// The IP header of what leaves the host: the packet itself begins with its link-layer header when it is shared out.
const NETWORK: u32 = SKF_NET_OFF.cast_unsigned();

/// Where the client stands in the packets of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// At the service: it sends what is received, and what leaves goes to it.
    OfClients,
    /// Where answers pass: all go to it.
    OfAnswers,
}

/// Offset of a port in a TCP header.
#[derive(Clone, Copy)]
enum Port {
    Source = 0,
    Destination = 2,
}

impl Split {
    /// The program whose result, modulo the number of sockets, is the place of the one that gets a packet. Packets in
    /// which no port can be found go to the first: fragments, more than two IPv6 extension headers, more than two
    /// VLAN tags.
    pub(crate) fn program(self) -> Program {
        let received = match self {
            Self::OfClients => Port::Source,
            Self::OfAnswers => Port::Destination,
        };
        let mut asm = Assembler::default();
        let (spread, elsewhere) = (asm.label(), asm.label());
        let (leaving, tagged) = (asm.label(), asm.label());
        asm.op(Op::LoadPacketType);
        asm.jump_if(Test::Equal(PACKET_OUTGOING), leaving);
        asm.op(Op::LoadProtocol);
        for tag in [ETH_P_8021Q, ETH_P_8021AD] {
            asm.jump_if(Test::Equal(tag.cast_unsigned()), tagged);
        }
        load_port(&mut asm, 0, received, spread, elsewhere);
        asm.place(tagged);
        load_port(&mut asm, TAG, received, spread, elsewhere);
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
}

/// Goes to `found` with the port in A, if at `ip` stands the header of a packet that has one; else to `elsewhere`.
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

    // X = the end of the first extension header, which tells whether another one follows.
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
