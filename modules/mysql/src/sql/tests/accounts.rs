//! Statements about accounts.

use super::{both, effects_in};
use crate::sql::Dialect;
use crate::sql::tests::MYSQL;

#[test]
fn statements_about_accounts() {
    for text in [
        "CREATE USER app@'%' IDENTIFIED BY 'x'",
        "CREATE USER IF NOT EXISTS app",
        "CREATE OR REPLACE USER app",
        "CREATE ROLE r",
        "ALTER USER app IDENTIFIED BY 'x'",
        "DROP USER IF EXISTS app",
        "DROP ROLE r",
        "RENAME USER a TO b",
        "GRANT SELECT ON *.* TO app",
        "REVOKE ALL ON shop.* FROM app",
        "grant r to app",
        "FLUSH PRIVILEGES",
        "FLUSH LOCAL STATUS, PRIVILEGES",
        "FLUSH /* x */ NO_WRITE_TO_BINLOG PRIVILEGES",
        "DROP DATABASE mysql",
    ] {
        let effects = effects_in(text.as_bytes(), MYSQL);
        assert!(effects == "Accounts, commits" || effects == "commits, Accounts", "{text}: {effects}");
    }
    for text in [
        "SET PASSWORD = 'x'",
        "SET PASSWORD FOR app = PASSWORD('x')",
        "SET PASSWORD TO RANDOM",
        "SET DEFAULT ROLE r TO app",
        "SET DEFAULT ROLE NONE FOR app",
    ] {
        both(text, "Accounts, commits");
    }
    both("SET @a = 1, PASSWORD = 'x', @b = 2", "@a = 1, Accounts, commits, @b = 2");
    both("SET ROLE r", "role = r");
    both("FLUSH STATUS, HOSTS", "commits");
    both("FLUSH USER_RESOURCES", "commits");
    both("CREATE DEFINER=user@localhost VIEW v AS SELECT 1", "commits");
    both("SHOW GRANTS", "");
    both("SELECT grant FROM t", "");
}

#[test]
fn writes_to_the_tables_of_accounts() {
    for text in [
        "UPDATE mysql.user SET a = 1",
        "INSERT INTO mysql.db VALUES (1)",
        "INSERT INTO `mysql`.`global_priv` VALUES (1)",
        "REPLACE mysql . tables_priv VALUES (1)",
        "DELETE FROM MySQL.User",
        "DELETE u FROM t JOIN mysql.user u",
        "UPDATE t, mysql.user SET a = 1",
        "UPDATE (t JOIN mysql.user u) SET a = 1",
        "UPDATE (SELECT 1) t, `mysql`.`user` SET a = 1",
        "DELETE FROM a USING `mysql`.proxies_priv AS a",
        "LOAD DATA INFILE 'x' INTO TABLE mysql.user",
        "WITH x AS (SELECT 1) UPDATE mysql.user SET a = 1",
        "ANALYZE UPDATE mysql.user SET a = 1",
    ] {
        assert_eq!(effects_in(text.as_bytes(), crate::sql::tests::MARIADB), "Accounts", "{text}");
    }
    both("TRUNCATE mysql.user", "commits, Accounts");
    both("ALTER TABLE mysql.user ADD x INT", "commits, Accounts");
    both("DROP TABLE mysql.db", "drop mysql.db, commits, Accounts");
    for text in [
        "SELECT * FROM mysql.user",
        "UPDATE user SET a = 1",
        "UPDATE shop.user SET a = 'mysql.user'",
        "INSERT INTO mysql.proc VALUES (1)",
        "INSERT INTO mysql VALUES (1)",
        "INSERT INTO t SELECT @a FROM mysql.user",
        "DELETE FROM t WHERE a IN (SELECT @a FROM mysql.user)",
        "UPDATE t SET a = (SELECT COUNT(*) FROM mysql.user WHERE b = @b)",
        "INSERT INTO t (user, db) SELECT user, db FROM x",
        "UPDATE mysql.event SET user = 1",
    ] {
        both(text, "");
    }
}

#[test]
fn the_current_database_may_be_theirs() {
    let inside = Dialect { in_mysql: true, ..MYSQL };
    assert_eq!(effects_in(b"UPDATE user SET a = 1", inside), "Accounts");
    assert_eq!(effects_in(b"UPDATE shop.user SET a = 1", inside), "");
    assert_eq!(effects_in(b"SELECT * FROM user", inside), "");
    both(
        "USE mysql; UPDATE user SET a = 1; USE shop; UPDATE user SET a = 2",
        "use mysql | Accounts | use shop | ",
    );
}
