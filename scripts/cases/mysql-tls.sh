# shellcheck shell=bash disable=SC2034
about='MySQL 9, some clients with TLS: counted, logged once, the others unharmed'
unit=commands
wire=any
ours=yes
needs=databases

run() {
  local clients=5
  sql_servers mysql plain secret
  sql_copying --config tcpcopy.toml
  counting_sql
  sysbench_start plain plain plain-online --own_table=on --mysql-ssl=off --threads=5
  load_start client secret "${MYSQL_ROOT[@]}" mysqlslap --no-defaults -h "$ONLINE4" -u secret -psecret-online \
    --ssl-mode=REQUIRED --concurrency="$clients" --create-schema=sbtest --no-drop --query='DO 1;' --number-of-queries=100
  load_end secret
  load_end plain
  await 30 sql_level Com_commit || fail 'not all transactions of the others arrived'
  copy_stop
  sql_count_kinds
  N_ONLINE=$(sql_kind online Com_commit) N_TEST=$(sql_kind test Com_commit)
  ((N_TEST == N_ONLINE)) || fail "transactions online/test: $N_ONLINE/$N_TEST"
  (($(sql_kind online Com_do) > 0)) || fail 'no load over TLS'
  (($(sql_kind test Com_do) == 0)) || fail 'commands of TLS sessions were executed'
  sql_same_data
  # One more than the clients: mysqlslap has a connection of its own.
  ledger_holds tcpcopy ".ledger.sessions.incomplete.tls == $clients + 1" 'not all TLS sessions are counted'
  (($(grep -c 'WARN.*TLS' tcpcopy.log) == 1)) || fail "$(grep -c 'WARN.*TLS' tcpcopy.log) warnings about TLS instead of one"
}
