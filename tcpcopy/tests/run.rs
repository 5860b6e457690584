//! The real binary from start to end, against a scripted intercept on loopback; nothing is copied. Needs root.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use common_core::control::{FrameBuffer, FromIntercept, ToIntercept, VERSION};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// tcpcopy that captures a port which hardly anybody uses: 1 (tcpmux).
fn tcpcopy(intercept: &str, more: &[&str]) -> Command {
    assert!(nix::unistd::geteuid().is_root(), "needs root to open raw sockets: run scripts/test with sudo");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcpcopy"));
    command.args(["-x", "127.0.0.1:1-127.0.0.2:1", "-i", "lo", "-s", intercept]).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A file of this test alone, removed at its end.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("tcpcopy-run-{}-{name}", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// A scripted intercept.
struct Intercept(TcpListener);

/// A control connection to it.
struct Conn {
    stream: TcpStream,
    input: FrameBuffer,
}

impl Intercept {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// Accepts a connection and answers its hello in `version`.
    fn accept(&self, version: u16) -> Conn {
        let (stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut conn = Conn { stream, input: FrameBuffer::new() };
        assert!(matches!(conn.read(), Some(ToIntercept::Hello { version: VERSION, .. })));
        let mut bytes = Vec::new();
        FromIntercept::Hello { version }.encode(&mut bytes);
        conn.stream.write_all(&bytes).unwrap();
        conn
    }

    /// Accepts a connection and waits until tcpcopy announces its target, and so runs.
    fn accept_up(&self) -> Conn {
        let mut conn = self.accept(VERSION);
        while matches!(conn.read().unwrap(), ToIntercept::Service(_)) {}
        conn
    }
}

impl Conn {
    /// The next message; `None` at the end of the connection.
    fn read(&mut self) -> Option<ToIntercept> {
        loop {
            if let Some(body) = self.input.next_frame().unwrap() {
                return Some(ToIntercept::decode(body).unwrap());
            }
            match self.stream.read(self.input.space()).unwrap() {
                0 => return None,
                count => self.input.filled(count),
            }
        }
    }

    fn wait_for_end(&mut self) {
        while self.read().is_some() {}
    }
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

/// The only line of standard error of a run that must fail.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let line = text.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n') && line.starts_with("tcpcopy: "), "{text}");
    line.to_owned()
}

#[test]
fn a_signal_ends_it_cleanly_with_the_account() {
    for end in [Signal::SIGTERM, Signal::SIGINT] {
        let (intercept, stats) = (Intercept::new(), File::new(end.as_str()));
        let child = tcpcopy(&intercept.address(), &["--stats-json", stats.path()]).spawn().unwrap();
        let mut conn = intercept.accept_up();
        signal(pid(&child), end);
        conn.wait_for_end();
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{log}");
        assert!(log.contains("nothing replayed: no client session was seen"), "{log}");
        assert!(log.contains("hint: no packet was captured"), "{log}");
        let json: serde_json::Value = serde_json::from_str(&stats.text()).unwrap();
        assert_eq!(json["balanced"], true);
        assert_eq!(json["intercepts"][0]["address"], intercept.address());
        assert_eq!(json["intercepts"][0]["connects"], 1);
    }
}

/// More packets than a round reads.
const PACKETS: u64 = 2_000;

/// Sends packets and then signals to a stopped tcpcopy; returns its report on the capture.
fn captured_before(signals: [Signal; 2], workers: &str) -> serde_json::Value {
    let stats = File::new(&format!("{}-{workers}", signals[0].as_str()));
    let address = Intercept::new().address();
    let more = ["-L", "-C", workers, "--stats-json", stats.path()];
    let mut command = tcpcopy(&address, &more);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    // tcpcopy writes this file once its signals and captures are open.
    while !stats.0.exists() {
        std::thread::yield_now();
    }
    signal(pid(&child), Signal::SIGSTOP);
    for _ in 0..PACKETS {
        assert!(TcpStream::connect("127.0.0.1:1").is_err(), "nobody listens there");
    }
    for each in signals {
        signal(pid(&child), each);
    }
    signal(pid(&child), Signal::SIGCONT);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let json: serde_json::Value = serde_json::from_str(&stats.text()).unwrap();
    let count = |group: &str, name: &str| json[group][name].as_u64().unwrap();
    let received = count("capture", "kernel_received");
    assert!(received >= PACKETS, "{json}");
    let captured = json["ledger"]["packets"]["captured"].as_u64().unwrap();
    assert_eq!(
        received,
        captured + count("capture", "kernel_dropped") + count("capture", "unread"),
        "{json}"
    );
    assert_eq!(json["balanced"], true);
    json["capture"].clone()
}

#[test]
fn two_signals_at_once_are_one_end_and_leave_no_packet_out() {
    for workers in ["1", "2"] {
        let capture = captured_before([Signal::SIGTERM, Signal::SIGINT], workers);
        assert_eq!(capture["unread"], 0, "an orderly end reads all captured packets");
    }
}

#[test]
fn the_meaning_of_several_workers_is_logged_once() {
    let address = Intercept::new().address();
    let mut child = tcpcopy(&address, &["-C", "2", "-L"]).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    // tcpcopy takes over signals before its first line.
    while !text.contains("INFO") && log.read_line(&mut text).unwrap() > 0 {}
    signal(pid(&child), Signal::SIGTERM);
    log.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{text}");
    assert_eq!(text.matches("-C 2: 2 threads share the work").count(), 1, "{text}");
}

/// Its memory holds passwords and payload.
#[test]
fn it_leaves_no_core_file() {
    let (intercept, directory) = (Intercept::new(), File::new("core"));
    fs::create_dir(directory.path()).unwrap();
    let plain = tcpcopy(&intercept.address(), &[]);
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -c unlimited && exec \"$@\"", "-"])
        .arg(plain.get_program())
        .args(plain.get_args());
    let child = command.current_dir(directory.path()).stdin(Stdio::null()).spawn().unwrap();
    // Its memory is private before the connection is up.
    let mut conn = intercept.accept_up();
    signal(pid(&child), Signal::SIGABRT);
    conn.wait_for_end();
    let status = child.wait_with_output().unwrap().status;
    let left = fs::read_dir(directory.path()).unwrap().count();
    drop(fs::remove_dir_all(directory.path()));
    assert_eq!(status.signal(), Some(6));
    assert_eq!((status.core_dumped(), left), (false, 0), "{status}");
}

#[test]
fn an_intercept_that_does_not_run_ends_the_start() {
    let address = Intercept::new().address();
    let line = complaint(&tcpcopy(&address, &[]).output().unwrap());
    assert!(line.contains(&address) && line.contains("cannot connect") && line.contains("-L"), "{line}");
}

#[test]
fn with_l_it_waits_for_its_intercept() {
    let intercept = Intercept::new();
    let child = tcpcopy(&intercept.address(), &["-L"]).spawn().unwrap();
    drop(intercept.accept_up());
    let mut conn = intercept.accept_up();
    signal(pid(&child), Signal::SIGTERM);
    conn.wait_for_end();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn several_workers_log_an_error_of_their_connections_once() {
    let intercept = Intercept::new();
    let child = tcpcopy(&intercept.address(), &["-L", "-C", "8"]).spawn().unwrap();
    // Each loses its connection about twice.
    for _ in 0..16 {
        let (stream, _) = intercept.0.accept().unwrap();
        let hello = Conn { stream, input: FrameBuffer::new() }.read();
        assert!(matches!(hello, Some(ToIntercept::Hello { .. })));
    }
    signal(pid(&child), Signal::SIGTERM);
    let log = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert_eq!(log.matches("trying again").count(), 1, "{log}");
}

#[test]
fn an_intercept_of_another_version_ends_the_start_at_once() {
    let intercept = Intercept::new();
    let child = tcpcopy(&intercept.address(), &[]).spawn().unwrap();
    intercept.accept(VERSION + 1).wait_for_end();
    let line = complaint(&child.wait_with_output().unwrap());
    let versions =
        format!("speaks version {} of the control protocol, this tcpcopy speaks {VERSION}", VERSION + 1);
    assert!(line.contains(&versions) && line.contains("same release"), "{line}");
}

#[test]
fn a_daemon_detaches_once_it_runs_and_holds_its_pid_file() {
    let (intercept, pid_file, log) = (Intercept::new(), File::new("pid"), File::new("log"));
    let files = ["-d", "-P", pid_file.path(), "-l", log.path()];
    let starting = tcpcopy(&intercept.address(), &files).spawn().unwrap();
    let mut conn = intercept.accept_up();
    let output = starting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty() && output.stdout.is_empty());

    let second = tcpcopy(&intercept.address(), &["-P", pid_file.path()]).output().unwrap();
    assert!(complaint(&second).contains("runs already"));

    signal(pid_file.text().trim().parse().unwrap(), Signal::SIGTERM);
    conn.wait_for_end();
    // The user that it has become may not remove a file of root.
    assert_eq!(pid_file.text(), "");
    assert!(log.text().contains("nothing replayed"), "{}", log.text());
}

#[test]
fn the_failed_start_of_a_daemon_is_in_its_log() {
    let (address, log) = (Intercept::new().address(), File::new("failed-log"));
    let line = complaint(&tcpcopy(&address, &["-d", "-l", log.path()]).output().unwrap());
    assert!(line.contains("cannot connect"), "{line}");
    let reason = line.strip_prefix("tcpcopy: ").unwrap();
    let logged = log.text();
    assert!(logged.lines().any(|line| line.contains("ERROR") && line.ends_with(reason)), "{logged}");
}

#[test]
fn the_report_is_logged_at_every_level_and_may_decide_the_exit_code() {
    for (form, limit, code) in [("text", None, 0), ("json", Some("0.001"), 3)] {
        let intercept = Intercept::new();
        let mut command = tcpcopy(&intercept.address(), &["--log-format", form]);
        command.args(limit.map(|limit| ["--fail-below", limit]).iter().flatten());
        let child = command.env("RUST_LOG", "off").spawn().unwrap();
        let mut conn = intercept.accept_up();
        // It opens its log again, and goes on.
        signal(pid(&child), Signal::SIGHUP);
        signal(pid(&child), Signal::SIGTERM);
        conn.wait_for_end();
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{log}");
        assert!(log.contains("nothing replayed: no client session was seen"), "{log}");
        assert_eq!(log.contains("replayed 0.000 %, less than the 0.001 %"), limit.is_some(), "{log}");
        let is_json = log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
        assert_eq!(is_json, form == "json", "{log}");
    }
}

/// As systemd does for a unit with Type=notify and WatchdogSec.
#[test]
fn a_service_manager_hears_of_the_start_the_life_and_the_end() {
    for workers in ["1", "2"] {
        let (intercept, name) = (Intercept::new(), File::new(&format!("notify-{workers}")));
        let manager = UnixDatagram::bind(name.path()).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let told = || {
            let mut buffer = [0; 64];
            let length = manager.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        let mut command = tcpcopy(&intercept.address(), &["-C", workers]);
        command.env("NOTIFY_SOCKET", name.path()).env("WATCHDOG_USEC", "30000000").stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut conns = vec![intercept.accept_up()];
        conns.extend((workers == "2").then(|| intercept.accept_up()));
        assert_eq!(told(), "READY=1");
        assert_eq!(told(), "WATCHDOG=1");
        signal(pid(&child), Signal::SIGTERM);
        let end = std::iter::repeat_with(told).find(|state| state != "WATCHDOG=1");
        assert_eq!(end.as_deref(), Some("STOPPING=1"));
        conns.iter_mut().for_each(Conn::wait_for_end);
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_directory_that_its_user_cannot_write_is_refused_with_the_cure() {
    let (address, directory) = (Intercept::new().address(), File::new("roots"));
    fs::create_dir(directory.path()).unwrap();
    let stats = format!("{}/stats.json", directory.path());
    let line = complaint(&tcpcopy(&address, &["--stats-json", &stats]).output().unwrap());
    fs::remove_dir(directory.path()).unwrap();
    assert!(line.contains("Permission denied") && line.contains("user 65534"), "{line}");
    assert!(line.contains(&format!("chown 65534 '{}'", directory.path())), "{line}");
}

#[test]
fn a_daemon_without_a_log_warns() {
    let (intercept, pid_file) = (Intercept::new(), File::new("silent-pid"));
    let starting = tcpcopy(&intercept.address(), &["-d", "-P", pid_file.path()]).spawn().unwrap();
    let mut conn = intercept.accept_up();
    let output = starting.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("-d without -l"));
    signal(pid_file.text().trim().parse().unwrap(), Signal::SIGTERM);
    conn.wait_for_end();
}

#[test]
fn statistics_that_can_never_be_written_end_the_start() {
    let address = Intercept::new().address();
    let line = complaint(&tcpcopy(&address, &["--stats-json", "/proc/none/stats"]).output().unwrap());
    assert!(line.contains("--stats-json '/proc/none/stats'") && line.contains("directory"), "{line}");
}
