//! The keys of SCRAM, which cost milliseconds to derive: once for each user, salt and number of iterations, in steps, so
//! that no other session waits long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use module_kit::secret::Secret;
use postgres_wire::login::client::ClientLogin;
use postgres_wire::login::keys::{Derivation, Keys};

/// Iterations of a step: a tenth of a millisecond with instructions for SHA-256, half a millisecond without.
pub(crate) const STEP: u32 = 1024;

/// Keys that are kept. Salts come from the test server, so there must be a limit.
const ENTRIES_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct KeyCache(Mutex<HashMap<Id, Entry>>);

/// What the keys belong to.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Id {
    user: Vec<u8>,
    salt: Vec<u8>,
    iterations: u32,
}

#[derive(Debug)]
struct Entry {
    password: Secret,
    progress: Arc<Mutex<Progress>>,
}

/// How far the derivation is.
#[derive(Debug)]
pub(crate) enum Progress {
    Deriving(Derivation),
    Done(Keys),
}

impl KeyCache {
    /// The keys that `login` of `user` needs, or their derivation, which other sessions may have begun.
    pub(crate) fn progress(
        &self,
        user: &[u8],
        password: &Secret,
        login: &ClientLogin,
    ) -> Option<Arc<Mutex<Progress>>> {
        let (salt, iterations) = login.challenge()?;
        let id = Id { user: user.to_vec(), salt: salt.to_vec(), iterations };
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(&id)
            && entry.password.bytes() == password.bytes()
        {
            return Some(Arc::clone(&entry.progress));
        }
        let progress = Arc::new(Mutex::new(Progress::Deriving(login.derivation()?)));
        if entries.len() >= ENTRIES_MAX {
            // A server that gives new salts without end has no use for a cache.
            entries.clear();
        }
        let entry = Entry { password: password.clone(), progress: Arc::clone(&progress) };
        entries.insert(id, entry);
        Some(progress)
    }
}

/// Makes a step. Returns the keys, if they are there, and whether this step was the last; none if another session makes a
/// step just now.
pub(crate) fn advance(progress: &Mutex<Progress>) -> Option<(Keys, bool)> {
    let mut progress = match progress.try_lock() {
        Ok(progress) => progress,
        Err(TryLockError::Poisoned(progress)) => progress.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    match &mut *progress {
        Progress::Done(keys) => Some((keys.clone(), false)),
        Progress::Deriving(derivation) => {
            if !derivation.advance(STEP) {
                return None;
            }
            let keys = std::mem::replace(derivation, Derivation::new(&[], &[], 1)).finish();
            *progress = Progress::Done(keys.clone());
            Some((keys, true))
        }
    }
}

#[cfg(test)]
mod tests {
    use postgres_wire::backend::Authentication;
    use postgres_wire::login::credential::Credential;

    use super::*;

    fn challenged(salt: &str, iterations: u32) -> ClientLogin {
        let password = Credential::read(b"secret").unwrap();
        let mut login = ClientLogin::new(b"app", Some(password), false, [7; 18]);
        login.handle(Authentication::Sasl(b"SCRAM-SHA-256\0\0")).unwrap();
        let challenge = format!("r={}x,s={salt},i={iterations}", "BwcH".repeat(6));
        login.handle(Authentication::SaslContinue(challenge.as_bytes())).unwrap();
        login
    }

    #[test]
    fn keys_are_derived_once_in_steps_that_sessions_share() {
        let (cache, secret) = (KeyCache::default(), Secret::new(b"secret"));
        let one = cache.progress(b"app", &secret, &challenged("c2FsdA==", 4096)).unwrap();
        let other = cache.progress(b"app", &secret, &challenged("c2FsdA==", 4096)).unwrap();
        assert!(advance(&one).is_none() && advance(&other).is_none() && advance(&one).is_none());
        assert_eq!(advance(&other), Some((Keys::derive(b"secret", b"salt", 4096), true)));
        let later = cache.progress(b"app", &secret, &challenged("c2FsdA==", 4096)).unwrap();
        assert!(advance(&later).is_some_and(|(_, is_new)| !is_new), "they are there");
        // Another salt, another password.
        let salt = cache.progress(b"app", &secret, &challenged("c2FsdDI=", 4096)).unwrap();
        assert!(advance(&salt).is_none());
        let password = cache.progress(b"app", &Secret::new(b"other"), &challenged("c2FsdA==", 4096)).unwrap();
        assert!(advance(&password).is_none());
    }

    #[test]
    fn a_step_that_another_session_makes_is_not_waited_for() {
        let progress = Mutex::new(Progress::Done(Keys::derive(b"", b"", 1)));
        let held = progress.lock().unwrap();
        assert!(advance(&progress).is_none());
        drop(held);
        assert!(advance(&progress).is_some());
    }
}
