# shellcheck shell=bash disable=SC2034
about='sysbench with one connection for each transaction, other passwords'
unit=commands
wire=any
ours=yes
needs=databases

run() {
  sql_servers mariadb app
  sql_copying --config tcpcopy.toml
  counting_sql
  sysbench_load sysbench app app-online --own_table=on --tables=5 --threads=5 --reconnect=on --rate=60
  sql_arrived
}
