# shellcheck shell=bash disable=SC2034
about='sysbench with a connection for each transaction, other passwords'
unit=commands
wire=any
ours=yes
needs=databases

run() {
  local host
  for host in online test; do
    sql_user "$host" app "app-$host"
    sql_start "$host" mariadb
  done
  sql_passwords 'app = "app-test"'
  sql_copying --config tcpcopy.toml
  counting_sql
  sysbench_load sysbench app app-online --own_table=on --tables=5 --threads=5 --reconnect=on --rate=60
  sql_arrived
}
