//! The first line of the log: what is copied, from where to where, and how.

use std::fmt::Write;

use common_core::flow::Endpoint;
use common_os::io::way::{Station, Ways};

use super::vantage::Vantage;
use crate::cli::Config;
use crate::engine::ports_of_an_address;
use crate::settings::{Multiplying, Transfer};

/// So many transfers are named.
const NAMED: usize = 4;

/// The way of copies with `--tunnel`.
const OVER_THE_CONNECTION: &str = "over the connection to intercept there";

/// The line for this configuration.
pub(super) fn first_line(config: &Config, vantage: Vantage, mut ways: Option<&mut Ways>) -> String {
    let mut line = format!("tcpcopy {}: copies ", env!("CARGO_PKG_VERSION"));
    for (index, transfer) in config.transfers.iter().take(NAMED).enumerate() {
        let comma = if index > 0 { "; " } else { "" };
        let way =
            if config.tunnel { OVER_THE_CONNECTION.to_owned() } else { way(transfer, ways.as_deref_mut()) };
        let _ = write!(line, "{comma}{} ({way})", copied(transfer));
    }
    let others = config.transfers.len().saturating_sub(NAMED);
    if others > 0 {
        let _ = write!(line, "; and {others} other services");
    }
    let source = match &config.offline {
        Some(offline) => format!("reads {} capture files", offline.files.len()),
        None if config.interfaces.is_empty() => "captures on all interfaces".to_owned(),
        None => format!("captures on {}", config.interfaces.join(", ")),
    };
    let _ = write!(line, "; {source}");
    if config.pcap_capture {
        line.push_str(" with libpcap");
    }
    match vantage {
        Vantage::Host => {}
        Vantage::Mirror if config.interfaces.is_empty() => {
            line.push_str(", mirrored packets that are sent to this host (name an interface with -i for all that it receives)");
        }
        Vantage::Mirror => line.push_str(", mirrored packets, whoever they are sent to"),
    }
    if let Some(filter) = &config.filter {
        let _ = write!(line, " with filter '{filter}'");
    }
    let intercepts: Vec<String> = config.intercepts.iter().map(ToString::to_string).collect();
    let _ = write!(line, "; answers from intercept at {}", intercepts.join(", "));
    line
}

fn copied(transfer: &Transfer) -> String {
    let online = transfer.online_ip.map_or_else(|| "port".to_owned(), |ip| format!("{ip}, port"));
    format!("{online} {} to {}", transfer.online_port, transfer.target)
}

/// How copies get to the target.
fn way(transfer: &Transfer, ways: Option<&mut Ways>) -> String {
    match ways.and_then(|ways| ways.find(transfer.target.ip)) {
        None => "by the kernel's routing".to_owned(),
        Some(way) => {
            let hop = if way.is_gateway { format!("gateway {}", way.hop) } else { "directly".to_owned() };
            let station = match way.station {
                Station::Known(mac) => format!(", to MAC address {}", shown(mac)),
                Station::Unknown => ", MAC address not known yet".to_owned(),
                Station::Silent => ", whose MAC address is not found".to_owned(),
            };
            format!("by {}, {hop}{station}", way.interface)
        }
    }
}

fn shown(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// What becomes of each session, and for how many there is room; `None` if each is copied once and as it is.
pub(super) fn multiplying(multiplying: &Multiplying, targets: &[Endpoint]) -> Option<String> {
    let Multiplying { copies, addresses, loopback, .. } = multiplying;
    if !multiplying.is_wanted() {
        return None;
    }
    let ports = ports_of_an_address(multiplying);
    let sessions = |addresses: u128| addresses.saturating_mul(ports.into()) / u128::from(*copies);
    let copied = if *copies == 1 { "1 copy".to_owned() } else { format!("{copies} copies") };
    let mut line = format!("each session becomes {copied}; {ports} ports for each client address");
    let mut families: Vec<&Endpoint> = Vec::new();
    for target in targets {
        if families.iter().all(|known| known.ip.is_ipv4() != target.ip.is_ipv4()) {
            families.push(target);
        }
    }
    for target in families {
        let family = if target.ip.is_ipv4() { "IPv4" } else { "IPv6" };
        let (all, local) = (addresses.count_like(target.ip), loopback.count_like(target.ip));
        let _ = match (all, local) {
            (0, 0) => write!(line, "; {family}: room for {} sessions of a client at once", sessions(1)),
            (0, _) => write!(
                line,
                "; {family}: room for {} sessions of a client, or of all on loopback addresses, at once",
                sessions(1)
            ),
            (count, _) => {
                write!(line, "; {family}: {count} addresses, room for {} sessions at once", sessions(count))
            }
        };
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{AddressPool, Instance};

    fn line(multiplying: &Multiplying) -> Option<String> {
        let targets =
            ["10.0.0.17:80", "10.0.0.18:80"].map(|text| text.parse::<std::net::SocketAddr>().unwrap().into());
        super::multiplying(multiplying, &targets)
    }

    #[test]
    fn the_room_for_sessions_is_told() {
        assert_eq!(line(&Multiplying::default()), None);
        let three = Multiplying { copies: 3, ..Multiplying::default() };
        assert_eq!(
            line(&three).unwrap(),
            "each session becomes 3 copies; 64512 ports for each client address; IPv4: room for 21504 sessions of a client at once"
        );
        let mut addresses = AddressPool::default();
        addresses.add("10.9.0.1".parse().unwrap(), "10.9.0.4".parse().unwrap());
        let one = Multiplying { addresses, instance: Instance::new(2), ..Multiplying::default() };
        assert_eq!(
            line(&one).unwrap(),
            "each session becomes 1 copy; 4032 ports for each client address; IPv4: 4 addresses, room for 16128 sessions at once"
        );
    }
}
