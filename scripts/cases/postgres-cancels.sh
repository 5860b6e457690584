# shellcheck shell=bash disable=SC2034
about='psycopg cancels statements while the test server is 2 s behind: the same are cancelled there, and no others'
unit=statements
wire=any
ours=yes
fault=yes
needs=protocols

run() {
  # shellcheck source=scripts/lib/postgres.sh
  source "$ROOT/scripts/lib/postgres.sh"
  local host lock
  pg_servers
  for host in online test; do
    pg_ask "$host" 'CREATE TABLE gate (n int); CREATE TABLE ended (worker int, step int);
      CREATE TABLE said (worker int, step int, cancelled bool)'
  done
  copying 5432 -B 256 --config tcpcopy.toml
  counting cancels_count
  load_start test lock psql -qX -h "$CASE_DIR/test/postgres" -U lab -d postgres \
    -c 'BEGIN' -c 'LOCK TABLE gate' -c 'SELECT pg_sleep(2)' -c 'COMMIT'
  sleep 0.3
  load cancels "$PG_DRIVERS/bin/python" "$ROOT/scripts/lib/postgres-clients.py" cancels "$ONLINE4"
  load_end lock
  all_arrived
  for host in online test; do pg_ask "$host" 'TABLE ended ORDER BY 1, 2' >"$CASE_DIR/$host/ended.txt"; done
  cmp -s "$CASE_DIR"/{online,test}/ended.txt ||
    fail "other statements were cancelled: $(diff "$CASE_DIR"/{online,test}/ended.txt | grep -c '^[<>]') differ"
  ledger_holds tcpcopy ".protocols.postgres.sessions.cancel_mapped == $(pg_ask online 'SELECT count(*) FROM said WHERE cancelled')" \
    'not every cancel was mapped'
  ledger_holds tcpcopy '.protocols.postgres.left_out == null' 'something was left out'
}

cancels_count() { pg_ask "$1" 'SELECT count(*) FROM said'; }
