//! An intercept and the control connection to it.

use common_core::control::VERSION;

use super::super::check::{Check, Cure, Outcome};
use super::super::facts::{InterceptFacts, LinkError, LinkErrorKind};
use crate::findings::{Finding, Setup};

pub(super) fn intercept(intercept: &InterceptFacts, setup: &Setup) -> Check {
    let address = intercept.address;
    if intercept.connected {
        let key = if intercept.has_key { "both have the key" } else { "without a key" };
        return Check::good("intercept", format!("{address} answers, protocol version {VERSION}, {key}"));
    }
    let error = intercept.error.as_ref();
    if let Some(LinkError { text, hint, kind: LinkErrorKind::Unsuited }) = error {
        return Check::fault("intercept", "intercept-refuses", format!("{address}: {text}; {hint}"), None);
    }
    let evidence = format!("{address}: {}", error.map_or("no answer", |error| &error.text));
    let mut check = Check::finding("intercept", Finding::InterceptAway, &evidence, &setup.place(None, None));
    if let Outcome::Fault(fault) = &mut check.outcome {
        let port = address.port;
        // The table speaks of all intercepts, and this may be one of several.
        fault.text =
            format!("intercept cannot be reached, so the answers there are not received ({evidence})");
        let command = match error.map(|error| error.kind) {
            Some(LinkErrorKind::Away) => format!("intercept -d -l /var/log/intercept.log -p {port}"),
            // If nothing refuses the connection, its host is down, or a firewall drops the packets.
            _ => format!("ip addr; nft list ruleset; ss -Hltn 'sport = :{port}'"),
        };
        fault.cure = Some(Cure { host: Finding::InterceptAway.host().name(), command });
    }
    check
}
