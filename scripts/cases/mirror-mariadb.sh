# shellcheck shell=bash disable=SC2034
about='a monitor host copies sysbench with prepared statements from VXLAN and from ERSPAN II: it learns the statement ids from mirrored answers'
unit=commands
ours=yes
needs=databases

# mirrored_sql NAME: as from_sysbench of other cases, but tcpcopy runs on the monitor.
mirrored_sql() {
  sql_up
  intercept_start -i eth0 -F 'tcp and src port 3306'
  tcpcopy_start "$1" -x "$ONLINE4:3306-$TEST4:3306" -s "$ASSIST4" -i eth0 --decap
  counting_sql
  sysbench_load "$1-sysbench" app online-password --db-ps-mode=auto --rate="$(size 50 0)"
  sql_arrived
  ledger_holds "$1" '.capture.tunnelled > 1000 and .ledger.packets.online_answers > 10' 'no answers came in a tunnel'
  (($(count_prepared test) > 0)) || fail 'no statement was prepared on the test server'
}
count_prepared() { sql_commands "$1" | awk '$1 == "Com_stmt_prepare" { print $2 + 0 }'; }

run() {
  sql_user online app online-password
  sql_start online mariadb
  sql_start test mariadb --skip-grant-tables
  monitor_up
  vxlan_up vx4 "$MONITOR4"
  mirror 3306 vx4
  mirrored_sql vxlan
  erspan_up er "$MONITOR4" erspan2
  mirror 3306 er
  mirrored_sql erspan
  mirror 3306 vx4
  erspan_down er
}
