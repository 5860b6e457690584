# shellcheck shell=bash disable=SC2034
about='two intercepts, to each of which the answers for a part of the clients are routed'
wire=any
ours=yes
# shellcheck source=scripts/lib/multiply.sh
source "$ROOT/scripts/lib/multiply.sh"

run() {
  local second=10.20.0.24
  extra_host assist2 24
  nginx_peers_start online test
  route_via test "$ASSIST4" 10.21.0.1
  route_via test "$second" 10.21.0.2
  intercept_start -i eth0
  spawn assist2 "$CASE_DIR/intercept2.log" "${INTERCEPT_COMMAND[@]}" -i eth0
  await 5 listening assist2 "$CONTROL_PORT" || fail 'the second intercept does not listen'
  tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4,$second" -i eth0 -c 10.21.0.1,10.21.0.2 --map-log "$(map_log)"
  counting count_http
  load keepalive ab -q -k -c 20 -n "$(size 5000 100000)" "http://$ONLINE4/"
  numbered_clients numbered "$ONLINE4" 2000-2499 --at-once 50 --requests 2
  all_arrived
  copies_are_right 1
  ledger_holds tcpcopy '.intercepts | length == 2 and all(.statistics.forwarded > 500)' 'an intercept has no part'
}
