//! Base64 with padding, as SCRAM has it, in constant time.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

/// The bytes; `None` if the text is not canonical Base64.
pub(crate) fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    Base64::decode_vec(std::str::from_utf8(text).ok()?).ok().map(Zeroizing::new)
}

/// The same for a key, which has one length.
pub(crate) fn decode_key(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    decode(text)?.as_slice().try_into().ok().map(Zeroizing::new)
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}
