//! Temporary tables.

use super::{both, on_mariadb, on_mysql};

#[test]
fn temporary_tables_begin() {
    both("CREATE TEMPORARY TABLE t (a INT)", "temporary t");
    both("create temporary table if not exists `a b`.`t` as select 1", "temporary a b.t");
    both("CREATE TEMPORARY TABLE t LIKE u", "temporary t");
    on_mariadb("CREATE OR REPLACE TEMPORARY TABLE t (a INT)", "temporary t");
    // This one commits.
    on_mariadb("CREATE TEMPORARY SEQUENCE s", "temporary s, commits");
    both("CREATE TEMPORARY TABLE t SELECT @a := 1", "temporary t, assigns @a");
}

#[test]
fn and_end() {
    both("DROP TEMPORARY TABLE IF EXISTS a, b.c", "drop temporary a b.c");
    both("DROP TABLE a, `b`", "drop a b, commits");
    both("DROP TABLES a CASCADE", "drop a, commits");
    on_mariadb("DROP SEQUENCE s", "drop s, commits");
    both("DROP DATABASE d", "drop database d, commits");
    both("DROP /* x */ SCHEMA IF EXISTS `a b`", "drop database a b, commits");
}

#[test]
fn and_get_other_names() {
    on_mariadb("RENAME TABLE a TO b, c.d TO c.e", "rename a to b, rename c.d to c.e, commits");
    on_mysql("RENAME TABLE a TO b", "commits");
    on_mariadb("RENAME TABLE IF EXISTS a WAIT 5 TO b", "rename a to b, commits");
    both("ALTER TABLE a RENAME b", "rename a to b, commits");
    both("ALTER TABLE a RENAME = b", "rename a to b, commits");
    both("ALTER TABLE a ADD x INT DEFAULT (1), RENAME TO c.b", "rename a to c.b, commits");
    both("ALTER TABLE a RENAME COLUMN x TO y", "commits");
    both("ALTER TABLE a RENAME INDEX x TO y, RENAME AS b", "rename a to b, commits");
}
