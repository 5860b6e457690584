//! Packets of clients on any interface, counted while the capture has none: its interface or filter may be wrong.

use common_os::io::OpenError;
use common_os::io::bpf::Program;
use common_os::io::witness::Witness;

use super::captures::all_clients;
use super::vantage::Vantage;
use crate::cli::Config;

/// Seconds without a packet before it counts.
const SILENCE: u32 = 2;

/// Counts packets of clients that may have passed by the capture.
pub(super) struct Unseen {
    /// Absent if the capture sees all packets of clients anyway.
    witness: Option<(Witness, Program)>,
    captured: u64,
    silent: u32,
}

impl Unseen {
    pub(super) fn open(config: &Config, vantage: Vantage) -> Result<Self, OpenError> {
        // Whose packets a tunnel contains, no filter sees.
        let is_live = config.offline.is_none() && !config.decapsulates;
        let restricted = is_live && (config.filter.is_some() || !config.interfaces.is_empty());
        let witness = restricted.then(Witness::open).transpose()?;
        Ok(Self {
            witness: witness.map(|witness| (witness, all_clients(config, vantage))),
            captured: 0,
            silent: 0,
        })
    }

    /// A second has passed; so many packets of clients have been captured so far. Returns the packets counted.
    pub(super) fn tick(&mut self, captured: u64) -> u64 {
        let Some((witness, program)) = &mut self.witness else { return 0 };
        self.silent = if captured == self.captured { self.silent.saturating_add(1) } else { 0 };
        self.captured = captured;
        let counts = self.silent >= SILENCE;
        if counts != witness.is_counting()
            && let Err(error) = witness.count(counts.then_some(&*program))
        {
            log::debug!("cannot count packets of clients: {error}");
        }
        witness.counted()
    }
}
