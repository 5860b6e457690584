# shellcheck shell=bash disable=SC2034
about='MariaDB, other passwords on the test server: mysql_native_password and ed25519; the same data'
unit=commands
wire=any
ours=yes
needs=databases

run() {
  local user
  sql_servers mariadb native edward:ed25519
  # All hosts share two cores. The clients saturate them, so tcpcopy gets a small part.
  sql_copying -B 256 --config tcpcopy.toml
  counting_sql
  for user in native edward; do
    sysbench_load "$user" "$user" "$user-online" --own_table=on --time="$(size 2 10)"
    settle # the next load has the same tables
  done
  sql_arrived
  sql_same_data
}
