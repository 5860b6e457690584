# shellcheck shell=bash disable=SC2034
about='what the replay of a capture file costs, in turn with the offline build of another implementation if REFERENCE_TCPCOPY and REFERENCE_INTERCEPT name one'
unit=requests
wire=any
ours=yes
full=yes

# shellcheck source=scripts/lib/offline.sh
source "$ROOT/scripts/lib/offline.sh"

: "${TURNS:=3}"

run() {
  local turn
  on test sysctl -q -w net.ipv4.tcp_orphan_retries=1 net.ipv4.tcp_synack_retries=1 net.ipv4.tcp_fin_timeout=1
  nginx_start online
  nginx_start test
  counting count_http
  capture_start online http.pcap tcp port 80
  load one-shot ab -q -c 50 -n "$(size 2000 40000)" "http://$ONLINE4/"
  load keep-alive ab -q -k -c 50 -n "$(size 1000 22000)" "http://$ONLINE4/"
  sleep 0.3
  N_ONLINE=$(arrived online)
  capture_stop
  for ((turn = 1; turn <= TURNS; turn++)); do turn "$turn"; done
  [[ ! -e failed.txt ]] || fail "$(paste -sd';' failed.txt)"
  note "$(paste -sd';' measured.txt)"
  N_TEST=$N_ONLINE
  [[ ! -e ratios.txt ]] || judge
  paced
  on test sysctl -q -w net.ipv4.tcp_orphan_retries=0 net.ipv4.tcp_synack_retries=5 net.ipv4.tcp_fin_timeout=60
}

# Whoever comes first finds other caches: the order changes. At -a 1000 the other implementation loses nearly all, so it is
# also measured at the pace of the capture.
turn() {
  local us slow them
  if (($1 % 2)); then
    us=$(ours 1000)
    slow=$(ours 1)
    them=$(theirs 1)
    theirs 1000 >/dev/null
  else
    theirs 1000 >/dev/null
    them=$(theirs 1)
    slow=$(ours 1)
    us=$(ours 1000)
  fi
  [[ -z $them ]] || echo "$us $slow $them" | awk '{ print $1 / $3, $2 / $3 }' >>ratios.txt
}

# judge: of the time for a request that arrived, the median of the turns, each part with the other implementation at its best.
judge() {
  local fast slow
  fast=$(cut -d' ' -f1 ratios.txt | sort -n | sed -n "$(((TURNS + 1) / 2))p")
  slow=$(cut -d' ' -f2 ratios.txt | sort -n | sed -n "$(((TURNS + 1) / 2))p")
  note "-a 1000: $fast, -a 1: $slow of the other implementation's processor time at -a 1"
  awk -v fast="$fast" 'BEGIN { exit !(fast <= 0.45) }' || fail "-a 1000 takes $fast of the other implementation's processor time"
}

# ours SPEED, theirs SPEED: print the microseconds for a request that arrived.
ours() {
  clean_test_host
  intercept_start -i eth0
  counting count_http
  measure ours "${TCPCOPY_COMMAND[@]}" -x "80-$TEST4:80" -s "$ASSIST4" -i http.pcap -a "$1"
  wait "$MEASURED_PID" || echo 'the replay failed' >>failed.txt
  said ours "$1"
  end "$INTERCEPT" TERM || true
}

# It does not end by itself within two minutes of its last packet.
theirs() {
  local command pid
  [[ -n ${REFERENCE_TCPCOPY:-} ]] || return 0
  clean_test_host
  read -ra command <<<"$REFERENCE_INTERCEPT"
  spawn assist "$CASE_DIR/their-intercept.log" "${command[@]}" -i eth0 -F 'tcp and src port 80'
  pid=$SPAWNED
  await 5 intercept_listens || stopped_short 'it does not listen' their-intercept
  counting count_http
  read -ra command <<<"$REFERENCE_TCPCOPY"
  measure theirs "${command[@]}" -x "80-$TEST4:80" -s "$ASSIST4" -i http.pcap -a "$1"
  until_idle
  kill -TERM -- "-$MEASURED_PID"
  wait "$MEASURED_PID" || true
  said theirs "$1"
  end "$pid" TERM || true
}

# measure NAME COMMAND...: in the background; NAME.time has its processor time in seconds in the end.
measure() {
  local name=$1
  shift
  # shellcheck disable=SC2016
  spawn online "$CASE_DIR/$name.log" bash -c 'trap : TERM; TIMEFORMAT="%U %S"; { time "${@:2}" 2>&3; } 3>&2 2>"$1"' measure "$CASE_DIR/$name.time" "$@"
  MEASURED_PID=$SPAWNED
}

# said NAME SPEED: the result, in a line of measured.txt.
said() {
  local seconds n
  sleep 0.5 # the server's log is written late
  seconds=$(tail -n 1 "$CASE_DIR/$1.time" | awk '{ print $1 + $2 }') n=$(arrived test)
  echo "$1 -a $2: $seconds s, $n of $N_ONLINE arrived" >>measured.txt
  [[ $1 == theirs ]] || ((n == N_ONLINE)) || echo "-a $2: $n of $N_ONLINE arrived" >>failed.txt
  awk -v seconds="$seconds" -v n="$n" 'BEGIN { print n ? 1e6 * seconds / n : 1e9 }'
}

# Connections that one replay has left behind must not disturb the next one, which has the same clients and ports.
clean_test_host() {
  nginx_stop test || true
  await 60 no_connections || fail 'the test host keeps connections'
  nginx_start test
}
no_connections() { ! on test ss -Htan 'sport = :80' | grep -qv TIME-WAIT; }

until_idle() {
  local last='' now idle=0
  while ((idle < 5)); do
    sleep 1
    now=$(arrived test)
    if [[ $now == "$last" && $now != 0 ]]; then idle=$((idle + 1)); else idle=0; fi
    last=$now
  done
}

# At the pace of the capture, 30 s of it.
paced() {
  local span
  counting count_http
  capture_start online paced.pcap tcp port 80
  load held "$HELD_CLIENT" --rate 500 "$(size 5 30)" "$ONLINE4" 20
  sleep 0.3
  span=$(arrived online)
  capture_stop
  intercept_start -i eth0
  counting count_http
  replay paced 80 paced.pcap
  counted "$span" '-a 1'
  intercept_stop
  span=$(tcpdump -r paced.pcap -tt 2>/dev/null | awk 'NR == 1 { first = $1 } { last = $1 } END { print last - first }')
  note "-a 1: $REPLAY_SECONDS s of the program for $span s of the capture"
  awk -v took="$REPLAY_SECONDS" -v span="$span" -v more="$(size 5 0)" 'BEGIN { exit !(took >= span && took < span * 1.02 + more) }' ||
    fail "-a 1 took $REPLAY_SECONDS s, the capture $span s"
  measured paced_seconds "$REPLAY_SECONDS"
}
