//! A small assembler: labels instead of counted offsets.
//!
//! A conditional jump of classic BPF reaches 255 instructions. Here it only skips the unconditional jump that follows it,
//! whose reach is unlimited. So long lists of addresses need no special care.

use super::{Instruction, Program};
use nix::libc::{
    BPF_A, BPF_ABS, BPF_ADD, BPF_ALU, BPF_AND, BPF_B, BPF_H, BPF_IMM, BPF_IND, BPF_JA, BPF_JEQ, BPF_JGT,
    BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_LDX, BPF_LSH, BPF_MEM, BPF_MISC, BPF_MSH, BPF_MUL, BPF_RET,
    BPF_RSH, BPF_ST, BPF_TAX, BPF_TXA, BPF_W, BPF_X, SKF_AD_OFF, SKF_AD_PKTTYPE, SKF_AD_PROTOCOL,
};

/// `ret #k`.
pub(super) const RETURN: u16 = code(&[BPF_RET, BPF_K]);

/// Instructions of the kernel's internal form, 8 bytes each, that fit into the memory of a socket's filter:
/// `net.core.optmem_max`, 20 KB before Linux 6.8.
const KERNEL_INSTRUCTIONS: usize = 2500;

/// A place in the program, which may be determined later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Label(usize);

/// An instruction on the accumulator A, the index register X, and the packet P.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    /// A = P[k]
    LoadByte(u32),
    /// A = P[k..k+2]
    LoadHalf(u32),
    /// A = P[k..k+4]
    LoadWord(u32),
    /// A = P[X+k]
    LoadByteX(u32),
    /// A = P[X+k..X+k+2]
    LoadHalfX(u32),
    /// A = the packet type (`PACKET_*` of `linux/if_packet.h`)
    LoadPacketType,
    /// A = the frame's Ethernet protocol
    LoadProtocol,
    /// A = the scratch word
    Recall,
    /// the scratch word = A
    Store,
    /// X = 4 * (P[k] & 15): the length of the IPv4 header at k
    IndexHeader(u32),
    /// X = k
    Index(u32),
    /// X = A
    IndexA,
    /// A = X
    FromIndex,
    /// A += X
    AddX,
    /// A += k
    Add(u32),
    /// A &= k
    And(u32),
    /// A *= k
    Multiply(u32),
    /// A <<= k
    ShiftLeft(u32),
    /// A >>= k
    ShiftRight(u32),
}

/// A condition on the accumulator A.
#[derive(Clone, Copy, Debug)]
pub(super) enum Test {
    /// A == k
    Equal(u32),
    /// A & k != 0
    AnyBit(u32),
    /// A > X
    AboveX,
}

/// Collects instructions; all jumps go forward.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    instructions: Vec<Instruction>,
    places: Vec<usize>,
    jumps: Vec<(usize, Label)>,
    /// Upper limit of their number in the kernel's internal form.
    kernel_instructions: usize,
}

impl Assembler {
    /// A label to be placed later.
    pub(super) fn label(&mut self) -> Label {
        self.places.push(0);
        Label(self.places.len() - 1)
    }

    /// The label stands for the next instruction.
    pub(super) fn place(&mut self, label: Label) {
        self.places[label.0] = self.instructions.len();
    }

