# shellcheck shell=bash disable=SC2034
about='PyMySQL and mysql-connector: large packets, long data, change of user, compression, local files, errors'
unit=commands
wire=any
ours=yes
needs=databases

run() { drivers mariadb mariadb; }

arrived_whole() { sql_arrived; }

# drivers ONLINE TEST: each mariadb or mysql.
drivers() {
  local host arguments
  for host in online test; do
    arguments=(--max-allowed-packet=64M --local-infile=1)
    [[ $1 == mariadb ]] || arguments+=(--tls-version=)
    sql_server "$host" "$1" app other "${arguments[@]}"
    shift
  done
  head -c 300000 /dev/zero | tr '\0' s >stream
  seq 1000 >lines
  sql_passwords 'app = "app-test"' 'other = "other-test"'
  sql_copying --config tcpcopy.toml
  counting_sql
  SQL_OWN_PINGS=1 # before COM_CHANGE_USER, to receive the end of the previous answers
  load drivers "$PYTHON" "$ROOT/scripts/lib/sql-protocol.py" "$ONLINE4" app app-online other other-online "$CASE_DIR"
  arrived_whole
  # Two connections at the same time may have had their numbers the other way round.
  for host in online test; do
    sql_ask "$host" 'SELECT what, SHA2(body, 256) FROM sbtest.said ORDER BY 1, 2' >"$host/said.txt" || fail "nothing was written on $host"
  done
  cmp -s online/said.txt test/said.txt || fail "the data differ: $(diff online/said.txt test/said.txt | head -n 5 | paste -sd' ')"
}
