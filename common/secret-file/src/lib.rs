//! Files that hold passwords or keys: who else can read them, and how they are read and made.

mod secret;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::unistd::geteuid;
use thiserror::Error;
use zeroize::Zeroizing;

use common_core::text::shown;

pub use self::secret::Secret;

/// Why a file with secrets is not read: one line with a hint, and nothing of its content.
#[derive(Debug, Error)]
pub enum SecretFileError {
    /// It cannot be opened, or read.
    #[error("{0}; give the path of a file that this user can read")]
    Read(#[from] io::Error),
    /// It is a directory, a pipe or a device.
    #[error("it is no regular file; give the path of one")]
    NoFile,
    /// Others than its owner can read or change it.
    #[error("it holds a password or key, and others can read or change it: chmod 600 {path}")]
    Mode {
        /// Its path, fit for the terminal.
        path: String,
    },
    /// Its owner is neither root nor the caller.
    #[error("it belongs to another user: chown it to the one who runs this program, or to root")]
    Owner,
    /// It is longer than this, in bytes.
    #[error("it has more than {0} bytes; it must not hold anything else")]
    Length(u64),
}

/// Reads a regular file that belongs to root or the caller, that nobody else can read or change, and that has at most
/// `length_max` bytes. The content is wiped from memory when it is dropped.
///
/// # Errors
/// The problem with the file.
pub fn read(path: &Path, length_max: u64) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    // Opening a pipe must not wait for a writer. All checks are made on the open file: another cannot take its place.
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(path)?;
    let length = check(path, &file)?;
    // A buffer that grows would leave copies in memory.
    let room = usize::try_from(length.min(length_max)).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(length_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > length_max { Err(SecretFileError::Length(length_max)) } else { Ok(bytes) }
}

/// Creates a file that only the caller can read and change.
///
/// # Errors
/// The operating system's error; [`io::ErrorKind::AlreadyExists`] if there is something of this name.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // Half a file would be taken for a damaged one.
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(std::fs::remove_file(path)))
}

/// Nobody but root and the caller may read or change it. Returns its length, in bytes.
fn check(path: &Path, file: &File) -> Result<u64, SecretFileError> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(SecretFileError::NoFile);
    }
    if !is_trusted(metadata.uid(), geteuid().as_raw()) {
        return Err(SecretFileError::Owner);
    }
    if metadata.mode() & 0o066 != 0 {
        return Err(SecretFileError::Mode { path: shown(&path.to_string_lossy(), 200) });
    }
    Ok(metadata.len())
}

fn is_trusted(owner: u32, caller: u32) -> bool {
    owner == 0 || owner == caller
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    /// A path of its own for each test, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn path(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("tcpcopy-secret-{name}-{}", std::process::id())))
        }

        fn file(name: &str, content: &str, mode: u32) -> Self {
            let scratch = Self::path(name);
            fs::write(&scratch.0, content).unwrap();
            fs::set_permissions(&scratch.0, Permissions::from_mode(mode)).unwrap();
            scratch
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn no_more_is_read_than_the_limit() {
        let file = Scratch::file("length", "secret", 0o600);
        assert_eq!(read(&file.0, 6).unwrap()[..], b"secret"[..]);
        assert!(matches!(read(&file.0, 5), Err(SecretFileError::Length(5))));
    }

    #[test]
    fn what_is_created_can_be_read_by_its_owner_alone_and_replaces_nothing() {
        let file = Scratch::path("created");
        create(&file.0, b"secret").unwrap();
        assert_eq!(fs::metadata(&file.0).unwrap().mode() & 0o777, 0o600);
        assert_eq!(read(&file.0, 100).unwrap()[..], b"secret"[..]);
        assert_eq!(create(&file.0, b"other").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read(&file.0, 100).unwrap()[..], b"secret"[..]);
    }

    #[test]
    fn reading_does_not_wait() {
        let pipe = Scratch::path("pipe");
        mkfifo(&pipe.0, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        for path in [&pipe.0, Path::new("/dev/zero"), Path::new("/tmp")] {
            assert!(matches!(read(path, 100), Err(SecretFileError::NoFile)), "{}", path.display());
        }
    }

    #[test]
    fn a_file_that_others_read_change_or_own_is_an_error() {
        for mode in [0o640, 0o604, 0o620, 0o602, 0o666] {
            let file = Scratch::file(&format!("mode-{mode:o}"), "hunter2", mode);
            let complaint = read(&file.0, 100).unwrap_err().to_string();
            assert!(complaint.contains("chmod 600 /") && !complaint.contains("hunter2"), "{complaint}");
        }
        assert!(is_trusted(0, 1000) && is_trusted(1000, 1000));
        assert!(!is_trusted(1000, 0) && !is_trusted(1000, 1001));
    }
}
