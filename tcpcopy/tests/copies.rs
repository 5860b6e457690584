//! Copies of another tcpcopy are recognised by their mark, and not copied again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use common_core::wire::{Flags, Seq, copy_mark};
use rig::Rig;

#[test]
fn the_syn_of_a_copy_has_the_mark_and_other_segments_have_none() {
    let mut rig = Rig::with_memory(1 << 30);
    rig.connect(1);
    rig.data(1, 1);
    rig.answer();
    rig.answer();
    assert_eq!(rig.wire.marked, 1);
}

#[test]
fn copies_of_another_tcpcopy_are_counted_and_not_copied_and_a_client_on_their_ports_is() {
    let mut rig = Rig::with_memory(1 << 30);
    rig.connect_with(1, 77, copy_mark(Seq(0), 77));
    rig.data(1, 1);
    rig.say(1, 20, Flags::FIN | Flags::ACK, &[]);
    assert_eq!((rig.ledger().packets.copy_of_another, rig.ledger().sessions.seen), (3, 0));
    // A number that is no mark, on the same ports; and a joined session on others.
    rig.connect_with(1, 77, 1);
    rig.data(1, 1);
    rig.data(2, 1);
    assert_eq!((rig.ledger().packets.copy_of_another, rig.ledger().sessions.seen), (3, 2));
}
