# shellcheck shell=bash disable=SC2034
about='tcpcopy starts during a sysbench run: text queries from the next one on, unknown prepared statements left out'
unit=transactions
wire=any
ours=yes
needs=databases

run() {
  local threads=10 earliest latest
  sql_servers mariadb app
  counting_sql
  sysbench_start text app app-online --threads="$threads" --db-ps-mode=disable --time="$(size 5 20)"
  # These write nothing: transactions are the others' alone.
  sysbench_start prepared app app-online --threads=2 --rate=100 --time="$(size 5 20)" --skip_trx=on --range_selects=off \
    --index_updates=0 --non_index_updates=0 --delete_inserts=0
  await 10 reached online 2000 || fail 'the load does not begin'
  sql_passwords 'app = "app-test"' '[mysql.default]' 'user = "app"' 'database = "sbtest"'
  earliest=$(sql_now online Com_commit)
  sql_copying --config tcpcopy.toml
  latest=$(sql_now online Com_commit)
  load_end text
  load_end prepared
  await 60 all_said || fail 'something is pending for ever'
  copy_stop
  sql_count_kinds
  # The copy began between the two; of each client one transaction may have been under way.
  N_ONLINE=$(($(sql_kind online Com_commit) - latest)) N_TEST=$(sql_kind test Com_commit)
  ((N_TEST >= N_ONLINE - threads)) || fail "$((N_ONLINE - N_TEST)) transactions are missing"
  ((N_TEST <= N_ONLINE + latest - earliest)) || fail "$((N_TEST - N_ONLINE)) transactions too many"
  (($(sql_kind test Com_stmt_execute) == 0)) || fail 'statements were executed that were never seen'
  ledger_holds tcpcopy ".ledger.sessions.joined == $threads + 2" 'not all sessions were joined in mid-stream'
  ledger_holds tcpcopy ".protocols.mysql.sessions.transaction_start_missed > 0 and .protocols.mysql.sessions.transaction_start_missed <= $threads" 'transactions cut at the join are not counted as what they are'
  ledger_holds tcpcopy '.protocols.mysql.left_out.unknown_statement > 0' 'statements never seen are not counted'
}

all_said() { [[ $(ledger tcpcopy '.ledger.sessions.active == 0' 2>&1) == true ]]; }
