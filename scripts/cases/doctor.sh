# shellcheck shell=bash disable=SC2034
about='tcpcopy doctor: all is well, also beside a tcpcopy; then each hop breaks, is named, and is mended by the command that is shown'
wire=any
ours=yes
fault=yes

run() {
  nginx_start online
  nginx_start test
  load_start client clients bash -c "until [[ -e stop ]]; do curl -sS --fail -o /dev/null http://$ONLINE4/ || exit 1; sleep 0.05; done"
  intercept_start
  # Nothing that a client could have sent comes to the test host.
  nft_rule test inet "type filter hook input priority 0; ip saddr $CLIENT4 tcp sport >= 1024 tcp dport 80 counter name dropped"
  all_well 'alone'
  [[ $(dropped_by_test) == 0 ]] || fail "$(dropped_by_test) packets look like a client's"
  nft_end test inet

  ip -n "$(netns test)" route delete "$CLIENT4/32"
  finds_and_cures route-missing
  on test "$ROOT/scripts/route-setup" del >>cures.log
  answers_via_assist "$CLIENT4"

  nginx_stop test
  finds refused
  nginx_start test
  all_well 'after refused'

  nft_rule test inet "type filter hook input priority 0; ip saddr != $ONLINE4 tcp dport 80 counter name dropped drop"
  finds sources-dropped
  nft_end test inet
  all_well 'after sources-dropped'

  on assist sysctl -q -w net.ipv4.ip_forward=1
  finds_and_cures assistant-forwards

  examine -i lo
  is_found not-captured
  all_well 'after not-captured'

  intercept_stop
  finds_and_cures intercept-away
  end "$INTERCEPT" TERM || fail 'intercept does not end'
  intercept_start -i eth0 -F 'tcp and src port 81'
  finds_and_cures intercept-misses
  end "$INTERCEPT" TERM || fail 'intercept does not end'

  quiet clients begin_to_copy
  all_well 'beside a tcpcopy'
  touch stop
  load_end clients
  all_arrived
}

begin_to_copy() {
  copying
  counting count_http
}

# examine [FLAG...]: one run of the doctor, by default with -i eth0.
examine() {
  local started=$EPOCHREALTIME
  (($# > 0)) || set -- -i eth0
  STATUS=0
  on online "${TCPCOPY_COMMAND[@]}" doctor --json -x "80-$TEST4:80" -s "$ASSIST4" "$@" >doctor.json 2>>doctor.log || STATUS=$?
  TOOK=$(awk -v from="$started" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f", to - from }')
  cat doctor.json >>doctor.log
}

all_well() {
  examine
  [[ $STATUS == 0 && $(jq 'all(.checks[]; .outcome == "good")' doctor.json) == true ]] ||
    fail "$1: status $STATUS, $(jq -r '.verdict' doctor.json)"
  note "$1 $TOOK s"
}

finds() {
  examine
  is_found "$1"
}

is_found() {
  [[ $STATUS == 1 && $(jq -r .fault doctor.json) == "$1" ]] || fail "$1 is not found: status $STATUS, $(jq -r .verdict doctor.json)"
  note "$1 $TOOK s"
}

# finds_and_cures NAME: the command of the first fault, run on the host that is named, mends it.
finds_and_cures() {
  local host command
  finds "$1"
  host=$(jq -r '[.checks[] | select(.outcome == "fault")][0].host' doctor.json)
  command=$(jq -r '[.checks[] | select(.outcome == "fault")][0].command' doctor.json)
  [[ $host != assistant ]] || host=assist
  rm -f cured.pid
  command=${command//intercept -d -l \/var\/log\/intercept.log/$INTERCEPT_BIN -d -l $CASE_DIR/cured.log -P $CASE_DIR/cured.pid}
  PATH=$ROOT/scripts:$PATH on "$host" bash -c "$command" >>cures.log 2>&1 || true
  if [[ $command == *cured.pid* ]]; then
    await 5 test -s cured.pid || fail "$1: the cure starts no intercept"
    INTERCEPT=$(<cured.pid)
    record "$INTERCEPT"
    await 5 intercept_listens || fail "$1: intercept does not listen"
  fi
  all_well "after $1"
}

dropped_by_test() { on test nft -j list counter inet lab dropped | jq '.nftables[] | .counter? // empty | .packets'; }
