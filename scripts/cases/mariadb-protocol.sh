# shellcheck shell=bash disable=SC2034
about='PyMySQL and mysql-connector: large packets, long data, change of user, compression, local files, errors'
unit=commands
wire=any
ours=yes
needs=databases

run() { drivers mariadb; }

# drivers mariadb|mysql [ARGUMENT...]
drivers() {
  local host kind=$1 plugin
  shift
  [[ $kind == mariadb ]] || plugin=caching_sha2_password
  for host in online test; do
    sql_user "$host" app "app-$host" "${plugin:-}"
    sql_user "$host" other "other-$host" "${plugin:-}"
    sql_start "$host" "$kind" --max-allowed-packet=64M --local-infile=1 "$@"
  done
  head -c 300000 /dev/zero | tr '\0' s >stream
  seq 1000 >lines
  sql_passwords 'app = "app-test"' 'other = "other-test"'
  sql_copying --config tcpcopy.toml
  counting_sql
  SQL_OWN_PINGS=1 # before COM_CHANGE_USER, to hear the end of the answers before
  load drivers "$PYTHON" "$ROOT/scripts/lib/sql-protocol.py" "$ONLINE4" app app-online other other-online "$CASE_DIR"
  sql_arrived
  # Two connections at the same time may have had their numbers the other way round.
  for host in online test; do
    sql_ask "$host" 'SELECT what, SHA2(body, 256) FROM sbtest.said ORDER BY 1, 2' >"$host/said.txt" || fail "nothing was said on $host"
  done
  cmp -s online/said.txt test/said.txt || fail "the data differ: $(diff online/said.txt test/said.txt | head -n 5 | paste -sd' ')"
}
