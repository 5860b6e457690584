//! Which captured packets are of interest, and to which transfer they belong.

use std::net::IpAddr;

use common::flow::{Endpoint, Flow};
use common::io::Captured;
use common::wire::{Flags, Segment};

use crate::settings::Transfer;

/// What a captured segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// From a client to the online service: `flow` is its copy's connection.
    Client { flow: Flow, transfer: usize },
    /// The online service accepting a client's connection.
    OnlineSynAck { flow: Flow },
    /// A copy on its way to a test server.
    Own,
    /// Anything else.
    Unrelated,
}

/// Classifies a segment. `outgoing` segments are those that left this host.
pub(super) fn classify(transfers: &[Transfer], captured: &Captured<'_>, segment: &Segment<'_>) -> Class {
    if captured.outgoing {
        let accepts = segment.flags.has(Flags::SYN | Flags::ACK);
        return match find(transfers, &segment.source, &segment.destination) {
            Some((_, transfer)) if accepts => {
                Class::OnlineSynAck { flow: Flow { client: segment.destination, server: transfer.target } }
            }
            _ => Class::Unrelated,
        };
    }
    if transfers.iter().any(|transfer| transfer.target == segment.destination) {
        return Class::Own;
    }
    match find(transfers, &segment.destination, &segment.source) {
        Some((index, transfer)) => {
            Class::Client { flow: Flow { client: segment.source, server: transfer.target }, transfer: index }
        }
        None => Class::Unrelated,
    }
}

/// The transfer of the service at `online`, if the client's address is of the target's family.
fn find<'t>(
    transfers: &'t [Transfer],
    online: &Endpoint,
    client: &Endpoint,
) -> Option<(usize, &'t Transfer)> {
    transfers.iter().enumerate().find(|(_, transfer)| {
        transfer.online_port == online.port
            && transfer.online_ip.is_none_or(|ip| ip == online.ip)
            && same_family(transfer.target.ip, client.ip)
    })
}

fn same_family(a: IpAddr, b: IpAddr) -> bool {
    a.is_ipv4() == b.is_ipv4()
}
