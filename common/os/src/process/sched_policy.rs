//! The scheduling policy under load: the daemon gives way to other processes of the host.

use std::time::Duration;

use nix::libc::{SCHED_BATCH, SCHED_OTHER};

use crate::io::scheduler;

/// From this rate, in packets a second, the next packet is expected within milliseconds.
const BRISK: u64 = 500;

/// A daemon becomes busy at the first rate, in packets a second, and calm below the second one.
const BUSY: u64 = 2_500;
const CALM: u64 = 2_000;

/// How long packets gather; the kernel adds up to 50 us (prctl(2), `PR_SET_TIMERSLACK`).
const GATHERING: Duration = Duration::from_micros(250);

/// Chooses the scheduling policy of a daemon's thread by the rate of packets.
///
/// A thread that is woken by a packet usually preempts the running one. With few packets this minimises the latency. With
/// thousands it interrupts the production service as often, and every batch is small. So a busy daemon does not preempt
/// (`SCHED_BATCH`): it still runs at once on a free processor, and otherwise finds a larger batch when it is scheduled. A
/// policy that the user has chosen (chrt(1)) is not changed.
///
/// A busy daemon can also let packets gather, as a network card does with interrupts: packets do not wake it meanwhile, and
/// more of them share the cost of a batch.
#[derive(Debug)]
pub struct SchedPolicy {
    policy: Option<i32>,
    packets: u64,
    brisk: bool,
    busy: bool,
}

impl SchedPolicy {
    /// The policy of the calling thread.
    #[must_use]
    pub fn new() -> Self {
        let policy = scheduler::policy().ok().filter(|policy| *policy == SCHED_OTHER);
        Self { policy, packets: 0, brisk: false, busy: false }
    }

    /// Sets the policy. Its thread calls this every second with the number of packets since the start.
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

    /// The next packet is expected within a few milliseconds.
    #[must_use]
    pub fn is_brisk(&self) -> bool {
        self.brisk
    }

    /// Sleeps for a moment if the daemon is busy, so that packets gather.
    pub fn gather(&self) {
        if self.busy {
            #[expect(clippy::disallowed_methods, reason = "packets must not end this sleep")]
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

    /// The policies after each of `seconds`, which are numbers of packets, on a thread that starts with `policy`.
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
    fn the_users_choice_is_kept() {
        assert_eq!(policies(SCHED_IDLE, &[BUSY, 0]), [SCHED_IDLE, SCHED_IDLE]);
    }
}
