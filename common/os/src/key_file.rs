//! `--key-file` and `--new-key`: the file with the shared key of tcpcopy and intercept.

use std::io;
use std::path::Path;
use std::sync::Arc;

use common_core::text::shown;
use common_noise::key::{FILE_LENGTH_MAX, Key, Keys};
use thiserror::Error;

/// Why a key file cannot be read or made: one line with a hint, and nothing of its content.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyFileError {
    /// `--key-file` cannot be used.
    #[error("--key-file: '{path}': {problem}")]
    Read {
        /// The file.
        path: String,
        /// Why it cannot be used.
        problem: String,
    },
    /// `--new-key` cannot make the file.
    #[error(
        "--new-key: '{path}': {problem}; give the path of a new file in a directory that this user can write to"
    )]
    Create {
        /// The file.
        path: String,
        /// Why it cannot be made.
        problem: String,
    },
}

/// Reads a key file, which nobody but its owner and root may read.
///
/// # Errors
/// [`KeyFileError::Read`].
pub fn read(path: &Path) -> Result<Arc<Keys>, KeyFileError> {
    let wrong = |problem: String| KeyFileError::Read { path: shown(&path.to_string_lossy(), 200), problem };
    let content = secret_file::read(path, FILE_LENGTH_MAX).map_err(|error| wrong(error.to_string()))?;
    Keys::parse(&content).map(Arc::new).map_err(|error| wrong(error.to_string()))
}

/// Makes a file with a new key. The text says what to do with it.
///
/// # Errors
/// [`KeyFileError::Create`]; a file that exists stays as it is.
pub fn create(path: &Path) -> Result<String, KeyFileError> {
    let name = shown(&path.to_string_lossy(), 200);
    let wrong = |problem: String| KeyFileError::Create { path: name.clone(), problem };
    let key = Key::generate().map_err(|error| wrong(error.to_string()))?;
    secret_file::create(path, key.file().as_bytes()).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => wrong("it exists, and a key is never overwritten".to_owned()),
        _ => wrong(error.to_string()),
    })?;
    Ok(format!(
        "{name} has a new key, which only its owner can read. Copy it to the online host, and start both programs with it:\n\
         \x20 scp -p {name} ONLINE-HOST:\n\
         \x20 intercept --key-file {name} ...\n\
         \x20 tcpcopy --key-file {name} ...\n"
    ))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_new_file_can_be_read_and_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let text = create(&path).unwrap();
        assert!(text.contains("--key-file") && text.ends_with('\n'), "{text}");
        let keys = read(&path).unwrap();
        assert!(!text.contains(keys.first().file().lines().last().unwrap()), "the key is not shown");
        let error = create(&path).unwrap_err().to_string();
        assert!(error.contains("it exists"), "{error}");
        assert_eq!(read(&path).unwrap(), keys);
    }

    #[test]
    fn errors_are_one_line_that_shows_nothing_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, "hunter2\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let open = read(&path).unwrap_err().to_string();
        assert!(open.starts_with("--key-file: '") && open.contains("chmod 600"), "{open}");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let content = read(&path).unwrap_err().to_string();
        assert!(content.contains("line 1") && !content.contains("hunter2"), "{content}");
        let missing = create(&directory.path().join("none/key")).unwrap_err().to_string();
        assert!(missing.starts_with("--new-key: '") && missing.contains("No such file"), "{missing}");
        assert!([open, content, missing].iter().all(|line| line.lines().count() == 1));
    }
}
