//! The real binary while nobody reads its log. Needs root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "../../common/os/tests/unread/mod.rs"]
mod unread;

use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use unread::{lost_lines, stop, until};

/// tcpcopy without an intercept and without traffic. It runs once its statistics file exists.
struct Tcpcopy {
    child: Child,
    stats: PathBuf,
}

impl Tcpcopy {
    fn start(name: &str, log: OwnedFd) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "needs root: run scripts/test with sudo");
        let stats = std::env::temp_dir().join(format!("tcpcopy-unread-{}-{name}", std::process::id()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tcpcopy"));
        command.args([
            "-x",
            "127.0.0.1:1-127.0.0.2:1",
            "-i",
            "lo",
            "-s",
            "127.0.0.1:9",
            "-L",
            "--stats-json",
        ]);
        let child =
            command.arg(&stats).env("RUST_LOG", "info").stdin(Stdio::null()).stderr(log).spawn().unwrap();
        let tcpcopy = Self { child, stats };
        until(|| tcpcopy.stats.exists());
        tcpcopy
    }

    /// Makes it report until lines are lost.
    fn overflow(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        until(|| {
            kill(pid, Signal::SIGUSR1).unwrap();
            self.lost() > 0
        });
    }

    fn lost(&self) -> u64 {
        let json: serde_json::Value = serde_json::from_slice(&fs::read(&self.stats).unwrap()).unwrap();
        json["output"]["log_lines_lost"].as_u64().unwrap()
    }
}

impl Drop for Tcpcopy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.stats);
    }
}

#[test]
fn lines_lost_by_the_log_are_counted_and_a_signal_ends_it() {
    let (_never_read, log) = unread::full_pipe();
    let mut tcpcopy = Tcpcopy::start("never", log);
    tcpcopy.overflow();
    assert_eq!(stop(&mut tcpcopy.child), Some(0));
    assert!(tcpcopy.lost() > 0);
}

#[test]
fn once_the_log_is_read_again_it_says_how_many_lines_are_missing() {
    let (reader, log) = unread::full_pipe();
    let mut tcpcopy = Tcpcopy::start("again", log);
    tcpcopy.overflow();
    let text = unread::read_to_end(reader);
    assert_eq!(stop(&mut tcpcopy.child), Some(0));
    let text = text.join().unwrap();
    assert_eq!(lost_lines(&text), tcpcopy.lost(), "each of them where it is missing");
    assert!(
        text.trim_end().ends_with(&format!("output: log_lines_lost {}", tcpcopy.lost())),
        "the account comes last"
    );
}
