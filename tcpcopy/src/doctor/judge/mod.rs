//! What follows from the facts, in the order of the packets' way.

mod answers;
mod link;
mod online;
mod route;
#[cfg(test)]
mod tests;

use super::check::Check;
use super::facts::Facts;
use crate::findings::Setup;

/// All checks.
pub(super) fn judge(facts: &Facts, setup: &Setup) -> Vec<Check> {
    let mut checks = vec![online::rights(facts), online::interfaces(facts)];
    checks.extend(facts.services.iter().map(|service| online::service(facts, service, setup)));
    checks.push(online::clients(facts, setup));
    checks.extend(facts.targets.iter().map(|target| route::route(facts, target, setup)));
    checks.extend(facts.intercepts.iter().map(|intercept| link::intercept(intercept, setup)));
    checks.extend(facts.targets.iter().map(|target| answers::probe(facts, target, setup)));
    checks.push(answers::end(facts, setup));
    checks
}
