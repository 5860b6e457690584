//! Stored programs, which are not executed now, and blocks, which are.

use super::{both, on_mariadb, on_mysql};

/// The statement behind a program is found.
#[track_caller]
fn is_one(program: &str) {
    both(&format!("{program}; USE b"), "commits | use b");
    both(program, "commits");
}

#[test]
fn a_body_is_one_statement() {
    for program in [
        "CREATE PROCEDURE p() SELECT 1",
        "CREATE PROCEDURE p() BEGIN END",
        "CREATE PROCEDURE p(a INT, INOUT b VARCHAR(9)) BEGIN SELECT 1; KILL 5; END",
        "CREATE DEFINER=`root`@`%` PROCEDURE IF NOT EXISTS p() SQL SECURITY DEFINER COMMENT 'x;' BEGIN KILL 5; END",
        "CREATE OR REPLACE PROCEDURE p() x: BEGIN KILL 5; LEAVE x; END x",
        "CREATE PROCEDURE p() IF NOT 1 THEN KILL 5; ELSEIF 2 THEN KILL 6; ELSE KILL 7; END IF",
        "CREATE PROCEDURE p() BEGIN IF a THEN IF b THEN KILL 5; END IF; END IF; KILL 6; END",
        "CREATE PROCEDURE p() BEGIN IF (a) THEN KILL 5; END IF; SELECT IF(a, 1, 2); SELECT REPEAT('a', 3); KILL 6; END",
        "CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN KILL 5; ELSE BEGIN END; END CASE; KILL 6; END",
        "CREATE PROCEDURE p() BEGIN SELECT CASE WHEN a THEN b ELSE c END, CASE d WHEN 1 THEN 2 END; KILL 6; END",
        "CREATE PROCEDURE p() BEGIN IF CASE WHEN a THEN 1 END THEN KILL 5; END IF; KILL 6; END",
        "CREATE PROCEDURE p() BEGIN l: LOOP KILL 5; LEAVE l; END LOOP l; KILL 6; END",
        "CREATE PROCEDURE p() BEGIN WHILE a DO KILL 5; DO SLEEP(1); END WHILE; KILL 6; END",
        "CREATE PROCEDURE p() BEGIN REPEAT KILL 5; UNTIL a = CASE WHEN b THEN 1 END END REPEAT; KILL 6; END",
        "CREATE PROCEDURE p() REPEAT KILL 5; UNTIL 1 END REPEAT",
        "CREATE PROCEDURE p() BEGIN DECLARE a INT DEFAULT 1; DECLARE c CURSOR FOR SELECT 1; KILL 5; END",
        "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR NOT FOUND, SQLSTATE '42000', 1062 BEGIN KILL 5; END; KILL 6; END",
        "CREATE PROCEDURE p() BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION IF a THEN KILL 5; END IF; KILL 6; END",
        "CREATE PROCEDURE p() BEGIN DECLARE CONTINUE HANDLER FOR SQLWARNING SET done = 1; KILL 6; END",
        "CREATE PROCEDURE p() BEGIN SELECT 'END'; SELECT `END` FROM t; SELECT a.end FROM a; KILL 6; END",
        "CREATE PROCEDURE p() SELECT begin FROM t",
        "CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC RETURN CASE WHEN a THEN 1 ELSE 2 END",
        "CREATE FUNCTION f() RETURNS VARCHAR(9) CHARACTER SET utf8 NO SQL BEGIN RETURN 'a'; END",
        "CREATE FUNCTION f() RETURNS SET('a', 'b') BEGIN RETURN 'a'; END",
        "CREATE AGGREGATE FUNCTION IF NOT EXISTS f(x INT) RETURNS INT BEGIN LOOP FETCH GROUP NEXT ROW; END LOOP; END",
        "CREATE FUNCTION f RETURNS STRING SONAME 'f.so'",
        "CREATE TRIGGER t BEFORE INSERT ON u FOR EACH ROW SET NEW.a = 1",
        "CREATE TRIGGER t AFTER UPDATE ON u FOR EACH ROW FOLLOWS x BEGIN KILL 5; END",
        "CREATE TRIGGER t AFTER UPDATE ON u FOR EACH ROW IF NEW.a THEN KILL 5; END IF",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS NOW() COMMENT 'x' DO BEGIN KILL 5; END",
        "CREATE EVENT e ON SCHEDULE AT NOW() DO CALL p()",
        "ALTER EVENT e DO BEGIN KILL 5; END",
        "ALTER EVENT e ENABLE",
        "/*!50003 CREATE*/ /*!50020 DEFINER=`root`@`%`*/ /*!50003 TRIGGER t BEFORE INSERT ON u FOR EACH ROW BEGIN KILL 5; END */",
    ] {
        is_one(program);
    }
}

