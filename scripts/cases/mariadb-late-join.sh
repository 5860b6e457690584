# shellcheck shell=bash disable=SC2034
about='tcpcopy started amid sessions: from the next command on, all; statements it has never seen are left out and counted'
unit=commands
wire=any
ours=yes
needs=databases

run() {
  local host connections=5 commands=20
  for host in online test; do
    sql_user "$host" app "app-$host"
    sql_start "$host" mariadb
  done
  sql_hold app app-online "$connections" "$commands"
  sql_phase before
  sql_passwords 'app = "app-test"' '[mysql.default]' 'user = "app"' 'database = "sbtest"'
  sql_copying --config tcpcopy.toml
  counting_sql
  sql_phase after
  await 10 reached test $((connections * commands)) || fail 'not all text commands arrived'
  copy_stop
  sql_count_kinds
  local updates executes
  updates=$(sql_kind test Com_update) executes=$(sql_kind test Com_stmt_execute)
  N_ONLINE=$(sql_kind online Com_update) N_TEST=$updates
  ((N_ONLINE == connections * commands)) || fail "the client sent $N_ONLINE text commands only"
  ((updates == N_ONLINE)) || fail "$((N_ONLINE - updates)) text commands are missing"
  ((executes == 0)) || fail "$executes executions of something else"
  ledger_holds tcpcopy ".ledger.sessions.joined == $connections" 'not all sessions were joined in mid-stream'
}
