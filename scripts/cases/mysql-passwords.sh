# shellcheck shell=bash disable=SC2034
about='MySQL 9, caching_sha2_password with other passwords on the test server and a cold cache; the same data'
unit=commands
wire=any
ours=yes
needs=databases

run() {
  sql_servers mysql app --tls-version=
  # All hosts share two cores. The clients saturate them, so tcpcopy gets a small part.
  sql_copying -B 256 --config tcpcopy.toml
  counting_sql
  sysbench_load sysbench app app-online --own_table=on
  sql_arrived
  sql_same_data
}
