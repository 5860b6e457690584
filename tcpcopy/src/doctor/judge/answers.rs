//! The test server, and the way of its answers to intercept.

use common_core::flow::Endpoint;
use common_os::io::way::Station;

use super::super::check::Check;
use super::super::facts::{Facts, Probed, Reply, TargetFacts};
use super::super::source::Source;
use crate::findings::{Clues, Finding, Own, Setup};

const SILENT: &str = "it does not answer a connection from this host's own address";

pub(super) fn probe(facts: &Facts, target: &TargetFacts, setup: &Setup) -> Check {
    let Some(address) = target.address else { return Check::unchecked("probe", "no target") };
    let fault = |finding, evidence: &str| {
        let evidence = format!("{address}: {evidence}");
        Check::finding("probe", finding, &evidence, &setup.place(Some(target.transfer), None))
    };
    let unchecked = |reason: &str| Check::unchecked("probe", format!("{address}: {reason}"));
    if facts.tunnels {
        return unchecked(
            "with --tunnel a probe would be a copy; start tcpcopy: it tells what is wrong (tunnel-silent)",
        );
    }
    let Some(probed) = &target.probe else { return unchecked("it may not be probed") };
    if target.way.as_ref().is_some_and(|way| way.station == Station::Silent) && probed.reply.is_none() {
        return unchecked("the next hop does not answer");
    }
    if let Some(error) = &probed.failed {
        return fault(Finding::SendsFail, error);
    }
    match (probed.reply, &probed.own, probed.source) {
        (Some(Reply::Accepted), _, Some(source)) => Check::good("probe", came_back(address, source)),
        (Some(_), _, source) => {
            let from = source.map(|source| format!(" from {}", source.ip())).unwrap_or_default();
            fault(Finding::Refused, &format!("a SYN{from} is answered with RST"))
        }
        (None, Some(Own::Refused), _) => {
            fault(Finding::Refused, "a connection from this host's own address is refused")
        }
        (None, own, None) => unchecked(without_intercept(own.as_ref())),
        (None, _, Some(source)) => {
            let (finding, evidence) = conclude(facts, probed, address);
            // The answers to this host may have their own way: a rule for the clients' addresses does not concern it.
            if finding == Finding::RouteMissing && matches!(source, Source::Own(_)) {
                return unchecked(
                    "it answers, and foreign sources arrive; whether its answers to clients come to intercept shows only with one: \
                     try again while a client is connected",
                );
            }
            fault(finding, &evidence)
        }
    }
}

fn came_back(address: Endpoint, source: Source) -> String {
    let whose = match source {
        Source::Client(_) => "the client's address",
        Source::Pool(_) => "the address of -c",
        Source::Own(_) => "this host's address",
    };
    format!("{address} answers a SYN from {whose} {}, and intercept sends the answer back", source.ip())
}

fn without_intercept(own: Option<&Own>) -> &'static str {
    match own {
        Some(Own::Accepted) => {
            "it accepts a connection from this host; where answers go shows only with intercept"
        }
        _ => SILENT,
    }
}

fn conclude(facts: &Facts, probed: &Probed, address: Endpoint) -> (Finding, String) {
    let counters = &facts.counters;
    if counters.passing > 0 && counters.captured == 0 {
        let count = counters.passing;
        let evidence =
            format!("{count} packets of the targets reached the assistant, intercept captured none");
        return (Finding::InterceptMisses, evidence);
    }
    let probes = counters.probed + counters.probed_local;
    let clues = Clues {
        own: probed.own.clone().unwrap_or(Own::Unanswered),
        own_seen: counters.probed > 0,
        foreign_seen: counters.probed_local > 0,
        source: probed.foreign.filter(|source| *source != address.ip),
        unrouted: counters.unrouted.saturating_sub(probes),
    };
    let (finding, evidence) = clues.conclude();
    // Others' answers keep intercept from counting what passes its capture.
    let doubt = finding == Finding::SourcesDropped && counters.forwarded > 0;
    let doubt = if doubt { "; or intercept's -F passes other services only" } else { "" };
    (finding, format!("{evidence}{doubt}"))
}

/// The answers must end on the assistant.
pub(super) fn end(facts: &Facts, setup: &Setup) -> Check {
    let answered = facts.targets.iter().filter_map(|target| target.probe.as_ref()?.reply).count();
    match facts.counters.relayed {
        0 if facts.tunnels => Check::unchecked("assistant", "with --tunnel there is none"),
        0 if answered == 0 => Check::unchecked("assistant", "no answer came there"),
        0 => Check::good("assistant", "the answers end there"),
        relayed => Check::finding(
            "assistant",
            Finding::AssistantForwards,
            &format!("answers that left the assistant again: {relayed}"),
            &setup.place(None, None),
        ),
    }
}
