//! The secret channel between tcpcopy and intercept: one shared key authenticates both ends and encrypts what they say.
//! Free of I/O, except that random numbers come from the operating system. docs/CONTROL_PROTOCOL.md, "With a key", is the
//! specification.
//!
//! [`key`] has the key and its file, [`handshake`] the messages that open a channel, [`record`] what passes afterwards. The
//! cryptography is `Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s` of the Noise Protocol Framework, revision 34, by the `snow` crate.
#![forbid(unsafe_code)]

pub mod handshake;
pub mod key;
pub mod record;
