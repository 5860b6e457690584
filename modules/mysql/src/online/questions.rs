//! The statements that are sent to the online server, in order.
//!
//! MariaDB tells of prepared statements, user variables and locks, but has no session variables by thread; MySQL tells of
//! all. Source: dev.mysql.com, "Performance Schema Table Descriptions"; MariaDB's documentation, "Performance Schema Tables".

/// A statement, and what its rows are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// Connection, user, host, database, and whether it executes something.
    Connections,
    /// The same, where `performance_schema` has no such table, or is off.
    ConnectionsOfOld,
    /// Thread, connection.
    Threads,
    /// Thread, statement, name, text.
    Statements,
    /// Thread, variable, value.
    UserVariables,
    /// The same, of those that differ from the global ones, and of character sets: a login sets these.
    SessionVariables,
    /// Connection, rows changed, rows locked: connections that have a transaction.
    InnodbTransactions,
    /// Threads that are in a transaction which they have begun.
    Transactions,
    /// Thread, kind: locks that outlast a transaction.
    Locks,
    /// Connections with temporary tables.
    TemporaryTables,
}

impl Question {
    pub(super) const ALL: [Self; 10] = [
        Self::Connections,
        Self::ConnectionsOfOld,
        Self::Threads,
        Self::Statements,
        Self::UserVariables,
        Self::SessionVariables,
        Self::InnodbTransactions,
        Self::Transactions,
        Self::Locks,
        Self::TemporaryTables,
    ];

    /// A long value of a user variable is told as NULL, as one that is not known for certain.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Connections => {
                "SELECT ID, USER, HOST, DB, COMMAND <> 'Sleep' FROM performance_schema.processlist"
            }
            Self::ConnectionsOfOld => {
                "SELECT ID, USER, HOST, DB, COMMAND <> 'Sleep' FROM information_schema.PROCESSLIST"
            }
            Self::Threads => {
                "SELECT THREAD_ID, PROCESSLIST_ID FROM performance_schema.threads WHERE PROCESSLIST_ID IS NOT NULL"
            }
            Self::Statements => {
                "SELECT OWNER_THREAD_ID, STATEMENT_ID, STATEMENT_NAME, SQL_TEXT \
                 FROM performance_schema.prepared_statements_instances WHERE OWNER_OBJECT_NAME IS NULL"
            }
            Self::UserVariables => {
                "SELECT THREAD_ID, VARIABLE_NAME, IF(LENGTH(VARIABLE_VALUE) <= 16384, VARIABLE_VALUE, NULL) \
                 FROM performance_schema.user_variables_by_thread"
            }
            Self::SessionVariables => {
                "SELECT v.THREAD_ID, v.VARIABLE_NAME, v.VARIABLE_VALUE FROM performance_schema.variables_by_thread v \
                 LEFT JOIN performance_schema.global_variables g ON g.VARIABLE_NAME = v.VARIABLE_NAME \
                 WHERE v.VARIABLE_NAME IN ('sql_mode', 'time_zone', 'character_set_client', 'character_set_connection', \
                 'character_set_results', 'collation_connection', 'autocommit', 'transaction_isolation', \
                 'transaction_read_only', 'foreign_key_checks', 'unique_checks', 'sql_safe_updates', 'sql_select_limit', \
                 'sql_auto_is_null', 'sql_big_selects', 'max_join_size', 'auto_increment_increment', \
                 'auto_increment_offset', 'last_insert_id', 'group_concat_max_len', 'lock_wait_timeout', \
                 'innodb_lock_wait_timeout', 'lc_time_names', 'div_precision_increment', 'default_week_format', \
                 'default_storage_engine', 'explicit_defaults_for_timestamp', 'completion_type', 'max_execution_time', \
                 'block_encryption_mode', 'wait_timeout', 'sql_require_primary_key', 'innodb_strict_mode') \
                 AND (v.VARIABLE_NAME LIKE 'character%' OR v.VARIABLE_NAME LIKE 'collation%' OR NOT (v.VARIABLE_VALUE <=> g.VARIABLE_VALUE))"
            }
            Self::InnodbTransactions => {
                "SELECT trx_mysql_thread_id, trx_rows_modified, trx_rows_locked FROM information_schema.INNODB_TRX"
            }
            Self::Transactions => {
                "SELECT THREAD_ID FROM performance_schema.events_transactions_current \
                 WHERE STATE = 'ACTIVE' AND AUTOCOMMIT = 'NO'"
            }
            Self::Locks => {
                "SELECT OWNER_THREAD_ID, OBJECT_TYPE FROM performance_schema.metadata_locks \
                 WHERE LOCK_DURATION = 'EXPLICIT' AND LOCK_STATUS = 'GRANTED'"
            }
            Self::TemporaryTables => {
                "SELECT ID FROM information_schema.INNODB_SESSION_TEMP_TABLESPACES WHERE PURPOSE = 'USER'"
            }
        }
    }

    /// The columns of its rows.
    pub(super) fn columns(self) -> usize {
        match self {
            Self::Connections | Self::ConnectionsOfOld => 5,
            Self::Statements => 4,
            Self::UserVariables | Self::SessionVariables | Self::InnodbTransactions => 3,
            Self::Threads | Self::Locks => 2,
            Self::Transactions | Self::TemporaryTables => 1,
        }
    }
}
