//! The events of a property test, and their frequencies.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::rig::{Near, Op};

fn near() -> impl Strategy<Value = Near> {
    prop_oneof![
        24 => Just(Near::At),
        4 => (-3000_i32..3000).prop_map(Near::Off),
        1 => (-100_000_i32..100_000).prop_map(Near::Off),
        1 => prop::sample::select(vec![1 << 26, (1 << 26) + 1, -(1 << 26), i32::MAX, i32::MIN, 1 << 23]).prop_map(Near::Off),
        1 => any::<u32>().prop_map(Near::Any),
    ]
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => Just(0_usize),
        4 => 1_usize..4,
        6 => 1_usize..1500,
        1 => 1500_usize..65_495,
        1 => Just(65_495_usize),
    ]
}

fn client_flags() -> impl Strategy<Value = u8> {
    prop_oneof![
        24 => Just(0x18_u8),
        12 => Just(0x10_u8),
        1 => Just(0x11_u8),
        1 => Just(0x14_u8),
        1 => Just(0x04_u8),
        1 => any::<u8>(),
    ]
}

fn answer_flags() -> impl Strategy<Value = u8> {
    prop_oneof![
        6 => Just(0x10_u8),
        3 => Just(0x18_u8),
        2 => Just(0x12_u8),
        1 => Just(0x11_u8),
        1 => Just(0x14_u8),
        1 => any::<u8>(),
    ]
}

fn tuple() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0_usize), 1 => 0_usize..6]
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let window = || prop_oneof![2 => Just(0_u16), 2 => 1_u16..20, 4 => Just(u16::MAX), 1 => any::<u16>()];
    let answer_length = prop_oneof![
        4 => Just(0_u32),
        6 => 1_u32..3000,
        1 => prop::sample::select(vec![65_535, i32::MAX as u32, i32::MAX as u32 - 1000, u32::MAX]),
        1 => any::<u32>(),
    ];
    let micros =
        prop_oneof![4 => 0_u64..1000, 4 => 0_u64..300_000, 2 => 0_u64..5_000_000, 1 => 0_u64..70_000_000];
    prop_oneof![
        2 => (tuple(), near()).prop_map(|(tuple, isn)| Op::Syn { tuple, isn }),
        1 => (tuple(), near()).prop_map(|(tuple, ack)| Op::SynAck { tuple, ack }),
        24 => (tuple(), near(), near(), client_flags(), length(), prop_oneof![9 => Just(0_usize), 1 => 1_usize..100])
            .prop_map(|(tuple, seq, seen, flags, length, cut)| Op::Client { tuple, seq, seen, flags, length, cut }),
        1 => (vec(any::<u8>(), 0..80), any::<bool>()).prop_map(|(bytes, outgoing)| Op::Raw { bytes, outgoing }),
        16 => (tuple(), 0_u32..3000, window(), 0_u8..40)
            .prop_map(|(tuple, length, window, last)| Op::Serve { tuple, length, window, last }),
        8 => (tuple(), near(), near(), answer_flags(), window(), answer_length, any::<bool>())
            .prop_map(|(tuple, seq, ack, flags, window, length, options)| {
                let options = options.then_some((window.min(1460), (length % 15) as u8));
                Op::ServerSegment { tuple, seq, ack, flags, window, length, options }
            }),
        6 => (tuple(), prop_oneof![Just(0_u8), 0_u8..=100], window(), prop_oneof![Just(1_u8), 1_u8..6])
            .prop_map(|(tuple, percent, window, times)| Op::Acknowledge { tuple, percent, window, times }),
        10 => (micros, any::<bool>()).prop_map(|(micros, late)| Op::Pass { micros, late }),
        2 => Just(Op::LinkUp),
        1 => Just(Op::LinkDown),
        6 => Just(Op::Flush),
        1 => prop_oneof![8 => Just(Op::Flush), 1 => Just(Op::Drain), 1 => Just(Op::Abort)],
    ]
}
