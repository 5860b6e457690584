//! What statements set and read in the state of a connection, as far as a new connection can be told.

/// A part of the state that has a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variable {
    /// What a login sets: a reset of the connection unsets it.
    Login,
    Database,
    /// What SET TRANSACTION has said of the next transaction, and SET insert_id of the next INSERT.
    Next,
    /// COM_SET_OPTION.
    Options,
    User(Box<[u8]>),
    Session(Box<[u8]>),
    /// A statement that was prepared in SQL.
    Prepared(Box<[u8]>),
}

/// The session variables that SET NAMES and SET CHARACTER SET set.
const CHARACTER_SETS: [&[u8]; 4] =
    [b"character_set_client", b"character_set_connection", b"character_set_results", b"collation_connection"];

impl Variable {
    pub(crate) fn user(name: &[u8]) -> Self {
        Self::User(folded(name))
    }

    /// A session variable. Some have two names.
    pub(crate) fn session(name: &[u8]) -> Self {
        let name = folded(name);
        match &*name {
            b"insert_id" => Self::Next,
            b"identity" => Self::last_insert_id(),
            b"tx_isolation" => Self::Session(folded(b"transaction_isolation")),
            b"tx_read_only" => Self::Session(folded(b"transaction_read_only")),
            // Each sets the other.
            b"collation_connection" => Self::Session(folded(b"character_set_connection")),
            _ => Self::Session(name),
        }
    }

    pub(crate) fn prepared(name: &[u8]) -> Self {
        Self::Prepared(folded(name))
    }

    pub(crate) fn last_insert_id() -> Self {
        Self::Session(folded(b"last_insert_id"))
    }

    /// The database, as a variable whose value only the present connection has.
    pub(crate) fn unknown_database() -> Self {
        Self::session(b"database()")
    }

    /// What SET NAMES and SET CHARACTER SET set.
    pub(crate) fn character_sets() -> impl Iterator<Item = Self> {
        CHARACTER_SETS.into_iter().map(Self::session)
    }

    /// Whether a statement means something else when it is prepared with another value of this.
    pub(crate) fn is_read_by_prepare(&self) -> bool {
        const READ: [&[u8]; 6] = [
            b"sql_mode",
            b"character_set_client",
            b"character_set_connection",
            b"default_collation_for_utf8mb4",
            b"div_precision_increment",
            b"optimizer_switch",
        ];
        match self {
            Self::Database => true,
            Self::Session(name) => READ.contains(&&**name),
            Self::Login | Self::Next | Self::Options | Self::User(_) | Self::Prepared(_) => false,
        }
    }

    /// The memory that is allocated for it, in bytes.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::User(name) | Self::Session(name) | Self::Prepared(name) => name.len(),
            Self::Login | Self::Database | Self::Next | Self::Options => 0,
        }
    }
}

/// Names are compared without case.
fn folded(name: &[u8]) -> Box<[u8]> {
    name.to_ascii_lowercase().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_one_name() {
        assert_eq!(Variable::session(b"TX_Isolation"), Variable::session(b"transaction_isolation"));
        assert_eq!(Variable::session(b"identity"), Variable::last_insert_id());
        assert_ne!(Variable::user(b"sql_mode"), Variable::session(b"sql_mode"));
        assert!(Variable::character_sets().any(|it| it == Variable::session(b"COLLATION_CONNECTION")));
    }
}
