# shellcheck shell=bash disable=SC2034
about='-n 3: each request arrives three times, and the map log says from where; keep-alive, one-shot and numbered clients'
wire=any
ours=yes
# shellcheck source=scripts/lib/multiply.sh
source "$ROOT/scripts/lib/multiply.sh"

run() {
  COPIES=3
  nginx_peers_start online test
  copying 80 -n $COPIES --map-log "$(map_log)"
  counting count_multiples
  load keepalive ab -q -k -c 20 -n "$(size 3000 100000)" "http://$ONLINE4/"
  # The map log is rotated while sessions come.
  mv "$CASE_DIR/map" "$CASE_DIR/map.1"
  kill -HUP "${TCPCOPY[tcpcopy]}"
  await 5 test -e "$CASE_DIR/map" || fail 'SIGHUP does not open the map log again'
  load one-shot ab -q -c 20 -n "$(size 1000 20000)" "http://$ONLINE4/"
  numbered_clients numbered "$ONLINE4" 2000-2399 --at-once 100 --requests 3
  all_arrived
  [[ -s $CASE_DIR/map && -s $CASE_DIR/map.1 ]] || fail 'a part of the map log is empty'
  copies_are_right $COPIES
  ledger_holds tcpcopy '.ledger.sessions | .seen == .replayed + .without_data and .seen % 3 == 0' 'the account is not one of copies'
  ledger_holds tcpcopy '.output.map_lines_lost == 0' 'lines of the map log are lost'
}
