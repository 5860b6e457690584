//! Why a command line cannot be used: each error is one line with a hint.

use common_os::command_line::{EmptyFilter, FileError, ParseError};
use common_os::key_file::KeyFileError;
use thiserror::Error;

/// Why the command line cannot be used. Parts that the user wrote are escaped, so that it stays one line.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UsageError {
    /// The argument parser refused it.
    #[error("{0}; see intercept -h")]
    Arguments(String),
    /// Flags that this build refuses.
    #[error("{0}")]
    Unsupported(String),
    /// A piece of `-i` is empty or given twice.
    #[error("-i: '{piece}': {problem}; the form is NAME,NAME, as in eth0,lo")]
    Interface {
        /// The piece between commas.
        piece: String,
        /// Why it cannot be used.
        problem: &'static str,
    },
    /// An empty `-F`.
    #[error("{0}")]
    Filter(#[from] EmptyFilter),
    /// `--pcap-capture` where it captures nothing.
    #[error(
        "--loopback: --pcap-capture captures what this host receives, and the answers of servers on this host it sends; leave \
         one of them out"
    )]
    PcapLoopback,
    /// Datagrams of all interfaces.
    #[error("--udp needs -i: a datagram that passes several interfaces would be copied for each")]
    UdpInterface,
    /// `-b` is no address.
    #[error(
        "-b: '{0}' is no IP address; name one of this host, as in -b 10.0.0.18; the port is given with -p"
    )]
    Bind(String),
    /// A piece of `--allow-target` is no address.
    #[error("--allow-target: '{0}' is no address; the form is IP,IP:PORT,[IPV6]:PORT, as in 10.0.0.17:80")]
    AllowedTarget(String),
    /// A flag that needs `--tun`.
    #[error("{0} belongs to --tun; add --tun, or leave it out")]
    NeedsTun(&'static str),
    /// A piece of `--net`.
    #[error("--net: '{piece}' {problem}; the form is ADDRESS/LENGTH, as in 198.18.0.0/15 or fd00:1::/64")]
    Net {
        /// The piece between commas.
        piece: String,
        /// Why it cannot be used.
        problem: String,
    },
    /// `--tun` without a key.
    #[error(
        "--tun lets tcpcopies send packets into this host: name a key with --key-file (intercept --new-key FILE makes one), or \
         allow it to anybody with --without-key"
    )]
    TunWithoutKey,
    /// `--without-key` with a key.
    #[error("--without-key and --key-file contradict each other; leave out one of them")]
    KeyAndNone,
    /// `--tun` with a capture of the device itself.
    #[error(
        "{0}: --tun captures nothing by itself; name the interfaces of other answers with -i, or leave {0} out"
    )]
    TunCaptures(&'static str),
    /// `--key-file` or `--new-key` cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// `-l` or `-P` cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

impl From<ParseError> for UsageError {
    fn from(ParseError(line): ParseError) -> Self {
        Self::Arguments(line)
    }
}

impl From<clap::Error> for UsageError {
    fn from(error: clap::Error) -> Self {
        ParseError::from(&error).into()
    }
}
