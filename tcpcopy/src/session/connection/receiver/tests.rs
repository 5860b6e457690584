use common_core::control::FlowId;
use common_core::wire::Options;
use proptest::prelude::*;

use super::*;

const ISN: Seq = Seq(u32::MAX - 1000);
const ROOM: bool = true;

fn segment(at: u32, payload: &[u8], length: u32) -> ServerSegment<'_> {
    ServerSegment {
        id: FlowId(1),
        seq: ISN + 1 + at,
        ack: Seq(7),
        flags: Flags::ACK,
        window: u16::MAX,
        payload_len: length,
        options: Options::default(),
        payload,
        tail: &[],
    }
}

fn receiver(mode: AnswerPayload) -> Receiver {
    let syn_ack = ServerSegment { seq: ISN, flags: Flags::SYN | Flags::ACK, ..segment(0, b"", 0) };
    Receiver::new(&syn_ack, mode, 1448)
}

/// What a module is told: bytes that it was not sent, and bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    pieces: Vec<(u64, Vec<u8>)>,
    fresh: u64,
}

impl Told {
    fn receive(&mut self, receiver: &mut Receiver, segment: &ServerSegment<'_>, room: bool) {
        let received = receiver.receive(Time::ZERO, segment, room);
        self.note(&received);
        while let Some(received) = receiver.take_kept(Time::ZERO) {
            assert!(received.fresh > 0);
            self.note(&received);
        }
    }

    fn note(&mut self, received: &Received<'_>) {
        self.fresh += received.fresh;
        if !received.payload.is_empty() {
            self.pieces.push((received.skipped, received.payload.to_vec()));
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.pieces.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }
}

fn stream(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 256) as u8).collect()
}

#[test]
fn swapped_segments_are_delivered_when_the_first_has_come() {
    for mode in [AnswerPayload::All, AnswerPayload::Ends { head: 2, tail: 0 }] {
        let (mut receiver, mut told) = (receiver(mode), Told::default());
        let length = |whole| if mode == AnswerPayload::All { whole } else { 2 };
        let stream = stream(300);
        for at in [100, 200, 0] {
            told.receive(&mut receiver, &segment(at, &stream[at as usize..][..length(100)], 100), ROOM);
        }
        let skipped = 100 - length(100) as u64;
        let skips: Vec<u64> = told.pieces.iter().map(|(skipped, _)| *skipped).collect();
        assert_eq!((told.fresh, skips), (300, vec![0, skipped, skipped]));
        assert_eq!(receiver.acknowledgement(), ISN + 301);
        assert_eq!(receiver.kept_memory(), 0);
    }
}

#[test]
fn a_tail_comes_with_its_segment_unless_a_part_of_it_is_known() {
    let mut receiver = receiver(AnswerPayload::Ends { head: 1, tail: 2 });
    let with_tail = |at, tail| ServerSegment { tail, ..segment(at, b"x", 10) };
    assert!(receiver.receive(Time::ZERO, &with_tail(10, b"cd"), ROOM).tail.is_empty(), "it is kept");
    assert_eq!(*receiver.receive(Time::ZERO, &with_tail(0, b"ab"), ROOM).tail, *b"ab");
    assert_eq!(receiver.take_kept(Time::ZERO).map(|it| it.tail.into_owned()), Some(b"cd".to_vec()));
    assert_eq!(*receiver.receive(Time::ZERO, &with_tail(12, b"ef"), ROOM).tail, *b"ef");
    assert!(receiver.receive(Time::ZERO, &with_tail(13, b"gh"), ROOM).tail.is_empty());
}

#[test]
fn a_segment_without_its_payload_counts_as_not_received() {
    let (mut receiver, mut told) = (receiver(AnswerPayload::All), Told::default());
    let stream = stream(20);
    told.receive(&mut receiver, &segment(10, &stream[10..19], 10), ROOM);
    told.receive(&mut receiver, &segment(0, &stream[..10], 10), ROOM);
    assert_eq!((told.fresh, receiver.acknowledgement()), (10, ISN + 11));
}

