//! The output of the engine: packets go to the injector at once, control messages to a buffer for the round.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use common_core::control::ToIntercept;
use common_core::log_limiter::{Limits, LogLimiter};
use common_core::time::Time;
use common_core::wire::LongPacket;
use common_os::io::{Inject, Lost};
use nix::errno::Errno;

use super::map_log::MapLog;
use crate::output::{Beginning, Output};
use crate::report::InjectStats;

/// Memory that the buffer of control messages keeps between rounds, in bytes.
const KEPT: usize = 256 * 1024;

/// Frames that wait for room in a device are tried again after half of the time for which the device has accepted none, within
/// these bounds. So a device that never accepts any is not tried a thousand times a second.
const AGAIN_MIN: Duration = Duration::from_millis(1);
const AGAIN_MAX: Duration = Duration::from_millis(100);

/// Each error is logged once a minute.
const LIMITS: Limits = Limits { lines: 1, period: Duration::from_secs(60), keys: 64 };

/// The engine's [`Output`]. Control messages are encoded once for all connections.
pub(super) struct PacketSink<I> {
    injector: I,
    account: InjectStats,
    /// Packets that the injector has accepted and not lost: those sent, and those that wait for room in a device.
    taken: u64,
    /// Since when packets wait and none was sent, and when they are tried again.
    stuck_since: Time,
    again_at: Time,
    control: Vec<u8>,
    map_log: Option<MapLog>,
    now: Time,
    /// By the number of the error.
    failures: LogLimiter<Option<i32>>,
}

impl<I: Inject> PacketSink<I> {
    pub(super) fn new(injector: I, map_log: Option<MapLog>) -> Self {
        Self {
            injector,
            map_log,
            account: InjectStats::default(),
            taken: 0,
            stuck_since: Time::NEVER,
            again_at: Time::NEVER,
            control: Vec::new(),
            now: Time::ZERO,
            failures: LogLimiter::new(LIMITS),
        }
    }

    /// Sets the time of the following calls.
    pub(super) fn set_now(&mut self, now: Time) {
        self.now = now;
        self.injector.handle_time(now);
    }

    /// Where the packets go.
    pub(super) fn injector(&mut self) -> &mut I {
        &mut self.injector
    }

    /// The counters as of the last [`Self::flush`].
    pub(super) fn account(&self) -> &InjectStats {
        &self.account
    }

    /// The encoded control messages since the last [`Self::clear_queued`].
    pub(super) fn queued(&self) -> &[u8] {
        &self.control
    }

    pub(super) fn clear_queued(&mut self) {
        self.control.clear();
        self.control.shrink_to(KEPT);
    }

    /// Sends packets that the injector has queued; ends a batch.
    pub(super) fn flush(&mut self) {
        if let Err(Lost { packets, error }) = self.injector.flush() {
            self.lost(&error, packets);
        }
        let waiting = self.injector.unsent();
        let sent = self.taken.saturating_sub(waiting);
        let stuck = waiting > 0 && sent <= self.account.sent && self.stuck_since != Time::NEVER;
        if !stuck {
            self.stuck_since = if waiting > 0 { self.now } else { Time::NEVER };
        }
        self.again_at = match waiting {
            0 => Time::NEVER,
            _ => self.now + (self.now.since(self.stuck_since) / 2).clamp(AGAIN_MIN, AGAIN_MAX),
        };
        // The kernel may report that a packet was dropped before it reports that it was accepted.
        self.account.sent = self.account.sent.max(sent);
    }

    /// Sends the last packets, once. Those that still wait for room in a device are lost.
    pub(super) fn close(&mut self) {
        self.flush();
        let waiting = self.injector.unsent();
        if waiting > 0 {
            self.lost(&Errno::ENOBUFS.into(), waiting);
        }
    }

    /// When [`Self::flush`] must be called again because packets wait for room in a device, which no event reports.
    pub(super) fn poll_timeout(&self) -> Time {
        self.again_at
    }

    /// Packets that the injector had accepted are lost.
    #[cold]
    fn lost(&mut self, error: &io::Error, packets: u64) {
        self.taken = self.taken.saturating_sub(packets);
        self.failed(error, packets);
    }

    /// A failed send is a lost packet: it is counted here, and TCP sends it again.
    #[cold]
    fn failed(&mut self, error: &io::Error, packets: u64) {
        self.account.failed.add(error, packets);
        if self.failures.admit(self.now, error.raw_os_error()).is_some() {
            log::warn!(
                "cannot send to the test server: {error}; sends failed so far: {}",
                self.account.failed.total()
            );
        }
    }
}

impl<I: Inject> Output for PacketSink<I> {
    fn inject(&mut self, packet: &[u8]) {
        match self.injector.send(packet) {
            Ok(()) => self.taken += 1,
            Err(error) => self.failed(&error, 1),
        }
    }

    fn long_payload(&self, target: IpAddr) -> usize {
        self.injector.long_payload(target)
    }

    fn inject_long(&mut self, packet: &LongPacket<'_>, segment: u16) {
        match self.injector.send_long(packet, segment) {
            Ok(()) => self.taken += 1,
            Err(error) => self.failed(&error, 1),
        }
    }

