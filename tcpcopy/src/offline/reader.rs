//! The thread that reads capture files.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use common_os::io::bpf::UserFilter;
use crossbeam_channel::{Receiver, Sender, bounded};
use mio::Waker;

use super::batch::Batch;
use super::files::Files;
use super::select::Selector;
use super::stats::FileStats;
use super::{Offline, OfflineError};
use crate::settings::Transfer;

/// Batches that wait for the worker: the memory of the replay is limited by them.
const BATCHES: usize = 4;

/// A replay whose files are open, and not read yet.
#[derive(Debug)]
pub(crate) struct Reader {
    files: Files,
    selector: Selector,
    longest_gap: Option<u64>,
    repeats: u32,
}

/// The worker's end of a running reader.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Batches in order; disconnected after the last one.
    pub(crate) batches: Receiver<Batch>,
    /// Batches that are used up, for their memory.
    pub(crate) used: Sender<Batch>,
    /// The account as of the last batch.
    pub(crate) stats: Arc<Mutex<FileStats>>,
}

impl Reader {
    /// Opens the files.
    pub(crate) fn open(
        offline: &Offline,
        transfers: &[Transfer],
        filter: Option<&str>,
    ) -> Result<Self, OfflineError> {
        let filter = filter.map(UserFilter::compile).transpose()?;
        let files = Files::open(&offline.files)?;
        if offline.repeats > 1
            && let Some(name) = files.once()
        {
            return Err(OfflineError::Once { name });
        }
        let selector = Selector::new(transfers, filter, offline.repeats, offline.decapsulates);
        let longest_gap = offline.longest_gap.map(|gap| u64::try_from(gap.as_nanos()).unwrap_or(u64::MAX));
        Ok(Self { files, selector, longest_gap, repeats: offline.repeats })
    }

    /// Starts to read. `waker` wakes the worker when there is a batch, and at the end.
    pub(crate) fn start(self, waker: Waker) -> io::Result<Feed> {
        let (sender, batches) = bounded(BATCHES);
        let (used, reused) = bounded(BATCHES + 2);
        let stats = Arc::new(Mutex::new(FileStats::default()));
        let own = Arc::clone(&stats);
        let run = move || {
            Run { reader: self, sender: Some(sender), reused, stats: own, waker, batch: Batch::default() }
                .read();
        };
        thread::Builder::new().name("capture-file".to_owned()).spawn(run)?;
        Ok(Feed { batches, used, stats })
    }
}

impl Feed {
    pub(crate) fn stats(&self) -> FileStats {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Run {
    reader: Reader,
    /// Dropped before the last wake-up, so that the worker sees the end.
    sender: Option<Sender<Batch>>,
    reused: Receiver<Batch>,
    stats: Arc<Mutex<FileStats>>,
    waker: Waker,
    batch: Batch,
}

impl Run {
    /// Reads all files as often as they are to be replayed, or until the worker has ended.
    fn read(&mut self) {
        let mut pace = Pace { longest_gap: self.reader.longest_gap, last: None, position: 0, cut: 0 };
        for pass in 0..self.reader.repeats {
            if pass > 0 {
                let finished = self.finished_pass();
                self.reader.selector.stats = finished;
                if let Err(error) = self.reader.files.rewind() {
                    log::error!("{error}; it is not repeated");
                    break;
                }
            }
            self.reader.selector.pass = pass;
            pace.last = None;
            while let Some((time, packet)) = self.reader.files.next(&mut self.reader.selector) {
                self.batch.push(pace.advance(time), &packet.bytes, packet.outgoing);
                self.reader.selector.recycle(packet);
                self.reader.selector.stats.gaps_cut = pace.cut;
                if self.batch.is_full() && !self.send() {
                    return;
                }
            }
            self.reader.selector.stats.passes += 1;
            for (name, error) in self.reader.files.errors() {
                log::warn!("capture file {name} cannot be read to its end: {error}");
            }
        }
        if self.batch.is_empty() || self.send() {
            self.publish();
        }
        self.sender = None;
        self.wake();
    }

    /// Passes the batch on; false if nobody wants it any more.
    fn send(&mut self) -> bool {
        let mut next = self.reused.try_recv().unwrap_or_default();
        next.clear();
        let full = std::mem::replace(&mut self.batch, next);
        self.publish();
        let sent = self.sender.as_ref().is_some_and(|sender| sender.send(full).is_ok());
        self.wake();
        sent
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("cannot wake the worker: {error}");
        }
    }

    fn publish(&self) {
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner) = self.account();
    }

    /// The account as of now.
    fn account(&self) -> FileStats {
        let mut stats = self.reader.selector.stats.clone();
        self.reader.files.count(&mut stats);
        stats
    }

    /// The account at the end of a pass, to which the next one adds.
    fn finished_pass(&self) -> FileStats {
        FileStats { bytes_read: 0, bytes_total: 0, ..self.account() }
    }
}

/// Turns the times of the files into the time since the start of the replay.
#[derive(Debug)]
struct Pace {
    longest_gap: Option<u64>,
    /// Time of the last packet of this pass.
    last: Option<u64>,
    position: u64,
    /// Idle times that were cut.
    cut: u64,
}

impl Pace {
    /// Nanoseconds from the start to the packet of this time. Never less than for the packet before it.
    fn advance(&mut self, time: u64) -> u64 {
        let gap = time.saturating_sub(self.last.unwrap_or(time));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
        let kept = gap.min(self.longest_gap.unwrap_or(u64::MAX));
        self.cut += u64::from(kept < gap);
        self.position = self.position.saturating_add(kept);
        self.position
    }
}

/// The point of real time at which something is due that the file has at `nanos` after its start.
pub(crate) fn real_time(nanos: u64, speed: u32) -> Duration {
    Duration::from_nanos(nanos / u64::from(speed.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_times_are_cut_and_time_does_not_run_backwards() {
        let mut pace = Pace { longest_gap: Some(100), last: None, position: 0, cut: 0 };
        let positions: Vec<u64> = [1000, 1050, 1040, 1150, 9000, 9000].map(|time| pace.advance(time)).into();
        assert_eq!(positions, [0, 50, 50, 150, 250, 250]);
        assert_eq!(pace.cut, 1);
        pace.last = None;
        assert_eq!(pace.advance(1000), 250, "the next pass follows at once");
        pace.longest_gap = None;
        assert_eq!(pace.advance(5000), 4250);
    }

    #[test]
    fn speed_divides_time() {
        assert_eq!(real_time(5_000_000_000, 1), Duration::from_secs(5));
        assert_eq!(real_time(5_000_000_000, 1000), Duration::from_millis(5));
    }
}
