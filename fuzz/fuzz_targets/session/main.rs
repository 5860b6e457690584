//! The engine and its sessions under arbitrary captured packets, answers and times: no panic, no hang, no byte lost
//! from the account, only well-formed packets, and an end of everything.

#![no_main]

mod input;
#[path = "../../../tcpcopy/tests/arbitrary/rig/mod.rs"]
mod rig;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: input::Input| {
    let mut world = rig::World::new(input.wait_for_answers);
    for op in input.ops {
        world.step(&op.into());
    }
    world.end(input.abort);
});
