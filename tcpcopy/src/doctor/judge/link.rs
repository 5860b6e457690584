//! An intercept and the control connection to it.

use common_core::control::VERSION;

use super::super::check::{Check, Cure, Outcome};
use super::super::facts::{InterceptFacts, LinkError};
use crate::findings::{Finding, Setup};

pub(super) fn intercept(intercept: &InterceptFacts, setup: &Setup) -> Check {
    let address = intercept.address;
    if intercept.connected {
        let key = if intercept.has_key { "both have the key" } else { "without a key" };
        return Check::good("intercept", format!("{address} answers, protocol version {VERSION}, {key}"));
    }
    match &intercept.error {
        Some(LinkError { text, hint, is_lasting: true }) => {
            Check::fault("intercept", "intercept-refuses", format!("{address}: {text}; {hint}"), None)
        }
        error => {
            let text = error.as_ref().map_or("no answer", |error| &error.text);
            let evidence = format!("{address}: {text}");
            let mut check =
                Check::finding("intercept", Finding::InterceptAway, &evidence, &setup.place(None, None));
            // The table names the first intercept, and this may be another one.
            if let Outcome::Fault(fault) = &mut check.outcome {
                let command = format!("intercept -d -l /var/log/intercept.log -p {}", address.port);
                fault.cure = Some(Cure { host: Finding::InterceptAway.host().name(), command });
            }
            check
        }
    }
}
