# shellcheck shell=bash disable=SC2034
about='sysbench read-only with text queries, 10 threads, saturating; "shorter": 5 % of the rows are missing on the test server'
unit=commands
needs=databases
answers='equal shorter'

run() {
  local n
  sql_user online app online-password
  sql_start online mariadb
  sql_start test mariadb --skip-grant-tables
  sql_up
  if [[ $ANSWER_KIND == shorter ]]; then
    for n in $(seq "$SQL_TABLES"); do sql_ask test "DELETE FROM sbtest.sbtest$n WHERE id % 20 = 0"; done
  fi
  # 21 busy threads share these two processors: the capture buffer must hold the packets until tcpcopy runs.
  sql_copying -B 512
  counting_sql
  sysbench_load sysbench app online-password --db-ps-mode=disable --skip_trx=on \
    --index_updates=0 --non_index_updates=0 --delete_inserts=0
  sql_arrived
}
