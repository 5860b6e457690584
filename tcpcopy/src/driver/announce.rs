//! The first line of the log: what is copied, from where to where, and how.

use std::fmt::Write;

use common_os::io::way::{Station, Ways};

use crate::cli::Config;
use crate::settings::Transfer;

/// So many transfers are named.
const NAMED: usize = 4;

/// The way of copies with `--tunnel`.
const OVER_THE_CONNECTION: &str = "over the connection to intercept there";

/// The line for this configuration.
pub(super) fn first_line(config: &Config, mut ways: Option<&mut Ways>) -> String {
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
