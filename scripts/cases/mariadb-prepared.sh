# shellcheck shell=bash disable=SC2034
about='sysbench read-write with prepared statements, 10 threads, saturating; the test server without passwords'
unit=commands
needs=databases

run() { loaded; }

loaded() {
  sql_user online app online-password
  sql_start online mariadb
  sql_start test mariadb --skip-grant-tables
  sql_copying
  counting_sql
  sysbench_load sysbench app online-password "$@"
  sql_arrived
}
