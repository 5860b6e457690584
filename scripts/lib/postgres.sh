# shellcheck shell=bash
# PostgreSQL on the online and the test host with the tables of pgbench, and user app, whose password is app-HOST. For cases that
# need protocols.

# shellcheck source=scripts/lib/protocols.sh
source "$ROOT/scripts/lib/protocols.sh"

# pg_servers [METHOD]: both servers, with this method of authentication, and tcpcopy.toml for the user. The test server listens
# on PG_TEST_PORT; PG_OPTIONS are options of both.
PG_TEST_PORT=5432 PG_OPTIONS=()
pg_port() { if [[ $1 == test ]]; then say "$PG_TEST_PORT"; else say 5432; fi; }
pg_servers() {
  local host method=${1:-scram-sha-256}
  for host in online test; do
    mkdir -p "$CASE_DIR/$host"
    postgres_peer "$host" "$(pg_port "$host")" "${PG_OPTIONS[@]}"
  done
  for host in online test; do
    await 60 listening "$host" "$(pg_port "$host")" || stopped_short "no PostgreSQL on $host" "$host/postgres"
    [[ $method != md5 ]] || pg_ask "$host" "ALTER SYSTEM SET password_encryption = 'md5'"
    printf 'local all all trust\nhost all all all %s\n' "$method" >"$CASE_DIR/$host/postgres/pg_hba.conf"
    pg_ask "$host" 'SELECT pg_reload_conf()' >/dev/null
    pg_ask "$host" "CREATE ROLE app SUPERUSER LOGIN PASSWORD 'app-$host'"
    on "$host" pgbench -h "$CASE_DIR/$host/postgres" -p "$(pg_port "$host")" -U lab -i -q -s 5 postgres >"$CASE_DIR/$host/pgbench.log" 2>&1
  done
  (umask 077; printf '%s\n' '[postgres]' 'allow_clear = true' '[postgres.users]' 'app = "app-test"' \
    '[postgres.default]' 'user = "app"' 'database = "postgres"' >"$CASE_DIR/tcpcopy.toml")
}

# pg_ask HOST STATEMENT: as the administrator, by the server's socket.
pg_ask() { on "$1" psql -AqtX -h "$CASE_DIR/$1/postgres" -p "$(pg_port "$1")" -U lab -d postgres -c "$2"; }

# Transactions of pgbench.
pg_count() { pg_ask "$1" 'SELECT count(*) FROM pgbench_history'; }

# pgbench_start NAME ARGUMENT...: as load_start; load_end NAME is the other half.
pgbench_start() { load_start client "$1" env PGPASSWORD=app-online pgbench -n -h "$ONLINE4" -U app "${@:2}" postgres; }
pgbench_load() {
  pgbench_start "$@"
  load_end "$1"
}

# The tables are the same on both hosts.
pg_same_data() {
  local host
  for host in online test; do pg_sums "$host" >"$CASE_DIR/$host/sums.txt"; done
  cmp -s "$CASE_DIR"/{online,test}/sums.txt || fail "the data differ: $(paste -sd/ "$CASE_DIR"/{online,test}/sums.txt)"
}
pg_sums() {
  pg_ask "$1" 'SELECT count(*), sum(delta), sum(aid::bigint * delta), (SELECT sum(abalance) FROM pgbench_accounts),
    (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches) FROM pgbench_history'
}

# Each transaction of pgbench changes four tables: on this host each was executed whole or not at all.
pg_whole() {
  [[ $(pg_ask "$1" 'SELECT sum(delta) = (SELECT sum(abalance) FROM pgbench_accounts)
    AND sum(delta) = (SELECT sum(tbalance) FROM pgbench_tellers)
    AND sum(delta) = (SELECT sum(bbalance) FROM pgbench_branches) FROM pgbench_history') == t ]] ||
    fail "a transaction was executed in part on $1"
}

# Bytes that intercept has sent, for each transaction that arrived so far.
pg_measure_control() {
  settle
  measured control_bytes "$(on assist ss -Htni state established "sport = :$CONTROL_PORT" | grep -o 'bytes_sent:[0-9]*' |
    awk -F : -v count="$N_TEST" '{ bytes += $2 } END { printf "%.0f", bytes / (count ? count : 1) }')"
  note "$(jq .control_bytes <<<"$MEASURED") control bytes for each transaction"
}
