//! Classic BPF: capture filters, by which the kernel drops unwanted packets.
//!
//! All programs here run on `SOCK_DGRAM` packet sockets: offset 0 is the IP header, except of outgoing packets in `split`.

mod assembler;
mod datagrams;
pub mod expression;
#[cfg(test)]
mod filter_tests;
mod filters;
#[cfg(test)]
mod interpreter;
mod selection;
pub(crate) mod split;
#[cfg(test)]
mod split_tests;
mod tunnels;
#[cfg(test)]
mod tunnels_tests;
mod user_filter;

use pcap::{Capture, Linktype};
use socket2::SockFilter;
use std::net::IpAddr;
use thiserror::Error;

use common_core::payload_prefix::PayloadPrefix;

pub use datagrams::datagrams_to;
pub use filters::HEAD;
pub(crate) use filters::nothing;
pub use split::worker_of;
pub use user_filter::UserFilter;

/// Limit of the instructions of one program (`BPF_MAXINSNS`).
const MAX_INSTRUCTIONS: usize = 4096;

/// `DLT_RAW` of Linux's libpcap: packets that start with their IP header.
const DLT_RAW: Linktype = Linktype(12);

/// `BPF_LD | BPF_W | BPF_ABS` and `BPF_JMP | BPF_JEQ | BPF_K`.
const LOAD_WORD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
/// `SKF_AD_OFF + SKF_AD_HATYPE` of `linux/filter.h`: the hardware type of the interface.
const HARDWARE_TYPE: u32 = 0xffff_f000 + 28;
/// `ARPHRD_LOOPBACK` of `linux/if_arp.h`.
const LOOPBACK: u32 = 772;

/// A service whose clients are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Service {
    /// Its address; `None` stands for any.
    pub ip: Option<IpAddr>,
    /// Its TCP port, host byte order.
    pub port: u16,
}

/// A service of which some answers are wanted, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceAnswers {
    /// The service.
    pub service: Service,
    /// How the payload of a wanted segment begins.
    pub answers: &'static [PayloadPrefix],
    /// Those of them of which more is wanted than the first [`HEAD`] bytes.
    pub whole: &'static [PayloadPrefix],
}

/// Why a filter expression cannot be used.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
pub enum FilterError {
    /// libpcap refuses it.
    #[error(
        "filter '{expression}' does not compile: {reason} (the syntax is that of tcpdump: man pcap-filter)"
    )]
    Compile {
        /// As the user wrote it.
        expression: String,
        /// The reason that libpcap gives.
        reason: String,
    },
    /// It compiles to more instructions than the kernel accepts.
    #[error(
        "filter '{expression}' needs {length} instructions, the kernel accepts {MAX_INSTRUCTIONS}: shorten it"
    )]
    TooLong {
        /// As the user wrote it.
        expression: String,
        /// Its instructions.
        length: usize,
    },
}

/// One instruction; the fields are those of `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instruction {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

/// A complete filter program, ready to be attached to a capture socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Instruction>,
}

impl Program {
    /// Compiles a libpcap expression.
    ///
    /// A matching packet is passed whole. Link-layer primitives (`ether`, `vlan`, `inbound`) do not compile, because there is
    /// no link-layer header. A frame with two VLAN tags or more never matches.
    ///
    /// # Errors
    /// [`FilterError`] is one line for the user.
    pub fn from_expression(expression: &str) -> Result<Self, FilterError> {
        let refuse = |error| does_not_compile(expression, error);
        let dead = Capture::dead(DLT_RAW).map_err(refuse)?;
        let compiled = dead.compile(expression, true).map_err(refuse)?;
        let instructions: Option<Vec<_>> =
            compiled.get_instructions().iter().map(|each| read(&each.to_string())).collect();
        match instructions {
            Some(instructions) if (1..=MAX_INSTRUCTIONS).contains(&instructions.len()) => {
                Ok(Self { instructions })
            }
            other => Err(FilterError::TooLong {
                expression: one_line(expression),
                length: other.map_or(0, |list| list.len()),
            }),
        }
    }

    /// The same program, but it passes at most `bytes` bytes of a packet, from the IP header on.
    #[must_use]
    pub fn keeping(mut self, bytes: u32) -> Self {
        for instruction in &mut self.instructions {
            if instruction.code == assembler::RETURN && instruction.k != 0 {
                instruction.k = instruction.k.min(bytes);
            }
        }
        self
    }

    /// The same program, but it passes nothing of loopback interfaces.
    #[must_use]
    pub(crate) fn without_loopback(mut self) -> Self {
        let beginning = [
            Instruction { code: LOAD_WORD, jt: 0, jf: 0, k: HARDWARE_TYPE },
            Instruction { code: JUMP_EQUAL, jt: 0, jf: 1, k: LOOPBACK },
            Instruction { code: assembler::RETURN, jt: 0, jf: 0, k: 0 },
        ];
        self.instructions.splice(0..0, beginning);
        self
    }

    /// The form that a socket accepts.
    pub(crate) fn to_sock_filters(&self) -> Vec<SockFilter> {
        self.instructions.iter().map(|i| SockFilter::new(i.code, i.jt, i.jf, i.k)).collect()
    }
}

/// Reads the `code jt jf k` as which libpcap displays an instruction, because its fields are private. The number of bytes to
/// keep becomes "all": the capture applies the snap length.
fn read(text: &str) -> Option<Instruction> {
    let mut fields = text.split_ascii_whitespace();
    let mut next = || fields.next()?.parse::<u32>().ok();
    let (code, jt, jf, k) = (next()?, next()?, next()?, next()?);
    let code = u16::try_from(code).ok()?;
    let k = if code == assembler::RETURN && k != 0 { u32::MAX } else { k };
    Some(Instruction { code, jt: u8::try_from(jt).ok()?, jf: u8::try_from(jf).ok()?, k })
}

/// The error of an expression that libpcap refuses.
pub(super) fn does_not_compile(expression: &str, error: pcap::Error) -> FilterError {
    FilterError::Compile { expression: one_line(expression), reason: reason(error) }
}

fn reason(error: pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => one_line(&text),
        other => one_line(&other.to_string()),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::interpreter::{Metadata, run};
    use super::*;

    #[test]
    fn an_expression_selects_by_the_ip_header() {
        let program = Program::from_expression("tcp and src port 3306").unwrap();
        let mut packet = vec![0; 40];
        packet[0] = 0x45;
        packet[9] = 6;
        packet[20..22].copy_from_slice(&3306_u16.to_be_bytes());
        assert_eq!(run(&program, &packet, Metadata::default()), u32::MAX);
        packet[21] ^= 1;
        assert_eq!(run(&program, &packet, Metadata::default()), 0);
    }

    #[test]
    fn the_error_of_a_bad_expression_is_one_line() {
        for (expression, names) in [
            ("tcp and\n(src port 80", "syntax error"),
            ("host no\0where", "nul"),
            ("ether src 00:00:00:00:00:01", "ethernet"),
        ] {
            let error = Program::from_expression(expression).unwrap_err().to_string();
            assert!(error.to_lowercase().contains(names), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn an_expression_longer_than_the_kernel_accepts_is_refused() {
        let expression: Vec<_> = (0..5000).map(|i| format!("ip[4:2] = {}", 2 * i)).collect();
        let error = Program::from_expression(&expression.join(" or ")).unwrap_err();
        assert!(matches!(error, FilterError::TooLong { length, .. } if length > MAX_INSTRUCTIONS), "{error}");
    }
}
