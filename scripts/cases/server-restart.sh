# shellcheck shell=bash disable=SC2034
about='the test server is down, then up again'
finds='refused'

run() {
  local requests
  requests=$(size 2000 10000)
  nginx_start online
  nginx_start test
  copying
  nginx_stop test
  # Other cases use no such ports: a SYN that meets a connection in TIME_WAIT is not refused, see refused-late.
  on client sysctl -q -w net.ipv4.ip_local_port_range='2000 9999'
  counting count_http
  load down ab -q -c 20 -n "$requests" "http://$ONLINE4/"
  await 5 reached online "$requests" || fail 'the online service was harmed'
  [[ $(arrived test) == 0 ]] || fail 'a dead server answered'
  [[ -z $OURS ]] || await 15 refused_all "$requests" || fail "not all connections are counted as refused"
  on client sysctl -q -w net.ipv4.ip_local_port_range='10000 65000'
  nginx_start test
  counting count_http
  load up ab -q -c 20 -n "$requests" "http://$ONLINE4/"
  all_arrived
}

refused_all() { [[ $(ledger tcpcopy ".ledger.sessions.incomplete.refused >= $1" 2>/dev/null) == true ]]; }
