//! Passwords of users on the test server, where they are not those of the online server.

use std::collections::BTreeMap;

use crate::secret::{CredentialsError, Secret, SecretSource};

/// Passwords by the name of the user.
#[derive(Debug, Clone, Default)]
pub struct Users(BTreeMap<Vec<u8>, Secret>);

impl Users {
    /// Reads the passwords.
    ///
    /// # Errors
    ///
    /// If one cannot be read from its source.
    pub fn resolve(users: &BTreeMap<String, SecretSource>) -> Result<Self, CredentialsError> {
        let resolve =
            |(name, source): (&String, &SecretSource)| Ok((name.clone().into_bytes(), source.resolve()?));
        users.iter().map(resolve).collect::<Result<_, _>>().map(Self)
    }

    /// The password of the entry with this name.
    #[must_use]
    pub fn password(&self, name: &[u8]) -> Option<&Secret> {
        self.0.get(name)
    }

    /// The password of `user` in `realm`, a database say: that of `user@realm`, of `user`, or of `*`, which is everybody
    /// else.
    #[must_use]
    pub fn password_in(&self, user: &[u8], realm: &[u8]) -> Option<&Secret> {
        let in_realm = [user, b"@", realm].concat();
        [&in_realm[..], user, b"*"].into_iter().find_map(|name| self.password(name))
    }

    /// Whether there is an entry for `user`, in whatever realm. The entry for everybody else names nobody.
    #[must_use]
    pub fn names(&self, user: &[u8]) -> bool {
        let is_of = |name: &[u8]| name.strip_prefix(user).is_some_and(|rest| matches!(rest, [] | [b'@', ..]));
        let mut from = self.0.range(user.to_vec()..).map(|(name, _)| name);
        user != b"*" && from.by_ref().take_while(|name| name.starts_with(user)).any(|name| is_of(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(users: &[(&str, &str)]) -> Users {
        let plain = |text: &str| SecretSource::Plain(text.to_owned().into());
        Users::resolve(&users.iter().map(|(name, secret)| ((*name).to_owned(), plain(secret))).collect())
            .unwrap()
    }

    #[test]
    fn the_most_particular_name_decides() {
        let users = users(&[("app@shop", "at shop"), ("app", "of app"), ("*", "of all")]);
        for (user, realm, expected) in [
            ("app", "shop", "at shop"),
            ("app", "other", "of app"),
            ("app", "", "of app"),
            ("other", "shop", "of all"),
            // Somebody who has the name of another in a realm is somebody else.
            ("app@shop", "", "at shop"),
        ] {
            let password = users.password_in(user.as_bytes(), realm.as_bytes());
            assert_eq!(password.map(Secret::bytes), Some(expected.as_bytes()));
        }
        assert!(
            users.password(b"other").is_none() && Users::default().password_in(b"app", b"shop").is_none()
        );
    }

    #[test]
    fn who_is_named_is_known() {
        let users = users(&[("app@shop", "secret"), ("appendix", "secret"), ("*", "secret")]);
        assert!(users.names(b"app") && users.names(b"appendix"));
        assert!(!users.names(b"appen") && !users.names(b"*") && !users.names(b"other"));
        assert!(!format!("{users:?}").contains("secret"));
    }
}
