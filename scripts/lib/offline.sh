# shellcheck shell=bash
# Captures into files, and their replay.

# capture_start HOST FILE [ARGUMENT...]: tcpdump on a host; capture_stop ends it and keeps its packets. The kernel holds the last
# packets back for a second; they would be lost.
CAPTURE=
capture_start() {
  local host=$1 file=$2
  shift 2
  spawn "$host" "$CASE_DIR/tcpdump.log" tcpdump -i eth0 -Z root -B 65536 -s 0 -w "$file" "$@"
  CAPTURE=$SPAWNED
  await 5 grep -q 'listening on' "$CASE_DIR/tcpdump.log" || stopped_short 'tcpdump does not start' tcpdump
}
capture_stop() {
  sleep 1.5
  end "$CAPTURE" INT || fail 'tcpdump does not end'
  wait "$CAPTURE" 2>/dev/null || true
  ! grep -qE '^[1-9][0-9]* packets? dropped by kernel' "$CASE_DIR/tcpdump.log" || fail "tcpdump: $(grep 'dropped by' "$CASE_DIR/tcpdump.log")"
}

# replay NAME PORT FILE [ARGUMENT...]: replays a file to the test server and waits for the end. REPLAY_SECONDS is how long
# that took. $REPLAY_TRANSFER is another -x. It must end with REPLAY_STATUS (0; "any" is any). Needs an intercept.
replay() {
  local name=$1 port=$2 file=$3 pid status=0 from
  shift 3
  from=$EPOCHREALTIME
  spawn online "$CASE_DIR/$name.log" "${TCPCOPY_COMMAND[@]}" -x "${REPLAY_TRANSFER:-$port-$TEST4:$port}" -s "$ASSIST4" -i "$file" \
    --stats-json "$CASE_DIR/$name.json" "$@"
  pid=$SPAWNED
  while alive "$pid"; do
    TCPCOPY_KB=$(largest "$TCPCOPY_KB" "$(peak_kb "$pid")") REPLAY_CPU_US=$(cpu_us "$pid")
    sleep 0.05
  done
  wait "$pid" || status=$?
  TCPCOPY_US=$((TCPCOPY_US + REPLAY_CPU_US))
  # shellcheck disable=SC2034 # for the cases
  REPLAY_SECONDS=$(awk -v from="$from" -v to="$EPOCHREALTIME" 'BEGIN { print to - from }')
  [[ ${REPLAY_STATUS:-0} == any ]] || ((status == ${REPLAY_STATUS:-0})) || fail "$name ended with status $status: $(tail -n 1 "$CASE_DIR/$name.log")"
  ledger_holds "$name" '.balanced' 'the ledger does not balance'
}

# counted EXPECTED WHAT: the test host has as many as expected since "counting".
counted() {
  local n
  sleep 0.3 # the server's log is written late
  n=$(arrived test)
  ((n == $1)) || fail "$2: $n instead of $1"
}
