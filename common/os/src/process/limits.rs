//! What the operating system lets a process have.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Lets the process have as many files open as it may ask for: shells and service managers give 1024 first, for programs that
/// use `select`, and 64 workers take more.
///
/// # Errors
/// The operating system's error; the limit stays.
pub fn raise_open_files() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_may_be_had_is_asked_for() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        // Other tests run beside it, and need some.
        setrlimit(Resource::RLIMIT_NOFILE, hard.min(1024), hard).unwrap();
        raise_open_files().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
    }
}