#[test]
fn oracle_s_language_is_known_too() {
    for program in [
        "CREATE PROCEDURE p(a INT) AS BEGIN KILL 5; END",
        "CREATE PROCEDURE p IS x INT; BEGIN KILL 5; END p",
        "CREATE FUNCTION f RETURN INT AS x INT := 5; BEGIN RETURN x; EXCEPTION WHEN OTHERS THEN KILL 5; RETURN 1; END",
        "CREATE PACKAGE p AS FUNCTION f RETURN INT; PROCEDURE q(a INT); END",
        "CREATE PACKAGE BODY p AS x INT; FUNCTION f RETURN INT AS BEGIN RETURN 1; END; PROCEDURE q IS y INT; BEGIN KILL 5; END; END",
        "CREATE PROCEDURE p() AS BEGIN FOR i IN 1..2 LOOP KILL 5; END LOOP; WHILE a LOOP KILL 6; END LOOP; END",
    ] {
        is_one(program);
    }
}

#[test]
fn a_body_may_be_in_another_language() {
    let head = "CREATE FUNCTION f() RETURNS INT LANGUAGE JAVASCRIPT AS";
    on_mysql(&format!("{head} $$ return 1; '$$; USE b"), "commits | use b");
    on_mysql(&format!("{head} $js$ $$;$$ $js$; USE b"), "commits | use b");
    on_mysql(&format!("{head} ' return 1; '; USE b"), "commits | use b");
}

#[test]
fn a_body_that_does_not_end_is_unreadable() {
    both("CREATE PROCEDURE p() BEGIN SELECT 1; KILL 5", "commits, Unreadable");
    both("CREATE PROCEDURE p() BEGIN IF a THEN KILL 5; END; USE b", "commits, Unreadable");
    on_mariadb("BEGIN NOT ATOMIC SELECT 1", "Unreadable");
}

#[test]
fn mariadb_executes_blocks_at_once() {
    on_mariadb("BEGIN NOT ATOMIC SELECT 1; KILL 5; END; USE b", "kill connection ? | use b");
    on_mysql(
        "BEGIN NOT ATOMIC SELECT 1; KILL 5; END; USE b",
        "begin | kill connection 5 at 32..33 |  | use b",
    );
    on_mariadb("BEGIN NOT ATOMIC IF a THEN SHUTDOWN; END IF; END", "Shutdown");
    on_mariadb("IF 1 THEN SHUTDOWN; ELSE SELECT 1; END IF; USE b", "Shutdown | use b");
    on_mariadb("CASE 1 WHEN 1 THEN SHUTDOWN; END CASE; USE b", "Shutdown | use b");
    on_mariadb("FOR i IN 1..2 DO GRANT a TO b; END FOR; USE b", "Accounts, commits | use b");
    on_mariadb("WHILE 1 DO UPDATE mysql.user SET a = 1; END WHILE; USE b", "Accounts | use b");
    on_mariadb("REPEAT EXECUTE IMMEDIATE 'x'; UNTIL 1 END REPEAT; USE b", "immediate 'x' | use b");
    on_mariadb("LOOP CREATE TEMPORARY TABLE t (a INT); END LOOP; USE b", "temporary t | use b");
    on_mariadb(
        "BEGIN NOT ATOMIC SET @a = 1, time_zone = 'x'; SELECT 1 INTO @b; END",
        "@a = ?, time_zone = ?, assigns @b",
    );
    on_mariadb("BEGIN NOT ATOMIC DECLARE x INT DEFAULT GET_LOCK('a', 1); END", "get lock a");
    // With sql_mode=ORACLE.
    on_mariadb("BEGIN SELECT 1; KILL 5; END; USE b", "kill connection ? | use b");
    on_mariadb("DECLARE x INT; BEGIN KILL 5; END; USE b", "kill connection ? | use b");
}
