//! The commands of a client.
//!
//! Source: dev.mysql.com, "Command Phase"; MariaDB's documentation, "Replication Protocol", "COM_STMT_BULK_EXECUTE".

use crate::packet::{HEADER, Header};

/// The first byte of a command's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command(pub u8);

impl Command {
    /// The client leaves.
    pub const QUIT: Self = Self(0x01);
    /// Takes the connection to a database.
    pub const INIT_DB: Self = Self(0x02);
    /// Runs statements.
    pub const QUERY: Self = Self(0x03);
    /// Asks for the columns of a table; deprecated.
    pub const FIELD_LIST: Self = Self(0x04);
    /// Flushes caches; deprecated.
    pub const REFRESH: Self = Self(0x07);
    /// Stops the server; deprecated.
    pub const SHUTDOWN: Self = Self(0x08);
    /// Ends a connection; deprecated.
    pub const PROCESS_KILL: Self = Self(0x0C);
    /// Asks whether the server is there.
    pub const PING: Self = Self(0x0E);
    /// Logs in again as another user.
    pub const CHANGE_USER: Self = Self(0x11);
    /// Asks for the binary log.
    pub const BINLOG_DUMP: Self = Self(0x12);
    /// Asks for a table; of old replicas.
    pub const TABLE_DUMP: Self = Self(0x13);
    /// Names a replica.
    pub const REGISTER_REPLICA: Self = Self(0x15);
    /// Prepares a statement.
    pub const PREPARE: Self = Self(0x16);
    /// Runs a prepared statement.
    pub const EXECUTE: Self = Self(0x17);
    /// Sends a part of a parameter.
    pub const LONG_DATA: Self = Self(0x18);
    /// Drops a prepared statement.
    pub const CLOSE: Self = Self(0x19);
    /// Drops the cursor and the long data of a prepared statement.
    pub const RESET: Self = Self(0x1A);
    /// Switches several statements in one text on or off.
    pub const SET_OPTION: Self = Self(0x1B);
    /// Fetches rows from a cursor.
    pub const FETCH: Self = Self(0x1C);
    /// Asks for the binary log by GTID.
    pub const BINLOG_DUMP_GTID: Self = Self(0x1E);
    /// Drops the state of the connection.
    pub const RESET_CONNECTION: Self = Self(0x1F);
    /// Clones the server.
    pub const CLONE: Self = Self(0x20);
    /// Of group replication.
    pub const SUBSCRIBE_GROUP: Self = Self(0x21);
    /// MariaDB: runs a prepared statement with many rows of parameters.
    pub const BULK_EXECUTE: Self = Self(0xFA);

    /// For the user.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    /// A command that both vendors' manuals name.
    pub fn is_known(self) -> bool {
        self.name() != "other"
    }

    /// The server does not answer it.
    pub fn has_no_answer(self) -> bool {
        matches!(self, Self::QUIT | Self::LONG_DATA | Self::CLOSE)
    }

    /// A replica, or a new member of a cluster, sends it: its session cannot be copied.
    pub fn is_replication(self) -> bool {
        matches!(
            self,
            Self::BINLOG_DUMP
                | Self::BINLOG_DUMP_GTID
                | Self::REGISTER_REPLICA
                | Self::TABLE_DUMP
                | Self::CLONE
                | Self::SUBSCRIBE_GROUP
        )
    }

    /// Begins with the id of a statement.
    pub fn names_statement(self) -> bool {
        matches!(
            self,
            Self::EXECUTE | Self::LONG_DATA | Self::CLOSE | Self::RESET | Self::FETCH | Self::BULK_EXECUTE
        )
    }

    /// The payload may have this length.
    fn may_have(self, length: usize) -> bool {
        match self {
            Self::CLOSE | Self::RESET => length == 5,
            Self::FETCH => length == 9,
            Self::EXECUTE => length >= 10,
            Self::LONG_DATA | Self::BULK_EXECUTE => length >= 7,
            Self::QUIT | Self::PING | Self::RESET_CONNECTION => length == 1,
            Self::QUERY | Self::PREPARE => length >= 2,
            _ => (1..64 << 10).contains(&length),
        }
    }
}

/// The names of commands by their byte.
pub static NAMES: [&str; 256] = {
    let mut names = ["other"; 256];
    let known = [
        (0x01, "quit"),
        (0x02, "init_db"),
        (0x03, "query"),
        (0x04, "field_list"),
        (0x05, "create_db"),
        (0x06, "drop_db"),
        (0x07, "refresh"),
        (0x08, "shutdown"),
        (0x09, "statistics"),
        (0x0A, "process_info"),
        (0x0C, "process_kill"),
        (0x0D, "debug"),
        (0x0E, "ping"),
        (0x11, "change_user"),
        (0x12, "binlog_dump"),
        (0x13, "table_dump"),
        (0x15, "register_replica"),
        (0x16, "stmt_prepare"),
        (0x17, "stmt_execute"),
        (0x18, "stmt_send_long_data"),
        (0x19, "stmt_close"),
        (0x1A, "stmt_reset"),
        (0x1B, "set_option"),
        (0x1C, "stmt_fetch"),
        (0x1E, "binlog_dump_gtid"),
        (0x1F, "reset_connection"),
        (0x20, "clone"),
        (0x21, "subscribe_group_replication_stream"),
        (0xFA, "stmt_bulk_execute"),
    ];
    let mut at = 0;
    while at < known.len() {
        names[known[at].0] = known[at].1;
        at += 1;
    }
    names
};

/// Can these bytes be the beginning of a command? `None` if there are too few to tell.
pub fn looks_like_command(bytes: &[u8]) -> Option<bool> {
    let header = Header::read(bytes)?;
    let command = Command(*bytes.get(HEADER)?);
    let begins = header.sequence == 0 && command.is_known() && command.may_have(header.length);
    let next = bytes.get(HEADER + header.length..).and_then(Header::read);
    Some(
        begins
            && (header.goes_on() || next.is_none_or(|next| next.sequence == 0 || command == Command::QUERY)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_other_bytes() {
        assert_eq!(looks_like_command(b"\x01\0\0\0\x0e"), Some(true));
        assert_eq!(looks_like_command(b"\x02\0\0\0\x0e\0"), Some(false));
        assert_eq!(looks_like_command(b"\x05\0\0\0\x19\x01\0\0\0"), Some(true));
        assert_eq!(looks_like_command(b"\x05\0\0\x01\x19\x01\0\0\0"), Some(false));
        assert_eq!(looks_like_command(b"SELECT 1"), Some(false));
        assert_eq!(looks_like_command(b"\x01\0\0\0"), None);
        assert_eq!(looks_like_command(b"\0\0\0\0\x02"), Some(false));
        // The next packet must begin a command too.
        assert_eq!(looks_like_command(b"\x01\0\0\0\x0e\x01\0\0\0\x0e"), Some(true));
        assert_eq!(looks_like_command(b"\x01\0\0\0\x0e\x01\0\0\x07\x0e"), Some(false));
    }
}
