# shellcheck shell=bash disable=SC2034
about='MariaDB with a capture buffer that is much too small, now and then and up to the end: what was dropped is missing in the percentage'
unit=commands
wire=any
ours=yes
fault=yes
needs=databases

run() {
  local shown arrived
  sql_servers mariadb app
  sql_copying --config tcpcopy.toml -B 1
  counting_sql
  load_all
  while load_runs all; do
    kill -STOP "${TCPCOPY[tcpcopy]}"
    sleep 0.3
    kill -CONT "${TCPCOPY[tcpcopy]}"
    sleep 0.2
  done
  load_end all
  # The ends of these sessions are dropped with all that is before them: no gap shows it.
  load_all
  sleep 1
  kill -STOP "${TCPCOPY[tcpcopy]}"
  load_end all
  kill -CONT "${TCPCOPY[tcpcopy]}"
  settle
  copy_stop
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  arrived=$((100 * N_TEST / N_ONLINE))
  shown=$(sed -n 's/.* replayed about \([0-9]*\)\.[0-9]* % of client payload .*/\1/p' tcpcopy.log | tail -n 1)
  note "the report says $shown %"
  ledger_holds tcpcopy '.capture.kernel_dropped > 1000' 'the capture buffer was large enough'
  ((shown - arrived <= 10 && arrived - shown <= 10)) || fail "the report says $shown %, $arrived % of the commands arrived"
  # The first connection of each load is a short one.
  ledger_holds tcpcopy '.ledger.sessions.replayed <= 2' 'sessions count as complete whose commands are missing'
}

load_all() {
  sysbench_start all app app-online --db-ps-mode=disable --skip_trx=on \
    --index_updates=0 --non_index_updates=0 --delete_inserts=0
}
