//! The class of a captured packet, and its transfer.

use std::net::IpAddr;

use common_core::flow::{Endpoint, Flow};
use common_core::payload_prefix::begins_with_any;
use common_core::wire::{Flags, Segment};
use common_os::io::Captured;

use crate::online_query::OwnEndpoints;
use crate::settings::Transfer;

/// The class of a captured segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// From a client to the online service: `flow` is its copy's connection.
    Client { flow: Flow, transfer: usize },
    /// The online service accepts a client's connection.
    OnlineSynAck { flow: Flow },
    /// The online service resets a client's connection, or rejects a segment.
    OnlineReset { flow: Flow },
    /// A segment of the online service to a client that a protocol module observes.
    OnlineAnswer { flow: Flow },
    /// To a test server: a copy; or on a connection of our own to the online service.
    Own,
    /// Anything else.
    Unrelated,
}

/// Classifies a segment. `outgoing` segments are those that left this host. `sees_copies` is false if no packet to a target
/// can be a copy, because the packets are from a time before the copy.
pub(super) fn classify(
    transfers: &[Transfer],
    sees_copies: bool,
    own: Option<&OwnEndpoints>,
    captured: &Captured<'_>,
    segment: &Segment<'_>,
) -> Class {
    // Copies on their way out pass only a filter of the user's own (`-F`); received ones are seen if this host is the
    // target.
    if sees_copies && transfers.iter().any(|transfer| transfer.target == segment.destination) {
        return Class::Own;
    }
    let client = if captured.outgoing { &segment.destination } else { &segment.source };
    if own.is_some_and(|own| own.contain(client)) {
        return Class::Own;
    }
    if captured.outgoing {
        let Some((_, transfer)) = find(transfers, &segment.source, &segment.destination) else {
            return Class::Unrelated;
        };
        let flow = Flow { client: segment.destination, server: transfer.target };
        return if segment.flags.has(Flags::RST) {
            Class::OnlineReset { flow }
        } else if segment.flags.has(Flags::SYN | Flags::ACK) {
            Class::OnlineSynAck { flow }
        } else if begins_with_any(segment.payload, transfer.online_answers()) {
            Class::OnlineAnswer { flow }
        } else {
            Class::Unrelated
        };
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use common_core::time::Stamp;
    use common_core::wire::{Options, Seq};

    use super::*;
    use crate::settings::OnReconnect;

    const CLIENT: &str = "10.0.0.1:40000";
    const ONLINE: &str = "10.0.0.16:80";
    const TARGET: &str = "10.0.0.17:80";

    fn endpoint(text: &str) -> Endpoint {
        text.parse::<SocketAddr>().unwrap().into()
    }

    /// The class of a segment under `-x 80-10.0.0.17:80`: the ports do not tell copies from clients.
    fn class(source: &str, destination: &str, flags: Flags, outgoing: bool) -> Class {
        let transfer = Transfer {
            online_ip: None,
            online_port: 80,
            target: endpoint(TARGET),
            protocol: None,
            on_reconnect: OnReconnect::Recognise,
        };
        let segment = Segment {
            source: endpoint(source),
            destination: endpoint(destination),
            seq: Seq(0),
            ack: Seq(0),
            flags,
            window: 0,
            options: Options::default(),
            payload: &[],
            payload_len: 0,
        };
        classify(&[transfer], true, None, &Captured { packet: &[], outgoing, stamp: Stamp::FIRST }, &segment)
    }

    #[test]
    fn each_direction_has_its_classes() {
        let flow = Flow { client: endpoint(CLIENT), server: endpoint(TARGET) };
        let accepting = Flags::SYN | Flags::ACK;
        for (source, destination, flags, outgoing, expected) in [
            (CLIENT, ONLINE, Flags::SYN, false, Class::Client { flow, transfer: 0 }),
            (ONLINE, CLIENT, accepting, true, Class::OnlineSynAck { flow }),
            (ONLINE, CLIENT, Flags::RST, true, Class::OnlineReset { flow }),
            (ONLINE, CLIENT, Flags::RST | Flags::ACK, true, Class::OnlineReset { flow }),
            (ONLINE, CLIENT, Flags::RST, false, Class::Unrelated),
            (ONLINE, CLIENT, Flags::ACK, true, Class::Unrelated),
            (CLIENT, TARGET, Flags::SYN, true, Class::Own),
            (CLIENT, TARGET, Flags::SYN, false, Class::Own),
            (TARGET, CLIENT, accepting, false, Class::Unrelated),
            (CLIENT, "10.0.0.16:81", Flags::SYN, false, Class::Unrelated),
            ("[fd00::1]:40000", "[fd00::16]:80", Flags::SYN, false, Class::Unrelated),
        ] {
            assert_eq!(
                class(source, destination, flags, outgoing),
                expected,
                "{source} > {destination} {flags:?}"
            );
        }
    }
}
