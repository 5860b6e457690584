# shellcheck shell=bash disable=SC2034
about='MySQL 9, caching_sha2_password with other passwords on the test server and a cold cache; the same data'
unit=commands
wire=any
ours=yes
needs=databases

run() {
  sql_servers mysql app --tls-version=
  # Clients that saturate two cores which all hosts share leave tcpcopy a small part of them.
  sql_copying -B 256 --config tcpcopy.toml
  counting_sql
  sysbench_load sysbench app app-online --own_table=on
  sql_arrived
  sql_same_data
}
