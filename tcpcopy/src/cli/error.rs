//! Why a command line cannot be used: each error is one line with a hint.

use common_os::command_line::{EmptyFilter, FileError, ParseError};
use common_os::key_file::KeyFileError;
use thiserror::Error;

/// Why the command line cannot be used. Parts that the user wrote are escaped, so that it stays one line.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UsageError {
    /// The argument parser refused it.
    #[error("{0}; see tcpcopy -h")]
    Arguments(String),
    /// No `-x`.
    #[error("nothing to copy: say what and where to with -x [IP:]PORT-IP:PORT, as in -x 80-10.0.0.17:8080")]
    NoTransfer,
    /// No `-s`.
    #[error("no intercept given: name the host where it runs with -s IP[:PORT], as in -s 10.0.0.18")]
    NoIntercept,
    /// `--key-file` cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// A piece of `-x` cannot be read.
    #[error(
        "-x: '{piece}': {problem}; the form is [IP:]PORT-IP:PORT, as in 80-10.0.0.17:8080 or [2001:db8::1]:80-[2001:db8::2]:80"
    )]
    Transfer {
        /// The piece between commas.
        piece: String,
        /// Why it cannot be used.
        problem: String,
    },
    /// A piece of `--stateless` cannot be used.
    #[error("--stateless: '{piece}': {problem}; name ports of online services, as in --stateless 8080,8081")]
    Stateless {
        /// The piece between commas.
        piece: String,
        /// Why it cannot be used.
        problem: String,
    },
    /// A MAC address in `-x` cannot be used.
    #[error(
        "-x: '{piece}': {problem}; the form is [IP:]PORT@MAC-IP:PORT@MAC, as in \
         80@00:13:21:b2:5e:42-10.0.0.17:8080@00:0f:1f:03:f2:e6"
    )]
    Mac {
        /// The piece between commas.
        piece: String,
        /// Why it cannot be used.
        problem: String,
    },
    /// A transfer that would send copies to the service itself.
    #[error("-x: '{piece}' copies the online service to itself; name the test server after the '-'")]
    ToItself {
        /// The piece between commas.
        piece: String,
    },
    /// A copied client keeps its address, so both servers must have the same address family.
    #[error("-x: '{piece}' mixes IPv4 and IPv6; name both servers by addresses of one family")]
    Families {
        /// The piece between commas.
        piece: String,
    },
    /// The same transfer again.
    #[error("-x: '{piece}' is given twice; to copy each session twice: -n 2")]
    TransferTwice {
        /// The second piece.
        piece: String,
    },
    /// A transfer for a part of a service that another one has.
    #[error(
        "-x: '{piece}' never applies, '{earlier}' before it covers the same service; name special cases first"
    )]
    Covered {
        /// The piece that would be ignored.
        piece: String,
        /// The one that takes its packets.
        earlier: String,
    },
    /// A piece of `-s` cannot be read.
    #[error("-s: '{piece}': {problem}; the form is IP[:PORT], as in 10.0.0.18 or [2001:db8::18]:36524")]
    Intercept {
        /// The piece between commas.
        piece: String,
        /// Why it cannot be used.
        problem: String,
    },
    /// A piece of `-c` or `-H` cannot be used.
    #[error("{flag}: '{piece}': {problem}; the form is {}", if *flag == "-c" { "IP, 62.135.200.x or 10.1.0.0/24" } else { "IP" })]
    Clients {
        /// The flag.
        flag: &'static str,
        /// The piece between commas.
        piece: String,
        /// Why it cannot be used.
        problem: String,
    },
    /// `-c` has no address for the clients of a target.
    #[error("-c: no address of the family of {target}, whose clients need one; add one")]
    ClientFamily {
        /// The target.
        target: String,
    },
    /// A copy would have the address of its target.
    #[error(
        "{flag}: {target} is the test server, which cannot be its own client; name addresses that nobody has"
    )]
    ClientIsTarget {
        /// The flag.
        flag: &'static str,
        /// The address.
        target: String,
    },
    /// A piece of `-i` cannot be used.
    #[error("-i: '{piece}': {problem}; the form is NAME,NAME, as in eth0,lo")]
    Interface {
        /// The piece between commas.
        piece: String,
        /// Why it cannot be used.
        problem: &'static str,
    },
    /// Interfaces and files together.
    #[error("-i: '{interface}' is no file, '{file}' is one: capture live, or replay files, but not both")]
    FilesAndInterfaces {
        /// The first interface.
        interface: String,
        /// The first file.
        file: String,
    },
    /// A capture file is given twice.
    #[error("the capture file '{file}' is given twice; -T 2 replays files twice, one pass after the other")]
    FileTwice {
        /// The file.
        file: String,
    },
    /// A flag that has a meaning only for datagrams.
    #[error("{flag} is for --udp; leave it out, or copy UDP services with --udp")]
    OnlyUdp {
        /// The flag.
        flag: &'static str,
    },
    /// Datagrams of all interfaces.
    #[error("--udp needs -i: a datagram that passes several interfaces would be copied for each")]
    UdpInterface,
    /// A flag that has no meaning for datagrams.
    #[error("{flag} has no meaning with --udp: {reason}; leave it out")]
    NotUdp {
        /// The flag.
        flag: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// A flag that has a meaning only for capture files.
    #[error("{flag} is for capture files; name them with -i FILE or --offline FILE, or leave {flag} out")]
    OnlyOffline {
        /// The flag.
        flag: &'static str,
    },
    /// A flag that has no meaning for capture files.
    #[error("{flag} has no meaning for capture files: {reason}; leave it out")]
    NotOffline {
        /// The flag.
        flag: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// Something that does not go with `--tunnel`.
    #[error("--tunnel: {0}")]
    Tunnel(&'static str),
    /// `--pcap-send` without `-o`.
    #[error("--pcap-send: name the interface on which libpcap sends with -o, as in -o eth1")]
    PcapSend,
    /// `--decap` where the direction of packets cannot be told.
    #[error(
        "--decap: port {port} alone does not tell requests from answers of a tunnel; name the address of the service, as in \
         -x 10.0.0.16:{port}-10.0.0.17:{port}"
    )]
    Decap {
        /// The port of the service.
        port: u16,
    },
    /// A flag that works with one worker only.
    #[error("{flag}: one thread gets all packets; leave -C out")]
    OneWorker {
        /// The flag.
        flag: &'static str,
    },
    /// An empty `-F`.
    #[error("{0}")]
    Filter(#[from] EmptyFilter),
    /// `-m` is too little for the workers of `-C`.
    #[error(
        "-m {megabytes}: each of the {workers} workers of -C gets an equal part and needs 1 MB; give -m {workers} or more, \
         or fewer workers"
    )]
    Memory {
        /// `-m`.
        megabytes: u64,
        /// `-C`.
        workers: u16,
    },
    /// A piece of `--protocol` cannot be used.
    #[error(
        "--protocol: '{piece}': {problem}; the form is PORT=mysql, PORT=postgres, PORT=redis or PORT=none, as in 3307=mysql"
    )]
    Protocol {
        /// The piece between commas.
        piece: String,
        /// Why it cannot be used.
        problem: String,
    },
    /// `--config` where no protocol module would read it.
    #[error(
        "--config: no service of -x has a protocol module; leave it out, or name the protocol with --protocol PORT=NAME"
    )]
    NothingToConfigure,
    /// A flag of the MySQL module, and no service has it.
    #[error(
        "{flag}: no service of -x is copied as MySQL; leave it out, or name the protocol with --protocol PORT=mysql"
    )]
    NoMysql {
        /// The flag.
        flag: &'static str,
    },
    /// `-u`, which would show passwords to everyone who lists the processes.
    #[error(
        "-u: users and passwords are not given on the command line; write them to a file and name that with --config FILE, \
         as docs/MYSQL.md shows"
    )]
    Users,
    /// `--config` cannot be used.
    #[error("--config {path}: {problem}")]
    ConfigFile {
        /// The file.
        path: String,
        /// Why it cannot be used, and a hint.
        problem: String,
    },
    /// `-l`, `-P` or `--stats-json` cannot be used.
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
