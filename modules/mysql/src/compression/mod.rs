//! Compressed clients: the copy inflates what they send and sends it to the test server uncompressed.

pub(crate) mod inflate;
pub(crate) mod packets;
