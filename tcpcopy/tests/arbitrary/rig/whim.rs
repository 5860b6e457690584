//! A protocol module that does all that a module can do, in an order that its input decides.

use common_core::answer_payload::AnswerPayload;
use common_core::flow::Flow;
use module_kit::module::{Actions, FailureKind, Loss, Module, Protocol, ServerData};

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
            18..22 => actions.ready(),
            22 => actions.answers(AnswerPayload::Head((self.0 & 63) as u16)),
            23 => actions.answers(AnswerPayload::None),
            24 => actions.answers(AnswerPayload::All),
            25 if self.0 & 7 == 0 => actions.fail(FailureKind::Unsupported, "a whim"),
            26 if self.0 & 7 == 0 => actions.refused(),
            _ => {}
        }
    }
}

impl Module for Whim {
    fn connected(&mut self, actions: &mut Actions) {
        self.act(1, actions);
    }

    fn client(&mut self, bytes: &[u8], actions: &mut Actions) {
        self.act(bytes.len(), actions);
        self.act(bytes.len(), actions);
    }

    fn answer(&mut self, said: ServerData<'_>, actions: &mut Actions) {
        let ServerData { skipped, bytes, .. } = said;
        self.act(bytes.len() ^ skipped as usize, actions);
    }
}
