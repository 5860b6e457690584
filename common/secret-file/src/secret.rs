//! A secret in memory.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A password.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// A copy of `password`, which is wiped when the last of its clones is dropped.
    #[must_use]
    pub fn new(password: &[u8]) -> Self {
        Self(Arc::new(Zeroizing::new(password.to_vec())))
    }

    /// The password.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
