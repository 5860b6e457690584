# shellcheck shell=bash disable=SC2034
about='the same traffic to two test servers at once: each request once at each'
wire=any
ours=yes
# shellcheck source=scripts/lib/multiply.sh
source "$ROOT/scripts/lib/multiply.sh"

run() {
  local second=10.20.0.23
  extra_host test2 23
  route_via test2 "$ASSIST4" "$CLIENT4"
  nginx_peers_start online test test2
  intercept_start -i eth0
  tcpcopy_start tcpcopy -x "80-$TEST4:80,80-$second:8080" -s "$ASSIST4" -i eth0
  counting count_http
  load keepalive ab -q -k -c 20 -n "$(size 5000 100000)" "http://$ONLINE4/"
  numbered_clients numbered "$ONLINE4" 2000-2499 --at-once 50 --requests 2
  settle
  await 10 at_second || fail "$(count_http test2) of $N_ONLINE at the second test server"
  all_arrived
  (($(count_http test2) == N_ONLINE)) || fail "$(count_http test2) of $N_ONLINE at the second test server"
  diff <(peers test) <(peers test2) >"$CASE_DIR/differences.txt" || fail 'the test servers have seen different clients'
  ledger_holds tcpcopy '.targets | length == 2 and .[0].connected == .[1].connected' 'the targets have different connections'
}

at_second() { (($(count_http test2) >= $(arrived online))); }
peers() { awk '/n=/ { print $2, $3 }' "$CASE_DIR/$1/peers.log" | sort; }
