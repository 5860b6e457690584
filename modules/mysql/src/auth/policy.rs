//! The policy for passwords, from the configuration.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use module_kit::secret::CredentialsError;
use mysql_wire::login::dialogue::KEY_MAX;
use mysql_wire::login::plugin::is_public_key;
pub(crate) use mysql_wire::login::policy::Policy;

/// `public_key` is the file of the server's key.
///
/// # Errors
/// It cannot be read, or holds no key.
pub(crate) fn policy(allow_clear: bool, public_key: Option<&Path>) -> Result<Policy, CredentialsError> {
    Ok(Policy { allow_clear, public_key: public_key.map(read).transpose()? })
}

/// A public key is no secret: others may read the file.
fn read(path: &Path) -> Result<Arc<[u8]>, CredentialsError> {
    let wrong = |problem: String| CredentialsError::PublicKey { path: PathBuf::from(path), problem };
    let mut pem = Vec::new();
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    file.take(KEY_MAX as u64 + 1).read_to_end(&mut pem).map_err(|error| wrong(error.to_string()))?;
    if pem.len() <= KEY_MAX && is_public_key(&pem) {
        Ok(pem.into())
    } else {
        Err(wrong("it holds no RSA public key in PEM".to_owned()))
    }
}
