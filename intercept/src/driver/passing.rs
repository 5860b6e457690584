//! The packets of the targets that reach the host on any interface. They are counted only while no answer is forwarded,
//! and show whether the reason is the filter, or the interface, of the captures.

use common_os::io::OpenError;
use common_os::io::bpf::Program;
use common_os::io::witness::Witness;

use crate::router::Router;

/// Counts the packets of the targets on all interfaces.
#[derive(Default)]
pub(super) struct Passing {
    /// Absent if the captures see every packet of the targets.
    witness: Option<Witness>,
    /// [`Router::targets_version`] of its filter.
    version: u64,
    /// Answers forwarded until the last tick.
    forwarded: u64,
}

impl Passing {
    /// `restricted`: the captures have a filter or interfaces of the user's choice.
    pub(super) fn open(restricted: bool) -> Result<Self, OpenError> {
        let witness = restricted.then(Witness::open).transpose()?;
        Ok(Self { witness, ..Self::default() })
    }

    /// A second has passed; so many answers have been forwarded so far.
    pub(super) fn tick(&mut self, router: &Router, forwarded: u64) {
        let is_silent = forwarded == std::mem::replace(&mut self.forwarded, forwarded);
        let Some(witness) = &mut self.witness else { return };
        let wanted = is_silent && router.routes() > 0;
        if wanted == witness.is_counting() && (!wanted || self.version == router.targets_version()) {
            return;
        }
        let program = wanted.then(|| Program::answers(&router.targets().collect::<Vec<_>>()));
        if let Err(error) = witness.count(program.as_ref()) {
            log::debug!("cannot count the packets of the targets: {error}");
        }
        self.version = router.targets_version();
    }

    /// The packets counted so far.
    pub(super) fn count(&mut self) -> u64 {
        self.witness.as_mut().map_or(0, Witness::counted)
    }
}
