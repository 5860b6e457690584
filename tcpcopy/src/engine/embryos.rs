//! Connections that the online server has not been seen to establish: how many there are, and what their silence means.

use std::time::Duration;

use common_core::time::Time;

/// With more embryonic sessions than this, no copy opens before its client has proved that it is there.
const CROWD: usize = 8192;

/// With more than this, a SYN-ACK that is not repeated proves nothing: a server with a full queue sends SYN cookies, which it
/// never repeats.
const FEW: usize = 64;

/// The same holds after so many repeated SYN-ACKs in [`DOUBT`]: clients that do not answer fill the queue.
const REPEATED: u32 = 8;
const DOUBT: Duration = Duration::from_secs(32);

/// Embryonic sessions of an engine.
#[derive(Debug, Default)]
pub(crate) struct Embryos {
    sessions: usize,
    /// Repeated SYN-ACKs in the present and the last span of time.
    repeated: [u32; 2],
    span_ends: Time,
}

impl Embryos {
    pub(super) fn change(&mut self, before: bool, after: bool) {
        match (before, after) {
            (false, true) => self.sessions += 1,
            (true, false) => self.sessions -= 1,
            _ => {}
        }
    }

    /// So many that they are a flood.
    pub(crate) fn are_crowded(&self) -> bool {
        self.sessions > CROWD
    }

    /// The online server has repeated a SYN-ACK.
    pub(crate) fn syn_ack_repeated(&mut self, now: Time) {
        self.turn(now);
        self.repeated[0] = self.repeated[0].saturating_add(1);
    }

    /// A SYN-ACK that is not repeated shows that it was acknowledged.
    pub(crate) fn silence_proves(&mut self, now: Time) -> bool {
        self.turn(now);
        self.sessions <= FEW && self.repeated[0] + self.repeated[1] < REPEATED
    }

    fn turn(&mut self, now: Time) {
        if now >= self.span_ends {
            let recent = now < self.span_ends + DOUBT;
            self.repeated = [0, if recent { self.repeated[0] } else { 0 }];
            self.span_ends = now + DOUBT;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_syn_acks_are_remembered_for_a_while() {
        let mut embryos = Embryos::default();
        let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
        (0..REPEATED).for_each(|_| embryos.syn_ack_repeated(at(10)));
        assert!(!embryos.silence_proves(at(11)));
        assert!(!embryos.silence_proves(at(43)));
        assert!(embryos.silence_proves(at(76)));
        assert!(Embryos::default().silence_proves(at(1000)));
    }

    #[test]
    fn many_at_once_prove_nothing_by_silence() {
        let mut embryos = Embryos::default();
        (0..=FEW).for_each(|_| embryos.change(false, true));
        assert!(!embryos.silence_proves(Time::ZERO) && !embryos.are_crowded());
        embryos.change(true, false);
        embryos.change(true, true);
        assert!(embryos.silence_proves(Time::ZERO));
    }
}
