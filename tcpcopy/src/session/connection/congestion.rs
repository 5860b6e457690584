//! Congestion control: slow start, congestion avoidance and NewReno's fast recovery (RFC 5681, RFC 6582).

/// Initial window in segments (RFC 6928).
const INITIAL_SEGMENTS: u32 = 10;

/// Bounds the burst that one acknowledgement can cause, in bytes. A round trip goes by way of intercept, and waits for
/// the processors of three hosts: a quarter of this made uploads lag.
const WINDOW_MAX: u32 = 4 << 20;

/// The congestion window of one connection, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Congestion {
    mss: u32,
    window: u32,
    threshold: u32,
}

impl Congestion {
    pub(super) fn new(mss: u16) -> Self {
        let mss = u32::from(mss);
        Self { mss, window: INITIAL_SEGMENTS * mss, threshold: WINDOW_MAX }
    }

    /// Bytes that may be in flight.
    pub(super) fn window(&self) -> u32 {
        self.window
    }

    /// New bytes were acknowledged outside of recovery.
    pub(super) fn acknowledged(&mut self, bytes: u32) {
        let growth = if self.window < self.threshold {
            bytes
        } else {
            (u64::from(self.mss) * u64::from(bytes) / u64::from(self.window.max(1))) as u32
        };
        self.window = self.window.saturating_add(growth).min(WINDOW_MAX);
    }

    /// Three duplicate acknowledgements: recovery begins.
    pub(super) fn loss(&mut self, in_flight: u32) {
        self.threshold = (in_flight / 2).max(2 * self.mss);
        self.window = self.threshold + 3 * self.mss;
    }

    /// One more segment has left the network during recovery.
    pub(super) fn inflate(&mut self) {
        self.window = self.window.saturating_add(self.mss).min(WINDOW_MAX);
    }

    /// Recovery is over.
    pub(super) fn recovered(&mut self) {
        self.window = self.threshold;
    }

    /// The retransmission timer ran out.
    pub(super) fn timed_out(&mut self, in_flight: u32) {
        self.threshold = (in_flight / 2).max(2 * self.mss);
        self.window = self.mss;
    }
}
