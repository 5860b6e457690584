# shellcheck shell=bash disable=SC2034
# shellcheck source=scripts/cases/server-stopped.sh
source "$ROOT/scripts/cases/server-stopped.sh"
about='the test MariaDB is paused for longer than -t, a pool of 10 connections: after its return the module logs in and copying continues'
unit=commands
needs=databases

run() {
  local limit
  limit=$(size 3 10)
  sql_servers mariadb app
  sql_copying --config tcpcopy.toml -t "$limit"
  counting_sql
  sysbench_start pool app app-online --rate=200 --time="$((4 * limit + 10))" --db-ps-mode=disable --skip_trx=on \
    --point_selects=1 --range_selects=off --index_updates=0 --non_index_updates=0 --delete_inserts=0
  await 20 reached test 400 || fail 'no load'
  stands_still $((2 * limit)) "$(<test/sql.main)" 3306
  comes_back count_selects
}

count_selects() { sql_commands "$1" | awk '$1 == "Com_select" { print $2 }'; }
