# shellcheck shell=bash disable=SC2034
about='the test server is down, and its host has all connections of the clients in TIME_WAIT: only other ports are refused'
wire=any
ours=yes
finds='refused'

# Programs that know those connections reset them at once.
run() {
  local requests
  requests=$(size 500 5000)
  nginx_start online
  nginx_start test
  intercept_start -i eth0 -F 'tcp and src port 80'
  tcpcopy_start before -x "80-$TEST4:80" -s "$ASSIST4"
  counting count_http
  ports_ask up "$requests"
  settle
  [[ $N_TEST == "$requests" ]] || fail "only $N_TEST of $requests arrived"
  tcpcopy_stop before
  intercept_stop
  nginx_stop test
  copying
  counting count_http
  ports_ask down "$requests"
  await 15 refused_all "$requests" || fail 'not all connections are counted as refused'
  ledger_holds tcpcopy ".ledger.tcp.moved == $requests" 'not all have taken another port'
  copy_stop
}

# The other port of each of these is below 10000, which the kernel gives to no client here.
ports_ask() {
  load "$1" python3 "$ROOT/scripts/lib/numbered-clients.py" "$ONLINE4" "34000-$((33999 + $2))" --at-once 20
}

refused_all() { [[ $(ledger tcpcopy ".ledger.sessions.incomplete.refused >= $1" 2>/dev/null) == true ]]; }