    fn control(&mut self, message: &ToIntercept) {
        message.encode(&mut self.control);
    }

    fn session_begins(&mut self, beginning: &Beginning) {
        if let Some(map_log) = &mut self.map_log {
            map_log.add(beginning);
        }
    }
}

#[cfg(test)]
mod tests {
    use common_core::control::FlowId;

    use super::*;

    /// Fails with each error in turn, the last one first; then sends.
    struct Failing(Vec<Errno>);

    impl Inject for Failing {
        fn send(&mut self, _packet: &[u8]) -> io::Result<()> {
            self.0.pop().map_or(Ok(()), |errno| Err(errno.into()))
        }
    }

    #[test]
    fn failures_are_counted_by_error_and_end_nothing() {
        let mut sink = PacketSink::new(Failing(vec![Errno::EPERM, Errno::ENOBUFS, Errno::EPERM]), None);
        for _ in 0..5 {
            sink.inject(&[]);
        }
        sink.flush();
        let failed: Vec<_> =
            sink.account().failed.occurred().map(|(symbol, _, count)| (symbol, count)).collect();
        assert_eq!(failed, [("EPERM".to_owned(), 2), ("ENOBUFS".to_owned(), 1)]);
        assert_eq!(sink.account().sent, 2);
        for errno in [Errno::EPERM, Errno::ENOBUFS] {
            assert_eq!(sink.failures.admit(Time::ZERO, Some(errno as i32)), None, "{errno} is logged");
        }
    }

    /// Queues every packet for a device that has room for `room` packets, until it is gone.
    #[derive(Default)]
    struct Device {
        waiting: u64,
        room: u64,
        gone: bool,
    }

    impl Inject for Device {
        fn send(&mut self, _packet: &[u8]) -> io::Result<()> {
            self.waiting += 1;
            Ok(())
        }

        fn flush(&mut self) -> Result<(), Lost> {
            if self.gone {
                return Err(Lost {
                    packets: std::mem::take(&mut self.waiting),
                    error: Errno::ENETDOWN.into(),
                });
            }
            let taken = self.waiting.min(self.room);
            self.waiting -= taken;
            self.room -= taken;
            Ok(())
        }

        fn unsent(&self) -> u64 {
            self.waiting
        }
    }

    const START: Time = Time::from_micros(5_000_000);

    /// A sink with seven packets, for whose device there is room for `room` of them.
    fn seven_for(room: u64) -> PacketSink<Device> {
        let mut sink = PacketSink::new(Device { room, ..Device::default() }, None);
        sink.set_now(START);
        assert_eq!(sink.poll_timeout(), Time::NEVER);
        (0..7).for_each(|_| sink.inject(&[]));
        sink.flush();
        sink
    }

    #[test]
    fn waiting_packets_count_once_they_are_sent_or_lost() {
        let mut sink = seven_for(2);
        assert_eq!((sink.account().sent, sink.account().failed.total()), (2, 0));
        sink.injector.room = 1;
        sink.flush();
        assert_eq!((sink.account().sent, sink.account().failed.total()), (3, 0));
        sink.injector.gone = true;
        sink.flush();
        assert_eq!((sink.account().sent, sink.account().failed.total()), (3, 4));
        assert_eq!(sink.poll_timeout(), Time::NEVER);
    }

    #[test]
    fn packets_that_wait_at_the_end_are_lost_and_counted() {
        let mut sink = seven_for(2);
        sink.injector.room = 1;
        sink.close();
        let failed: Vec<_> =
            sink.account().failed.occurred().map(|(symbol, _, count)| (symbol, count)).collect();
        assert_eq!((sink.account().sent, failed), (3, vec![("ENOBUFS".to_owned(), 4)]));
    }

    #[test]
    fn a_device_that_accepts_nothing_is_tried_ever_less_often() {
        let mut sink = seven_for(0);
        assert_eq!(sink.poll_timeout(), START + Duration::from_millis(1));
        let mut asked = 0;
        while sink.poll_timeout() < START + Duration::from_secs(10) {
            sink.set_now(sink.poll_timeout());
            sink.flush();
            asked += 1;
        }
        assert!((100..130).contains(&asked), "{asked} times in 10 s");

        sink.injector.room = 1;
        sink.flush();
        assert_eq!(sink.poll_timeout(), sink.now + AGAIN_MIN, "it takes some again");
        sink.injector.room = 10;
        sink.flush();
        assert_eq!((sink.account().sent, sink.poll_timeout()), (7, Time::NEVER));
        sink.set_now(sink.now + Duration::from_secs(60));
        sink.inject(&[]);
        sink.injector.room = 0;
        sink.flush();
        assert_eq!(sink.poll_timeout(), sink.now + AGAIN_MIN, "full since a moment ago");
    }

    #[test]
    fn control_messages_wait_for_the_end_of_the_batch() {
        let mut sink = PacketSink::new(Failing(Vec::new()), None);
        let mut expected = Vec::new();
        for id in 0..3 {
            let message = ToIntercept::RouteDel { id: FlowId(id) };
            sink.control(&message);
            message.encode(&mut expected);
        }
        assert_eq!(sink.queued(), expected);
        sink.clear_queued();
        assert!(sink.queued().is_empty());
    }
}
