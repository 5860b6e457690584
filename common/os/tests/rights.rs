//! A process that has given up its rights: what it must still do works, and what an intruder would do fails. This program
//! starts itself again for each attempt. Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod namespace;

use std::env;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use common_os::io::Capture;
use common_os::io::af_packet::{AfPacket, Room};
use common_os::io::bpf::{Program, Service};
use common_os::io::interfaces;
use common_os::io::raw_ip::RawIp;
use common_os::process::log_format::LogFormat;
use common_os::process::logging;
use common_os::process::rights::{Account, Kept, Needs, Rights};
use namespace::isolated;
use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Uid, getppid};

const ATTEMPT: &str = "COMMON_TEST_RIGHTS";
const ROOM: Room = Room { frame: 2048, packets: 32, queue: 1 << 20, snap: 2000 };

/// The port that the process may connect to.
const PORT: u16 = 8080;

type Refused = fn(&Path) -> io::Result<()>;
type Deadly = fn() -> nix::Result<()>;

/// Attempts of an intruder that fail with an error.
const REFUSED: [(&str, Refused); 16] = [
    ("a packet socket", |_| {
        AfPacket::open(None, &Program::answers(&[]), ROOM).map(drop).map_err(io::Error::other)
    }),
    ("a raw socket", |_| RawIp::open(true, false).map(drop).map_err(io::Error::other)),
    ("the passwords of the host", |_| File::open("/etc/shadow").map(drop)),
    ("a file that all may read", |_| File::open("/etc/passwd").map(drop)),
    ("a list of files", |_| fs::read_dir("/etc").map(drop)),
    ("the memory of the process by its file", |_| File::open("/proc/self/mem").map(drop)),
    ("a file in a directory that all may write", |_| File::create("/tmp/common-rights-elsewhere").map(drop)),
    ("a directory beside its own files", |own| fs::create_dir(own.join("directory"))),
    ("a link beside its own files", |own| std::os::unix::fs::symlink("/etc/passwd", own.join("link"))),
    ("a mode of its own file", |own| fs::set_permissions(own, fs::metadata(own)?.permissions())),
    ("a connection to another port", |_| TcpStream::connect(("127.0.0.1", PORT + 1)).map(drop)),
    ("a port to listen on", |_| TcpListener::bind(("127.0.0.1", PORT + 2)).map(drop)),
    ("another program", |_| Command::new("/bin/true").status().map(drop)),
    ("another process", |_| Command::new("/proc/self/exe").spawn().map(drop)),
    ("a signal to another process", |_| Ok(kill(getppid(), Signal::SIGTERM)?)),
    ("a mode in which core files are written", |_| Ok(nix::sys::prctl::set_dumpable(true)?)),
];

/// Attempts that end the process at once, with their error if they do not.
const DEADLY: [(&str, Deadly); 6] = [
    ("execve", || {
        let program = CString::new("/bin/true").unwrap();
        nix::unistd::execv(&program, &[&program]).map(drop)
    }),
    ("ptrace", || ptrace::attach(getppid())),
    ("setuid", || nix::unistd::setuid(Uid::from_raw(0))),
    ("unshare", || nix::sched::unshare(CloneFlags::CLONE_NEWUSER)),
    ("mount", || nix::mount::mount(Some("/etc"), "/mnt", None::<&str>, MsFlags::MS_BIND, None::<&str>)),
    ("chroot", || nix::unistd::chroot("/")),
];

fn main() {
    if let Ok(attempt) = env::var(ATTEMPT) {
        return locked(&attempt);
    }
    every_thread_is_without_rights();
    what_a_daemon_does_still_works();
    what_an_intruder_does_fails();
    what_only_an_intruder_does_ends_the_process();
    file_capabilities_end_as_empty_as_those_of_root();
    a_panic_leaves_its_line_and_ends_the_process();
    a_user_who_is_named_must_be_had();
    println!("test result: ok. 7 passed; 0 failed");
}

/// A directory of the unprivileged user.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("common-rights-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        chown(&path, Some(65_534), Some(65_534)).expect("this test needs root: run sudo ./scripts/test");
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn start(attempt: &str, directory: &Directory) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(ATTEMPT, attempt).arg(&directory.0).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// The result of an attempt, and what it has printed.
fn run(attempt: &str, directory: &Directory) -> (ExitStatus, String) {
    let output = start(attempt, directory).stderr(Stdio::piped()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8_lossy(&said).into_owned())
}

/// The process of an attempt. Its argument is the directory of its files.
fn locked(attempt: &str) {
    let own = PathBuf::from(env::args_os().nth(1).unwrap());
    let rights = Rights::new(Account::choose(None).unwrap());
    let log =
        logging::init(Some(&own.join("log")), LogFormat::Text, log::LevelFilter::Info, &rights).unwrap();
    let mut capture = AfPacket::open(Some("lo"), &Program::answers(&[]), ROOM).unwrap();
    let needs = Needs { written: vec![own.join("stats")], connects_to: vec![PORT], ..Needs::default() };
    let kept = rights.give_up(&needs).unwrap();
    assert_eq!(kept, [], "this kernel can restrict all of it");
    match attempt {
        "waits" => waits(),
        "works" => works(&own, &mut capture),
        "panics" => panic!("on purpose"),
        "panics in a thread" => {
            std::thread::spawn(|| panic!("on purpose")).join().unwrap_or_else(|panic| resume_unwind(panic));
        }
        _ => {
            if let Some((_, attempt)) = REFUSED.iter().find(|(name, _)| *name == attempt) {
                println!("{:?}", attempt(&own));
            }
            if let Some((_, attempt)) = DEADLY.iter().find(|(name, _)| *name == attempt) {
                println!("it lives: {:?}", attempt());
            }
        }
    }
    drop(log);
}

