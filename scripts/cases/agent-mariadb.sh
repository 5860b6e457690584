# shellcheck shell=bash disable=SC2034
about='agent mode: sysbench read-write with prepared statements'
unit=commands
ours=yes
needs=databases

run() {
  sql_user online app online-password
  sql_start online mariadb
  sql_start test mariadb --skip-grant-tables
  strict_wire
  sql_up
  agent_copying 3306
  counting_sql
  sysbench_load sysbench app online-password
  sql_arrived
  agent_clean
}
