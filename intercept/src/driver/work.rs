//! What a host may ask of intercept in a second, measured in estimated work: the same messages cost the same on a busy machine.

use common_core::control::ToIntercept;

/// Work, in nanoseconds of a usual processor.
pub(super) type Work = u64;

/// For each reading of a connection: a system call, and the round that it takes part in.
const READING: Work = 2_000;

/// For each byte of it: copying, and decryption with a key.
const BYTE: Work = 2;

/// For a host in a second, once it has copied or proved the key. By these estimates a tcpcopy that opens and closes 60 000 connections
/// a second takes a quarter of it. What a real one takes is not measured.
const KNOWN: Work = 400_000_000;

/// For a host of which nothing is known. The routes of 180 000 connections at once take it all; those of all the connections that
/// a host may have take three seconds.
const STRANGER: Work = 100_000_000;

/// Pings of a host in a second. Each worker of a tcpcopy sends one in two seconds.
pub(super) const PINGS: u32 = 1000;

/// A host that takes all of its work in so many seconds in a row is cut off.
const SECONDS: u32 = 5;

/// For one host in a round of the event loop, and for all hosts together: the rest waits until captured packets are read.
pub(super) const HOST_ROUND: Work = 2_000_000;
pub(super) const ROUND: Work = 8_000_000;

/// The work that a message causes.
pub(super) fn of(message: &ToIntercept) -> Work {
    match message {
        ToIntercept::Target(_) => 2_000,
        ToIntercept::Hello { .. } => 1_000,
        ToIntercept::Ping { .. } => 300,
        _ => 500,
    }
}

/// The work of a packet of so many bytes, most of which is the kernel's of the test host. It counts for the round only: a copy
/// is as large as its clients make it, and who may send packets at all has the key.
pub(super) fn of_packet(bytes: usize) -> Work {
    3_000 + bytes as Work
}

/// The work of one reading of so many bytes.
pub(super) fn of_reading(bytes: usize) -> Work {
    READING + BYTE * bytes as Work
}

/// The work of one host in the current second.
#[derive(Debug, Default)]
pub(super) struct Meter {
    work: Work,
    pings: u32,
    /// Seconds in a row in which it took all.
    exhausted: u32,
}

/// Why a host is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// More than [`PINGS`].
    Pings,
    /// All of its work for [`SECONDS`].
    Work,
}

impl Meter {
    pub(super) fn add(&mut self, work: Work, pings: u32) {
        self.work += work;
        self.pings += pings;
    }

    /// Its messages wait for the next second.
    pub(super) fn is_exhausted(&self, known: bool) -> bool {
        self.work >= if known { KNOWN } else { STRANGER }
    }

    /// It does what no tcpcopy does.
    pub(super) fn excess(&self) -> Option<Excess> {
        if self.pings > PINGS {
            Some(Excess::Pings)
        } else if self.exhausted >= SECONDS {
            Some(Excess::Work)
        } else {
            None
        }
    }

    /// A second is over.
    pub(super) fn tick(&mut self, known: bool) {
        let exhausted = if self.is_exhausted(known) { self.exhausted + 1 } else { 0 };
        *self = Self { exhausted, ..Self::default() };
    }
}

impl std::fmt::Display for Excess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pings => write!(f, "more than {PINGS} pings in a second"),
            Self::Work => write!(f, "more messages than any tcpcopy sends, for {SECONDS} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common_core::control::FlowId;

    /// The most that a healthy tcpcopy sends: each connection has a route, a wish for payload and an end. It is measured in
    /// the case http-one-shot; routes come many in one reading.
    #[test]
    fn a_tcpcopy_at_its_greatest_rate_is_far_from_the_limit() {
        let mut meter = Meter::default();
        let message = of(&ToIntercept::RouteDel { id: FlowId(1) });
        for _ in 0..60_000 {
            meter.add(3 * message + BYTE * 60, 0);
        }
        (0..1000).for_each(|_| meter.add(READING, 1));
        assert!(!meter.is_exhausted(true) && meter.work < KNOWN / 3, "{}", meter.work);
    }

    #[test]
    fn a_host_that_takes_all_is_held_back_and_then_cut_off() {
        let mut meter = Meter::default();
        for second in 0..SECONDS {
            assert_eq!(meter.excess(), None, "{second}");
            meter.add(STRANGER, 0);
            assert!(meter.is_exhausted(false) && !meter.is_exhausted(true));
            meter.tick(false);
        }
        assert_eq!(meter.excess(), Some(Excess::Work));
        let mut burst = Meter::default();
        for second in 0..100 {
            if second % 3 > 0 {
                burst.add(KNOWN, 0);
            }
            burst.tick(true);
            assert_eq!(burst.excess(), None, "it pauses");
        }
    }

    #[test]
    fn pings_alone_are_too_many_at_once() {
        let mut meter = Meter::default();
        meter.add(0, PINGS);
        assert_eq!(meter.excess(), None);
        meter.add(0, 1);
        assert_eq!(meter.excess(), Some(Excess::Pings));
    }
}
