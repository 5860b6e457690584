//! Answers that have overtaken their route.

use std::collections::{HashMap, VecDeque};

use common_core::control::ServerSegment;
use common_core::flow::Flow;
use common_core::time::Time;

use super::routes::Hasher;

/// At most one answer per flow, each until its deadline.
pub(super) struct Delayed {
    answers: HashMap<Flow, (Time, ServerSegment<'static>), Hasher>,
    /// Deadlines in order. An entry whose deadline is not that of the flow's answer is stale.
    deadlines: VecDeque<(Time, Flow)>,
    limit: usize,
}

impl Delayed {
    pub(super) fn new(limit: usize) -> Self {
        Self { answers: HashMap::default(), deadlines: VecDeque::new(), limit }
    }

    /// Keeps an answer, in place of an earlier one of its flow. Deadlines must not go back from call to call.
    /// Returns how many answers were given up for it.
    pub(super) fn keep(&mut self, deadline: Time, flow: Flow, answer: ServerSegment<'static>) -> u64 {
        let mut given_up = 0;
        while self.deadlines.len() >= self.limit.max(1) {
            given_up += self.drop_first();
        }
        self.deadlines.push_back((deadline, flow));
        given_up + u64::from(self.answers.insert(flow, (deadline, answer)).is_some())
    }

    /// Takes the answer of a flow out.
    pub(super) fn take(&mut self, flow: &Flow) -> Option<ServerSegment<'static>> {
        let (_, answer) = self.answers.remove(flow)?;
        // Nobody should be woken for an answer that is gone.
        while self.deadlines.front().is_some_and(|(deadline, flow)| !self.stands(*deadline, flow)) {
            self.deadlines.pop_front();
        }
        Some(answer)
    }

    /// Gives up what waited in vain; returns how many.
    pub(super) fn expire(&mut self, now: Time) -> u64 {
        let mut given_up = 0;
        while self.next_deadline() <= now && !self.deadlines.is_empty() {
            given_up += self.drop_first();
        }
        given_up
    }

    pub(super) fn next_deadline(&self) -> Time {
        self.deadlines.front().map_or(Time::NEVER, |(deadline, _)| *deadline)
    }

    fn stands(&self, deadline: Time, flow: &Flow) -> bool {
        self.answers.get(flow).is_some_and(|(kept, _)| *kept == deadline)
    }

    fn drop_first(&mut self) -> u64 {
        let Some((deadline, flow)) = self.deadlines.pop_front() else { return 0 };
        if !self.stands(deadline, &flow) {
            return 0;
        }
        self.answers.remove(&flow);
        1
    }
}
