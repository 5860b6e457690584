//! Full pipes as the log of daemons.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe};

/// A test fails if an expected event takes longer.
const LIMIT: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(1);

/// A pipe that is full until it is read.
pub(crate) fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = pipe().unwrap();
    let size = fcntl(&writer, FcntlArg::F_GETPIPE_SZ).unwrap();
    let mut file = File::from(writer);
    file.write_all(&vec![b'\n'; usize::try_from(size).unwrap()]).unwrap();
    (reader, file.into())
}

/// Reads the pipe to its end in a thread.
pub(crate) fn read_to_end(reader: OwnedFd) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        File::from(reader).read_to_string(&mut text).unwrap();
        text
    })
}

/// The sum of the lost lines that the log reports.
pub(crate) fn lost_lines(log: &str) -> u64 {
    let notices = log.lines().filter_map(|line| line.split_once(" log lines were lost: "));
    notices.filter_map(|(before, _)| before.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Waits until a condition holds.
#[expect(clippy::disallowed_methods, reason = "another process tells of nothing")]
pub(crate) fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..LIMIT.as_millis() {
        if holds() {
            return;
        }
        std::thread::sleep(STEP);
    }
    panic!("it takes longer than {LIMIT:?}");
}

/// Ends a process as a user would; returns its exit code.
pub(crate) fn stop(child: &mut Child) -> Option<i32> {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    until(|| child.try_wait().unwrap().is_some());
    child.try_wait().unwrap().unwrap().code()
}
