//! The control link between tcpcopy and intercept; docs/CONTROL_PROTOCOL.md is its specification.

mod message;

pub use message::{
    Answer, AnswerPayload, DEFAULT_PORT, FlowId, FromIntercept, MAGIC, RefuseReason, Statistics, ToIntercept, VERSION,
};
