//! The real daemon on loopback, in a network namespace of its own, while nobody reads its log. Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../common/os/tests/namespace/mod.rs"]
mod namespace;
#[path = "../../common/os/tests/unread/mod.rs"]
mod unread;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common_core::control::{DEFAULT_PORT, ToIntercept, VERSION};
use namespace::isolated;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};
use unread::{lost_lines, stop, until};

/// Starts intercept, and waits until it listens.
fn start(log: OwnedFd) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intercept"));
    command.env("RUST_LOG", "info").stdin(Stdio::null()).stderr(log);
    let child = command.spawn().unwrap();
    until(|| TcpStream::connect(("127.0.0.1", DEFAULT_PORT)).is_ok());
    child
}

/// A tcpcopy gets an answer.
fn serves() {
    serves_one_at(1);
}

/// The same, from the loopback address of this number: one host may not open any number of connections in a second.
fn serves_one_at(number: u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let [high, low] = number.to_be_bytes();
    socket.bind(&SocketAddr::from(([127, 1, high, low], 0)).into()).unwrap();
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)).into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut hello = Vec::new();
    ToIntercept::Hello { version: VERSION, instance: 1 }.encode(&mut hello);
    stream.write_all(&hello).unwrap();
    assert!(stream.read(&mut [0; 64]).unwrap() > 0);
}

/// Makes it report so often that a queue of 1 MiB is full.
fn overflow(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    // A report takes a quarter of a KB, and pending signals are merged into one.
    for number in 0..10_000 {
        kill(pid, Signal::SIGUSR1).unwrap();
        serves_one_at(1 + number % 250);
    }
}

#[test]
fn it_serves_and_a_signal_ends_it() {
    isolated(|| {
        let (_never_read, log) = unread::full_pipe();
        let mut intercept = start(log);
        serves();
        assert_eq!(stop(&mut intercept), Some(0));
    });
}

#[test]
fn once_the_log_is_read_again_it_says_how_many_lines_are_missing() {
    isolated(|| {
        let (reader, log) = unread::full_pipe();
        let mut intercept = start(log);
        overflow(&intercept);
        let text = unread::read_to_end(reader);
        assert_eq!(stop(&mut intercept), Some(0));
        let text = text.join().unwrap();
        let lost = lost_lines(&text);
        assert!(lost > 0);
        let account = text.rsplit("captured ").next().unwrap().lines().next().unwrap();
        assert!(account.ends_with(&format!("; {lost} log lines lost")), "the account comes last: {account}");
    });
}
