//! Runs a scenario with its seeds. A failure is cut down to the smallest failing part, and printed with the command
//! that repeats it.

use std::collections::BTreeMap;
use std::env;
use std::panic::resume_unwind;

use crate::checks;
use crate::less::Less;
use crate::scenario::Scenario;
use crate::shrink::{attempt, shrink};
use crate::world::World;

/// Seeds of each scenario unless SIM_SEEDS is set: 20 000 in total.
const SEEDS: u64 = 200;

/// Runs `scenario` with SIM_SEEDS seeds from SIM_FROM on, or with the one of SIM_SEED, or the part of it in SIM_LESS.
pub(crate) fn run(scenario: &Scenario) {
    let number =
        |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number is expected"));
    let less: Less = env::var("SIM_LESS").unwrap_or_default().parse().expect("a part of a run is expected");
    let trace = env::var_os("SIM_TRACE").is_some();
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..=seed,
        None => {
            let from = number("SIM_FROM").unwrap_or(1);
            from..=from.saturating_add(number("SIM_SEEDS").unwrap_or(SEEDS).max(1) - 1)
        }
    };
    for seed in seeds {
        let Err(failure) = attempt(false, || once(scenario, seed, &less, trace)) else { continue };
        // A run with a trace is the one that the developer wants to see.
        let mut least = less.clone();
        if !trace {
            least = shrink(&failure, least, &turns(scenario, seed), |less| once(scenario, seed, less, false));
            least.tidy(scenario);
        }
        if least != less {
            eprintln!("\nthe least of it that fails at the same place:");
            let _ = attempt(false, || once(scenario, seed, &least, false));
        }
        eprintln!(
            "\nto repeat it: SIM_TRACE=1 SIM_SEED={seed} SIM_LESS={least} cargo test -p tcpcopy --test simulation -- \
             {} --nocapture",
            scenario.name
        );
        resume_unwind(failure.payload);
    }
}

fn once(scenario: &Scenario, seed: u64, less: &Less, trace: bool) {
    let mut world = World::new(scenario, seed, less, trace);
    world.run();
    if trace {
        eprintln!("{:#?}", world.engine.ledger());
    }
    checks::check(&mut world);
}

/// The sessions of a run, and how many turns each has.
fn turns(scenario: &Scenario, seed: u64) -> BTreeMap<u32, usize> {
    let world = World::new(scenario, seed, &Less::default(), false);
    world.sessions.iter().map(|session| (session.id, session.gates.len())).collect()
}
