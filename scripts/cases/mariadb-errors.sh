# shellcheck shell=bash disable=SC2034
about='errors of the online server are counted beside those of the test server'
unit=commands
wire=any
ours=yes
needs=databases

run() {
  local n
  sql_servers mariadb app
  sql_copying --config tcpcopy.toml
  counting_sql
  # Half of the statements of one client are wrong, so its program fails.
  for n in $(seq 20); do printf 'SELECT * FROM nowhere;\nINSERT INTO said VALUES (%s);\n' "$n"; done >errors.sql
  sql_ask online 'CREATE TABLE sbtest.said (id INT PRIMARY KEY)'
  sql_ask test 'CREATE TABLE sbtest.said (id INT PRIMARY KEY)'
  counting_sql
  # shellcheck disable=SC2016
  load errors bash -c '"$@" <errors.sql || true' errors mariadb --no-defaults -h "$ONLINE4" -u app -papp-online --skip-ssl --force sbtest
  (($(sql_now online Com_insert) == 20)) || fail 'the client did not send all statements'
  sysbench_load sysbench app app-online --own_table=on --threads=5 --time="$(size 2 10)"
  sql_arrived
  sql_same_data
  ledger_holds tcpcopy '.protocols.mysql.server_errors["1146"] == 20' "not all errors of the test server are counted"
  ledger_holds tcpcopy '.protocols.mysql.online_errors["1146"] == 20' "not all errors of the online server are counted"
  ledger_holds tcpcopy '.protocols.mysql.left_out == null' 'something was left out'
}
