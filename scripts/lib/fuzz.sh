# shellcheck shell=bash
# The parts of cases with random SQL scripts.

# fuzz_servers KIND: with a user "app".
fuzz_servers() {
  FUZZ_KIND=$1
  sql_servers "$1" app --local-infile=1
  sql_up
  sql_first_login "$1" app
  sql_copying --config tcpcopy.toml
  counting_sql
}

# fuzz_start KIND FIRST COUNT statements|seconds N [PAUSE]: makes the databases, starts the scripts. KIND is any or append.
fuzz_start() {
  local host
  for host in online test; do
    "$PYTHON" "$ROOT/scripts/lib/sql-fuzz.py" setup "$2" "$3" | mariadb --no-defaults -S "$CASE_DIR/$host/sql.sock" -u root
  done
  load_start client fuzz "$PYTHON" "$ROOT/scripts/lib/sql-fuzz.py" run "$ONLINE4" app app-online "$FUZZ_KIND" "$@"
}

# Resets the connection of one copy, or kills it as the administrator, at random, for as long as the load runs.
FAULTS=0
fuzz_faults() {
  local pause=$1 port id
  while load_runs fuzz; do
    sleep "$pause"
    if ((RANDOM % 2)); then
      port=$(on test ss -Htn state established 'sport = :3306' | awk '{ print $4 }' | shuf -n 1)
      [[ -z $port ]] || on test ss -K -Htn state established 'sport = :3306' and dst "$port" | grep -q . && FAULTS=$((FAULTS + 1))
    else
      id=$(sql_ask test "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'app' ORDER BY RAND() LIMIT 1")
      [[ -n $id ]] && sql_ask test "KILL $id" 2>/dev/null && FAULTS=$((FAULTS + 1))
    fi
  done
  load_end fuzz
}

# fuzz_compare KIND: sets DIFFERING, MISSING, EXTRA, and shows what differs.
fuzz_compare() {
  local host
  for host in online test; do
    sql_ask "$host" "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'fuzz\\_%'" |
      xargs mariadb-dump --no-defaults -S "$CASE_DIR/$host/sql.sock" -u root --skip-comments --order-by-primary --skip-extended-insert \
        --routines --single-transaction --databases >"$host/fuzz.dump"
  done
  "$PYTHON" "$ROOT/scripts/lib/sql-fuzz.py" compare {online,test}/fuzz.dump "$1" >compared.txt || fail "the dumps cannot be compared"
  head -n -1 compared.txt | head -n 3 >&2
  read -r DIFFERING MISSING EXTRA < <(tail -n 1 compared.txt)
}

# Adds up what fuzz_compare has found.
ALL_DIFFERING=0 ALL_MISSING=0 ALL_EXTRA=0
fuzz_sum() {
  fuzz_compare append
  ALL_DIFFERING=$((ALL_DIFFERING + DIFFERING)) ALL_MISSING=$((ALL_MISSING + MISSING)) ALL_EXTRA=$((ALL_EXTRA + EXTRA))
}

# Every missing row has a name in the ledger, no row is there that production does not have. After sql_ended.
fuzz_explained() {
  local lost
  ((ALL_EXTRA == 0)) || fail "$ALL_EXTRA rows that production does not have"
  # Each row is at least 200 bytes of its statement. A turn that was cut off is said to be replayed.
  lost=$(ledger tcpcopy '.ledger | ([.bytes.dropped | to_entries[] | select(.key != "replaced") | .value] | add) + .turns.cut_off * 1000')
  ((ALL_MISSING * 200 <= lost)) || fail "$ALL_MISSING rows are missing, $lost bytes counted"
  ledger_holds tcpcopy ".ledger.sessions.incomplete | add >= $ALL_DIFFERING" "sessions that lost rows are whole: $ALL_DIFFERING"
  note "$FAULTS connections broken, $ALL_MISSING rows missing in $ALL_DIFFERING scripts"
}

# Makes room for the next scripts. The copies have ended by then.
fuzz_drop() {
  local host
  for host in online test; do
    sql_ask "$host" "SELECT CONCAT('DROP DATABASE ', SCHEMA_NAME, ';') FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'fuzz\\_%'" |
      mariadb --no-defaults -S "$CASE_DIR/$host/sql.sock" -u root
  done
}
