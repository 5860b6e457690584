//! Giving way to others on this host when there is much to do.

use std::time::Duration;

use nix::libc::{SCHED_BATCH, SCHED_OTHER};

use crate::io::scheduler;

/// Packets a second from which on they come thick enough to wait for the next.
const BRISK: u64 = 500;

/// Packets a second from which on a daemon is busy, and below which it no longer is.
const BUSY: u64 = 2_500;
const CALM: u64 = 2_000;

/// How long packets gather, to which the kernel adds up to 50 us (prctl(2), `PR_SET_TIMERSLACK`).
const GATHERING: Duration = Duration::from_micros(250);

/// Decides how a daemon's thread is woken.
///
/// Woken by a packet, a thread usually takes the processor from whoever is running: few packets then wait no longer
/// than they must. When thousands come, that means as many interruptions of the production service, and every batch is
/// small. So a busy daemon lets others finish (`SCHED_BATCH`): if a processor is free it runs at once all the same, if
/// none is, it finds more to do when its turn comes. A policy that the user has chosen (chrt(1)) is left alone.
///
/// And it can let packets gather, as a network card does with interrupts: meanwhile none of them has to wake it, and what
/// a batch costs is shared by more.
#[derive(Debug)]
pub struct SchedPolicy {
    policy: Option<i32>,
    packets: u64,
    brisk: bool,
    busy: bool,
}

impl SchedPolicy {
    /// For the calling thread.
    #[must_use]
    pub fn new() -> Self {
        let policy = scheduler::policy().ok().filter(|policy| *policy == SCHED_OTHER);
        Self { policy, packets: 0, brisk: false, busy: false }
    }

    /// To be told every second, by the thread it is for, how many packets have come so far.
    pub fn tick(&mut self, packets: u64) {
        let rate = packets.saturating_sub(std::mem::replace(&mut self.packets, packets));
        self.brisk = rate >= BRISK;
        self.busy = match rate {
            BUSY.. => true,
            CALM.. => self.busy,
            _ => false,
        };
        let Some(policy) = self.policy else { return };
        let wanted = if self.busy { SCHED_BATCH } else { SCHED_OTHER };
        if wanted != policy {
            match scheduler::set_policy(wanted) {
                Ok(()) => self.policy = Some(wanted),
                Err(error) => {
                    log::debug!("cannot change the scheduling policy: {error}");
                    self.policy = None;
                }
            }
        }
    }

    /// The next packet will probably come within a few milliseconds.
    #[must_use]
    pub fn is_brisk(&self) -> bool {
        self.brisk
    }

    /// Lets packets gather for a moment if the daemon is busy.
    pub fn gather(&self) {
        if self.busy {
            #[expect(clippy::disallowed_methods, reason = "not to be woken is the point")]
            std::thread::sleep(GATHERING);
        }
    }
}

impl Default for SchedPolicy {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::libc::SCHED_IDLE;

    /// The policies after seconds with so many packets each, on a thread that starts with `policy`.
    fn policies(policy: i32, seconds: &'static [u64]) -> Vec<i32> {
        let thread = std::thread::spawn(move || {
            scheduler::set_policy(policy).unwrap();
            let mut sched_policy = SchedPolicy::new();
            let mut packets = 0;
            let after = |packets_now: &u64| {
                packets += packets_now;
                sched_policy.tick(packets);
                scheduler::policy().unwrap()
            };
            seconds.iter().map(after).collect()
        });
        thread.join().unwrap()
    }

    #[test]
    fn a_busy_thread_gives_way_until_it_is_calm() {
        let policies = policies(SCHED_OTHER, &[0, BUSY - 1, BUSY, CALM, CALM - 1, CALM]);
        assert_eq!(policies, [SCHED_OTHER, SCHED_OTHER, SCHED_BATCH, SCHED_BATCH, SCHED_OTHER, SCHED_OTHER]);
    }

    #[test]
    fn the_users_choice_stands() {
        assert_eq!(policies(SCHED_IDLE, &[BUSY, 0]), [SCHED_IDLE, SCHED_IDLE]);
    }
}
