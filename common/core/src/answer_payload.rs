//! How much of the test server's answers is wanted.

/// How much of a flow's answers intercept sends along with their headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AnswerPayload {
    /// Headers only.
    #[default]
    None,
    /// The first and the last payload bytes of every segment. An answer begins and ends with a segment, whatever is between.
    Ends {
        /// At most this many bytes of the beginning.
        head: u16,
        /// At most this many bytes of the end, without those of the beginning.
        tail: u8,
    },
    /// All payload.
    All,
}
