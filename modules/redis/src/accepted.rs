//! Databases that the test server has let users choose.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock};

/// So many users are remembered, and databases of each.
const LIMIT: usize = 1024;

/// What one test server has accepted it accepts again: nobody needs to wait for its answer.
#[derive(Debug, Default)]
pub(crate) struct Accepted(RwLock<HashMap<Vec<u8>, HashSet<u32>>>);

impl Accepted {
    pub(crate) fn contains(&self, user: &[u8], database: u32) -> bool {
        let users = self.0.read().unwrap_or_else(PoisonError::into_inner);
        users.get(user).is_some_and(|databases| databases.contains(&database))
    }

    pub(crate) fn add(&self, user: &[u8], database: u32) {
        if self.contains(user, database) {
            return;
        }
        let mut users = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if users.len() < LIMIT || users.contains_key(user) {
            let databases = users.entry(user.to_vec()).or_default();
            if databases.len() < LIMIT {
                databases.insert(database);
            }
        }
    }

    /// The server does not accept it any more.
    pub(crate) fn remove(&self, user: &[u8], database: u32) {
        let mut users = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(databases) = users.get_mut(user) {
            databases.remove(&database);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_accepted_is_known_by_user_in_bounded_number() {
        let accepted = Accepted::default();
        accepted.add(b"app", 3);
        assert!(accepted.contains(b"app", 3));
        assert!(!accepted.contains(b"app", 4) && !accepted.contains(b"other", 3));
        for number in 0..2 * LIMIT as u32 {
            accepted.add(b"app", number);
            accepted.add(&number.to_be_bytes(), 0);
        }
        let users = accepted.0.read().unwrap();
        assert_eq!((users.len(), users[&b"app"[..]].len()), (LIMIT, LIMIT));
        drop(users);
        accepted.remove(b"app", 3);
        assert!(!accepted.contains(b"app", 3));
    }
}
