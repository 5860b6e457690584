# shellcheck shell=bash disable=SC2034
about='psycopg (protocol 3.2 where the server has it; pipelines, COPY both ways, cursors, LISTEN) and asyncpg'
unit=rows
ours=yes
needs=protocols

run() {
  # shellcheck source=scripts/lib/postgres.sh
  source "$ROOT/scripts/lib/postgres.sh"
  local host
  pg_servers
  for host in online test; do pg_ask "$host" 'CREATE TABLE work (session int, step int, what text)'; done
  copying 5432 -B 256 --config tcpcopy.toml
  counting drivers_count
  load drivers "$PG_DRIVERS/bin/python" "$ROOT/scripts/lib/postgres-clients.py" drivers "$ONLINE4"
  all_arrived
  [[ $(drivers_sum online) == "$(drivers_sum test)" ]] || fail 'the rows differ'
  # Those in the first long answer of a pipeline may not be seen.
  ledger_holds tcpcopy '.protocols.postgres.server_errors | .["22012"] >= 6 and .["22012"] <= 12 and (keys - ["22012", "22P02", "other"] == [])' \
    'the test server has other errors'
  ledger_holds tcpcopy '.protocols.postgres.left_out == null' 'something was left out'
}

drivers_count() { pg_ask "$1" 'SELECT count(*) FROM work'; }
drivers_sum() { pg_ask "$1" "SELECT md5(string_agg(work::text, ',' ORDER BY session, step, what)) FROM work"; }
