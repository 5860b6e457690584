# shellcheck shell=bash disable=SC2034
about='sqlreplay: sysbench prepared and text, and drivers of Python, Node and Java, recorded by its proxy and from packets, and replayed'
unit=commands
wire=any
ours=yes
fault=yes
needs=databases

run() { recorded_and_replayed mariadb mariadb --no-defaults --skip-ssl; }

# recorded_and_replayed KIND CLIENT...: the recorder is on the host assist, and forwards to the host online.
recorded_and_replayed() {
  local kind=$1 host table dump recorder server arguments=(--max-allowed-packet=64M --local-infile=1)
  shift
  [[ $kind != mysql ]] || arguments+=(--tls-version=)
  for host in online test; do sql_server "$host" "$kind" app other "${arguments[@]}"; done
  sql_up
  for table in said_by_node said_by_java; do
    for host in online test; do
      sql_ask "$host" "CREATE TABLE sbtest.$table (id INT PRIMARY KEY, what VARCHAR(100), body LONGBLOB)"
    done
  done
  spawn assist "$CASE_DIR/tcpdump.log" tcpdump -i eth0 -B 65536 -U -w "$CASE_DIR/client.pcap" "tcp port 3306 and host $CLIENT4"
  dump=$SPAWNED
  spawn assist "$CASE_DIR/record.log" "$SQLREPLAY" record --listen 0.0.0.0:3306 --upstream "$ONLINE4:3306" -o proxy.jsonl
  recorder=$SPAWNED
  await 30 listening assist 3306 || stopped_short 'no recorder' record
  server=$ONLINE4
  ONLINE4=$ASSIST4
  counting_sql
  sql_secrets "$@"
  sysbench_load text app app-online --own_table=on --db-ps-mode=disable --time=0 --events="$(size 200 2000)"
  sysbench_load prepared app app-online --own_table=on --db-ps-mode=auto --time=0 --events="$(size 200 2000)"
  head -c 300000 /dev/zero | tr '\0' s >stream
  seq 1000 >lines
  load drivers "$PYTHON" "$ROOT/scripts/lib/sql-protocol.py" "$ONLINE4" app app-online other other-online "$CASE_DIR" compressed
  [[ ! -e $DATABASES/node ]] ||
    load node env NODE_PATH="$DATABASES/node/node_modules" node "$ROOT/scripts/lib/sql-driver.cjs" "$ONLINE4" app app-online
  [[ ! -e $DATABASES/java ]] ||
    load java java -XX:TieredStopAtLevel=1 -cp "$DATABASES/java/mariadb-java-client.jar" "$ROOT/scripts/lib/SqlDriver.java" "$ONLINE4" app app-online
  load last "$@" -h "$ONLINE4" -u app -papp-online sbtest -e "DO 'the end of the load'"
  ONLINE4=$server
  # tcpdump leaves what it has not read yet when it is stopped.
  await 60 grep -aq 'the end of the load' client.pcap || fail 'the packets are not in the capture file'
  stop_program "$recorder"
  stop_program "$dump"
  load_on assist pcap "$SQLREPLAY" record --pcap client.pcap --port 3306 -o pcap.jsonl
  for table in proxy pcap; do statements "$table.jsonl" >"$table.txt"; done
  cmp -s proxy.txt pcap.txt || fail 'proxy and packets gave different statements'
  (umask 077; printf '[passwords]\napp = "app-test"\nother = "other-test"\n' >"$CASE_DIR/passwords.toml")
  load_on assist replay "$SQLREPLAY" replay proxy.jsonl --host "$TEST4" --config passwords.toml --speed 0
  grep -q '^differing   0 of' replay.log || fail "answers differ: $(grep ' x ' replay.log | head -n 3 | paste -sd';')"
  ! grep -aE 'app-online|app-test|other-online|other-test|hunter' ./*.jsonl ./*.log || fail 'a password was recorded'
  N_ONLINE=$(arrived online) N_TEST=$(arrived test)
  # Long values are a part of their execution, unless they are very long. Statements with passwords are left
  # out; MariaDB counts SET PASSWORD among the options.
  sql_same_kinds Com_stmt_send_long_data Com_create_user Com_alter_user "${SECRET_KIND:-Com_set_option}"
  sql_same_data
  for table in said said_by_node said_by_java; do
    for host in online test; do
      sql_ask "$host" "SELECT what, SHA2(body, 256) FROM sbtest.$table ORDER BY 1, 2" >"$host/$table.txt" || fail "no $table on $host"
    done
    cmp -s {online,test}/"$table.txt" || fail "$table differs: $(diff {online,test}/"$table.txt" | head -n 5 | paste -sd' ')"
  done
  [[ -s online/said.txt ]] || fail 'the drivers wrote nothing'
}

# sql_secrets CLIENT...: statements that carry a password, which must not be recorded.
sql_secrets() {
  load secrets "$@" -h "$ONLINE4" -u app -papp-online sbtest \
    -e "CREATE USER secret IDENTIFIED BY 'hunter2'; ALTER USER secret IDENTIFIED BY 'hunter3'; SET PASSWORD FOR secret = ${SECRET:-"PASSWORD('hunter4')"}"
}

# Messages in no order: the sessions' numbers differ, and an answer that came late is on a line of its own.
statements() { jq -c 'select(.statement) | .statement.messages' "$1" | sort; }

# stop_program PID: as Ctrl+C does.
stop_program() {
  kill -INT "$1"
  wait "$1" || true
}
