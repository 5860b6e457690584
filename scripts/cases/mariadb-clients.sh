# shellcheck shell=bash disable=SC2034
about='the programs mariadb, mariadb-slap, mariadb-dump, drivers of Node and Java; also compressed connections'
unit=commands
wire=any
ours=yes
needs=databases

run() {
  sql_servers mariadb app
  sql_copying --config tcpcopy.toml
  counting_sql
  local start=() server=(--no-defaults -h "$ONLINE4" -u app -papp-online --skip-ssl)
  sql_programs mariadb mariadb-slap mariadb-dump
  load compressed mariadb "${server[@]}" --compress sbtest -e 'SELECT * FROM sbtest1; INSERT INTO sbtest3 SELECT id + 100000, k, c, pad FROM sbtest1'
  sql_drivers
  sql_arrived
  sql_same_data
  sql_same_said
}

# Drivers of Node and Java, if they are installed. Their tables exist before they start, because the bytes of a connection
# may reach the test server before those of an earlier one.
sql_drivers() {
  if [[ -e $DATABASES/node ]]; then
    sql_said_by node
    load node env NODE_PATH="$DATABASES/node/node_modules" node "$ROOT/scripts/lib/sql-driver.cjs" "$ONLINE4" app app-online
  else
    note 'no Node here'
  fi
  if [[ -e $DATABASES/java ]]; then
    sql_said_by java
    load java java -XX:TieredStopAtLevel=1 -cp "$DATABASES/java/mariadb-java-client.jar" "$ROOT/scripts/lib/SqlDriver.java" "$ONLINE4" app app-online
  else
    note 'no Java compiler here'
  fi
}
SQL_SAID=()

sql_said_by() {
  local host
  for host in online test; do
    sql_ask "$host" "CREATE TABLE sbtest.said_by_$1 (id INT PRIMARY KEY, what VARCHAR(100), body LONGBLOB)"
  done
  SQL_SAID+=("said_by_$1")
}

# Checks that the drivers left the same data on both hosts. After sql_arrived.
sql_same_said() {
  local host table
  for table in "${SQL_SAID[@]}"; do
    for host in online test; do
      sql_ask "$host" "SELECT id, what, SHA2(body, 256) FROM sbtest.$table ORDER BY id" >"$host/$table.txt" || fail "there is no $table on $host"
    done
    [[ -s online/$table.txt ]] || fail "$table is empty"
    cmp -s {online,test}/"$table.txt" || fail "the data differ: $(diff {online,test}/"$table.txt" | head -n 5 | paste -sd' ')"
  done
}

# sql_programs CLIENT SLAP DUMP: the programs; how to reach the server is in the array "server", how to start them in "start".
sql_programs() {
  load dump "${start[@]}" "$3" "${server[@]}" --single-transaction --skip-lock-tables --result-file="$CASE_DIR/dump.sql" sbtest
  (($(grep -c '^INSERT' dump.sql) >= SQL_TABLES)) || fail 'the dump is not complete'
  # shellcheck disable=SC2016
  load client bash -c '"$@" <dump.sql' client "${start[@]}" "$1" "${server[@]}" sbtest
  load slap "${start[@]}" "$2" "${server[@]}" --auto-generate-sql --auto-generate-sql-load-type=mixed --concurrency=5 \
    --number-of-queries="$(size 500 5000)" --create-schema=slap --no-drop
}
