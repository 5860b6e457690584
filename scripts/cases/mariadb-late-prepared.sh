# shellcheck shell=bash disable=SC2034
about='tcpcopy starts 10 s after sysbench and pools that have prepared their statements; a read-only account tells them'
unit=executions
wire=any
ours=yes
needs=databases

run() { late_prepared mariadb; }

# late_prepared KIND
late_prepared() {
  local kind=$1 before=10 after=20
  local table tables=(by_connector by_pymysql)
  [[ ! -e $DATABASES/java ]] || tables+=(by_java)
  read_only_account
  sql_servers "$kind" app --performance-schema=ON
  printf '[online.mysql]\nuser = "tcpcopy"\npassword = "of-tcpcopy"\n' >>tcpcopy.toml
  sql_up
  for table in "${tables[@]}"; do
    for host in online test; do
      sql_ask "$host" "CREATE TABLE sbtest.$table (id INT PRIMARY KEY, what VARCHAR(100), amount DOUBLE,
        at_time DATETIME(3), body LONGBLOB, big BIGINT)"
    done
  done
  warm_logins "$kind"
  sysbench_start sysbench app app-online --db-ps-mode=auto --time=$((before + after)) --own_table=on --rate="$(size 100 0)"
  load_start client connector "$PYTHON" "$ROOT/scripts/lib/sql-pool.py" "$ONLINE4" app app-online $((before + after)) by_connector connector
  load_start client pymysql "$PYTHON" "$ROOT/scripts/lib/sql-pool.py" "$ONLINE4" app app-online $((before + after)) by_pymysql pymysql
  [[ ! -e $DATABASES/java ]] || load_start client java java -XX:TieredStopAtLevel=1 -cp "$DATABASES/java/mariadb-java-client.jar" \
    "$ROOT/scripts/lib/SqlPool.java" "$ONLINE4" app app-online $((before + after)) by_java
  sleep "$before"
  sql_copying --config tcpcopy.toml
  # The first commands are left out, until the answer is here; then the copies log in.
  sleep 3
  all_quiet counting_executions
  loads_end
  settle_executions
  copy_stop
  sql_count_kinds
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  executed_nearly_all
  for table in "${tables[@]}"; do rows_are_the_same "$table"; done
  ledger_holds tcpcopy '.protocols.mysql.sessions.known_by_online_server >= 20' 'not all sessions are known'
  ledger_holds tcpcopy '[.protocols.mysql.left_out // {} | .unknown_statement // 0, .unknown_types // 0] | add == 0' 'statements or types are not known'
}

# An account that may read what is needed, and nothing else.
read_only_account() {
  mkdir -p "$CASE_DIR/online"
  printf "%s;\n" "CREATE USER IF NOT EXISTS 'tcpcopy'@'%' IDENTIFIED BY 'of-tcpcopy'" "GRANT PROCESS ON *.* TO 'tcpcopy'@'%'" \
    "GRANT SELECT ON performance_schema.* TO 'tcpcopy'@'%'" >>"$CASE_DIR/online/users.sql"
}

# mysql.connector logs in without TLS only where the server has cached the password.
warm_logins() {
  [[ $1 == mariadb ]] || on client "$PYTHON" -c "import pymysql; pymysql.connect(host='$ONLINE4', user='app', password='app-online')"
}

# all_quiet COMMAND...: runs the command while all loads are paused, and what they have said has arrived.
all_quiet() {
  local pid
  for pid in "${LOAD[@]}"; do kill -STOP -- "-$pid"; done
  sleep 1
  "$@"
  for pid in "${LOAD[@]}"; do kill -CONT -- "-$pid"; done
}

counting_executions() {
  counting_sql
  counting count_executions
}

# Executions of statements that were prepared in either way.
count_executions() { sql_commands "$1" | awk '$1 == "Com_stmt_execute" || $1 == "Com_execute_sql" { n += $2 } END { print n + 0 }'; }

settle_executions() {
  local last='' now idle=0
  while ((idle < 15)); do
    now=$(arrived test)
    if [[ $now == "$last" ]]; then idle=$((idle + 1)); else idle=0; fi
    last=$now
    sleep 0.2
  done
}

executed_nearly_all() {
  local share
  share=$(percent "$N_ONLINE" "$N_TEST")
  awk -v share="$share" 'BEGIN { exit !(share >= 99.9) }' || fail "only $share % of the executions"
}

# Each row on the test server is as online, and none of the later ones is missing there.
rows_are_the_same() {
  local host table=$1 first missing different # of the table's rows
  for host in online test; do
    sql_ask "$host" "SELECT id, what, amount, at_time, SHA2(body, 256), big FROM sbtest.$table ORDER BY id" | LC_ALL=C sort >"$host/$table.txt"
  done
  [[ -s test/$table.txt ]] || { fail "no row of $table arrived"; return 0; }
  different=$(LC_ALL=C comm -13 {online,test}/"$table.txt" | wc -l)
  ((different == 0)) || fail "$different rows of $table differ: $(LC_ALL=C comm -13 {online,test}/"$table.txt" | head -n 1)"
  # The sessions are known within a second or two.
  first=$(($(sql_ask test "SELECT MIN(id) FROM sbtest.$table") + 1000))
  missing=$(LC_ALL=C comm -23 {online,test}/"$table.txt" | awk -v first="$first" '$1 >= first' | wc -l)
  ((missing == 0)) || fail "$missing rows of $table are missing or differ"
}
