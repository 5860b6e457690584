//! A process that goes to the background. This program starts itself again as the daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio, exit};
use std::time::Duration;

use common_os::process::daemon::{PidFile, daemonize};
use common_os::process::log_format::LogFormat;
use common_os::process::logging;
use common_os::process::rights::Rights;
use log::LevelFilter;
use nix::unistd::{getpid, getsid};

const PART: &str = "COMMON_TEST_DAEMON";

fn main() {
    match env::var(PART) {
        Ok(part) => daemon(&part),
        Err(_) => {
            a_daemon_that_fails_at_the_start_gives_its_exit_code_and_error();
            a_daemon_that_detaches_ends_the_foreground_process_and_lives_on();
            a_daemon_that_panics_says_where_and_why_in_its_log();
            a_process_with_threads_does_not_fork();
        }
    }
}

/// The daemon. Its first argument is a directory.
fn daemon(part: &str) {
    let directory = env::args().nth(1).unwrap();
    let starting = daemonize().unwrap();
    if part == "panics" {
        let log = logging::init(
            Some(&Path::new(&directory).join("log")),
            LogFormat::Text,
            LevelFilter::Info,
            &Rights::new(None),
        );
        let log = log.unwrap();
        starting.detach().unwrap();
        let worker = std::thread::Builder::new().name("worker-1".to_owned());
        assert!(worker.spawn(|| panic!("two\nlines, {}", 2)).unwrap().join().is_err());
        drop(log);
        UnixStream::connect(Path::new(&directory).join("socket")).unwrap();
        return;
    }
    if part == "fails" {
        eprintln!("the reason");
        exit(3);
    }
    let pid_file = PidFile::create(&Path::new(&directory).join("pid")).unwrap();
    starting.detach().unwrap();
    println!("standard output is closed");
    let mut parent = UnixStream::connect(Path::new(&directory).join("socket")).unwrap();
    writeln!(parent, "{} {}", getpid(), getsid(None).unwrap()).unwrap();
    // The read ends when the test closes its end.
    let _ = parent.read(&mut [0]);
    drop(pid_file);
    writeln!(parent, "end").unwrap();
}

fn start(part: &str, directory: &Path) -> std::process::Output {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(PART, part).arg(directory).stdin(Stdio::null()).output().unwrap()
}

fn directory(name: &str) -> std::path::PathBuf {
    let path = env::temp_dir().join(format!("common-{}-{name}", std::process::id()));
    fs::create_dir(&path).unwrap();
    path
}

fn a_daemon_that_fails_at_the_start_gives_its_exit_code_and_error() {
    let directory = directory("fails");
    let output = start("fails", &directory);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "the reason\n");
    fs::remove_dir(directory).unwrap();
}

fn a_daemon_that_detaches_ends_the_foreground_process_and_lives_on() {
    let directory = directory("detaches");
    let socket = UnixListener::bind(directory.join("socket")).unwrap();
    // `output` reads our pipes to their end, so the daemon must have closed them.
    let output = start("detaches", &directory);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!((output.stdout, output.stderr), (vec![], vec![]));

    let (daemon, _) = socket.accept().unwrap();
    daemon.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut daemon = BufReader::new(daemon);
    let mut line = String::new();
    daemon.read_line(&mut line).unwrap();
    let (pid, session) = line.trim().split_once(' ').unwrap();
    assert_eq!(pid, session, "the daemon leads a session of its own");
    assert_ne!(pid, getpid().to_string());
    let written = fs::read_to_string(directory.join("pid")).unwrap();
    assert_eq!(written.trim(), pid);
    let error = PidFile::create(&directory.join("pid")).unwrap_err().to_string();
    assert!(error.contains(&format!("process {pid} ")), "{error}");

    daemon.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = String::new();
    daemon.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "end\n");
    assert!(!directory.join("pid").exists());
    fs::remove_dir_all(directory).unwrap();
}

fn a_daemon_that_panics_says_where_and_why_in_its_log() {
    let directory = directory("panics");
    let socket = UnixListener::bind(directory.join("socket")).unwrap();
    let output = start("panics", &directory);
    assert_eq!((output.status.code(), output.stderr), (Some(0), vec![]));
    socket.accept().unwrap();
    let log = fs::read_to_string(directory.join("log")).unwrap();
    let line = log.lines().find(|line| line.contains("ERROR")).expect("no line about the panic");
    assert!(line.contains("thread 'worker-1' panicked at common/os/tests/daemon.rs:"), "{log}");
    assert!(line.contains(": two\\nlines, 2; this is a defect"), "{log}");
    fs::remove_dir_all(directory).unwrap();
}

fn a_process_with_threads_does_not_fork() {
    let (let_go, wait) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || wait.recv());
    let error = daemonize().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    drop(let_go);
    assert!(other.join().unwrap().is_err());
}
