# shellcheck shell=bash disable=SC2034
about='tcpcopy starts during sessions and transactions: all from the next command on; what it cannot know is counted'
unit=commands
wire=any
ours=yes
needs=databases

run() {
  local connections=5 commands=20
  sql_servers mariadb app
  sql_hold app app-online "$connections" "$commands"
  sql_phase begin
  sql_passwords 'app = "app-test"' '[mysql.default]' 'user = "app"' 'database = "sbtest"'
  sql_copying --config tcpcopy.toml
  counting_sql
  sql_phase after-commit
  sql_phase begin
  sql_phase commit
  await 10 sql_level Com_commit || fail 'not all text commands arrived'
  copy_stop
  sql_count_kinds
  local updates executes
  updates=$(sql_kind test Com_update) executes=$(sql_kind test Com_stmt_execute)
  N_ONLINE=$(sql_kind online Com_update) N_TEST=$updates
  ((N_ONLINE == 3 * connections * commands)) || fail "the client sent $N_ONLINE text commands only"
  ((updates == N_ONLINE)) || fail "$((N_ONLINE - updates)) text commands are missing"
  ((executes == 0)) || fail "$executes executions of something else"
  ledger_holds tcpcopy ".ledger.sessions.joined == $connections" 'not all sessions were joined in mid-stream'
  (($(sql_kind test Com_commit) == 2 * connections)) || fail "$(sql_kind test Com_commit) transactions were committed"
  # The first of each had begun before.
  ledger_holds tcpcopy ".protocols.mysql.sessions.transaction_start_missed == $connections" 'not all transactions cut at the join are counted'
}
