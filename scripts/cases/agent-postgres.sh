# shellcheck shell=bash disable=SC2034
about='agent mode: pgbench, transactions that read rows and write one'
unit=transactions
ours=yes
needs=protocols

run() {
  # shellcheck source=scripts/lib/postgres.sh
  source "$ROOT/scripts/lib/postgres.sh"
  pg_servers
  cat >"$CASE_DIR/read.sql" <<'SQL'
\set first random(1, 498000)
SELECT * FROM pgbench_accounts WHERE aid BETWEEN :first AND :first + 199;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :first, 1, CURRENT_TIMESTAMP);
SQL
  strict_wire
  agent_copying 5432 --config tcpcopy.toml
  counting pg_count
  pgbench_load read -f "$CASE_DIR/read.sql" -c 5 -T "$(size 2 10)"
  all_arrived
  agent_clean
}
