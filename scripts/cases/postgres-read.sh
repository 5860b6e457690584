# shellcheck shell=bash disable=SC2034
about='pgbench, transactions that read 2000 rows and write one; "shorter", "longer": 5 % of the rows are missing on the test server, or online; "slower": answers 20 ms late, a tenth of the load'
unit=transactions
ours=yes
needs=protocols
answers='equal shorter longer slower'

run() {
  # shellcheck source=scripts/lib/postgres.sh
  source "$ROOT/scripts/lib/postgres.sh"
  local host='' load=()
  case $ANSWER_KIND in
    shorter) host='test' ;;
    longer) host='online' ;;
    slower) PG_TEST_PORT=5433 load=(-R 20) ;;
  esac
  pg_servers
  if [[ $ANSWER_KIND == slower ]]; then
    spawn test "$CASE_DIR/late-proxy.log" python3 "$ROOT/scripts/lib/late-proxy.py" 5432 5433 20
  fi
  [[ -z $host ]] || pg_ask "$host" 'DELETE FROM pgbench_accounts WHERE aid % 20 = 0' >/dev/null
  cat >"$CASE_DIR/read.sql" <<'SQL'
\set first random(1, 498000)
SELECT * FROM pgbench_accounts WHERE aid BETWEEN :first AND :first + 1999;
SELECT aid, abalance FROM pgbench_accounts WHERE aid BETWEEN :first AND :first + 1;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :first, 1, CURRENT_TIMESTAMP);
SQL
  copying 5432 -B 512 --config tcpcopy.toml
  counting pg_count
  pgbench_load read -f "$CASE_DIR/read.sql" -c 5 "${load[@]}" -T "$(size 3 10)"
  pg_measure_control
  # Rows that are read again and again must not cost the control connection.
  (($(jq '.control_bytes | floor' <<<"$MEASURED") < 80000)) || fail 'the rows go over the control connection'
  all_arrived
  [[ $(pg_read online) == "$(pg_read test)" ]] || fail 'other rows were written'
  ledger_holds tcpcopy '.protocols.postgres.server_errors == null' 'the test server reports errors'
}

pg_read() { pg_ask "$1" 'SELECT sum(aid::bigint) FROM pgbench_history'; }
