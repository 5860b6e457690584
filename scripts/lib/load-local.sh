# shellcheck shell=bash
# The parts of cases with files that clients send (LOAD DATA LOCAL).

# local_servers KIND ONLINE TEST: both with a user "app" and these values of local_infile, and the tables of sql-load-local.py.
local_servers() {
  local kind=$1 host arguments=()
  [[ $kind == mariadb ]] || arguments=(--tls-version=)
  sql_server online "$kind" app --local-infile="$2" "${arguments[@]}"
  sql_server test "$kind" app --local-infile="$3" "${arguments[@]}"
  sql_passwords 'app = "app-test"'
  sql_up
  for host in online test; do
    sql_ask "$host" 'USE sbtest; CREATE TABLE said (what VARCHAR(100)); CREATE TABLE loaded (what VARCHAR(100));
      CREATE TABLE victims (what INT); INSERT INTO victims VALUES (1), (2), (3)'
  done
  seq 10 >lines
  sql_first_login "$kind" app
  sql_copying --config tcpcopy.toml
  counting_sql
}

# local_load PART...
local_load() { load files "$PYTHON" "$ROOT/scripts/lib/sql-load-local.py" "$ONLINE4" app app-online "$CASE_DIR" "$@"; }

# Lines of 50 bytes, so many MB. Clients send them in packets of 16 KB: after 4 MB their sequence ids begin again.
large_file() { awk -v lines="$(($1 * 20000))" 'BEGIN { for (n = 0; n < lines; n++) printf "line %044d\n", n }' >large; }

# 300 blocks of 16 KB, as PyMySQL sends them. Each begins with bytes that are a command if the reader has lost its place:
# with and without the head of a packet. The packet of block 254 has the sequence id 0.
file_of_commands() {
  awk 'BEGIN {
    for (n = 0; n < 300; n++) {
      block = (n % 2 ? sprintf("\025%c%c%c\003", 0, 0, 0) : "\003") "DELETE FROM victims#"
      printf "%s%*s\n", block, 16383 - length(block), ""
    }
  }' >commands
  (($(stat -c %s commands) == 300 * 16384)) || fail 'the blocks of the file have another length'
}

# The same rows of these tables on both hosts.
local_same() {
  local host table
  for table; do
    for host in online test; do
      sql_ask "$host" "SELECT what FROM sbtest.$table" | LC_ALL=C sort >"$host/$table.rows"
    done
    [[ -s online/$table.rows ]] || fail "$table is empty"
    cmp -s {online,test}/"$table.rows" ||
      fail "$table differs: $(diff {online,test}/"$table.rows" | head -n 5 | cut -c -150 | paste -sd' ')"
  done
}

# Nothing of a file was executed.
local_unharmed() {
  local left
  left=$(sql_ask test 'SELECT COUNT(*) FROM sbtest.victims')
  ((left == 3)) || fail "bytes of a file were executed: $left of 3 rows are left"
}
