//! The packets of all files, in the order of their times.

use std::path::PathBuf;

use capture_file::{CaptureFile, Ordered};

use super::OfflineError;
use super::select::{Selected, Selector};
use super::stats::FileStats;

/// All files of a replay.
#[derive(Debug)]
pub(super) struct Files(Vec<Input>);

#[derive(Debug)]
struct Input {
    file: CaptureFile,
    ordered: Ordered<Selected>,
    /// Its next packet, with its time in nanoseconds since 1970.
    next: Option<(u64, Selected)>,
    ended: bool,
}

impl Files {
    /// Opens them, before privileges are dropped.
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self, OfflineError> {
        let open = |path: &PathBuf| {
            Ok(Input {
                file: CaptureFile::open(path)?,
                ordered: Ordered::default(),
                next: None,
                ended: false,
            })
        };
        Ok(Self(paths.iter().map(open).collect::<Result<_, OfflineError>>()?))
    }

    /// The name of a file that can be read only once.
    pub(super) fn once(&self) -> Option<String> {
        self.0.iter().find(|input| !input.file.can_rewind()).map(|input| input.file.name())
    }

    /// The next packet, with its time in nanoseconds since 1970; `None` at the end.
    pub(super) fn next(&mut self, selector: &mut Selector) -> Option<(u64, Selected)> {
        self.0.iter_mut().for_each(|input| input.fill(selector));
        let first =
            self.0.iter_mut().filter(|input| input.next.is_some()).min_by_key(|input| input.time())?;
        first.next.take()
    }

    /// Begins again with the first packets.
    pub(super) fn rewind(&mut self) -> Result<(), OfflineError> {
        for input in &mut self.0 {
            input.file.rewind()?;
            (input.ordered, input.next, input.ended) = (Ordered::default(), None, false);
        }
        Ok(())
    }

    /// Adds the counters of this pass to `stats`.
    pub(super) fn count(&self, stats: &mut FileStats) {
        for Input { file, ordered, .. } in &self.0 {
            stats.add(file.counters(), ordered.irregular(), file.error().is_some());
            stats.bytes_read += file.position();
            stats.bytes_total += file.file_len().unwrap_or_default();
        }
    }

    /// What has ended the reading of a file early.
    pub(super) fn errors(&self) -> impl Iterator<Item = (String, &std::io::Error)> {
        self.0.iter().filter_map(|input| Some((input.file.name(), input.file.error()?)))
    }
}

impl Input {
    fn time(&self) -> Option<u64> {
        Some(self.next.as_ref()?.0)
    }

    /// Reads its next packet.
    fn fill(&mut self, selector: &mut Selector) {
        while self.next.is_none() {
            self.next = self.ordered.pop();
            if self.next.is_some() || self.ended {
                return;
            }
            match self.file.next_packet() {
                Some(packet) => {
                    if let Some(selected) = selector.select(&packet) {
                        self.ordered.push(packet.time, selected.bytes.len(), selected);
                    }
                }
                None => {
                    self.ended = true;
                    self.ordered.end();
                }
            }
        }
    }
}
