//! From where this host sees the traffic of the services.

use std::net::IpAddr;

use crate::cli::Config;

/// From where the packets of the services are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vantage {
    /// The services are on this host.
    Host,
    /// At least one is elsewhere: a mirror delivers its packets.
    Mirror,
}

impl Vantage {
    /// `local` are the addresses of this host.
    pub(crate) fn of(config: &Config, local: &[IpAddr]) -> Self {
        let is_elsewhere = |ip: IpAddr| !local.is_empty() && !ip.is_loopback() && !local.contains(&ip);
        let elsewhere = config.transfers.iter().any(|transfer| transfer.online_ip.is_some_and(is_elsewhere));
        if config.offline.is_none() && (config.decapsulates || elsewhere) { Self::Mirror } else { Self::Host }
    }

    /// What this command line cannot do from there.
    pub(crate) fn refusal(self, config: &Config) -> Option<&'static str> {
        if self == Self::Host {
            return None;
        }
        if config.transfers.iter().any(|transfer| transfer.online_ip.is_none()) {
            return Some(
                "a port alone does not tell where it is: name the address of every service, as in \
                         -x 10.0.0.16:80-10.0.0.17:80",
            );
        }
        (config.workers > 1)
            .then_some("-C: the kernel cannot share mirrored packets among workers; leave it out")
    }
}

#[cfg(test)]
mod tests {
    use common_os::command_line::Invocation;

    use super::*;
    use crate::cli;

    /// What is seen from a host with the address 10.0.0.16, and what is refused.
    fn seen(line: &[&str]) -> (Vantage, Option<&'static str>) {
        let line = ["tcpcopy", "-s", "10.0.0.18"].iter().chain(line).map(std::ffi::OsString::from);
        let Ok(Invocation::Run(config)) = cli::parse(line) else { panic!("it is refused") };
        let vantage = Vantage::of(&config, &["10.0.0.16".parse().unwrap()]);
        (vantage, vantage.refusal(&config))
    }

    #[test]
    fn a_service_of_another_host_is_mirrored() {
        let (here, there) = ("10.0.0.16:80-10.0.0.17:80", "10.0.0.15:81-10.0.0.17:81");
        for (line, expected) in [
            (&["-x", "80-10.0.0.17:80", "-C", "2"][..], Vantage::Host),
            (&["-x", here], Vantage::Host),
            (&["-x", "127.0.0.2:80-10.0.0.17:80"], Vantage::Host),
            (&["-x", here, "--decap"], Vantage::Mirror),
            (&["-x", there, "-x", here], Vantage::Mirror),
            (&["-x", there, "--offline", "f"], Vantage::Host),
        ] {
            assert_eq!(seen(line), (expected, None), "{line:?}");
        }
        for (line, part) in [
            (&["-x", there, "-x", "80-10.0.0.17:80"][..], "name the address of every service"),
            (&["-x", there, "-C", "2"], "-C: "),
        ] {
            let (vantage, refusal) = seen(line);
            assert_eq!(vantage, Vantage::Mirror);
            assert!(refusal.is_some_and(|reason| reason.contains(part)), "{line:?}: {refusal:?}");
        }
    }
}
