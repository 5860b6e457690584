//! The running daemon on loopback, in network namespaces of its own. Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../common/os/tests/namespace/mod.rs"]
mod namespace;
#[path = "../../common/os/tests/sniffer/mod.rs"]
mod sniffer;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use common_core::answer_payload::AnswerPayload;
use common_core::control::{DEFAULT_PORT, FlowId, FrameBuffer, FromIntercept, Proof, ToIntercept, VERSION};
use common_core::flow::Flow;
use common_core::wire::Flags;
use common_os::io::bpf::Program;
use namespace::isolated;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sniffer::Sniffer;

/// A test fails if an expected message takes longer.
const TIMEOUT: Duration = Duration::from_secs(10);

struct Daemon {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Daemon {
    /// Starts intercept, and waits until it listens.
    fn start(arguments: &[&str]) -> Self {
        Self::start_as(Command::new(env!("CARGO_BIN_EXE_intercept")).args(arguments))
    }

    /// Starts it from a shell that has carried out `command`.
    fn start_after(command: &str) -> Self {
        let line = format!("{command}; exec {}", env!("CARGO_BIN_EXE_intercept"));
        Self::start_as(Command::new("sh").args(["-c", &line]))
    }

    fn start_as(command: &mut Command) -> Self {
        command.env_remove("RUST_LOG").stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut daemon = Self { child, log };
        let mut line = String::new();
        daemon.log.read_line(&mut line).unwrap();
        assert!(line.contains("listens on"), "{line}");
        daemon
    }

    /// Ends it as a user would, and returns the rest of its log.
    fn end(mut self) -> String {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{rest}");
        rest
    }
}

impl Drop for Daemon {
    /// Ends the daemon of a test that has failed.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A tcpcopy's end of a control connection.
struct Client {
    stream: TcpStream,
    frames: FrameBuffer,
    answers: Vec<ServerSegment>,
}

/// An answer, as far as tests look at it.
#[derive(Debug, PartialEq, Eq)]
struct ServerSegment {
    id: u32,
    flags: Flags,
    has_mss: bool,
    payload: Vec<u8>,
}

impl Client {
    fn connect() -> Self {
        let stream = TcpStream::connect(("127.0.0.1", DEFAULT_PORT)).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let mut client = Self { stream, frames: FrameBuffer::new(), answers: Vec::new() };
        client.send(&ToIntercept::Hello { version: VERSION, instance: 1 });
        client
    }

    fn send(&mut self, message: &ToIntercept) {
        let mut frame = Vec::new();
        message.encode(&mut frame);
        self.stream.write_all(&frame).unwrap();
    }

