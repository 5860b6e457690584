//! The protocols that sessions are recorded and replayed in. Code that depends on one of them is behind a trait:
//! [`crate::decoding::Dialogue`] reads what two sides say, and [`crate::replay`] has a codec for each.

use std::fmt;

/// A database's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// PostgreSQL's, version 3.
    #[default]
    Postgres,
    /// MySQL's and MariaDB's.
    Mysql,
}

impl Protocol {
    const ALL: [Self; 2] = [Self::Postgres, Self::Mysql];

    /// As the header of a recording has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }

    /// From the header of a recording; `None` if it is another one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    /// The usual port of its servers.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Mysql => 3306,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