fn waits() {
    let (end, wait) = std::sync::mpsc::channel::<()>();
    let later = std::thread::spawn(move || wait.recv());
    println!("ready");
    let _ = io::stdin().read(&mut [0]);
    drop(end);
    assert!(later.join().unwrap().is_err());
}

/// Everything that a daemon does while it runs.
fn works(own: &Path, capture: &mut AfPacket) {
    capture.set_program(&Program::clients(&[Service { ip: None, port: PORT }], &[])).unwrap();
    let refused = TcpStream::connect(("127.0.0.1", PORT)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(capture.receive(10, &mut |_| ()).unwrap() > 0, "the SYN");
    assert!(capture.counters().unwrap().received > 0);
    assert!(interfaces::local_addresses().iter().any(std::net::IpAddr::is_loopback));
    assert!(fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap().len() > 1);
    let (new, stats) = (own.join("stats.new"), own.join("stats"));
    for text in ["1", "2"] {
        fs::write(&new, text).unwrap();
        fs::rename(&new, &stats).unwrap();
    }
    assert_eq!(fs::metadata(&stats).unwrap().uid(), 65_534);
    fs::remove_file(&stats).unwrap();
    log::info!("a line before");
    logging::flush();
    fs::rename(own.join("log"), own.join("log.1")).unwrap();
    logging::reopen();
    log::info!("a line after");
    logging::flush();
    assert!(fs::metadata(own.join("log")).unwrap().len() > 0);
    let appended = OpenOptions::new().append(true).open(own.join("log"));
    appended.unwrap().write_all(b"and more\n").unwrap();
    println!("done");
}

/// The thread of the log gives up its rights while others do.
fn every_thread_is_without_rights() {
    for _ in 0..20 {
        all_threads_are_without_rights();
    }
}

fn all_threads_are_without_rights() {
    let directory = Directory::new("threads");
    let mut child = start("waits", &directory).spawn().unwrap();
    await_line(&mut child, "ready");
    let mut threads = 0;
    for task in fs::read_dir(format!("/proc/{}/task", child.id())).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(field("Uid"), "65534 65534 65534 65534", "{status}");
        assert_eq!(field("Gid"), "65534 65534 65534 65534", "{status}");
        assert_eq!(field("Groups"), "", "{status}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(field(set), "0000000000000000", "{set} of {status}");
        }
        assert_eq!((field("NoNewPrivs"), field("Seccomp")), ("1".into(), "2".into()), "{status}");
        threads += 1;
    }
    assert_eq!(threads, 3, "the first thread, the log, and a later one");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

fn await_line(child: &mut Child, expected: &str) {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), expected);
}

fn what_a_daemon_does_still_works() {
    isolated(|| {
        let directory = Directory::new("works");
        let (status, said) = run("works", &directory);
        assert!(status.success() && said.ends_with("done\n"), "{status}: {said}");
    });
}

fn what_an_intruder_does_fails() {
    isolated(|| {
        // What must be refused would succeed otherwise.
        let _other = TcpListener::bind(("127.0.0.1", PORT + 1)).unwrap();
        for (attempt, _) in REFUSED {
            let directory = Directory::new("refused");
            let (status, said) = run(attempt, &directory);
            assert!(status.success() && said.starts_with("Err("), "{attempt}: {status}: {said}");
        }
    });
}

fn what_only_an_intruder_does_ends_the_process() {
    for (attempt, _) in DEADLY {
        let directory = Directory::new("deadly");
        let (status, said) = run(attempt, &directory);
        assert_eq!(status.signal(), Some(Signal::SIGSYS as i32), "{attempt}: {said}");
    }
}

/// A copy of this program with file capabilities, started by another user.
fn file_capabilities_end_as_empty_as_those_of_root() {
    let directory = Directory::new("capable");
    let program = directory.0.join("program");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let run = |capabilities: &str| {
        let set = Command::new("setcap").arg(format!("{capabilities}+ep")).arg(&program).status();
        assert!(set.expect("setcap is missing: install libcap2-bin").success());
        let mut command = Command::new(&program);
        command.env(ATTEMPT, "waits").arg(&directory.0).uid(65_534).gid(65_534);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut child = run("cap_net_raw,cap_net_admin,cap_setpcap");
    await_line(&mut child, "ready");
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    assert!(status.contains("CapBnd:\t0000000000000000\n"), "{status}");
    assert!(status.contains("CapPrm:\t0000000000000000\n"), "{status}");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    // Without the third one the bounding set stays, and that is told.
    let output = run("cap_net_raw,cap_net_admin").wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains(&format!("{:?}", [Kept::BoundingSet])), "{said}");
}

/// With `RUST_BACKTRACE=1`, files are opened for the names of functions.
fn a_panic_leaves_its_line_and_ends_the_process() {
    for (attempt, backtrace) in [("panics", "0"), ("panics", "1"), ("panics in a thread", "full")] {
        let directory = Directory::new("panics");
        let mut command = start(attempt, &directory);
        let output = command.env("RUST_BACKTRACE", backtrace).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let logged = fs::read_to_string(directory.0.join("log")).unwrap();
        assert_eq!(output.status.code(), Some(101), "{attempt}, {backtrace}: {said}");
        for text in [&said, &logged] {
            assert_eq!(text.matches("on purpose").count(), 1, "{attempt}, {backtrace}: {text}");
        }
    }
}

fn a_user_who_is_named_must_be_had() {
    // The calling process is root: of the users that exist, only root itself is refused.
    assert_eq!(Account::choose(Some("nobody")).unwrap().unwrap().numbers().0, 65_534);
    assert_eq!(Account::choose(None).unwrap().unwrap().name(), "nobody");
    assert!(Account::choose(Some("root")).is_err());
}