    /// Appends an operation.
    pub(super) fn op(&mut self, op: Op) {
        let auxiliary = |offset: i32| SKF_AD_OFF.wrapping_add(offset).cast_unsigned();
        let (code, k) = match op {
            Op::LoadByte(k) => (code(&[BPF_LD, BPF_B, BPF_ABS]), k),
            Op::LoadHalf(k) => (code(&[BPF_LD, BPF_H, BPF_ABS]), k),
            Op::LoadWord(k) => (code(&[BPF_LD, BPF_W, BPF_ABS]), k),
            Op::LoadByteX(k) => (code(&[BPF_LD, BPF_B, BPF_IND]), k),
            Op::LoadHalfX(k) => (code(&[BPF_LD, BPF_H, BPF_IND]), k),
            Op::LoadPacketType => (code(&[BPF_LD, BPF_W, BPF_ABS]), auxiliary(SKF_AD_PKTTYPE)),
            Op::LoadProtocol => (code(&[BPF_LD, BPF_W, BPF_ABS]), auxiliary(SKF_AD_PROTOCOL)),
            Op::Recall => (code(&[BPF_LD, BPF_W, BPF_MEM]), 0),
            Op::Store => (code(&[BPF_ST]), 0),
            Op::IndexHeader(k) => (code(&[BPF_LDX, BPF_B, BPF_MSH]), k),
            Op::Index(k) => (code(&[BPF_LDX, BPF_W, BPF_IMM]), k),
            Op::IndexA => (code(&[BPF_MISC, BPF_TAX]), 0),
            Op::FromIndex => (code(&[BPF_MISC, BPF_TXA]), 0),
            Op::AddX => (code(&[BPF_ALU, BPF_ADD, BPF_X]), 0),
            Op::Add(k) => (code(&[BPF_ALU, BPF_ADD, BPF_K]), k),
            Op::And(k) => (code(&[BPF_ALU, BPF_AND, BPF_K]), k),
            Op::Multiply(k) => (code(&[BPF_ALU, BPF_MUL, BPF_K]), k),
            Op::ShiftLeft(k) => (code(&[BPF_ALU, BPF_LSH, BPF_K]), k),
            Op::ShiftRight(k) => (code(&[BPF_ALU, BPF_RSH, BPF_K]), k),
        };
        self.push(code, 0, 0, k);
    }

    /// Jumps to `label`.
    pub(super) fn jump(&mut self, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.push(code(&[BPF_JMP, BPF_JA]), 0, 0, 0);
    }

    /// Jumps to `label` if `test` holds.
    pub(super) fn jump_if(&mut self, test: Test, label: Label) {
        self.test(test, 0, 1);
        self.jump(label);
    }

    /// Jumps to `label` if `test` does not hold.
    pub(super) fn jump_unless(&mut self, test: Test, label: Label) {
        self.test(test, 1, 0);
        self.jump(label);
    }

    /// Ends the program and passes `bytes` bytes of the packet; zero drops it.
    pub(super) fn finish(&mut self, bytes: u32) {
        self.push(RETURN, 0, 0, bytes);
    }

    /// Ends the program with A as its result.
    pub(super) fn finish_with_a(&mut self) {
        self.push(code(&[BPF_RET, BPF_A]), 0, 0, 0);
    }

    /// The program with its labels resolved; `None` if it may be too long for the kernel.
    pub(super) fn program(mut self) -> Option<Program> {
        if self.is_full() {
            return None;
        }
        for (at, label) in self.jumps {
            let distance = self.places[label.0].checked_sub(at + 1)?;
            self.instructions[at].k = u32::try_from(distance).ok()?;
        }
        Some(Program { instructions: self.instructions })
    }

    /// The program may already be too long for the kernel.
    pub(super) fn is_full(&self) -> bool {
        self.kernel_instructions > KERNEL_INSTRUCTIONS
    }

    fn test(&mut self, test: Test, jt: u8, jf: u8) {
        let (code, k) = match test {
            Test::Equal(k) => (code(&[BPF_JMP, BPF_JEQ, BPF_K]), k),
            Test::AnyBit(k) => (code(&[BPF_JMP, BPF_JSET, BPF_K]), k),
            Test::AboveX => (code(&[BPF_JMP, BPF_JGT, BPF_X]), 0),
        };
        self.push(code, jt, jf, k);
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) {
        // The kernel expands every load from the packet.
        let from_packet = {
            let code = u32::from(code);
            code & 0x07 == BPF_LD && matches!(code & 0xe0, BPF_ABS | BPF_IND)
        };
        self.kernel_instructions += if from_packet { 10 } else { 2 };
        self.instructions.push(Instruction { code, jt, jf, k });
    }
}

/// An operation code from its parts.
const fn code(parts: &[u32]) -> u16 {
    let mut code = 0;
    let mut at = 0;
    while at < parts.len() {
        code |= parts[at];
        at += 1;
    }
    code as u16
}
