//! How a password may be sent to a server.

use std::sync::Arc;

/// How a password may be sent to a server.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// In the clear, where the server asks for it.
    pub allow_clear: bool,
    /// The server's public key, in PEM. Without one, whoever answers as the server gives the key.
    pub public_key: Option<Arc<[u8]>>,
}
