//! From the bytes of a session to its records. No I/O, no clock: a proxy, a sniffer and a capture file feed the same code.

mod answers;
mod dialogue;
mod exchange;
mod known;
pub(crate) mod mysql;
mod recorder;
mod stream;
mod wire;

pub(crate) use self::answers::{Answers, error_of};
pub use self::dialogue::{Dialogue, dialogue};
pub use self::exchange::{Exchange, Expected};
pub use self::recorder::{Recorder, Settings};
pub use self::stream::{Body, Stream};
pub use self::wire::Wire;
