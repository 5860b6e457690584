//! The control protocol between tcpcopy and intercept, which docs/CONTROL_PROTOCOL.md specifies.

mod codec;
mod fields;
mod frame;
mod message;
mod proof;
mod tunnelled;

pub use codec::{DecodeError, MAX_ANSWER_PAYLOAD};
pub use frame::{FrameBuffer, FrameError, MAX_FIRST_FRAME, MAX_FRAME};
pub use message::{
    DEFAULT_PORT, DatagramAnswer, FlowId, FromIntercept, MAGIC, RefuseReason, ServerSegment, Statistics,
    ToIntercept, VERSION,
};
pub use proof::{PROOF_SLACK, Proof};
pub use tunnelled::{MAX_TUNNELLED, Tunnelled};

#[cfg(test)]
mod doc_tests;
