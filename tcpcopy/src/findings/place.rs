//! The hosts and ports of this run, for the commands of cures.

use std::net::IpAddr;

use common_core::flow::Endpoint;
use common_core::time::Time;

/// A transfer of `-x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The port of the online service.
    pub service: u16,
    /// The test server.
    pub address: Endpoint,
}

/// What does not change during a run.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The transfers of `-x`.
    pub targets: Vec<Target>,
    /// The addresses of `-s`.
    pub intercepts: Vec<Endpoint>,
    /// The capture has a filter of the user (`-F`), so it may not pass everything.
    pub has_filter: bool,
    /// Copies go over the control connection (`--tunnel`).
    pub tunnels: bool,
    /// The wall clock at [`Time::ZERO`], in milliseconds since 1970.
    pub started: u64,
}

impl Setup {
    /// The time of day in UTC, as in the log: `00:21:43`.
    #[must_use]
    pub fn clock_time(&self, time: Time) -> String {
        let seconds = (self.started + time.as_micros() / 1000) / 1000 % (24 * 60 * 60);
        format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }

    /// The place of a finding about one target, or about none.
    pub(crate) fn place(&self, target: Option<usize>, hop: Option<(IpAddr, String)>) -> Place {
        let target = target.or(Some(0)).and_then(|index| self.targets.get(index)).copied();
        let family = target.map(|target| target.address.ip.is_ipv4());
        let of_family = |intercept: &&Endpoint| family.is_none_or(|v4| v4 == intercept.ip.is_ipv4());
        let intercept = self.intercepts.iter().find(of_family).or(self.intercepts.first()).copied();
        Place { target, intercept, hop }
    }
}

/// The addresses that a command names.
#[derive(Debug, Clone, Default)]
pub struct Place {
    target: Option<Target>,
    intercept: Option<Endpoint>,
    hop: Option<(IpAddr, String)>,
}

impl Place {
    /// A template of the table with its names replaced.
    pub(super) fn fill(&self, template: &str) -> String {
        let v6 = self.target.is_some_and(|target| target.address.ip.is_ipv6());
        let (hop, dev) = self
            .hop
            .clone()
            .map_or(("HOP".to_owned(), "eth0".to_owned()), |(hop, dev)| (hop.to_string(), dev));
        let target =
            |show: fn(Target) -> String, otherwise: &str| self.target.map_or(otherwise.to_owned(), show);
        let intercept = |show: fn(Endpoint) -> String| self.intercept.map_or("ASSISTANT".to_owned(), show);
        [
            ("{target}", target(|target| target.address.ip.to_string(), "TARGET")),
            ("{port}", target(|target| target.address.port.to_string(), "PORT")),
            ("{service}", target(|target| target.service.to_string(), "PORT")),
            ("{assistant}", intercept(|intercept| intercept.ip.to_string())),
            ("{control}", intercept(|intercept| intercept.port.to_string())),
            ("{hop}", hop),
            ("{dev}", dev),
            ("{-6}", if v6 { "-6 " } else { "" }.to_owned()),
            ("{ipv4}", if v6 { "ipv6" } else { "ipv4" }.to_owned()),
            ("{forward}", if v6 { "net.ipv6.conf.all.forwarding" } else { "net.ipv4.ip_forward" }.to_owned()),
        ]
        .iter()
        .fold(template.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}
