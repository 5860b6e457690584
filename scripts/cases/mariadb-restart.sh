# shellcheck shell=bash disable=SC2034
about='the test server is down during transactions: the module logs in and prepares statements again, the gap is counted'
unit=commands
wire=any
ours=yes
fault=yes
needs=databases

run() {
  local connections=5 commands=20
  sql_servers mariadb app
  sql_copying --config tcpcopy.toml
  counting_sql
  sql_hold app app-online "$connections" "$commands"
  sql_phase before
  sql_phase begin
  await 10 sql_level Com_update || fail 'not all commands before the restart arrived'
  sql_stop test
  sql_phase meanwhile
  sql_start test mariadb
  sql_up
  await 20 logged_in_again || fail 'not all connections were rebuilt'
  sql_phase commit
  sql_phase begin
  sql_phase commit
  # The server's counters have begun at 0 again.
  counting_sql
  sql_phase delete
  sql_phase again-delete
  await 30 sql_level Com_delete || fail 'not all commands after the restart arrived'
  copy_stop
  sql_count_kinds
  N_ONLINE=$(sql_kind online Com_delete) N_TEST=$(sql_kind test Com_delete)
  ((N_ONLINE == 4 * connections * commands)) || fail "the client sent $N_ONLINE commands only"
  ((N_TEST == N_ONLINE)) || fail "$((N_ONLINE - N_TEST)) commands are missing"
  # The transactions before and after it are whole.
  ledger_holds tcpcopy ".protocols.mysql.sessions.transaction_cut == $connections" 'not all transactions cut by the restart are counted'
  ledger_holds tcpcopy '.protocols.mysql.sessions.transaction_start_missed == null' 'transactions are counted twice'
}

# tcpcopy does not retry a server within a second after a refusal; bytes of that second belong to the gap.
logged_in_again() {
  sql_phase meanwhile
  [[ $(ledger tcpcopy '.ledger.tcp.reconnected >= 5' 2>&1) == true ]] # it is written every second
}
