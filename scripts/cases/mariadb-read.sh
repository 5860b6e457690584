# shellcheck shell=bash disable=SC2034
about='sysbench read-only with text queries, 10 threads, saturating; "shorter", "longer": 5 % of the rows are missing on the test server, or online; "slower": answers 20 ms late, a tenth of the load'
unit=commands
needs=databases
answers='equal shorter longer slower'

run() {
  local n host='' test_server=() load=()
  case $ANSWER_KIND in
    shorter) host='test' ;;
    longer) host='online' ;;
    slower) test_server=(--port=3307) load=(--rate=20) ;; # ten connections cannot do more than 35 in a second
  esac
  sql_user online app online-password
  sql_start online mariadb
  sql_start test mariadb --skip-grant-tables "${test_server[@]}"
  if [[ $ANSWER_KIND == slower ]]; then
    spawn test "$CASE_DIR/late-proxy.log" python3 "$ROOT/scripts/lib/late-proxy.py" 3306 3307 20
  fi
  sql_up
  if [[ -n $host ]]; then
    for n in $(seq "$SQL_TABLES"); do sql_ask "$host" "DELETE FROM sbtest.sbtest$n WHERE id % 20 = 0"; done
  fi
  # 21 busy threads share these two processors: the capture buffer must hold the packets until tcpcopy runs.
  sql_copying -B 512
  counting_sql
  [[ -n ${FULL:-} ]] || commands_watch
  sysbench_load sysbench app online-password --db-ps-mode=disable --skip_trx=on \
    --index_updates=0 --non_index_updates=0 --delete_inserts=0 "${load[@]}"
  sql_arrived
  [[ -n ${FULL:-} ]] || commands_in_turn
}

# Some packets on their way to and from the test server. A benchmark does without.
commands_watch() {
  spawn test "$CASE_DIR/tcpdump.log" tcpdump -i eth0 -n -s 80 -B 4096 -c 300000 -w "$CASE_DIR/commands.pcap" \
    'tcp port 3306 and ip[2:2] - ((ip[0] & 15) << 2) - ((tcp[12] & 240) >> 2) != 0'
  COMMANDS_DUMP=$SPAWNED
  await 5 grep -qs 'listening on' "$CASE_DIR/tcpdump.log" || stopped_short 'no capture on the test host' tcpdump
}

# A command follows the answer to the one before it, not the command itself.
commands_in_turn() {
  local commands early
  end "$COMMANDS_DUMP" INT || fail 'tcpdump does not end'
  read -r commands early < <(tcpdump -r commands.pcap -nn 2>/dev/null | awk -v server="$TEST4.3306" '
    $5 == server ":" { commands++; if (waiting[$3]) early++; waiting[$3] = 1 }
    $3 == server { sub(/:$/, "", $5); waiting[$5] = 0 }
    END { print commands + 0, early + 0 }')
  ((commands > 300)) || fail "only $commands commands were seen"
  ((early * 100 <= commands)) || fail "$early of $commands commands did not wait for the answer before"
  note "$early of $commands commands early"
}
