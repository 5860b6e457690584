//! The capabilities of client and server: the flags of a login.
//!
//! Source: dev.mysql.com, "Capabilities Flags"; MariaDB's documentation, "Connection", for the extended ones.

use std::ops::BitOr;

/// A set of capability flags: MySQL's in the low half, MariaDB's extended ones in the high half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// Set by MySQL, not by MariaDB: without it, the extended capabilities are meant ("long password" once).
    pub const MYSQL: Self = Self(1);
    /// The client names a database.
    pub const CONNECT_WITH_DB: Self = Self(1 << 3);
    /// Packets are compressed with zlib.
    pub const COMPRESS: Self = Self(1 << 5);
    /// The client sends files for LOAD DATA LOCAL.
    pub const LOCAL_FILES: Self = Self(1 << 7);
    /// The protocol of version 4.1.
    pub const PROTOCOL_41: Self = Self(1 << 9);
    /// The connection is encrypted.
    pub const SSL: Self = Self(1 << 11);
    /// The server tells the status of transactions.
    pub const TRANSACTIONS: Self = Self(1 << 13);
    /// The password is proved with a nonce.
    pub const SECURE_CONNECTION: Self = Self(1 << 15);
    /// Several statements in one text.
    pub const MULTI_STATEMENTS: Self = Self(1 << 16);
    /// Several results of one statement.
    pub const MULTI_RESULTS: Self = Self(1 << 17);
    /// The same of prepared statements.
    pub const PS_MULTI_RESULTS: Self = Self(1 << 18);
    /// Authentication methods have names.
    pub const PLUGIN_AUTH: Self = Self(1 << 19);
    /// The client says more about itself.
    pub const CONNECT_ATTRS: Self = Self(1 << 20);
    /// The answer to the nonce may be long.
    pub const SIZED_AUTH: Self = Self(1 << 21);
    /// Lists end with an OK packet.
    pub const DEPRECATE_EOF: Self = Self(1 << 24);
    /// The server may leave out the definitions of columns.
    pub const OPTIONAL_METADATA: Self = Self(1 << 25);
    /// Packets are compressed with Zstandard.
    pub const ZSTD: Self = Self(1 << 26);
    /// Attributes before the text of a statement.
    pub const QUERY_ATTRIBUTES: Self = Self(1 << 27);
    /// Several passwords.
    pub const MULTI_FACTOR: Self = Self(1 << 28);
    /// The server's certificate is checked.
    pub const VERIFY_CERTIFICATE: Self = Self(1 << 30);
    /// MariaDB: COM_STMT_BULK_EXECUTE.
    pub const BULK: Self = Self(1 << 34);

    /// MariaDB: definitions of columns that the client knows are left out.
    pub const CACHED_METADATA: Self = Self(1 << 36);

    /// Never requested from the test server: encryption and compression, which the copy does not use, and second passwords,
    /// which are not configured.
    const NEVER: Self = Self(
        Self::COMPRESS.0 | Self::SSL.0 | Self::ZSTD.0 | Self::MULTI_FACTOR.0 | Self::VERIFY_CERTIFICATE.0,
    );

    /// The likely capabilities of a client whose login was not captured.
    pub const ASSUMED: Self = Self(
        Self::MYSQL.0
            | Self::LOCAL_FILES.0
            | Self::PROTOCOL_41.0
            | Self::TRANSACTIONS.0
            | Self::SECURE_CONNECTION.0
            | Self::MULTI_STATEMENTS.0
            | Self::MULTI_RESULTS.0
            | Self::PS_MULTI_RESULTS.0
            | Self::PLUGIN_AUTH.0
            | Self::DEPRECATE_EOF.0,
    );

    /// From the flags of a packet.
    pub fn new(low: u32, extended: u32) -> Self {
        Self(u64::from(low) | u64::from(extended) << 32)
    }

    /// MySQL's flags.
    pub fn low(self) -> u32 {
        self.0 as u32
    }

    /// MariaDB's extended flags.
    pub fn extended(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Whether all of `other` are here.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// All but `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The capabilities of the copy of a client that wants `self`: those that both sides have, and those that our own login
    /// needs. A client of MySQL remains one, whatever the server.
    pub fn agree_with(self, server: Self) -> Self {
        let ours = Self::PLUGIN_AUTH | Self::SECURE_CONNECTION | Self::PROTOCOL_41;
        let mut agreed = Self((self.0 | ours.0) & server.0 & !Self::NEVER.0 & !Self::MYSQL.0);
        if self.has(Self::MYSQL) {
            agreed = Self(u64::from((agreed | Self::MYSQL).low()));
        } else if server.has(Self::MYSQL) {
            agreed = Self(u64::from(agreed.low()));
        }
        agreed
    }
}

impl BitOr for Capabilities {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Capabilities = Capabilities(u64::MAX);

    #[test]
    fn never_more_than_both_can_do() {
        let server = ALL.without(Capabilities::QUERY_ATTRIBUTES);
        let agreed = ALL.agree_with(server);
        assert!(!agreed.has(Capabilities::QUERY_ATTRIBUTES));
        assert!(!agreed.has(Capabilities::COMPRESS));
        assert!(!agreed.has(Capabilities::SSL));
        assert!(agreed.has(Capabilities::DEPRECATE_EOF));
    }

    #[test]
    fn extended_capabilities_are_between_mariadbs_only() {
        let mariadb = ALL.without(Capabilities::MYSQL);
        assert_ne!(mariadb.agree_with(mariadb).extended(), 0);
        assert_eq!(mariadb.agree_with(ALL).extended(), 0);
        assert_eq!(ALL.agree_with(mariadb).extended(), 0);
        assert!(ALL.agree_with(mariadb).has(Capabilities::MYSQL));
    }
}
