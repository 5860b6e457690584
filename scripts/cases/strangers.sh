# shellcheck shell=bash disable=SC2034
about='strangers on the control port announce the connections of others, and a service of the assistant; tcpcopy goes on'
wire=any
finds='two-tcpcopies'
ours=yes

run() { strangers -i eth0 -F 'tcp and src port 80'; }

# strangers INTERCEPT_ARGUMENT...
strangers() {
  local how
  nginx_start online
  nginx_start test
  spawn assist "$CASE_DIR/private.log" python3 -m http.server 9001 --bind 127.0.0.1
  await 5 listening assist 9001 || fail 'the service of the assistant does not run'
  intercept_start "$@"
  tcpcopy_start tcpcopy -x "80-$TEST4:80" -s "$ASSIST4" -i eth0
  counting count_http
  for how in ports flight loopback old reload; do
    load_start client "$how" "$ROOT/scripts/lib/stranger.py" "$how" "$ASSIST4" "$CLIENT4" "$TEST4:80" 6
  done
  load_start assist private bash -c 'for n in {1..30}; do curl -fsS http://127.0.0.1:9001/ >/dev/null; sleep 0.1; done'
  load wrk wrk -t1 -c20 -d"$(size 4 5)" "http://$ONLINE4/"
  load ab ab -q -c 10 -n "$(size 1000 10000)" "http://$ONLINE4/"
  load_unharmed wrk
  loads_end
  for how in ports flight loopback old reload; do
    grep -q '^learnt 0 answers, 0 bytes' "$CASE_DIR/$how.log" || fail "$how: $(tail -n 1 "$CASE_DIR/$how.log")"
    ! grep -q 'told of' "$CASE_DIR/$how.log" || fail "$how was told of tcpcopy"
  done
  grep -q 'reasons \[.*1' "$CASE_DIR/old.log" || fail 'the old version is not refused for its version'
  all_arrived
  grep -q "$CLIENT4.*connections that it has not opened" "$CASE_DIR/intercept.log" || fail 'no line names the stranger'
}
