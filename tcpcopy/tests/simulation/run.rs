//! Runs a scenario over its seeds; a failure says how to see it again.

use std::env;

use crate::checks;
use crate::scenario::Scenario;
use crate::world::World;

/// Seeds of each scenario, unless SIM_SEEDS says otherwise: 10 000 in all.
const SEEDS: u64 = 200;

/// Runs `scenario` over SIM_SEEDS seeds from SIM_FROM on, or over the one that SIM_SEED names.
pub(crate) fn run(scenario: &Scenario) {
    let number =
        |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number is expected"));
    let trace = env::var_os("SIM_TRACE").is_some();
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..=seed,
        None => {
            let from = number("SIM_FROM").unwrap_or(1);
            from..=from.saturating_add(number("SIM_SEEDS").unwrap_or(SEEDS).max(1) - 1)
        }
    };
    for seed in seeds {
        let _repeat = Repeat { scenario: scenario.name, seed };
        let mut world = World::new(scenario, seed, trace);
        world.run();
        if trace {
            eprintln!("{:#?}", world.engine.ledger());
        }
        checks::check(&mut world);
    }
}

/// Prints the command that repeats a run, if it fails.
struct Repeat {
    scenario: &'static str,
    seed: u64,
}

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "\nto repeat it: SIM_TRACE=1 SIM_SEED={} cargo test -p tcpcopy --test simulation -- --exact \
                 scenarios::{} --nocapture",
                self.seed, self.scenario
            );
        }
    }
}
