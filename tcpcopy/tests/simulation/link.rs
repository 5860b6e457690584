//! The control links: ordered byte pipes between the engine's process and its intercepts, cut now and then.

use std::time::Duration;

use common_core::control::FrameBuffer;
use common_core::time::Time;

use crate::network::PathPlan;
use crate::rng::Rng;

/// One direction of a TCP connection: bytes arrive in order, in pieces of any size.
#[derive(Debug)]
pub(crate) struct Pipe {
    frames: FrameBuffer,
    last: Time,
}

/// The control link to one intercept.
#[derive(Debug)]
pub(crate) struct Link {
    plan: PathPlan,
    rng: Rng,
    /// Distinguishes the bytes of one connection from those of the next.
    pub(crate) epoch: u32,
    /// The connection is up, whatever its ends believe.
    pub(crate) alive: bool,
    /// The engine's side has received an answer to its hello, and has not noticed an end.
    pub(crate) up: bool,
    pub(crate) to_intercept: Pipe,
    pub(crate) from_intercept: Pipe,
}

impl Pipe {
    fn new() -> Self {
        Self { frames: FrameBuffer::new(), last: Time::ZERO }
    }

    /// Bytes arrive: delivers the bodies of all complete frames.
    pub(crate) fn arrive(&mut self, mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        while !bytes.is_empty() {
            let space = self.frames.space();
            let count = space.len().min(bytes.len());
            space[..count].copy_from_slice(&bytes[..count]);
            self.frames.filled(count);
            bytes = &bytes[count..];
            while let Some(body) = self.frames.next_frame().expect("a frame of the control link is malformed")
            {
                bodies.push(body.to_vec());
            }
        }
        bodies
    }
}

impl Link {
    pub(crate) fn new(plan: PathPlan, rng: Rng) -> Self {
        Self {
            plan,
            rng,
            epoch: 0,
            alive: false,
            up: false,
            to_intercept: Pipe::new(),
            from_intercept: Pipe::new(),
        }
    }

    pub(crate) fn connect(&mut self) {
        self.alive = true;
        self.to_intercept = Pipe::new();
        self.from_intercept = Pipe::new();
    }

    /// The connection breaks, and all that is under way is lost.
    pub(crate) fn cut(&mut self) {
        self.alive = false;
        self.epoch += 1;
    }

    /// Cuts bytes into pieces, and decides when each arrives.
    pub(crate) fn carry(&mut self, now: Time, bytes: &[u8], forth: bool) -> Vec<(Time, Vec<u8>)> {
        if !self.alive || bytes.is_empty() {
            return Vec::new();
        }
        let split = if self.rng.chance(300) { self.rng.below(bytes.len() as u64) as usize } else { 0 };
        let (first, second) = bytes.split_at(split);
        let mut pieces = Vec::new();
        for piece in [first, second].into_iter().filter(|piece| !piece.is_empty()) {
            let delay = self.plan.delay + self.rng.below(self.plan.jitter + 1);
            let pipe = if forth { &mut self.to_intercept } else { &mut self.from_intercept };
            pipe.last = pipe.last.max(now + Duration::from_micros(delay));
            pieces.push((pipe.last, piece.to_vec()));
        }
        pieces
    }
}
