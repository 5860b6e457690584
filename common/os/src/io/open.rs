//! Why a packet socket cannot be opened, with a hint for the user.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use common_core::network::Network;
use thiserror::Error;

use super::interfaces;
use super::output::Mac;

/// Why a packet socket cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The interface does not exist.
    #[error("there is no network interface '{name}'; there are: {}", existing.join(", "))]
    NoSuchInterface {
        /// As the user gave it.
        name: String,
        /// The names of those that exist.
        existing: Vec<String>,
    },
    /// A capture file in place of an interface.
    #[error(
        "-i: '{name}' is a file; name interfaces to capture on: {}",
        existing.join(", ")
    )]
    CaptureFile {
        /// As the user gave it.
        name: String,
        /// The names of interfaces that exist.
        existing: Vec<String>,
    },
    /// There is no interface for frames with the MAC addresses that the user gives.
    #[error("{}", no_link(interface.as_deref(), *source_mac))]
    NoLink {
        /// The interface that the user names.
        interface: Option<String>,
        /// The source address that the user gives.
        source_mac: Option<Mac>,
    },
    /// The network of a TUN device has a route already.
    #[error(
        "--net: {0} has a route on this host already; name a network that is free, or end the intercept that has it"
    )]
    NetworkInUse(Network),
    /// The host cannot make TUN devices.
    #[error(
        "there is no /dev/net/tun: run modprobe tun, or give it to the container (--device /dev/net/tun, --cap-add NET_ADMIN)"
    )]
    NoTun,
    /// This host has an address of the network.
    #[error(
        "--net: {ip} of {network} is an address of this host; name a network of which no host has an address"
    )]
    OwnAddress {
        /// The network.
        network: Network,
        /// The address.
        ip: IpAddr,
    },
    /// There is no IPv6 for the network of a TUN device.
    #[error(
        "--net: {0}: this host has no IPv6 on new interfaces; run sysctl -w net.ipv6.conf.default.disable_ipv6=0"
    )]
    NoIpv6(Network),
    /// The process lacks a privilege.
    #[error(
        "no permission to {action}: run with sudo, or once: setcap cap_net_raw,cap_net_admin,cap_setpcap+ep {program}"
    )]
    Permission {
        /// The action that failed.
        action: &'static str,
        /// Path of this program.
        program: String,
    },
    /// The kernel cannot share a capture among several sockets by a program, as Linux 4.14 and later can.
    #[error("cannot share the capture among workers: {0}; run it with one worker (-C 1)")]
    Shard(io::Error),
    /// Any other error.
    #[error("cannot {action}: {source}")]
    Other {
        /// The action that failed.
        action: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
}

impl OpenError {
    /// The error of an action that failed.
    pub(super) fn new(action: &'static str, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::PermissionDenied {
            let program = std::env::current_exe();
            let program = program.map_or_else(|_| "PROGRAM".into(), |path| path.display().to_string());
            Self::Permission { action, program }
        } else {
            Self::Other { action, source }
        }
    }

    /// The error of a `name` that is no interface: [`Self::CaptureFile`] if it looks like the name of a file, else
    /// [`Self::NoSuchInterface`].
    pub(super) fn not_an_interface(name: &str) -> Self {
        let (existing, path) = (interfaces::names(), Path::new(name));
        // No interface has a '/' in its name.
        let capture =
            path.extension().is_some_and(|end| ["pcap", "pcapng", "cap"].iter().any(|it| end == *it));
        if name.contains('/') || capture || path.is_file() {
            Self::CaptureFile { name: name.into(), existing }
        } else {
            Self::NoSuchInterface { name: name.into(), existing }
        }
    }

    /// The command line names something that does not exist.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::NoSuchInterface { .. }
                | Self::CaptureFile { .. }
                | Self::NoLink { .. }
                | Self::NetworkInUse(_)
                | Self::OwnAddress { .. }
        )
    }
}

fn no_link(interface: Option<&str>, source: Option<Mac>) -> String {
    match (interface, source) {
        (Some(name), _) => {
            format!(
                "interface '{name}' is no Ethernet, so no frame can be sent there to a MAC address; name another with -o"
            )
        }
        (None, Some(mac)) => {
            format!("no interface has the MAC address {mac} of -x; name the one that sends with -o")
        }
        (None, None) => "a MAC address in -x, but no interface that sends to it; name it with -o".to_owned(),
    }
}
