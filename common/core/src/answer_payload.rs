//! How much of the test server's answers is wanted.

/// How much of a flow's answers intercept sends along with their headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AnswerPayload {
    /// Headers only.
    #[default]
    None,
    /// At most this many payload bytes of every segment.
    Head(u16),
    /// All payload.
    All,
}