#[test]
fn payload_that_is_asked_for_now_is_sent_again() {
    let (mut receiver, mut told) = (receiver(AnswerPayload::Ends { head: 2, tail: 0 }), Told::default());
    let stream = stream(30);
    told.receive(&mut receiver, &segment(10, &stream[10..12], 10), ROOM);
    told.receive(&mut receiver, &segment(20, &stream[20..30], 10), ROOM);
    receiver.set_mode(AnswerPayload::All);
    told.receive(&mut receiver, &segment(0, &stream[..10], 10), ROOM);
    assert_eq!(receiver.acknowledgement(), ISN + 11, "the second was cut");
    told.receive(&mut receiver, &segment(10, &stream[10..20], 10), ROOM);
    assert_eq!((told.bytes(), receiver.acknowledgement()), (stream, ISN + 31), "the third was not");
}

#[test]
fn memory_is_bounded_by_the_window_and_needs_a_leave() {
    let mut told = Told::default();
    let payload = stream(1000);
    for (mode, most) in [(AnswerPayload::All, KEPT_MAX), (AnswerPayload::None, RUNS_MAX)] {
        let mut receiver = receiver(mode);
        for at in (1..10_000).step_by(2) {
            let payload = if mode == AnswerPayload::All { &payload[..] } else { b"" };
            told.receive(&mut receiver, &segment(at * 1000, payload, 1000), ROOM);
        }
        assert!(receiver.kept_memory() <= most, "{} bytes", receiver.kept_memory());
        assert!(receiver.kept_memory() > most / 2);
    }
    let mut receiver = receiver(AnswerPayload::All);
    told.receive(&mut receiver, &segment(1000, &payload, 1000), false);
    assert_eq!(receiver.kept_memory(), 0);
}

/// Pieces of a stream, in the order of their arrival: at, length, of these bytes captured (per mille), room to keep it.
type Arrivals = Vec<(usize, usize, usize, bool)>;

fn arrivals(length: usize) -> impl Strategy<Value = Arrivals> {
    let cut = prop_oneof![4 => Just(1000_usize), 1 => 0..1000_usize];
    prop::collection::vec((0..length, 1..length / 4, cut, prop::bool::weighted(0.9)), 0..120)
}

proptest! {
    /// Whatever the order, the overlaps and the repetitions, the bytes are the same.
    #[test]
    fn all_bytes_are_delivered_in_order(arrivals in arrivals(2000), all_from in 0..60_usize) {
        let stream = stream(2000);
        let first = if all_from < 30 { AnswerPayload::All } else { AnswerPayload::Ends { head: 3, tail: 0 } };
        let (mut receiver, mut told) = (receiver(first), Told::default());
        let again = (0..stream.len()).step_by(50).map(|at| (at, 50, 1000, true));
        for (number, (at, length, per_mille, room)) in arrivals.into_iter().chain(again).enumerate() {
            if number == all_from {
                receiver.set_mode(AnswerPayload::All);
            }
            let whole = &stream[at..stream.len().min(at + length)];
            let captured = &whole[..whole.len() * per_mille / 1000];
            told.receive(&mut receiver, &segment(at as u32, captured, whole.len() as u32), room);
        }
        prop_assert_eq!(told.fresh, 2000);
        prop_assert_eq!(receiver.kept_memory(), 0);
        let mut at = 0;
        for (skipped, bytes) in &told.pieces {
            at += *skipped as usize;
            prop_assert_eq!(&stream[at..at + bytes.len()], &bytes[..]);
            at += bytes.len();
        }
        if first == AnswerPayload::All {
            prop_assert_eq!(told.bytes(), stream);
        }
    }

    /// The heads of segments are delivered as in order.
    #[test]
    fn all_heads_are_delivered_in_order(order in prop::collection::vec(0..40_usize, 0..120), head in 1..20_u16) {
        let stream = stream(40 * 50);
        let tell = |order: &[usize]| {
            let (mut receiver, mut told) = (receiver(AnswerPayload::Ends { head, tail: 0 }), Told::default());
            for number in order {
                let at = number * 50;
                let payload = &stream[at..at + usize::from(head)];
                told.receive(&mut receiver, &segment(at as u32, payload, 50), ROOM);
            }
            told
        };
        let in_order: Vec<usize> = (0..40).collect();
        let any_order: Vec<usize> = order.into_iter().chain(0..40).collect();
        prop_assert_eq!(tell(&any_order), tell(&in_order));
    }
}
