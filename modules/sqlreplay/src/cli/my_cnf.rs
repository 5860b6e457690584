//! The password in an option file of MySQL's programs. Source: dev.mysql.com, "Using Option Files".

use zeroize::Zeroizing;

/// Groups that are read, as by other clients.
const GROUPS: &[&str] = &["client", "client-mariadb", "mysql", "sqlreplay"];

/// The last password in the file.
pub(super) fn password(text: &[u8]) -> Option<Zeroizing<String>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut is_ours = false;
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if let Some(group) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            is_ours = GROUPS.contains(&group);
        } else if is_ours
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == "password"
        {
            found = Some(Zeroizing::new(unquoted(value.trim()).to_owned()));
        }
    }
    found
}

fn unquoted(value: &str) -> &str {
    let inside = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.split_once(quote));
    match inside('"').or_else(|| inside('\'')) {
        Some((inside, _)) => inside,
        None => value.split(" #").next().unwrap_or_default().trim_end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_clients_is_found() {
        let found = |text: &str| password(text.as_bytes()).map(|it| it.to_string());
        assert_eq!(found("[client]\nuser=a\npassword = se cret # x\n").as_deref(), Some("se cret"));
        assert_eq!(found("[client]\npassword=\"a#b\" # x\n[mysqld]\npassword=z").as_deref(), Some("a#b"));
        assert_eq!(found("[mysqld]\npassword=z\n# password=y\n"), None);
        assert_eq!(found("password=z\n[client]\n#password=y"), None);
    }
}
