# shellcheck shell=bash disable=SC2034
about='sysbench with 200 threads at a fixed rate, other passwords'
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
  sysbench_load sysbench app app-online --threads=200 --tables=2 --rate=100 --time="$(size 4 20)"
  sql_arrived
}
