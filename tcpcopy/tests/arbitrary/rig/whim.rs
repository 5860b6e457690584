//! A protocol module that uses all actions, in an order that its input decides.

use common_core::answer_payload::AnswerPayload;
use common_core::flow::Flow;
use module_kit::{Actions, FailureKind, Loss, Missing, Module, Protocol, Ready, ServerData};

pub(crate) struct Whimsical;

impl Protocol for Whimsical {
    fn name(&self) -> &'static str {
        "whimsical"
    }

    fn module(&self, _flow: &Flow, from_start: bool) -> Box<dyn Module> {
        Box::new(Whim(u64::from(from_start)))
    }
}

struct Whim(u64);

impl Whim {
    fn act(&mut self, length: usize, actions: &mut Actions) {
        // The constants of Knuth's MMIX generator.
        self.0 = (self.0 ^ length as u64)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        match self.0 >> 59 {
            0..10 => actions.pass(length),
            10..12 => actions.pass(length / 2),
            12 => actions.pass(usize::MAX),
            13 => actions.replace(length / 3),
            14 => actions.leave_out(usize::MAX, Loss::LeftOut),
            15..18 => actions.send(b"the module's own"),
            18..20 => actions.ready(),
            20..22 => actions.answered(),
            22 => {
                actions.answers(AnswerPayload::Ends { head: (self.0 & 63) as u16, tail: (self.0 & 7) as u8 })
            }
            23 => actions.answers(AnswerPayload::None),
            24 => actions.answers(AnswerPayload::All),
            25 if self.0 & 7 == 0 => actions.fail(FailureKind::Unsupported, "a whim"),
            26 if self.0 & 7 == 0 => actions.refused(),
            27 | 28 => actions.call_again(),
            _ => {}
        }
    }
}

impl Module for Whim {
    fn connected(&mut self, actions: &mut Actions) -> Ready {
        self.act(1, actions);
        if self.0 & 3 == 0 { Ready::Now } else { Ready::WhenSaid }
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        self.act(bytes.len(), actions);
        self.act(bytes.len(), actions);
    }

    fn answer(&mut self, data: ServerData<'_>, actions: &mut Actions) {
        self.act(data.bytes.len(), actions);
    }

    fn missed(&mut self, missing: Missing<'_>) {
        self.0 ^= match missing {
            Missing::Dropped(bytes) => bytes.len() as u64,
            Missing::Uncaptured => 1,
            Missing::TestServer(bytes) | Missing::OnlineServer(bytes) => bytes,
        };
    }
}
