//! Landlock: the files, TCP ports and other processes that a thread can still reach (landlock(7)).

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::Needs;

/// The newest features in use; older kernels leave out what they do not have. This one has files, TCP and scopes.
const FEATURES: ABI = ABI::V6;

/// What findings about the network read, and what the C library reads when it returns memory.
const SETTINGS: [&str; 2] = ["/proc/sys/net", "/proc/sys/vm/overcommit_memory"];

/// A set of rules that is not in force yet.
pub(super) struct FileAccess(Result<RulesetCreated, RulesetError>);

impl FileAccess {
    /// The rules for `needs`. Paths that do not exist are left out.
    pub(super) fn prepare(needs: &Needs) -> Self {
        Self(rules(needs))
    }

    /// Puts the rules in force for the calling thread; false if the kernel has no Landlock.
    ///
    /// # Errors
    /// The kernel refuses the rules.
    pub(super) fn enforce(self) -> io::Result<bool> {
        let status = self.0.and_then(RulesetCreated::restrict_self).map_err(io::Error::other)?;
        Ok(status.ruleset != RulesetStatus::NotEnforced)
    }
}

fn rules(needs: &Needs) -> Result<RulesetCreated, RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(FEATURES))?
        .handle_access(AccessNet::from_all(FEATURES))?
        .scope(Scope::from_all(FEATURES))?
        .create()?;
    // A file is replaced by a new one of another name, and the directory must be readable to tell whether it is one.
    let replace = AccessFs::ReadDir | AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::RemoveFile;
    for path in &needs.written {
        rules = allow(rules, path.parent().unwrap_or(path), replace)?;
        // What the directory does not contain: a device or a pipe, or the target of a link.
        if !path.is_dir() {
            rules = allow(rules, path, AccessFs::WriteFile.into())?;
        }
    }
    let program = std::env::current_exe().ok();
    let own = SETTINGS.iter().map(Path::new).chain(program.as_deref());
    for path in own.chain(needs.read.iter().map(AsRef::as_ref)) {
        let access =
            if path.is_dir() { AccessFs::ReadFile | AccessFs::ReadDir } else { AccessFs::ReadFile.into() };
        rules = allow(rules, path, access)?;
    }
    // A free local port, for a connection whose own address must be known before it is made.
    rules = rules.add_rule(NetPort::new(0, AccessNet::BindTcp))?;
    for port in &needs.connects_to {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    Ok(rules)
}

fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(file) => rules.add_rule(PathBeneath::new(file, access)),
        Err(_) => Ok(rules),
    }
}
