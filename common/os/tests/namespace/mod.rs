//! Network namespaces for tests: they have no name and vanish with their thread.

#![allow(dead_code, reason = "each test program uses its part")]

use std::process::Command;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;

/// Runs `test` in a new network namespace that has only loopback, and waits for its end.
pub(crate) fn isolated<R: Send>(test: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| {
        let run = scope.spawn(|| {
            enter();
            test()
        });
        run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A thread in a network namespace of its own, which runs jobs.
pub(crate) struct Host {
    /// The number of the namespace for `ip link set ... netns`.
    pub(crate) thread: i32,
    jobs: Option<mpsc::Sender<Box<dyn FnOnce() + Send>>>,
    handle: Option<JoinHandle<()>>,
}

impl Host {
    /// A new host that has only loopback.
    pub(crate) fn new() -> Self {
        let (jobs, todo) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let (tell, started) = mpsc::channel();
        let handle = thread::spawn(move || {
            enter();
            tell.send(gettid().as_raw()).unwrap();
            for job in todo {
                job();
            }
        });
        let thread = started.recv().expect("the host's thread has failed, see above");
        Self { thread, jobs: Some(jobs), handle: Some(handle) }
    }

    /// Runs `job` on this host; its result can be received.
    pub(crate) fn start<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> mpsc::Receiver<R> {
        let (answer, result) = mpsc::channel();
        let job = Box::new(move || {
            let _ = answer.send(job());
        });
        self.jobs.as_ref().unwrap().send(job).unwrap();
        result
    }

    /// Runs `job` on this host and waits for its result.
    pub(crate) fn run<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> R {
        self.start(job).recv().expect("the job has failed, see above")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.jobs = None;
        let ended = self.handle.take().unwrap().join();
        if !thread::panicking() {
            ended.expect("a job on this host has failed");
        }
    }
}

/// Two hosts joined by a pair of interfaces `io-a` and `io-b`, addresses 10.77.0.1, 10.77.0.2, fd77::1 and fd77::2.
pub(crate) fn pair(offloads: bool) -> (Host, Host) {
    let (a, b) = (Host::new(), Host::new());
    let peer = b.thread.to_string();
    a.run(move || sh(&["ip link add io-a type veth peer name io-b netns", &peer].join(" ")));
    for (host, name, number) in [(&a, "io-a", 1), (&b, "io-b", 2)] {
        host.run(move || {
            if !offloads {
                sh(&format!("ethtool -K {name} tso off gso off gro off tx off"));
            }
            sh(&format!("ip address add 10.77.0.{number}/24 dev {name}"));
            sh(&format!("ip address add fd77::{number}/64 dev {name} nodad"));
            sh(&format!("ip link set {name} up"));
        });
    }
    (a, b)
}

/// Runs a command in the namespace of this thread.
pub(crate) fn sh(command: &str) {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

fn enter() {
    if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
        panic!("this test needs root ({error}): run sudo ./scripts/test");
    }
    sh("ip link set lo up");
}
