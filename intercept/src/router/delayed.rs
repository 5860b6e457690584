//! Answers that have overtaken their route.

use std::collections::{HashMap, VecDeque};

use common_core::control::ServerSegment;
use common_core::flow::Flow;
use common_core::time::Time;

use super::routes::Hasher;

/// At most one answer per flow, each until its deadline.
pub(super) struct Delayed {
    answers: HashMap<Flow, (Time, ServerSegment<'static>), Hasher>,
    /// Deadlines in order. An entry is stale if its deadline is not that of the flow's answer.
    deadlines: VecDeque<(Time, Flow)>,
    limit: usize,
}

impl Delayed {
    pub(super) fn new(limit: usize) -> Self {
        Self { answers: HashMap::default(), deadlines: VecDeque::new(), limit }
    }

    /// Keeps an answer; it replaces an earlier one of its flow. Deadlines must not decrease from call to call.
    /// Returns how many answers were dropped for it.
    pub(super) fn keep(&mut self, deadline: Time, flow: Flow, answer: ServerSegment<'static>) -> u64 {
        let mut dropped = 0;
        while self.deadlines.len() >= self.limit.max(1) {
            dropped += self.drop_first();
        }
        self.deadlines.push_back((deadline, flow));
        dropped + u64::from(self.answers.insert(flow, (deadline, answer)).is_some())
    }

    /// The answer of a flow.
    pub(super) fn get(&self, flow: &Flow) -> Option<&ServerSegment<'static>> {
        self.answers.get(flow).map(|(_, answer)| answer)
    }

    /// Removes the answer of a flow.
    pub(super) fn take(&mut self, flow: &Flow) -> Option<ServerSegment<'static>> {
        let (_, answer) = self.answers.remove(flow)?;
        // An answer that is gone must not cause a timeout.
        while self.deadlines.front().is_some_and(|(deadline, flow)| !self.is_current(*deadline, flow)) {
            self.deadlines.pop_front();
        }
        Some(answer)
    }

    /// Drops answers whose deadline has passed; returns how many.
    pub(super) fn expire(&mut self, now: Time) -> u64 {
        let mut dropped = 0;
        while self.next_deadline() <= now && !self.deadlines.is_empty() {
            dropped += self.drop_first();
        }
        dropped
    }

    pub(super) fn next_deadline(&self) -> Time {
        self.deadlines.front().map_or(Time::NEVER, |(deadline, _)| *deadline)
    }

    fn is_current(&self, deadline: Time, flow: &Flow) -> bool {
        self.answers.get(flow).is_some_and(|(kept, _)| *kept == deadline)
    }

    fn drop_first(&mut self) -> u64 {
        let Some((deadline, flow)) = self.deadlines.pop_front() else { return 0 };
        if !self.is_current(deadline, &flow) {
            return 0;
        }
        self.answers.remove(&flow);
        1
    }
}
