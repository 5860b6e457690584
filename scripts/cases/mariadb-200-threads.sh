# shellcheck shell=bash disable=SC2034
about='sysbench with 200 threads at a fixed rate, other passwords'
unit=commands
wire=any
ours=yes
needs=databases

run() {
  sql_servers mariadb app
  sql_copying --config tcpcopy.toml
  counting_sql
  sysbench_load sysbench app app-online --threads=200 --tables=2 --rate=100 --time="$(size 4 20)"
  sql_arrived
}