    /// Reads until `done` accepts a message; answers are kept.
    fn until(&mut self, mut done: impl FnMut(&FromIntercept<'_>) -> bool) {
        loop {
            while let Some(body) = self.frames.next_frame().unwrap() {
                let message = FromIntercept::decode(body).unwrap();
                if let FromIntercept::ServerSegment(answer) = message {
                    self.answers.push(ServerSegment {
                        id: answer.id.0,
                        flags: answer.flags,
                        has_mss: answer.options.mss.is_some(),
                        payload: answer.payload.to_vec(),
                    });
                }
                if done(&message) {
                    return;
                }
            }
            let count = self.stream.read(self.frames.space()).unwrap();
            assert!(count > 0, "intercept has closed the connection");
            self.frames.filled(count);
        }
    }

    /// Waits until intercept has carried out all earlier messages.
    fn settle(&mut self, nonce: u32) {
        self.send(&ToIntercept::Ping { nonce });
        self.until(|message| *message == FromIntercept::Pong { nonce });
    }
}

/// A session with a real server: its answers arrive, the SYN-ACK first although it overtakes its route.
fn session(filter: &[&str], server: &str) {
    isolated(|| {
        let daemon = Daemon::start(filter);
        let listener = TcpListener::bind(server).unwrap();
        let target: SocketAddr = listener.local_addr().unwrap();
        let mut client = Client::connect();
        client.send(&ToIntercept::Target(target.into()));
        client.settle(1);

        let mut sniffer = Sniffer::open(Some("lo"), &Program::answers(&[target.into()]));
        let connection = TcpStream::connect(target).unwrap();
        let (mut accepted, peer) = listener.accept().unwrap();
        let isn = sniffer.until(|seen| seen.flags.has(Flags::SYN))[0].ack - 1;
        client.send(&ToIntercept::RouteAdd {
            id: FlowId(5),
            flow: Flow { client: peer.into(), server: target.into() },
            proof: Proof::Opening { isn, past: None },
        });
        client.send(&ToIntercept::Payload { id: FlowId(5), mode: AnswerPayload::All });
        client.settle(2);
        accepted.write_all(&[7; 1000]).unwrap();
        drop(accepted);
        client.until(
            |message| matches!(message, FromIntercept::ServerSegment(answer) if answer.flags.has(Flags::FIN)),
        );
        client.settle(3);
        drop(connection);

        let syn_ack =
            ServerSegment { id: 5, flags: Flags::SYN | Flags::ACK, has_mss: true, payload: Vec::new() };
        assert_eq!(client.answers[0], syn_ack);
        let text: Vec<u8> = client.answers.iter().flat_map(|answer| answer.payload.clone()).collect();
        assert_eq!(text, [7; 1000], "once, though loopback shows each packet twice");
        assert_eq!(client.answers.iter().filter(|answer| answer.flags.has(Flags::SYN)).count(), 1);

        client.until(|message| {
            matches!(message, FromIntercept::Statistics(counters)
                if counters.forwarded >= 3 && counters.kernel_dropped == 0)
        });
        let log = daemon.end();
        assert!(log.contains("tcpcopy connected") && log.contains("forwarded"), "{log}");
    });
}

#[test]
fn the_filter_follows_the_targets_over_ipv4() {
    session(&["--loopback"], "127.0.0.1:0");
}

#[test]
fn the_filter_follows_the_targets_over_ipv6() {
    session(&["--loopback", "-i", "lo"], "[::1]:0");
}

#[test]
fn the_user_s_filter_is_used() {
    session(&["--loopback", "-F", "tcp and not port 36524"], "127.0.0.1:0");
}

#[test]
fn hostile_peers_of_a_host_cost_a_line_a_minute_and_harm_nobody() {
    isolated(|| {
        let daemon = Daemon::start(&[]);
        let mut client = Client::connect();
        client.settle(1);
        let mut other = TcpStream::connect(("127.0.0.1", DEFAULT_PORT)).unwrap();
        let mut hello = Vec::new();
        ToIntercept::Hello { version: VERSION + 1, instance: 1 }.encode(&mut hello);
        other.write_all(&hello).unwrap();
        let mut refusal = Vec::new();
        other.set_read_timeout(Some(TIMEOUT)).unwrap();
        other.read_to_end(&mut refusal).unwrap();
        assert_eq!(refusal, [0, 0, 0, 4, 0x82, 1, 0, VERSION as u8]);

        let mut noise = TcpStream::connect(("127.0.0.1", DEFAULT_PORT)).unwrap();
        noise.set_read_timeout(Some(TIMEOUT)).unwrap();
        let mut bytes = vec![0; 100_000];
        std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
        // Must not be a length that a first message could have.
        bytes[0] |= 0x80;
        // Intercept closes the connection during the write or after it.
        let _ = noise.write_all(&bytes);
        let _ = noise.read_to_end(&mut refusal);

        client.settle(2);
        let log = daemon.end();
        let warnings: Vec<_> =
            log.lines().filter(|line| line.contains("WARN") && !line.contains("no key")).collect();
        assert_eq!(warnings.len(), 1, "{log}");
        assert!(warnings[0].contains("version 6") && warnings[0].contains("version 5"), "{log}");
        assert!(log.contains("refused malformed 1, refused version 1"), "{log}");
    });
}

/// Its memory holds answers to clients.
#[test]
fn it_leaves_no_core_file() {
    isolated(|| {
        let mut daemon = Daemon::start_after("ulimit -c unlimited");
        let id = daemon.child.id();
        kill(Pid::from_raw(i32::try_from(id).unwrap()), Signal::SIGABRT).unwrap();
        let status = daemon.child.wait().unwrap();
        assert_eq!((status.signal(), status.core_dumped()), (Some(6), false), "{status}");
    });
}

#[test]
fn a_flood_that_takes_all_files_costs_one_line() {
    isolated(|| {
        let daemon = Daemon::start_after("ulimit -n 40");
        let mut client = Client::connect();
        client.settle(1);
        let flood: Vec<_> = (0..100)
            .map(|nonce| {
                let stream = TcpStream::connect(("127.0.0.1", DEFAULT_PORT)).unwrap();
                client.settle(nonce);
                stream
            })
            .collect();
        drop(flood);
        // Intercept accepts again a second later.
        Client::connect().settle(2);
        let log = daemon.end();
        assert_eq!(log.matches("cannot accept").count(), 1, "{log}");
    });
}

#[test]
fn it_has_as_many_files_as_it_may() {
    isolated(|| {
        let daemon = Daemon::start_after("ulimit -Sn 500; ulimit -Hn 2000");
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.child.id())).unwrap();
        let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["2000", "2000"]);
        daemon.end();
    });
}

#[test]
fn an_address_that_cannot_be_had_is_named_with_a_hint() {
    isolated(|| {
        let daemon = Daemon::start(&["-b", "127.0.0.1"]);
        let cases: [(&[&str], &str, &str); 3] = [
            (&[], "cannot listen on [::]:36524", "another port with -p"),
            (&["-b", "127.0.0.1"], "cannot listen on 127.0.0.1:36524", "another port with -p"),
            (&["-b", "192.0.2.1"], "cannot listen on 192.0.2.1:36524", "-b an address of this host"),
        ];
        for (arguments, part, hint) in cases {
            let output = Command::new(env!("CARGO_BIN_EXE_intercept")).args(arguments).output().unwrap();
            let line = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{line}");
            assert!(line.contains(part) && line.contains(hint) && line.lines().count() == 1, "{line:?}");
        }
        daemon.end();
    });
}
