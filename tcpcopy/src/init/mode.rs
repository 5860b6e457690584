//! Which mode fits.

use std::net::IpAddr;

use clap::ValueEnum;

/// The modes by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// Copies have the clients' addresses, and answers are routed to an assistant
    Classic,
    /// Copies go over the control connection; no assistant, no routes
    Agent,
    /// A capture file is replayed
    Offline,
}

/// The way of copies and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Packets with the clients' addresses; the test host's answers are routed to this assistant.
    Routes(IpAddr),
    /// Over the control connection to intercept on the test host.
    Tunnel,
}

/// What the choice depends on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Circumstances {
    /// The user's own choice.
    pub(super) wanted: Option<Mode>,
    /// There is a capture file.
    pub(super) has_file: bool,
    /// The network drops packets whose source address is not their sender's.
    pub(super) checks_sources: bool,
    pub(super) assistant: Option<IpAddr>,
}

/// A mode, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) mode: Mode,
    pub(super) way: Way,
    pub(super) reason: &'static str,
}

impl Circumstances {
    /// Chooses the mode. Contradictions are refused before ([`Self::contradiction`]).
    pub(super) fn choose(&self) -> Choice {
        let way = match self.assistant {
            Some(assistant) if !self.checks_sources => Way::Routes(assistant),
            _ => Way::Tunnel,
        };
        let fitting = match way {
            Way::Routes(_) => Mode::Classic,
            Way::Tunnel => Mode::Agent,
        };
        let reason = if self.has_file {
            "there is a capture file"
        } else if self.wanted.is_some() {
            "it was asked for"
        } else if self.checks_sources {
            "the network drops packets with foreign source addresses"
        } else if self.assistant.is_some() {
            "an assistant host can take the answers"
        } else {
            "there is no assistant host"
        };
        Choice { mode: if self.has_file { Mode::Offline } else { fitting }, way, reason }
    }

    /// A flag that contradicts the mode that was asked for, and what to do about it.
    pub(super) fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        match self.wanted {
            Some(Mode::Classic | Mode::Agent) if self.has_file => {
                Some(("--capture-file", "a file is replayed in --mode offline; leave out one of the two"))
            }
            Some(Mode::Agent) if self.assistant.is_some() => {
                Some(("--assistant", "--mode agent needs no assistant; leave out one of the two"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSISTANT: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 18)));

    #[test]
    fn the_mode_follows_from_the_circumstances() {
        let none = Circumstances::default();
        let assisted = Circumstances { assistant: ASSISTANT, ..none };
        for (circumstances, mode, tunnel, reason) in [
            (none, Mode::Agent, true, "no assistant"),
            (assisted, Mode::Classic, false, "an assistant"),
            (Circumstances { checks_sources: true, ..assisted }, Mode::Agent, true, "drops packets"),
            (Circumstances { checks_sources: true, ..none }, Mode::Agent, true, "drops packets"),
            (Circumstances { has_file: true, ..assisted }, Mode::Offline, false, "capture file"),
            (Circumstances { has_file: true, ..none }, Mode::Offline, true, "capture file"),
            (Circumstances { wanted: Some(Mode::Classic), ..assisted }, Mode::Classic, false, "asked for"),
            (Circumstances { wanted: Some(Mode::Agent), ..none }, Mode::Agent, true, "asked for"),
            (
                Circumstances { wanted: Some(Mode::Offline), has_file: true, ..none },
                Mode::Offline,
                true,
                "file",
            ),
        ] {
            let choice = circumstances.choose();
            assert_eq!((choice.mode, choice.way == Way::Tunnel), (mode, tunnel), "{circumstances:?}");
            assert!(choice.reason.contains(reason), "{choice:?}");
            assert_eq!(circumstances.contradiction(), None);
        }
    }

    #[test]
    fn contradictions_name_the_flag() {
        let file = Circumstances { has_file: true, ..Circumstances::default() };
        for wanted in [Mode::Classic, Mode::Agent] {
            let circumstances = Circumstances { wanted: Some(wanted), ..file };
            assert_eq!(circumstances.contradiction().unwrap().0, "--capture-file");
        }
        let agent =
            Circumstances { wanted: Some(Mode::Agent), assistant: ASSISTANT, ..Circumstances::default() };
        assert_eq!(agent.contradiction().unwrap().0, "--assistant");
    }
}
